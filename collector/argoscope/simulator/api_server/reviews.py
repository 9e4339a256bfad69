"""Who somebody is, and what they may: reviews of tokens and of access.

Everybody who has a known token may do everything that no rule denies.
"""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from argoscope.simulator import statuses
from argoscope.simulator.api_server.route import Target
from argoscope.simulator.statuses import RefusedError, failure

USER = "argoscope"
"""Whose requests and tokens are, unless ``users`` says another."""

_ALLOWED = 'RBAC: allowed by ClusterRoleBinding "simulator" of ClusterRole "cluster-admin"'
_DENIED = "no RBAC rule matched"


@dataclass(slots=True)
class Access:
    """May be changed while the server runs."""

    tokens: set[str] | None = None
    """Bearer tokens that are accepted; None: no authentication."""
    users: dict[str, str] = field(default_factory=dict)
    """User names by token."""
    denied: set[tuple[str, str]] = field(default_factory=set)
    """(verb, plural), or (verb, path) for what is no resource, that RBAC refuses to all."""
    denied_to: set[tuple[str, str, str]] = field(default_factory=set)
    """(user, verb, plural or path) that it refuses to one."""

    def user(self, request: web.Request) -> str:
        """Raises RefusedError, 401, for a token that is unknown."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not self.knows(token):
            raise RefusedError(401, "Unauthorized", "Unauthorized")
        return self.users.get(token, USER)

    def knows(self, token: str) -> bool:
        return self.tokens is None or token in self.tokens

    def allows(self, user: str, verb: str, what: str) -> bool:
        return (verb, what) not in self.denied and (user, verb, what) not in self.denied_to

    def check(self, user: str, verb: str, to: Target) -> None:
        """Raises RefusedError, 403."""
        if self.allows(user, verb, to.resource):
            return
        subject = f"{to.plural}.{to.group}" if to.group else to.plural
        subject += f' "{to.name}"' if to.name else ""
        where = f'in the namespace "{to.namespace}"' if to.namespace else "at the cluster scope"
        message = (
            f'{subject} is forbidden: User "{user}" cannot {verb} resource "{to.resource}"'
            f' in API group "{to.group}" {where}'
        )
        details = {"name": to.name, "group": to.group, "kind": to.plural}
        kept = {key: value for key, value in details.items() if value}
        raise RefusedError(403, "Forbidden", message, details=kept)

    # Reviews

    def review(self, plural: str, review: Any, user: str) -> dict[str, Any]:
        """The review with its status. Raises RefusedError for one that can't be read."""
        spec = review.get("spec") if isinstance(review, dict) else None
        if not isinstance(spec, dict):
            raise statuses.bad_request("the review has no spec")
        if plural == "tokenreviews":
            status = self._review_token(spec)
        elif plural == "selfsubjectrulesreviews":
            status = self._rules(user)
        else:
            asked_for = str(spec.get("user", "")) if plural == "subjectaccessreviews" else user
            status = self._review_access(spec, asked_for)
        return {**review, "status": status}

    def _review_access(self, spec: dict[str, Any], user: str) -> dict[str, Any]:
        if asked := spec.get("resourceAttributes"):
            named = _texts(asked)
            what, sub = named.get("resource", ""), named.get("subresource", "")
            allowed = self.allows(user, named.get("verb", ""), f"{what}/{sub}" if sub else what)
        elif asked := spec.get("nonResourceAttributes"):
            named = _texts(asked)
            allowed = self.allows(user, named.get("verb", ""), named.get("path", ""))
        else:
            why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
            cause = {
                "reason": "FieldValueInvalid",
                "message": f"Invalid value: null: {why}",
                "field": "spec.resourceAttributes",
            }
            raise RefusedError(
                *(422, "Invalid", f'"" is invalid: spec.resourceAttributes: {cause["message"]}'),
                details={"group": "authorization.k8s.io", "causes": [cause]},
            )
        return {"allowed": allowed, "reason": _ALLOWED if allowed else _DENIED}

    def _review_token(self, spec: dict[str, Any]) -> dict[str, Any]:
        token = spec.get("token")
        if not isinstance(token, str) or not token:
            raise statuses.bad_request("token is required for TokenReview in authentication")
        if not self.knows(token):
            return {"user": {}, "error": "[invalid bearer token]"}
        name = self.users.get(token, USER)
        user = {"username": name, "uid": f"uid-of-{name}", "groups": ["system:authenticated"]}
        found: dict[str, Any] = {"authenticated": True, "user": user}
        if audiences := spec.get("audiences"):
            found["audiences"] = audiences
        return found

    def _rules(self, user: str) -> dict[str, Any]:
        """All verbs on everything, less what is denied, which can't be said in rules: so a rule
        for each verb that is allowed on everything."""
        limited = {verb for verb, _ in self.denied} | {
            verb for name, verb, _ in self.denied_to if name == user
        }
        verbs = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
        allowed = ["*"] if not limited else [verb for verb in verbs if verb not in limited]
        return {
            "resourceRules": [{"verbs": allowed, "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": allowed, "nonResourceURLs": ["*"]}],
            "incomplete": bool(limited),
        }


def _texts(attributes: Any) -> dict[str, str]:
    if not isinstance(attributes, dict):
        raise statuses.bad_request("the review's attributes are no object")
    return {name: value for name, value in attributes.items() if isinstance(value, str)}


def injected(status: int, cause: str) -> dict[str, Any]:
    """The answer of a fault."""
    details = {"causes": [{"reason": cause}]} if cause else {}
    return failure(status, "Injected", "an injected fault", details=details)
