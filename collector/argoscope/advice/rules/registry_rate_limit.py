"""A registry that refuses pulls because there are too many."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import KUBERNETES_DOCS, Found, Rule
from argoscope.advice.words import counted

_LIMITS = ("rate limit", "QPS")


def _find(run: Evidence) -> Found | None:
    nodes = {
        node
        for node, lives in run.line.pods.items()
        if any(_limited(life.startup_reason) for life in lives)
    }
    for node, pods in (run.pods or {}).items():
        if any(_limited(error) for pod in pods for error in pod.errors):
            nodes.add(node)
    if not nodes:
        return None
    lost = sum(
        (part.end - part.start) / 1000
        for part in run.path.parts
        if part.cause in ("pull", "prepare") and part.node in nodes
    )
    return Found(
        evidence=f"Pulls for {counted(len(nodes), 'step')} were refused for a while.",
        saves="" if lost else "avoids pods that wait, and fail, for want of an image",
        saves_seconds=lost,
    )


def _limited(reason: str) -> bool:
    return any(limit in reason for limit in _LIMITS)


RULE = Rule(
    id="registry-rate-limit",
    title="Stay below the registry's limit",
    source="events",
    fires="a pull failed because the registry, or the kubelet's own limit, allowed no more",
    action="Pull with credentials, through a mirror in the cluster; start fewer pods at once;"
    " raise registryPullQPS of the kubelet if that is the limit.",
    docs=f"{KUBERNETES_DOCS}/tasks/configure-pod-container/pull-image-private-registry/",
    find=_find,
)
