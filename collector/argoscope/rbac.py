"""The RBAC rules that the daemon needs, made from the kinds that it watches: nothing more."""

from collections.abc import Iterable, Sequence
from typing import Any

from argoscope.kube import leases
from argoscope.resources._base import AnyResource

VERBS = ("get", "list", "watch")
"""What the daemon does with what it watches; ``get`` is for people who look into a problem with
its account."""

Rule = dict[str, list[str]]
"""``rbac.authorization.k8s.io/v1.PolicyRule``."""


def watch_rules(kinds: Iterable[AnyResource]) -> list[Rule]:
    """One rule for each API group of the kinds, sorted."""
    groups: dict[str, set[str]] = {}
    for kind in kinds:
        groups.setdefault(kind.group, set()).add(kind.plural)
    return [_rule(group, sorted(plurals), VERBS) for group, plurals in sorted(groups.items())]


def lease_rules(name: str = "argoscope-0") -> list[Rule]:
    """For the Lease of that name. RBAC can't restrict ``create`` by name: that of what does not
    exist is not known to it."""
    return [
        _rule(leases.GROUP, ["leases"], ("create",)),
        {**_rule(leases.GROUP, ["leases"], ("get", "update")), "resourceNames": [name]},
    ]


def review_rules() -> list[Rule]:
    """For asking the API server who sent a token, and what they may do."""
    return [
        _rule("authentication.k8s.io", ["tokenreviews"], ("create",)),
        _rule("authorization.k8s.io", ["subjectaccessreviews"], ("create",)),
    ]


def scrape_rules() -> list[Rule]:
    """For who scrapes a daemon that asks the API server whom to let in."""
    return [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]


def _rule(group: str, resources: list[str], verbs: Sequence[str]) -> Rule:
    return {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}


def role(name: str, rules: list[Rule], namespace: str = "") -> dict[str, Any]:
    """A Role of the namespace, or a ClusterRole without one."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    kind = "Role" if namespace else "ClusterRole"
    api_version = "rbac.authorization.k8s.io/v1"
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "rules": rules}


def binding(name: str, account: str, namespace: str, *, within: str = "") -> dict[str, Any]:
    """Binds the role of the same name to a ServiceAccount of ``namespace``: the Role of the
    namespace ``within``, or the ClusterRole."""
    metadata = {"name": name} | ({"namespace": within} if within else {})
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding" if within else "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Role" if within else "ClusterRole",
            "name": name,
        },
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }
