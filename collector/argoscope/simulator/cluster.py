"""A cluster's objects in memory, with a history: what etcd is to an API server."""

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from argoscope.simulator.selectors import field_test, label_test

Object = dict[str, Any]

HISTORY = 20_000
"""Changes of one kind that are remembered; watches from before get 410 Gone."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind that the server serves."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


KINDS = (
    Kind("argoproj.io", "v1alpha1", "workflows", "Workflow"),
    Kind("argoproj.io", "v1alpha1", "cronworkflows", "CronWorkflow"),
    Kind("argoproj.io", "v1alpha1", "workflowtemplates", "WorkflowTemplate"),
    Kind("argoproj.io", "v1alpha1", "clusterworkflowtemplates", "ClusterWorkflowTemplate", False),
    Kind("argoproj.io", "v1alpha1", "rollouts", "Rollout"),
    Kind("argoproj.io", "v1alpha1", "analysisruns", "AnalysisRun"),
    Kind("", "v1", "pods", "Pod"),
    Kind("", "v1", "events", "Event"),
    Kind("", "v1", "nodes", "Node", False),
)


LEASES = Kind("coordination.k8s.io", "v1", "leases", "Lease")


class Stored(NamedTuple):
    """One version of an object; the JSON is what goes over the wire."""

    version: int
    namespace: str
    name: str
    uid: str
    labels: dict[str, str]
    json: bytes


class Change(NamedTuple):
    """``old`` is None for a new object, ``new`` has the deletion's version if ``gone``."""

    version: int
    old: Stored | None
    new: Stored
    gone: bool


@dataclass(slots=True)
class Collection:
    """The objects of one kind."""

    kind: Kind
    objects: dict[tuple[str, str], Stored] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    dropped: int = 0
    """Changes that are no longer in the list, which starts at that offset."""
    compacted: int = 0
    """Versions below this are forgotten."""
    waiting: set["asyncio.Future[None]"] = field(default_factory=set)

    def end(self) -> int:
        return self.dropped + len(self.changes)

    async def changed(self) -> None:
        """Returns at the next change, or when the collection is woken."""
        future = asyncio.get_running_loop().create_future()
        self.waiting.add(future)
        try:
            await future
        finally:
            self.waiting.discard(future)

    def wake(self) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_result(None)


class Selection:
    """Namespace, label and field selector of a request."""

    def __init__(self, namespace: str, label: str = "", field_: str = "") -> None:
        self._namespace = namespace
        self._label = label_test(label)
        self._field: Callable[[Any], bool] | None = field_test(field_) if field_ else None

    def matches(self, stored: Stored) -> bool:
        if self._namespace and stored.namespace != self._namespace:
            return False
        if not self._label(stored.labels):
            return False
        return self._field is None or self._field(msgspec.json.decode(stored.json))


class Cluster:
    """Objects by plural name. All versions come from one counter, as etcd's do."""

    def __init__(
        self,
        kinds: tuple[Kind, ...] = KINDS,
        *,
        seed: int = 0,
        clock: Callable[[], float] = time.time,
        history: int = HISTORY,
    ) -> None:
        self.version = 1000
        self.collections = {kind.plural: Collection(kind) for kind in kinds}
        self._random = random.Random(seed)  # noqa: S311 - uids that tests can repeat
        self._clock = clock
        self._history = history

    def serve(self, kind: Kind) -> None:
        """Starts to serve a kind: its CRD is installed."""
        self.collections.setdefault(kind.plural, Collection(kind))

    def withdraw(self, plural: str) -> None:
        """Removes a CRD and all objects of it."""
        for namespace, name in list(self.collections[plural].objects):
            self.remove(plural, {"metadata": {"namespace": namespace, "name": name}})
        self.collections.pop(plural).wake()

    def put(self, plural: str, obj: Object) -> Stored:
        """Creates or replaces an object; the argument is not changed, and may be afterwards.

        What the API server assigns is: uid, creationTimestamp (both kept on replacement),
        resourceVersion, apiVersion and kind.
        """
        collection = self.collections[plural]
        meta = obj["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        old = collection.objects.get(key)
        self.version += 1
        new = self._encode(collection.kind, obj, old)
        if old is not None and old.uid != new.uid:  # made anew under the same name
            self._append(collection, Change(self.version, old, at_version(old, self.version), True))
            self.version += 1
            new, old = self._encode(collection.kind, obj, None), None
        collection.objects[key] = new
        self._append(collection, Change(self.version, old, new, False))
        return new

    def remove(self, plural: str, obj: Object) -> None:
        """Deletes the object of that namespace and name; its last event carries a new version."""
        collection = self.collections[plural]
        meta = obj["metadata"]
        old = collection.objects.pop((meta.get("namespace", ""), meta["name"]), None)
        if old is not None:
            self.version += 1
            self._append(collection, Change(self.version, old, at_version(old, self.version), True))

    def get(self, plural: str, name: str, namespace: str = "") -> Stored | None:
        return self.collections[plural].objects.get((namespace, name))

    def compact(self) -> None:
        """Forgets all history: watches that are behind, and lists half read, get 410 Gone."""
        for collection in self.collections.values():
            collection.dropped = collection.end()
            collection.changes.clear()
            collection.compacted = self.version
            collection.wake()

    def restore(self, version: int) -> None:
        """The counter goes back, as when etcd comes back from a backup; objects stay."""
        self.version = version
        for collection in self.collections.values():
            collection.dropped, collection.compacted = 0, 0
            collection.changes.clear()
            for key, stored in collection.objects.items():
                collection.objects[key] = at_version(stored, min(stored.version, version))
            collection.wake()

    def _append(self, collection: Collection, change: Change) -> None:
        collection.changes.append(change)
        if len(collection.changes) > self._history:
            half = self._history // 2
            collection.compacted = collection.changes[half - 1].version
            del collection.changes[:half]
            collection.dropped += half
        collection.wake()

    def _encode(self, kind: Kind, obj: Object, old: Stored | None) -> Stored:
        meta = obj["metadata"]
        uid = meta.get("uid") or (old.uid if old else self._uid())
        created = meta.get("creationTimestamp") or self._created(old)
        assigned = {"uid": uid, "resourceVersion": str(self.version), "creationTimestamp": created}
        full = {"apiVersion": kind.api_version, "kind": kind.kind, **obj}
        full["metadata"] = {**meta, **assigned}
        return Stored(
            self.version,
            meta.get("namespace", ""),
            meta["name"],
            uid,
            dict(meta.get("labels") or {}),
            msgspec.json.encode(full),
        )

    def _uid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _created(self, old: Stored | None) -> str:
        if old is not None:
            return str(msgspec.json.decode(old.json)["metadata"]["creationTimestamp"])
        return datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def at_version(stored: Stored, version: int) -> Stored:
    """The same object with another resourceVersion."""
    obj = msgspec.json.decode(stored.json)
    obj["metadata"]["resourceVersion"] = str(version)
    return stored._replace(version=version, json=msgspec.json.encode(obj))
