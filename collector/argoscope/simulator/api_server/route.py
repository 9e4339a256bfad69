"""What the path of a request means."""

from dataclasses import dataclass

from argoscope.simulator import statuses
from argoscope.simulator.cluster import Cluster
from argoscope.simulator.collection import Collection
from argoscope.simulator.kinds import Kind

_OF_NAMESPACES = ("status", "finalize")
_WRITES = {"PUT": "update", "PATCH": "patch", "DELETE": "delete", "POST": "create"}


@dataclass(frozen=True, slots=True)
class Target:
    """Of a request for objects. ``collection`` is None where the kind is not served."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    collection: Collection | None = None

    @property
    def kind(self) -> Kind:
        return self.found.kind

    @property
    def found(self) -> Collection:
        """Raises RefusedError, 404, where there is none."""
        if self.collection is None:
            raise statuses.no_such_resource()
        return self.collection

    @property
    def resource(self) -> str:
        """For access rules: pods, or pods/status."""
        return f"{self.plural}/{self.subresource}" if self.subresource else self.plural


def target(path: str, cluster: Cluster) -> Target | None:
    """None for paths that are none of objects: discovery, or unknown.

    /api/v1 or /apis/GROUP/VERSION, then [/namespaces/NAMESPACE]/PLURAL[/NAME[/SUBRESOURCE]].
    """
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if (
        rest[0] == "namespaces"
        and len(rest) > 2
        and not (len(rest) == 3 and rest[2] in _OF_NAMESPACES)
    ):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3 or not all(rest):
        raise statuses.no_such_resource()
    plural, name, subresource = (*rest, "", "")[:3]
    collection = cluster.collections.get(plural)
    if collection is not None and not _fits(collection.kind, group, version, namespace, name):
        collection = None
    return Target(group, version, plural, namespace, name, subresource, collection)


def _fits(kind: Kind, group: str, version: str, namespace: str, name: str) -> bool:
    if (kind.group, kind.version) != (group, version):
        return False
    if namespace:
        return kind.namespaced
    return not (kind.namespaced and name)


def verb(method: str, to: Target, *, watching: bool) -> str:
    """As RBAC names it."""
    if method == "GET":
        return "get" if to.name else "watch" if watching else "list"
    if method == "DELETE" and not to.name:
        return "deletecollection"
    return _WRITES.get(method, method.lower())
