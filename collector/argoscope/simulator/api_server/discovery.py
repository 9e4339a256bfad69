"""What the server serves, in the forms of old and new clients."""

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from argoscope.simulator.cluster import Cluster
from argoscope.simulator.kinds import Kind

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_STATUS_VERBS = ["get", "patch", "update"]
_AGGREGATED = "apidiscovery.k8s.io"

REVIEWS = (
    ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    ("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview"),
    ("authentication.k8s.io", "tokenreviews", "TokenReview"),
)
"""Group, plural and kind of what can only be created, and is not kept."""


def document(path: str, request: web.Request, cluster: Cluster) -> tuple[Any, str] | None:
    """The discovery document of a path, with its content type; None where there is none."""
    parts = path.strip("/").split("/")
    plain = "application/json"
    if path.strip("/") in ("api", "apis"):
        legacy = parts[0] == "api"
        if version := _aggregated_version(request):
            content = f"{plain};g={_AGGREGATED};v={version};as=APIGroupDiscoveryList"
            return _aggregated(cluster, version, legacy=legacy), content
        return (_core() if legacy else _groups(cluster)), plain
    if parts[0] == "api" and len(parts) == 2:
        found = _resources("", parts[1], cluster)
    elif parts[0] == "apis" and len(parts) == 2:
        found = next((g for g in _groups(cluster)["groups"] if g["name"] == parts[1]), None)
        found = found and {"kind": "APIGroup", "apiVersion": "v1", **found}
    elif parts[0] == "apis" and len(parts) == 3:
        found = _resources(parts[1], parts[2], cluster)
    else:
        found = None
    return None if found is None else (found, plain)


def group_versions(cluster: Cluster) -> dict[tuple[str, str], list[Kind]]:
    """By group and version, those of reviews with no kinds."""
    served: dict[tuple[str, str], list[Kind]] = {}
    for collection in cluster.collections.values():
        served.setdefault((collection.kind.group, collection.kind.version), []).append(
            collection.kind
        )
    for group, _, _ in REVIEWS:
        served.setdefault((group, "v1"), [])
    return served


def _core() -> dict[str, Any]:
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def _groups(cluster: Cluster) -> dict[str, Any]:
    groups: dict[str, dict[str, Any]] = {}
    for group, version in group_versions(cluster):
        if group:
            both = {"groupVersion": f"{group}/{version}", "version": version}
            new = {"name": group, "versions": [], "preferredVersion": both}
            groups.setdefault(group, new)["versions"].append(both)
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(groups.values())}


def _resources(group: str, version: str, cluster: Cluster) -> dict[str, Any] | None:
    kinds = group_versions(cluster).get((group, version))
    if kinds is None:
        return None
    resources = [entry for kind in kinds for entry in _entries(kind)]
    resources += [
        {
            "name": plural,
            "singularName": name.lower(),
            "namespaced": False,
            "kind": name,
            "verbs": ["create"],
        }
        for of, plural, name in REVIEWS
        if (of, "v1") == (group, version)
    ]
    group_version = f"{group}/{version}" if group else version
    head = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version}
    return {**head, "resources": resources}


def _entries(kind: Kind) -> Iterable[dict[str, Any]]:
    whole = {
        "name": kind.plural,
        "singularName": kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": _VERBS,
    }
    if kind.short:
        whole["shortNames"] = list(kind.short)
    if kind.plural == "pods":
        whole["categories"] = ["all"]
    yield whole
    if kind.status:
        part = {"name": f"{kind.plural}/status", "singularName": "", "kind": kind.kind}
        yield {**part, "namespaced": kind.namespaced, "verbs": _STATUS_VERBS}


def _aggregated_version(request: web.Request) -> str:
    """The version of aggregated discovery that the client understands, v2 before v2beta1."""
    accepted = request.headers.get("Accept", "")
    if "as=APIGroupDiscoveryList" not in accepted:
        return ""
    versions = [v for v in ("v2", "v2beta1") if f"v={v};" in accepted.replace(" ", "") + ";"]
    return versions[0] if versions else ""


def _aggregated(cluster: Cluster, version: str, *, legacy: bool) -> dict[str, Any]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for group, served in group_versions(cluster):
        listed = _resources(group, served, cluster)
        if bool(group) != legacy and listed is not None:
            resources = [
                _discovered(r, group, served) for r in listed["resources"] if "/" not in r["name"]
            ]
            part = {"version": served, "resources": resources, "freshness": "Current"}
            groups.setdefault(group, []).append(part)
    items = [
        {"metadata": {"name": group, "creationTimestamp": None}, "versions": versions}
        for group, versions in groups.items()
    ]
    head = {"kind": "APIGroupDiscoveryList", "apiVersion": f"{_AGGREGATED}/{version}"}
    return {**head, "metadata": {}, "items": items}


def _discovered(resource: dict[str, Any], group: str, version: str) -> dict[str, Any]:
    kind = {"group": group, "version": version, "kind": resource["kind"]}
    return {
        "resource": resource["name"],
        "responseKind": kind,
        "scope": "Namespaced" if resource["namespaced"] else "Cluster",
        "singularResource": resource["singularName"],
        "verbs": resource["verbs"],
        **({"shortNames": resource["shortNames"]} if "shortNames" in resource else {}),
        **({"categories": resource["categories"]} if "categories" in resource else {}),
    }
