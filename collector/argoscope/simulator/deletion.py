"""Deletion as clients ask for it: preconditions, finalizers, grace, and what goes with an owner."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from argoscope.simulator import statuses
from argoscope.simulator.cluster import NAMESPACES, Cluster
from argoscope.simulator.collection import Key, Object, Stored
from argoscope.simulator.kinds import Kind

Propagation = Literal["Background", "Foreground", "Orphan"]
_FOREGROUND = "foregroundDeletion"
_POD_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Options:
    """``DeleteOptions`` of meta/v1."""

    propagation: Propagation = "Background"
    grace_seconds: int | None = None
    preconditions: dict[str, str] = field(default_factory=dict)
    """uid and resourceVersion that the object must have."""
    dry_run: bool = False


class Deletion:
    """Deletes for clients, and what their deletions leave without an owner."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._waiting: dict[tuple[str, Key], None] = {}
        """Owners in foreground deletion and namespaces that end when what is theirs has gone."""
        cluster.removed = self._removed

    def delete(self, kind: Kind, stored: Stored, options: Options) -> tuple[Stored, bool]:
        """What is left of the object, and whether it is gone. Raises RefusedError."""
        wanted = options.preconditions
        if wanted.get("uid") not in (None, stored.uid):
            raise statuses.other_uid(kind, stored.name, wanted["uid"], stored.uid)
        if wanted.get("resourceVersion") not in (None, str(stored.version)):
            raise statuses.conflict(kind, stored.name)
        obj = stored.decode()
        if kind.plural == "namespaces" and stored.name in NAMESPACES:
            raise statuses.forbidden(kind, stored.name, "this namespace may not be deleted")
        self._cluster.ask("DELETE", kind.plural, obj)
        if options.dry_run:
            return stored, True
        return self._delete(kind, stored, obj, options)

    def _delete(
        self, kind: Kind, stored: Stored, obj: Object, options: Options
    ) -> tuple[Stored, bool]:
        if options.propagation == "Orphan":
            self._orphan(stored.uid)
        meta = obj["metadata"]
        foreground = options.propagation == "Foreground" and self._cluster.dependents(stored.uid)
        if foreground and _FOREGROUND not in (meta.get("finalizers") or ()):
            meta["finalizers"] = [*(meta.get("finalizers") or ()), _FOREGROUND]
        contents = self._contents(stored.name) if kind.plural == "namespaces" else []
        grace = self._grace(kind, obj, options)
        if not (meta.get("finalizers") or contents or grace):
            self.finish(kind.plural, stored, obj)
            return stored, True
        marked = self._mark(kind, stored, obj, grace)
        if foreground or contents:
            self._waiting[kind.plural, stored.key] = None
        for plural, key in contents or (self._cluster.dependents(stored.uid) if foreground else []):
            self._delete_dependent(plural, key, "" if contents else stored.uid, options.propagation)
        return marked, self._cluster.get(kind.plural, stored.name, stored.namespace) is None

    def _mark(self, kind: Kind, stored: Stored, obj: Object, grace: int) -> Stored:
        """Says that it is being deleted; somebody else has to finish."""
        meta = obj["metadata"]
        if meta.get("deletionTimestamp") and grace >= meta.get("deletionGracePeriodSeconds", 0):
            return stored  # is said already
        at = datetime.fromisoformat(self._cluster.now()) + timedelta(seconds=grace)
        meta["deletionTimestamp"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        meta["deletionGracePeriodSeconds"] = grace
        if "generation" in meta:
            meta["generation"] += 1
        if kind.plural == "namespaces":
            obj["status"] = {"phase": "Terminating"}
        marked = self._cluster.put(kind.plural, obj)
        self._cluster.tell("MODIFIED", kind.plural, marked)
        return marked

    def _grace(self, kind: Kind, obj: Object, options: Options) -> int:
        """Seconds that a pod's kubelet has to end it."""
        if kind.plural != "pods" or "pods" not in self._cluster.graceful:
            return 0
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        if not spec.get("nodeName") or status.get("phase") in _POD_ENDED:
            return 0
        if options.grace_seconds is not None:
            return options.grace_seconds
        seconds = spec.get("terminationGracePeriodSeconds")
        return seconds if isinstance(seconds, int) else 30

    def finish(self, plural: str, stored: Stored, obj: Object) -> None:
        """Removes it and tells of it as it was last."""
        self._cluster.remove(plural, obj)
        self._cluster.tell("DELETED", plural, stored)
        self.collect(stored.uid)

    # What goes with it

    def collect(self, owner: str) -> None:
        """Deletes in the background what a uid owned that is no more, as the garbage collector.

        Done for what clients delete; a controller in this process that removes an owner calls it.
        """
        for dependent, key in self._cluster.dependents(owner):
            self._delete_dependent(dependent, key, owner, "Background")

    def _removed(self, plural: str, stored: Stored) -> None:
        """After any object is gone, by whomever."""
        self._waiting.pop((plural, stored.key), None)
        for waiting, key in list(self._waiting):
            self._end_waiting(waiting, key)

    def _delete_dependent(self, plural: str, key: Key, owner: str, how: Propagation) -> None:
        collection = self._cluster.collections.get(plural)
        stored = collection.objects.get(key) if collection else None
        if stored is None or collection is None:
            return
        others = [uid for uid in stored.owners if uid != owner]
        if owner and others and any(self._lives(uid, stored) for uid in others):
            self._disown(plural, stored, owner)
        else:
            self._delete(collection.kind, stored, stored.decode(), Options(propagation=how))

    def _lives(self, uid: str, dependent: Stored) -> bool:
        for reference in dependent.decode()["metadata"]["ownerReferences"]:
            if reference["uid"] == uid:
                for collection in self._cluster.collections.values():
                    if collection.kind.kind == reference["kind"]:
                        places = (dependent.namespace, reference["name"]), ("", reference["name"])
                        found = [collection.objects.get(place) for place in places]
                        return any(owner is not None and owner.uid == uid for owner in found)
        return False

    def _orphan(self, owner: str) -> None:
        for plural, key in self._cluster.dependents(owner):
            stored = self._cluster.collections[plural].objects[key]
            self._disown(plural, stored, owner)

    def _disown(self, plural: str, stored: Stored, owner: str) -> None:
        obj = stored.decode()
        left = [o for o in obj["metadata"]["ownerReferences"] if o["uid"] != owner]
        obj["metadata"].pop("ownerReferences")
        if left:
            obj["metadata"]["ownerReferences"] = left
        changed = self._cluster.put(plural, obj)
        self._cluster.tell("MODIFIED", plural, changed)

    def _contents(self, namespace: str) -> list[tuple[str, Key]]:
        return [
            (collection.kind.plural, key)
            for collection in self._cluster.collections.values()
            for key in collection.objects
            if key[0] == namespace
        ]

    def _end_waiting(self, plural: str, key: Key) -> None:
        """Ends an owner or a namespace when nothing of it is left."""
        stored = self._cluster.get(plural, key[1], key[0])
        if stored is None or (plural, key) not in self._waiting:
            return
        if (
            self._contents(key[1])
            if plural == "namespaces"
            else self._cluster.dependents(stored.uid)
        ):
            return
        del self._waiting[plural, key]
        obj = stored.decode()
        meta: dict[str, Any] = obj["metadata"]
        left = [name for name in meta.get("finalizers") or () if name != _FOREGROUND]
        if not left:
            self.finish(plural, stored, obj)
        elif left != meta.get("finalizers"):
            meta["finalizers"] = left
            changed = self._cluster.put(plural, obj)
            self._cluster.tell("MODIFIED", plural, changed)
