"""Pods that were taken away."""

from collections import Counter

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import ARGO_DOCS, Found, Rule
from argoscope.advice.words import counted, some

TAKEN = ("evicted", "preempted", "node_lost")


def _find(run: Evidence) -> Found | None:
    taken = [(cause, node) for cause, node in run.ends if cause in TAKEN]
    if not taken:
        return None
    causes = Counter(cause for cause, _ in taken)
    spot = sum(node in run.spot_nodes for _, node in taken)
    told = some(f"{counted(n, 'pod')} {cause.replace('_', ' ')}" for cause, n in causes.items())
    return Found(
        evidence=f"{told}{f', {spot} of them on spot nodes' if spot else ''}.",
        saves_seconds=run.spent("retry", "backoff"),
        saves="" if run.spent("retry", "backoff") else "avoids work that is done twice",
    )


RULE = Rule(
    id="spot-evictions",
    title="Keep what can't be repeated cheaply off nodes that go away",
    source="pods",
    fires="a pod of the run was evicted or preempted, or its node was lost",
    action="Run long steps on nodes that stay (nodeSelector, tolerations), set a"
    " podDisruptionBudget, and retry the others with retryPolicy: OnTransientError.",
    docs=f"{ARGO_DOCS}/retries/",
    find=_find,
)
