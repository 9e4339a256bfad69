"""Restarts: pods older than ``spec.restartAt`` are evicted, as many as may be unavailable."""

from typing import Protocol

from argoscope.simulator.engine.kernel import Kernel, Object, unix
from argoscope.simulator.engine.pods import delete_pod
from argoscope.simulator.engine.rollouts import counts, spec
from argoscope.simulator.engine.rollouts.replica_set_controller import serves

_CHECK = 30.0
"""Seconds after which pods that could not be evicted yet are looked at again."""


class Pods(Protocol):
    def pods_of(self, replica_sets: list[Object]) -> list[Object]: ...


def restart(kernel: Kernel, rollout: Object, replica_sets: list[Object], known: Pods) -> float:
    """Evicts what it may; returns after how many seconds to go on, 0 when all pods are new."""
    since = unix(rollout["spec"]["restartAt"])
    if since > kernel.now:
        return since - kernel.now
    pods = known.pods_of(replica_sets)
    total = max(spec.replicas(rollout), sum(counts.wanted(each) for each in replica_sets))
    # Not the ReplicaSets' counts: those do not know yet of pods evicted a moment ago.
    spare = sum(map(serves, pods)) - (total - max(spec.max_unavailable(rollout), 1))
    old = [pod for pod in pods if unix(pod["metadata"]["creationTimestamp"]) < since]
    left = len(old)
    for pod in old:
        if spare > 0 and not pod["metadata"].get("deletionTimestamp"):
            delete_pod(kernel, pod)
            spare, left = spare - 1, left - 1
    return _CHECK if left else 0.0
