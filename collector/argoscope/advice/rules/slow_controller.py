"""Time in which nothing ran: the controller's pace between steps."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import ARGO_DOCS, Found, Rule
from argoscope.advice.words import counted, span

LEAST_SHARE, LEAST_SECONDS, LEAST_PAUSES = 0.3, 60.0, 4


def _find(run: Evidence) -> Found | None:
    pauses = [part for part in run.path.parts if part.cause == "gap"]
    seconds = run.spent("gap")
    if len(pauses) < LEAST_PAUSES or seconds < LEAST_SECONDS or run.share("gap") < LEAST_SHARE:
        return None
    return Found(
        evidence=f"{counted(len(pauses), 'pause')} between steps took {span(seconds)},"
        f" {run.share('gap'):.0%} of the run, {span(seconds / len(pauses))} on average.",
        saves_seconds=seconds,
    )


RULE = Rule(
    id="slow-controller",
    title="Have fewer steps, or a quicker controller",
    source="objects",
    fires="pauses in which nothing ran are 30 % or more of a run's critical path, a minute or"
    " more, and four or more",
    action="A controller looks at a workflow again 10 s after it did: DEFAULT_REQUEUE_TIME shortens"
    " that, --workflow-workers and --qps help where many workflows wait; steps that share a pod"
    " need no pause.",
    docs=f"{ARGO_DOCS}/scaling/",
    find=_find,
)
