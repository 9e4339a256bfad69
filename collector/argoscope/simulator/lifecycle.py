"""What an API server does to objects that clients write: names, uids, versions, generations.

HTTP is not known here: a controller in this process that wants a client's rules may use it too.
All of it raises ``RefusedError``.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from argoscope.simulator import statuses
from argoscope.simulator.cluster import Cluster
from argoscope.simulator.collection import Object, Stored
from argoscope.simulator.defaults import fill_in
from argoscope.simulator.deletion import Deletion
from argoscope.simulator.kinds import Kind

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
_LONGEST_PREFIX = 58  # of a generateName: five characters are added

_SYSTEM_FIELDS = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


class _Owner(msgspec.Struct):
    uid: str
    name: str
    kind: str


class _Meta(msgspec.Struct, rename="camel"):
    """The types of what the server itself looks at; so nobody stumbles over it later."""

    name: str | None = None
    generate_name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None
    owner_references: list[_Owner] | None = None


class _Shape(msgspec.Struct):
    spec: dict[str, Any] | None = None
    status: dict[str, Any] | None = None


class Lifecycle:
    """Writes of clients to a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.deletion = Deletion(cluster)

    def create(self, kind: Kind, namespace: str, obj: Object, *, dry_run: bool = False) -> Stored:
        """A new object; ``obj`` is used up."""
        meta = self._checked(kind, namespace, obj)
        if meta.get("resourceVersion"):
            raise statuses.bad_request("resourceVersion should not be set on objects to be created")
        self._name(kind, meta)
        self._check_namespace(kind, namespace, meta["name"])
        for field in (*_SYSTEM_FIELDS, "resourceVersion", "selfLink", "managedFields"):
            meta.pop(field, None)
        if kind.generation:
            meta["generation"] = 1
        if kind.status:
            obj.pop("status", None)
        fill_in(kind, obj)
        if self.cluster.get(kind.plural, meta["name"], namespace) is not None:
            raise statuses.already_exists(kind, meta["name"])
        self.cluster.ask("CREATE", kind.plural, obj)
        if dry_run:
            return self._imagined(kind, obj)
        stored = self.cluster.put(kind.plural, obj)
        self.cluster.tell("ADDED", kind.plural, stored)
        return stored

    def update(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        change: Callable[[Object], Object],
        *,
        status: bool = False,
        dry_run: bool = False,
    ) -> Stored:
        """Replaces an object by what ``change`` makes of it; ``status`` is the subresource.

        ``change`` must not change what it is given. A ``resourceVersion`` or ``uid`` in its result
        must be the present one.
        """
        old = self.get(kind, namespace, name)
        before = old.decode()
        obj = change(before)
        obj = dict(obj) if isinstance(obj, dict) else obj
        meta = self._checked(kind, namespace, obj)
        self._check_identity(kind, old, meta)
        new = self._merged(kind, before, obj, status=status)
        if new == before:
            return old  # as real servers do: no new version, no event
        self.cluster.ask("UPDATE", kind.plural, new)
        if dry_run:
            return self._imagined(kind, new)
        stored = self.cluster.put(kind.plural, new)
        meta = new["metadata"]
        if meta.get("deletionTimestamp") and not meta.get("finalizers") and not _waits(kind, new):
            self.deletion.finish(kind.plural, stored, new)
        else:
            self.cluster.tell("MODIFIED", kind.plural, stored)
        return stored

    def get(self, kind: Kind, namespace: str, name: str) -> Stored:
        stored = self.cluster.get(kind.plural, name, namespace)
        if stored is None:
            raise statuses.not_found(kind, name)
        return stored

    def _merged(self, kind: Kind, before: Object, obj: Object, *, status: bool) -> Object:
        """What an update may change, on top of what there was."""
        if status:
            new = {**before, "metadata": dict(before["metadata"])}
            new.pop("status", None)
            if "status" in obj:
                new["status"] = obj["status"]
            return new
        meta = {
            name: value
            for name, value in obj["metadata"].items()
            if name not in (*_SYSTEM_FIELDS, "generation", "managedFields", "selfLink")
        }
        kept = (*_SYSTEM_FIELDS, "generation", "resourceVersion")
        meta |= {name: before["metadata"][name] for name in kept if name in before["metadata"]}
        new = {**obj, "metadata": meta}
        if kind.status:
            new.pop("status", None)
            if "status" in before:
                new["status"] = before["status"]
        if kind.generation and _wanted(kind, new) != _wanted(kind, before):
            meta["generation"] = meta.get("generation", 0) + 1
        return new

    def _checked(self, kind: Kind, namespace: str, obj: Object) -> Object:
        """A copy of the metadata, put into the object, with that namespace."""
        if not isinstance(obj, dict) or not isinstance(obj.get("metadata", {}), dict):
            raise statuses.bad_request("the body is not a Kubernetes object")
        for field, expected in (("kind", kind.kind), ("apiVersion", kind.api_version)):
            found = obj.setdefault(field, expected)
            if found != expected:
                raise statuses.bad_request(
                    f"{obj['kind']} in version {obj.get('apiVersion')} cannot be handled as a"
                    f" {kind.kind}: its {field} is not {expected}"
                )
        meta = obj["metadata"] = dict(obj.get("metadata") or {})
        if (meta.get("namespace") or namespace) != namespace:
            raise statuses.bad_request(
                "the namespace of the provided object does not match the namespace sent on the"
                " request"
            )
        meta.pop("namespace", None)
        if namespace:
            meta["namespace"] = namespace
        try:
            msgspec.convert(meta, _Meta)
            msgspec.convert(obj, _Shape)
        except msgspec.ValidationError as error:
            raise statuses.bad_request(f"{kind.kind} can't be read: {error}") from None
        return meta

    def _check_identity(self, kind: Kind, old: Stored, meta: Object) -> None:
        check_name(meta, old.name)
        meta["name"] = old.name
        if meta.get("resourceVersion") not in (None, "", str(old.version)):
            raise statuses.conflict(kind, old.name)
        if meta.get("uid") not in (None, "", old.uid):
            raise statuses.other_uid(kind, old.name, meta["uid"], old.uid)

    def _name(self, kind: Kind, meta: Object) -> None:
        if not meta.get("name"):
            prefix = meta.get("generateName")
            if not prefix:
                raise statuses.invalid(
                    *(kind, "", "metadata.name"),
                    *("Required value: name or generateName is required", "FieldValueRequired"),
                )
            suffix = "".join(self.cluster.random.choices(_SUFFIX, k=5))
            meta["name"] = prefix[:_LONGEST_PREFIX] + suffix
        name = meta["name"]
        if len(name) > 253 or not _NAME.fullmatch(name):
            problem = (
                f'Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of lower'
                " case alphanumeric characters, '-' or '.', and must start and end with an"
                " alphanumeric character"
            )
            raise statuses.invalid(kind, name, "metadata.name", problem, "FieldValueInvalid")

    def _check_namespace(self, kind: Kind, namespace: str, name: str) -> None:
        if not namespace or "namespaces" not in self.cluster.collections:
            return
        namespaces = self.cluster.collections["namespaces"].kind
        found = self.get(namespaces, "", namespace)  # 404 where there is none
        if (
            b'"deletionTimestamp"' in found.json
            and "deletionTimestamp" in found.decode()["metadata"]
        ):
            why = (
                "unable to create new content in namespace"
                f" {namespace} because it is being terminated"
            )
            raise statuses.forbidden(kind, name, why)

    def _imagined(self, kind: Kind, obj: Object) -> Stored:
        """What a dry run answers: nothing is kept."""
        meta = {"uid": self.cluster.new_uid(), "creationTimestamp": self.cluster.now()}
        obj["metadata"] = {**meta, **obj["metadata"]}
        meta = obj["metadata"]
        body = msgspec.json.encode(obj)
        return Stored(0, meta.get("namespace", ""), meta["name"], meta["uid"], {}, body)


def check_name(meta: Any, name: str) -> None:
    """Raises RefusedError, 400, where an object has another name than its URL."""
    found = meta.get("name", name) if isinstance(meta, dict) else name
    if found != name:
        raise statuses.bad_request(
            f"the name of the object ({found}) does not match the name on the URL ({name})"
        )


def _wanted(kind: Kind, obj: Object) -> Any:
    """The part of an object whose changes its generation counts."""
    left_out = ("metadata", "status") if kind.status else ("metadata",)
    return {name: value for name, value in obj.items() if name not in left_out}


def _waits(kind: Kind, obj: Object) -> bool:
    """Something other than metadata.finalizers still has to end it."""
    if kind.plural == "namespaces":
        return bool((obj.get("spec") or {}).get("finalizers"))
    return bool(obj["metadata"].get("deletionGracePeriodSeconds"))
