"""A cluster's objects in memory, with a history: what etcd is to an API server.

Two kinds of writers, and how each learns of the other:

* Controllers in this process write with ``put`` and ``remove``. That is cheap: nothing is checked,
  nobody but watchers is told. Namespaces that do not exist yet are made.
* Clients write over HTTP. ``api_server`` does for them what a real server does (names, uids,
  conflicts, finalizers, ...), asks every hook of ``admit``, and then tells every callback of
  ``on_write``.

So a controller in this process subscribes once, and a ``kubectl create -f workflow.yaml``, a patch
of ``spec.suspend`` or a ``kubectl delete`` reaches it at once::

    cluster.on_write(kernel.written_by_client)      # (type, plural, object)

``type`` is ADDED, MODIFIED or DELETED; the object is a dict of the callback's own, as it was stored
(a deleted one as it was last). Callbacks run in the event loop, in the order of the writes, before
the client has its answer; they may ``put`` and ``remove`` themselves. A deletion that waits for
somebody (a finalizer, or a pod's kubelet: ``graceful``) is a MODIFIED with a
``metadata.deletionTimestamp``; who ends it calls ``remove``.
"""

import random
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

import msgspec

from argoscope.simulator.collection import (
    Change,
    Collection,
    Key,
    Object,
    Selection,
    Stored,
    at_version,
)
from argoscope.simulator.kinds import KINDS, LEASES, Kind

__all__ = [
    "KINDS",
    "LEASES",
    "Change",
    "Cluster",
    "Collection",
    "Kind",
    "Object",
    "Selection",
    "Stored",
    "WriteType",
    "at_version",
]

WriteType = Literal["ADDED", "MODIFIED", "DELETED"]
Written = Callable[[WriteType, str, Object], None]
Operation = Literal["CREATE", "UPDATE", "DELETE"]
Admission = Callable[[Operation, str, Object], None]

HISTORY = 20_000
"""Changes of one kind that are remembered; watches from before get 410 Gone."""

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
"""That every cluster has."""

_FIRST_VERSION = 1000


