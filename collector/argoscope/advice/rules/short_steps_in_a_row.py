"""Short steps, one after another: each pays for a pod of its own."""

from argoscope.advice.evidence import Evidence, Step
from argoscope.advice.model import ARGO_DOCS, Found, Rule
from argoscope.advice.words import some, span

LEAST_STEPS = 3
LONGEST_WORK = 30.0
"""Seconds of work up to which a step is short."""
LEAST_LOST = 20.0
"""Seconds beside the work from which on it is worth a change."""


_BESIDE = frozenset({"retry", "backoff", "gap", "queue", "lock"})
"""Causes of which an attempt that was thrown away has nothing else."""


def _find(run: Evidence) -> Found | None:
    kept = {part.node for part in run.path.parts if part.cause not in _BESIDE}
    chain: list[Step] = []
    best: tuple[float, list[Step]] = (0.0, [])
    # The attempts of one step are no steps, and could not share a pod.
    for step in [*(each for each in run.path_steps if each.node.id in kept), None]:
        if step is not None and step.work <= LONGEST_WORK:
            chain.append(step)
            continue
        if len(chain) >= LEAST_STEPS:
            best = max(best, (_lost(run, chain), chain), key=lambda found: found[0])
        chain = []
    lost, steps = best
    work = sum(step.work for step in steps)
    if lost < LEAST_LOST or lost < work:
        return None
    names = some(step.node.template for step in steps)
    return Found(
        evidence=f"{len(steps)} steps one after another ({names}) did {span(work)} of work; making"
        f" their pods, and the pauses between them, took another {span(lost)}.",
        saves_seconds=lost,
    )


def _lost(run: Evidence, steps: list[Step]) -> float:
    """What would go away if these steps shared the first one's pod. Seconds."""
    first, others = steps[0].node.id, {step.node.id for step in steps[1:]}
    return sum(
        (part.end - part.start) / 1000
        for part in run.path.parts
        if part.node in others
        and part.node != first
        and part.cause not in ("main", "approval", "pull", "retry", "backoff")
    )


RULE = Rule(
    id="short-steps-in-a-row",
    title="Let short steps share a pod",
    source="pods",
    fires="three or more steps in a row on the critical path work up to 30 s each, and setting up"
    " all but the first costs 20 s or more, and more than their work",
    action="Put them into one template: a containerSet keeps them apart as containers of one pod,"
    " a script runs them one by one.",
    docs=f"{ARGO_DOCS}/container-set-template/",
    find=_find,
)
