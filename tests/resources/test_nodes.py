"""Nodes' metadata by the labels of several clouds."""

from typing import Any

import msgspec
import pytest

from argoscope.metrics.registry import Registry
from argoscope.resources import node
from argoscope.resources._base import Options, Seen
from argoscope.resources.world import World


def made(name: str, labels: dict[str, str], uid: str = "") -> node.Node:
    meta: dict[str, Any] = {"name": name, "uid": uid or f"u-{name}", "labels": labels}
    return msgspec.convert({"metadata": meta}, node.Node)


GKE = {
    "topology.kubernetes.io/zone": "europe-west1-b",
    "node.kubernetes.io/instance-type": "n2-standard-8",
    "cloud.google.com/gke-nodepool": "batch",
    "cloud.google.com/gke-spot": "true",
}
KARPENTER = {
    "topology.kubernetes.io/zone": "eu-central-1a",
    "node.kubernetes.io/instance-type": "m6i.large",
    "karpenter.sh/nodepool": "default",
    "karpenter.sh/capacity-type": "on-demand",
}
EKS = {"eks.amazonaws.com/nodegroup": "workers", "eks.amazonaws.com/capacityType": "SPOT"}
AKS = {"agentpool": "pool1", "kubernetes.azure.com/scalesetpriority": "spot"}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (GKE, ("europe-west1-b", "n2-standard-8", "batch", True)),
        (KARPENTER, ("eu-central-1a", "m6i.large", "default", False)),
        (EKS, ("", "", "workers", True)),
        (AKS, ("", "", "pool1", True)),
        ({}, ("", "", "", False)),
    ],
    ids=["gke", "karpenter", "eks", "aks", "bare"],
)
def test_labels_tell_zone_type_pool_and_spot(
    labels: dict[str, str], expected: tuple[str, str, str, bool]
) -> None:
    assert node.describe(labels) == expected


def test_nodes_are_counted_by_pool_and_known_to_other_kinds() -> None:
    world, registry = World(), Registry(node.METRICS)
    deriver = node.NodeDeriver(world, registry, Options())
    for name in ("a", "b"):
        deriver.upsert(made(name, GKE), Seen(at=0))
    deriver.upsert(made("a", GKE), Seen(at=1))
    series = ("batch", "europe-west1-b", "true")
    registry.publish()
    assert registry.value(node.NODES, series) == 2
    assert world.node_pools["a"] == ("europe-west1-b", "n2-standard-8", "batch", True)
    deriver.upsert(made("a", {}, uid="again"), Seen(at=2))
    deriver.delete("u-a", None, Seen(at=3))
    registry.publish()
    assert registry.value(node.NODES, series) == 1
    assert world.node_pools["a"] == ("", "", "", False)
    deriver.delete("again", None, Seen(at=4))
    assert "a" not in world.node_pools
