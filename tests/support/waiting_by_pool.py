"""Which pool pods wait in, by the objects that the simulated cluster holds."""

from collections import Counter
from typing import Any

from argoscope.simulator.engine.kernel import Kernel, Object
from support.release_gauges import live

_POOL = "karpenter.sh/nodepool"
"""The only label of pools that the scenarios use."""


def waiting_by_pool(kernel: Kernel) -> Counter[tuple[str, str]]:
    """(namespace, pool) -> pods whose main container has not started; without an unknown pool."""
    pool_of = {
        node["metadata"]["name"]: node["metadata"].get("labels", {}).get(_POOL, "")
        for node in live(kernel, "nodes")
    }
    found: Counter[tuple[str, str]] = Counter()
    for pod in live(kernel, "pods"):
        spec, meta = pod["spec"], pod["metadata"]
        pool = pool_of.get(spec.get("nodeName", "")) or spec.get("nodeSelector", {}).get(_POOL)
        if pool and "deletionTimestamp" not in meta and _waits(pod):
            found[meta["namespace"], pool] += 1
    return found


def _waits(pod: Object) -> bool:
    status = pod["status"]
    if status.get("phase") not in ("Pending", "Running"):
        return False
    return not any(_has_started(one) for one in status.get("containerStatuses", ()))


def _has_started(container: dict[str, Any]) -> bool:
    if container["name"] in ("wait", "istio-proxy"):
        return False
    states = (container.get("state", {}), container.get("lastState", {}))
    return any("running" in state or "terminated" in state for state in states)
