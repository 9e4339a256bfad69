"""Kubernetes Nodes' metadata, read only where it is allowed: zone, instance type, pool, spot."""

import msgspec

from argoscope.metrics.model import Instrument, Label, Metric
from argoscope.resources._base import ObjectMeta, Options, Resource, Seen, Sink, Unrecorded
from argoscope.resources._pools import POOL, pool
from argoscope.resources.world import World


class Node(msgspec.Struct, gc=False):
    """A v1 Node; only its metadata is read."""

    metadata: ObjectMeta


ZONE = Label(name="zone", help="Zone (topology.kubernetes.io/zone)", open=True)
SPOT = Label(
    name="spot", help="Whether the node can be taken away (spot)", values=("true", "false")
)

NODES = Metric(
    name="argo.nodes",
    instrument=Instrument.GAUGE,
    unit="{node}",
    labels=(POOL, ZONE, SPOT),
    help="Kubernetes nodes by pool, zone and whether they are spot nodes",
)
METRICS = (NODES,)

_ZONES = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
_TYPES = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")
_SPOT = {
    "karpenter.sh/capacity-type": "spot",
    "eks.amazonaws.com/capacityType": "SPOT",
    "cloud.google.com/gke-spot": "true",
    "cloud.google.com/gke-preemptible": "true",
    "kubernetes.azure.com/scalesetpriority": "spot",
}


def describe(labels: dict[str, str]) -> tuple[str, str, str, bool]:
    """(zone, instance type, pool, spot) of a node's labels; "" for what they don't tell."""

    def first(names: tuple[str, ...]) -> str:
        return next((labels[name] for name in names if labels.get(name)), "")

    spot = any(labels.get(name) == value for name, value in _SPOT.items())
    return first(_ZONES), first(_TYPES), pool(labels), spot


class NodeDeriver(Unrecorded):
    def __init__(self, world: World, sink: Sink, options: Options) -> None:
        del options
        self._world = world
        self._sink = sink
        self._names: dict[str, str] = {}

    def upsert(self, obj: Node, seen: Seen) -> None:
        del seen
        meta = obj.metadata
        described = describe(meta.labels or {})
        if self._world.node_pools.get(meta.name) == described and meta.uid in self._names:
            return  # a heartbeat
        self._names[meta.uid] = meta.name
        self._world.node_pools[meta.name] = described
        zone, _, name, spot = described
        self._sink.own(meta.uid, [(NODES, (name, zone, str(spot).lower()), 1.0)])

    def delete(self, uid: str, obj: Node | None, seen: Seen) -> None:
        del obj, seen
        name = self._names.pop(uid, None)
        if name is not None:
            self._sink.own(uid, ())
            if name not in self._names.values():  # not made again under the same name
                self._world.node_pools.pop(name, None)

    def tick(self, now: float) -> None:
        """Nothing here depends on time."""


RESOURCE = Resource(
    name="nodes",
    group="",
    version="v1",
    plural="nodes",
    kind="Node",
    object_type=Node,
    metrics=METRICS,
    derive=NodeDeriver,
    namespaced=False,
    optional=True,
    order=10,
)
