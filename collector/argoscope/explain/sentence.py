"""The first sentence of an answer: where most of the time went, in numbers."""

from collections import Counter
from collections.abc import Callable, Iterable

from argoscope.advice.words import counted, number, size, span
from argoscope.explain.causes import TOLD
from argoscope.explain.runs import ExplainedRun
from argoscope.explain.steps import step_name
from argoscope.resources.workflow.critical_path import Part

WORTH = 0.2
"""Share of the time from which on what is not work is what the sentence tells."""


def sentence(run: ExplainedRun) -> str:
    """One sentence, without a full stop at its end where something follows it."""
    causes, total = run.path.causes_ms(), run.path.total_ms
    if not total:
        return "It has taken no time so far." if run.line.running else "It took no time."
    overhead = {cause: length for cause, length in causes.items() if cause != "main"}
    cause = "main"
    if sum(overhead.values()) >= WORTH * total:
        cause = max(overhead, key=lambda name: overhead[name])
    said = f"{of(causes.get(cause, 0) / 1000, total / 1000)} {TOLD[cause].said}"
    parts = [part for part in run.path.parts if part.cause == cause]
    detail = _DETAILS[cause](run, parts) if cause in _DETAILS else _in_steps(run, parts)
    if run.line.running:
        said = f"So far {said}"
    return f"{said}: {detail}." if detail else f"{said}."


def of(amount: float, total: float) -> str:
    """``52 of 83 minutes``: both in the unit of the whole. Seconds."""
    unit, size = "seconds", 1.0
    if total >= 7200:
        unit, size = "hours", 3600.0
    elif total >= 120:
        unit, size = "minutes", 60.0
    return f"{number(amount / size)} of {number(total / size)} {unit}"


def _names(run: ExplainedRun, parts: Iterable[Part], most: int = 2) -> str:
    """The steps to which most of these parts belong."""
    lengths: Counter[str] = Counter()
    for part in parts:
        if part.node:
            lengths[step_name(run.line, part.node)] += part.end - part.start
    named = [name for name, _ in lengths.most_common(most)]
    more = len(lengths) - len(named)
    return f"{', '.join(named)} and {more} more" if more else " and ".join(named)


def _in_steps(run: ExplainedRun, parts: list[Part]) -> str:
    nodes = {part.node for part in parts if part.node}
    if len(nodes) < 2:
        return _names(run, parts)
    mean = sum(part.end - part.start for part in parts) / 1000 / len(nodes)
    longest = max(parts, key=lambda part: part.end - part.start)
    most = step_name(run.line, longest.node) if longest.node else "the end"
    return f"{len(nodes)} steps one after another, {span(mean)} on average, most of it in {most}"


def _pull(run: ExplainedRun, parts: list[Part]) -> str:
    pods = [run.pods[part.node][-1] for part in parts if part.node in run.pods]
    pulls = [pull for pod in pods for pull in pod.pulls]
    if not pulls:
        return _in_steps(run, parts)
    images = {pull.image: pull.size for pull in pulls}
    said = [counted(len(images), "image")]
    if sum(images.values()):
        said.append(size(sum(images.values())))
    machines = {pod.node for pod in pods if pod.pulls and pod.node}
    if machines:
        said.append(counted(len(machines), "cold node"))
    return ", ".join(said)


def _reasons(run: ExplainedRun, parts: list[Part]) -> str:
    lengths: Counter[str] = Counter()
    pods: dict[str, set[str]] = {}
    for part in parts:
        if part.reason:
            lengths[part.reason] += part.end - part.start
            pods.setdefault(part.reason, set()).add(part.node)
    if not lengths:
        return _in_steps(run, parts)
    ((reason, _),) = lengths.most_common(1)
    return f"{reason} ({counted(len(pods[reason]), 'pod')})"


def _gap(run: ExplainedRun, parts: list[Part]) -> str:
    del run
    mean = sum(part.end - part.start for part in parts) / 1000 / len(parts)
    return f"{counted(len(parts), 'pause')} of {span(mean)} on average"


def _queue(run: ExplainedRun, parts: list[Part]) -> str:
    before = sum(part.end - part.start for part in parts if not part.node) / 1000
    limit = run.line.parallelism
    held = f"held back by parallelism: {limit}" if limit else "held back by parallelism or quota"
    if before * 2000 >= sum(part.end - part.start for part in parts):
        return f"{span(before)} before it started"
    return f"{counted(len({part.node for part in parts}), 'step')} {held}"


def _approval(run: ExplainedRun, parts: list[Part]) -> str:
    return _names(run, parts) or "the whole workflow was suspended"


def _lock(run: ExplainedRun, parts: list[Part]) -> str:
    return _names(run, parts) or "the whole workflow waited"


def _main(run: ExplainedRun, parts: list[Part]) -> str:
    if len({part.node for part in parts}) < 2:
        return _names(run, parts)
    longest = max(parts, key=lambda part: part.end - part.start)
    length = span((longest.end - longest.start) / 1000)
    return f"the longest step is {step_name(run.line, longest.node)} with {length}"


def _unknown(run: ExplainedRun, parts: list[Part]) -> str:
    missing, steps = run.pods_missing()
    if run.trouble or not steps:
        return "its steps are not in the object"
    if missing:
        return f"{missing:,} of {counted(steps, 'step')} came without a pod"
    longest = max(parts, key=lambda part: part.end - part.start)
    pods = run.line.pods.get(longest.node, ())
    if pods and longest.end <= pods[0].created * 1000:
        return f"{_names(run, [longest])} got its pod late, and nothing says why any more"
    return f"the pod of {_names(run, [longest])} does not say what happened"


_DETAILS: dict[str, Callable[[ExplainedRun, list[Part]], str]] = {
    "pull": _pull,
    "schedule": _reasons,
    "prepare": _reasons,
    "gap": _gap,
    "queue": _queue,
    "approval": _approval,
    "lock": _lock,
    "main": _main,
    "unknown": _unknown,
}
