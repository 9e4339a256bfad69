"""Pods that found no place on a node."""

from collections import Counter

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import KUBERNETES_DOCS, Found, Rule
from argoscope.advice.words import some, span
from argoscope.resources._reasons import ADVICE

LEAST_SHARE, LEAST_SECONDS = 0.15, 60.0


def _find(run: Evidence) -> Found | None:
    seconds = run.spent("schedule")
    if seconds < LEAST_SECONDS or run.share("schedule") < LEAST_SHARE:
        return None
    lengths: Counter[str] = Counter()
    for part in run.path.parts:
        if part.cause == "schedule" and part.reason:
            lengths[part.reason] += part.end - part.start
    told = f" {some(reason for reason, _ in lengths.most_common())}." if lengths else ""
    advice = ADVICE.get(lengths.most_common(1)[0][0], "") if lengths else ""
    return Found(
        evidence=f"Pods of the critical path waited {span(seconds)} for a node,"
        f" {run.share('schedule'):.0%} of the run.{told}{f' {advice}.' if advice else ''}",
        saves_seconds=seconds,
    )


RULE = Rule(
    id="unschedulable",
    title="Make room for the pods",
    source="pods",
    fires="waiting for a node is 15 % or more of a run's critical path, and a minute or more",
    action="Ask for less, add nodes or let the autoscaler add them earlier, or run at a quieter"
    " time.",
    docs=f"{KUBERNETES_DOCS}/concepts/scheduling-eviction/kube-scheduler/",
    find=_find,
)