class Cluster:
    """Objects by plural name. All versions come from one counter, as etcd's do.

    ``clock`` gives the Unix time that creationTimestamp and the like are taken from: the cluster's
    time may run faster than life.
    """

    def __init__(
        self,
        kinds: tuple[Kind, ...] = KINDS,
        *,
        seed: int = 0,
        clock: Callable[[], float] = time.time,
        history: int = HISTORY,
    ) -> None:
        self.version = _FIRST_VERSION - len(NAMESPACES)
        self.clock = clock
        self.random = random.Random(seed)  # noqa: S311 - names and uids that tests can repeat
        self.collections = {kind.plural: Collection(kind) for kind in kinds}
        self.graceful: set[str] = set()
        """Plurals whose deletion a controller in this process finishes: ``pods``, where there is a
        kubelet. Without one, a pod that is deleted is gone."""
        self.removed: Callable[[str, Stored], None] | None = None
        """Told of every object that is gone, by whomever: garbage collection."""
        self._history = history
        self._on_write: list[Written] = []
        self._admission: list[Admission] = []
        self._dependents: dict[str, dict[tuple[str, Key], None]] = {}
        for name in NAMESPACES:
            self._ensure_namespace(name)
        self.version = _FIRST_VERSION

    def serve(self, kind: Kind) -> None:
        """Starts to serve a kind: its CRD is installed."""
        self.collections.setdefault(kind.plural, Collection(kind))

    def withdraw(self, plural: str) -> None:
        """Removes a CRD and all objects of it."""
        for namespace, name in list(self.collections[plural].objects):
            self.remove(plural, {"metadata": {"namespace": namespace, "name": name}})
        self.collections.pop(plural).wake()

    # Hooks

    def on_write(self, callback: Written) -> None:
        """Calls back with (type, plural, object) after each write of a client."""
        self._on_write.append(callback)

    def admit(self, hook: Admission) -> None:
        """Calls with (operation, plural, object) before a client's write is stored.

        The hook may change the object, as a mutating webhook does, and refuses it by raising
        ``statuses.RefusedError``. For DELETE it is what will be deleted.
        """
        self._admission.append(hook)

    def ask(self, operation: Operation, plural: str, obj: Object) -> None:
        """Lets all hooks look at what a client wants. Raises RefusedError."""
        for hook in self._admission:
            hook(operation, plural, obj)

    def tell(self, change: WriteType, plural: str, stored: Stored) -> None:
        """Tells of what a client has done."""
        for callback in self._on_write:
            callback(change, plural, stored.decode())

    # Objects

    def put(self, plural: str, obj: Object) -> Stored:
        """Creates or replaces an object; the argument is not changed, and may be afterwards.

        What the API server assigns is: uid, creationTimestamp (both kept on replacement),
        resourceVersion, apiVersion and kind.
        """
        collection = self.collections[plural]
        meta = obj["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        if key[0]:
            self._ensure_namespace(key[0])
        old = collection.objects.get(key)
        self.version += 1
        new = self._encode(collection.kind, obj, old)
        if old is not None and old.uid != new.uid:  # made anew under the same name
            self._gone(collection, old)
            self.version += 1
            new, old = self._encode(collection.kind, obj, None), None
        if new.owners or (old is not None and old.owners):
            self._own(plural, old, new)
        collection.objects[key] = new
        collection.append(Change(self.version, old, new, False), self._history)
        return new

    def remove(self, plural: str, obj: Object) -> None:
        """Deletes the object of that namespace and name; its last event carries a new version."""
        collection = self.collections[plural]
        meta = obj["metadata"]
        old = collection.objects.pop((meta.get("namespace", ""), meta["name"]), None)
        if old is not None:
            self.version += 1
            self._gone(collection, old)

    def get(self, plural: str, name: str, namespace: str = "") -> Stored | None:
        return self.collections[plural].objects.get((namespace, name))

    def dependents(self, uid: str) -> list[tuple[str, Key]]:
        """Plural and key of the objects that name this one in their ownerReferences."""
        return list(self._dependents.get(uid, ()))

    # Moments

    def compact(self) -> None:
        """Forgets all history: watches that are behind, and lists half read, get 410 Gone."""
        for collection in self.collections.values():
            collection.compact(self.version)

    def restore(self, version: int) -> None:
        """The counter goes back, as when etcd comes back from a backup; objects stay."""
        self.version = version
        for collection in self.collections.values():
            collection.compact(0)
            collection.dropped = 0
            for key, stored in collection.objects.items():
                collection.objects[key] = at_version(stored, min(stored.version, version))

    def now(self) -> str:
        """The cluster's time as Kubernetes writes it."""
        return datetime.fromtimestamp(int(self.clock()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def new_uid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def _gone(self, collection: Collection, old: Stored) -> None:
        """``old`` is no longer; the event has the version of now."""
        plural = collection.kind.plural
        if old.owners:
            self._own(plural, old, None)
        last = at_version(old, self.version)
        collection.append(Change(self.version, old, last, True), self._history)
        if self.removed is not None:
            self.removed(plural, old)

    def _own(self, plural: str, old: Stored | None, new: Stored | None) -> None:
        before = old.owners if old is not None else ()
        after = new.owners if new is not None else ()
        if before == after or not (some := new or old):
            return
        entry = (plural, some.key)
        for owner in before:
            if known := self._dependents.get(owner):
                known.pop(entry, None)
                if not known:
                    del self._dependents[owner]
        for owner in after:
            self._dependents.setdefault(owner, {})[entry] = None

    def _encode(self, kind: Kind, obj: Object, old: Stored | None) -> Stored:
        meta = obj["metadata"]
        uid = meta.get("uid") or (old.uid if old else self.new_uid())
        created = meta.get("creationTimestamp") or (old.created if old else self.now())
        # What is assigned comes first: see at_version.
        assigned = {"uid": uid, "resourceVersion": str(self.version), "creationTimestamp": created}
        head = {"name": meta["name"], **({"namespace": n} if (n := meta.get("namespace")) else {})}
        full = {
            "apiVersion": obj.get("apiVersion") or kind.api_version,
            "kind": obj.get("kind") or kind.kind,
            "metadata": {**head, **assigned, **meta, **assigned},
        }
        owners = meta.get("ownerReferences")
        return Stored(
            self.version,
            meta.get("namespace", ""),
            meta["name"],
            uid,
            dict(meta.get("labels") or {}),
            msgspec.json.encode({**full, **{k: v for k, v in obj.items() if k not in full}}),
            created,
            tuple(owner["uid"] for owner in owners) if owners else (),
        )

    def _ensure_namespace(self, name: str) -> None:
        """For writers in this process; clients have to make theirs."""
        namespaces = self.collections.get("namespaces")
        if namespaces is None or ("", name) in namespaces.objects:
            return
        meta = {
            "name": name,
            "uid": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),  # takes nothing from the seed
            "labels": {"kubernetes.io/metadata.name": name},
        }
        spec, status = {"finalizers": ["kubernetes"]}, {"phase": "Active"}
        self.put("namespaces", {"metadata": meta, "spec": spec, "status": status})
