"""Node pools, by the labels of the clouds and of Karpenter."""

from collections.abc import Mapping

from argoscope.metrics.model import Label

POOL = Label(name="pool", help="Node pool, by the label of the cloud or of Karpenter", open=True)

POOLS = (
    "karpenter.sh/nodepool",
    "karpenter.sh/provisioner-name",
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "alpha.eksctl.io/nodegroup-name",
    "kubernetes.azure.com/agentpool",
    "agentpool",
    "node.kubernetes.io/pool",
)
"""Labels of a node that name its pool; the first that is there counts."""


def pool(labels: Mapping[str, str]) -> str:
    """The pool that a node's labels, or a pod's selector, name; "" for none."""
    return next((labels[name] for name in POOLS if labels.get(name)), "")
