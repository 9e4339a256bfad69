"""Which node pool a pod waits in: of its node, or the only one that its spec allows."""

from typing import Any

import pytest

from argoscope.resources.pod import PENDING_BY_POOL
from support.pod_objects import BASE, argo_pod, condition, running, waiting
from support.pods import Pods

CPU = "0/3 nodes are available: 3 Insufficient cpu."
UNSCHEDULED = [condition("PodScheduled", "False", BASE + 1, "Unschedulable", CPU)]
SCHEDULED = [condition("PodScheduled", "True", BASE + 9)]
REASON = "Unschedulable: insufficient cpu"
POOL = "karpenter.sh/nodepool"


@pytest.fixture
def pods() -> Pods:
    made = Pods()
    made.world.node_pools["node-1"] = ("zone-a", "large", "batch", False)
    made.world.node_pools["bare"] = ("", "", "", False)
    return made


def pod(spec: dict[str, Any], **status: Any) -> dict[str, Any]:
    made = argo_pod(**{"conditions": UNSCHEDULED, **status})
    del made["spec"]["nodeName"]
    made["spec"].update(spec)
    return made


def by_pool(pods: Pods) -> dict[tuple[str, ...], float]:
    pods.finish()
    return {labels: n for labels, n in pods.registry.samples(PENDING_BY_POOL) if n}


def require(*terms: list[dict[str, Any]]) -> dict[str, Any]:
    """A spec whose node affinity has these terms, any of which is enough."""
    found = {"nodeSelectorTerms": [{"matchExpressions": term} for term in terms]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": found}}}


def one_of(*values: str, key: str = POOL, operator: str = "In") -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


ZONE = one_of("a", "b", key="topology.kubernetes.io/zone")


@pytest.mark.parametrize(
    ("spec", "pool"),
    [
        ({"nodeSelector": {POOL: "gpu", "gpu": "a100"}}, "gpu"),
        ({"nodeSelector": {"cloud.google.com/gke-nodepool": "n2"}}, "n2"),
        ({"nodeSelector": {"eks.amazonaws.com/nodegroup": "x"}, **require([one_of("y")])}, "x"),
        (require([ZONE, one_of("gpu")]), "gpu"),
        (require([one_of("gpu"), ZONE], [one_of("gpu")]), "gpu"),
        (require([one_of("gpu")], [one_of("batch")]), ""),
        (require([one_of("gpu")], [ZONE]), ""),
        (require([one_of("gpu", "batch")]), ""),
        (require([one_of("gpu", operator="NotIn")]), ""),
        (require([one_of(operator="Exists")]), ""),
        ({"nodeSelector": {"kubernetes.io/arch": "arm64"}}, ""),
        ({"nodeSelector": None, "affinity": None}, ""),
        ({"affinity": {"podAntiAffinity": {}}}, ""),
        ({"nodeSelector": ["not", "a", "map"]}, ""),
        ({}, ""),
    ],
)
def test_a_pod_without_a_node_waits_for_the_only_pool_that_its_spec_allows(
    pods: Pods, spec: dict[str, Any], pool: str
) -> None:
    pods.upsert(pod(spec), BASE + 2)
    assert by_pool(pods) == ({("ml", pool, REASON): 1} if pool else {})
    assert pods.pending() == {REASON: 1}


def test_with_a_node_it_waits_in_the_pool_of_that_and_at_last_in_none(pods: Pods) -> None:
    pods.upsert(pod({}), BASE + 2)
    assert by_pool(pods) == {}
    creating = {
        "conditions": SCHEDULED,
        "containerStatuses": [waiting("main", "ContainerCreating")],
    }
    pods.upsert(pod({"nodeName": "node-1"}, **creating), BASE + 10)
    assert by_pool(pods) == {("ml", "batch", "ContainerCreating"): 1}
    runs = {"conditions": SCHEDULED, "containerStatuses": [running("main", BASE + 20)]}
    pods.upsert(pod({"nodeName": "node-1"}, phase="Running", **runs), BASE + 21)
    assert by_pool(pods) == {}


@pytest.mark.parametrize("node", ["bare", "never-seen"])
def test_of_a_node_without_a_pool_the_selector_tells(pods: Pods, node: str) -> None:
    creating = {
        "conditions": SCHEDULED,
        "containerStatuses": [waiting("main", "ContainerCreating")],
    }
    spec = {"nodeName": node, "nodeSelector": {POOL: "gpu"}}
    pods.upsert(pod(spec, **creating), BASE + 10)
    assert by_pool(pods) == {("ml", "gpu", "ContainerCreating"): 1}


def test_the_pool_stays_when_the_reason_changes_by_an_event_or_a_restart(pods: Pods) -> None:
    creating = {
        "conditions": SCHEDULED,
        "containerStatuses": [waiting("main", "ContainerCreating")],
    }
    made = pod({"nodeName": "node-1"}, **creating)
    pods.upsert(made, BASE + 10)
    kept = list(pods.pods.changes())
    other = Pods()
    other.pods.restore([(key, data) for key, data in kept if data is not None])
    assert by_pool(other) == {("ml", "batch", "ContainerCreating"): 1}
    error = waiting("main", "ErrImagePull", "rpc error: x: not found")
    pods.upsert(
        pod({"nodeName": "node-1"}, conditions=SCHEDULED, containerStatuses=[error]), BASE + 12
    )
    assert by_pool(pods) == {("ml", "batch", "ErrImagePull: not found"): 1}
    pods.vanish(made["metadata"]["uid"], BASE + 20)
    assert by_pool(pods) == {}
