"""What `explain` takes from files or a cluster: raw objects, by the run that they belong to."""

from collections import Counter
from dataclasses import dataclass, field

import msgspec

from argoscope.inspect.reading import Complain, Item
from argoscope.resources.world import Key

USED = ("Workflow", "Pod", "Event", "Node", "CronWorkflow")
LABEL_WORKFLOW = "workflows.argoproj.io/workflow"


@dataclass(slots=True)
class Objects:
    """JSON of objects. Of several versions of one object the newest is kept."""

    workflows: dict[Key, bytes] = field(default_factory=dict)
    """(namespace, name) -> Workflow."""
    pods: dict[Key, list[bytes]] = field(default_factory=dict)
    """(namespace, workflow name) -> its Pods."""
    events: dict[Key, list[bytes]] = field(default_factory=dict)
    """(namespace, pod name) -> Events about it."""
    nodes: dict[str, bytes] = field(default_factory=dict)
    crons: dict[Key, bytes] = field(default_factory=dict)
    passed_over: Counter[Key] = field(default_factory=Counter)
    """(namespace, pipeline) -> finished Workflows that are in the cluster and not here."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Kind -> how many objects of other kinds there were."""


class _Labels(msgspec.Struct, gc=False):
    workflow: str = msgspec.field(default="", name=LABEL_WORKFLOW)


class _Meta(msgspec.Struct, gc=False, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: _Labels | None = None


class _Involved(msgspec.Struct, gc=False):
    kind: str = ""
    name: str = ""
    namespace: str = ""


class _Object(msgspec.Struct, gc=False, rename="camel"):
    metadata: _Meta = msgspec.field(default_factory=_Meta)
    involved_object: _Involved | None = None


_decode = msgspec.json.Decoder(_Object).decode


class Collector:
    """Sorts items into ``Objects``; tells ``complain`` of those that can't be read."""

    def __init__(self, complain: Complain) -> None:
        self.objects = Objects()
        self._complain = complain
        self._versions: dict[tuple[str, str, str], tuple[int, bytes]] = {}

    def add(self, item: Item) -> None:
        if item.kind not in USED:
            if item.kind:
                left_out = self.objects.left_out
                left_out[item.kind] = left_out.get(item.kind, 0) + 1
            else:
                self._complain(item.source, "", "has no kind, and its fields tell none")
            return
        try:
            found = _decode(item.raw)
        except msgspec.MsgspecError as error:
            self._complain(item.source, item.kind, f"can't be read: {error}")
            return
        self._sort(item, found)

    def _sort(self, item: Item, found: _Object) -> None:
        meta, objects = found.metadata, self.objects
        key = (meta.namespace, meta.name)
        if item.kind == "Event":
            about = found.involved_object
            if about is not None and about.kind == "Pod":
                pod = (about.namespace or meta.namespace, about.name)
                objects.events.setdefault(pod, []).append(item.raw)
            return
        if self._is_older(item, meta):
            return
        if item.kind == "Workflow":
            objects.workflows[key] = item.raw
        elif item.kind == "Node":
            objects.nodes[meta.name] = item.raw
        elif item.kind == "CronWorkflow":
            objects.crons[key] = item.raw
        elif meta.labels is not None and meta.labels.workflow:
            objects.pods.setdefault((meta.namespace, meta.labels.workflow), []).append(item.raw)

    def _is_older(self, item: Item, meta: _Meta) -> bool:
        """Whether a newer version is known; of pods, the older one known is taken away."""
        identity = (item.kind, meta.namespace, meta.uid if item.kind == "Pod" else meta.name)
        if item.kind == "Pod" and not meta.uid:
            identity = (item.kind, meta.namespace, meta.name)
        version = int(meta.resource_version) if meta.resource_version.isdecimal() else 0
        known = self._versions.get(identity)
        if known is not None and known[0] > version:
            return True
        self._versions[identity] = (version, item.raw)
        if known is not None and item.kind == "Pod" and meta.labels is not None:
            pods = self.objects.pods.get((meta.namespace, meta.labels.workflow), [])
            pods[:] = [raw for raw in pods if raw is not known[1]]
        return False
