"""The answer about one run: what JSON prints, and what text and page are made of."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from argoscope.advice.words import counted
from argoscope.explain.runs import OFFLOADED, UNREADABLE, ExplainedRun
from argoscope.explain.sentence import sentence
from argoscope.explain.steps import step_name
from argoscope.explain.usual import Past, Usual, compare

_NOTABLE = 0.1
"""Share of pod set-up in which pulls may hide, and about which a note is worth reading."""


class PathPart(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the critical path; the next one begins where it ends."""

    cause: str
    start_seconds: float
    """After the beginning of the run."""
    seconds: float
    step: str
    """Whose time it is; of a pause the step that came after it; empty for the run itself."""
    template: str
    node: str
    """Id in status.nodes."""
    reason: str
    """Why it waited, as in argo_pods_pending; empty if that was no trouble."""


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What could be done about it."""

    rule: str
    title: str
    evidence: str
    action: str
    saves_seconds: float
    """Of this run's time, at most; 0 where it is not time that is saved."""
    saves: str
    source: str
    """What tells so: objects, pods, events, nodes, prometheus."""
    docs: str


class Answer(msgspec.Struct, kw_only=True):
    """One run. Times of day are RFC 3339 in UTC, empty for none."""

    namespace: str
    workflow: str
    uid: str
    pipeline: str
    phase: str
    cause: str
    """Why it failed, as in argo_workflow_failures_total; empty for a success."""
    running: bool
    """It goes on: this is how far it has come."""
    began: str
    ended: str
    """Of a run that goes on: until when it was looked at."""
    sentence: str
    total_seconds: float
    causes: dict[str, float]
    """Cause -> seconds, largest first; whole milliseconds that add up to ``total_seconds``."""
    path: list[PathPart]
    steps: int
    """Nodes in the status that are no containers of a pod."""
    usual: Usual | None
    advice: list[Advice]
    notes: list[str]
    """What limits this answer, and what to do about that."""


def answer(run: ExplainedRun, others: Sequence[Past], advice: Sequence[Advice] = ()) -> Answer:
    """``others``: further runs of the same pipeline."""
    line = run.line
    total = run.path.total_ms / 1000
    causes = causes_of(run)
    return Answer(
        namespace=line.namespace,
        workflow=line.name,
        uid=line.uid,
        pipeline=line.pipeline,
        phase=line.phase or "Pending",
        cause=line.cause,
        running=line.running,
        began=moment(line.begin),
        ended=moment(line.finished),
        sentence=sentence(run),
        total_seconds=total,
        causes=causes,
        path=list(_path(run)),
        steps=sum(node.type != "Container" for node in line.nodes.values()),
        usual=compare(total, causes, [past for past in others if past.uid != line.uid]),
        advice=list(advice),
        notes=_notes(run),
    )


def causes_of(run: ExplainedRun) -> dict[str, float]:
    """Cause -> seconds, largest first."""
    found = sorted(run.path.causes_ms().items(), key=lambda item: -item[1])
    return {cause: length / 1000 for cause, length in found}


def state(answer: Answer) -> str:
    """Its phase, in words for people."""
    if not answer.running:
        return answer.phase
    return "still pending" if answer.phase == "Pending" else "still running"


def past(run: ExplainedRun) -> Past:
    """A run as something to compare with."""
    line = run.line
    total = run.path.total_ms / 1000
    return Past(line.uid, line.finished, line.phase == "Succeeded", total, causes_of(run))


def moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if unix else ""


def _path(run: ExplainedRun) -> list[PathPart]:
    line = run.line
    return [
        PathPart(
            cause=part.cause,
            start_seconds=(part.start - line.begin_ms) / 1000,
            seconds=(part.end - part.start) / 1000,
            step=step_name(line, part.node) if part.node else "",
            template=node.template if (node := line.nodes.get(part.node)) is not None else "",
            node=part.node,
            reason=part.reason,
        )
        for part in run.path.parts
    ]


def _notes(run: ExplainedRun) -> list[str]:
    line, notes = run.line, []
    own = f"{line.namespace} {line.name}"
    if line.running and not line.started:
        why = f" Argo says: {line.message}" if line.message else ""
        notes.append(f"It has not started. This is how long it has waited so far.{why}")
    elif line.running:
        notes.append(
            "It is still running. This is its time so far, up to the step that now takes longest."
        )
    if run.retried:
        notes.append(
            "It was started again (argo retry): only the last attempt is explained, the time"
            " before it is not in the object."
        )
    if run.trouble == OFFLOADED:
        notes.append(
            "Argo keeps the steps of this run in its database (node status offload), not in the"
            f" object. Take them from the Argo server: argo get -n {own} -o json |"
            " argoscope explain --file -"
        )
    elif run.trouble == UNREADABLE:
        notes.append("The compressed steps (status.compressedNodes) can't be read.")
    missing, steps = run.pods_missing()
    if missing:
        notes.append(
            f"{missing:,} of {counted(steps, 'step')} came without a pod: what happened in them is"
            " unknown. A pod can be deleted when its step ends (podGC): then only a daemon that"
            " watched can tell (argo_workflow_critical_path_seconds_total). Pods that are there go"
            f" into the same List: kubectl get workflows,pods,events -n {line.namespace} -o json |"
            f" argoscope explain --file - {line.namespace}/{line.name}"
        )
    elif (
        steps
        and not any(pod.pulls for pods in run.pods.values() for pod in pods)
        and (run.path.causes_ms().get("prepare", 0) >= _NOTABLE * run.path.total_ms)
    ):
        notes.append(
            "No event told of an image pull. Kubernetes keeps events for an hour: if images were"
            " pulled before, their time is in pod set-up."
        )
    return notes
