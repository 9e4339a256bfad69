"""Steps that could run, and are held back by the run's own limit."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import ARGO_DOCS, Found, Rule
from argoscope.advice.words import counted, span

LEAST_SHARE, LEAST_SECONDS = 0.2, 60.0


def _find(run: Evidence) -> Found | None:
    limit = run.line.parallelism or run.manifest.parallelism
    held = {part.node for part in run.path.parts if part.cause == "queue" and part.node}
    seconds = sum(
        (part.end - part.start) / 1000
        for part in run.path.parts
        if part.cause == "queue" and part.node
    )
    if not held or seconds < LEAST_SECONDS or seconds < LEAST_SHARE * run.total:
        return None
    told = f"parallelism: {limit}" if limit else "a limit of parallelism, or a quota,"
    return Found(
        evidence=f"{told} held {counted(len(held), 'step')} of the critical path back for"
        f" {span(seconds)}.",
        saves_seconds=seconds,
    )


RULE = Rule(
    id="parallelism-too-low",
    title="Let more steps run at once",
    source="objects",
    fires="waiting for a place below parallelism, or a quota, is 20 % or more of a run's critical"
    " path, and a minute or more",
    action="Raise parallelism of the workflow or template, the controller's limits, or the quota,"
    " if the cluster has room.",
    docs=f"{ARGO_DOCS}/parallelism/",
    find=_find,
)
