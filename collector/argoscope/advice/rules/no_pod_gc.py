"""Finished pods that stay."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import ARGO_DOCS, Found, Rule

FEW = 5
"""Pods up to which they do not matter."""


def _find(run: Evidence) -> Found | None:
    if run.manifest.setting("podGC") or run.manifest.is_empty:
        return None
    pods = sum(node.type == "Pod" for node in run.line.nodes.values())
    if pods <= FEW:
        return None
    return Found(
        evidence=f"{pods:,} finished pods stay until the Workflow is deleted.",
        saves="saves room in etcd, and memory of all that watch pods",
    )


RULE = Rule(
    id="no-pod-gc",
    title="Delete finished pods",
    source="objects",
    fires="podGC is set neither in the Workflow nor in its template, and it has more than five"
    " pods",
    action="Set podGC.strategy: OnPodCompletion or OnWorkflowSuccess; logs go to the artifact"
    " repository with archiveLogs.",
    docs=f"{ARGO_DOCS}/fields/#podgc",
    find=_find,
)
