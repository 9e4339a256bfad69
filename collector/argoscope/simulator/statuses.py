"""What an API server answers instead of what was asked for: ``Status`` objects of meta/v1."""

from typing import Any

from argoscope.simulator.kinds import Kind


class RefusedError(Exception):
    """A request that is refused. Admission hooks may raise it as well.

    ``reason`` is one of Kubernetes' (NotFound, Conflict, Invalid, ...), which clients tell apart;
    ``code`` is the HTTP status.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = failure(code, reason, message, details=details, metadata=metadata)


def failure(
    code: int,
    reason: str,
    message: str,
    *,
    details: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
) -> dict[str, Any]:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": metadata or {},
        "status": "Failure",
        "message": message,
        "reason": reason,
    }
    if details:
        status["details"] = details
    return {**status, "code": code}


def success(kind: Kind, name: str, uid: str) -> dict[str, Any]:
    """What a deletion answers that is done."""
    details = {**_details(kind, name), "uid": uid}
    head = {"kind": "Status", "apiVersion": "v1", "metadata": {}}
    return {**head, "status": "Success", "details": details}


def no_such_resource() -> RefusedError:
    """Also what an API server says that does not serve a kind."""
    return RefusedError(404, "NotFound", "the server could not find the requested resource")


def not_found(kind: Kind, name: str) -> RefusedError:
    message = f'{kind.resource} "{name}" not found'
    return RefusedError(404, "NotFound", message, details=_details(kind, name))


def already_exists(kind: Kind, name: str) -> RefusedError:
    message = f'{kind.resource} "{name}" already exists'
    return RefusedError(409, "AlreadyExists", message, details=_details(kind, name))


def conflict(kind: Kind, name: str, why: str = "") -> RefusedError:
    why = why or (
        "the object has been modified; please apply your changes to the latest version and try"
        " again"
    )
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return RefusedError(409, "Conflict", message, details=_details(kind, name))


def other_uid(kind: Kind, name: str, wanted: str, actual: str) -> RefusedError:
    typed = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    message = (
        f'Operation cannot be fulfilled on {typed} "{name}": the UID in the precondition ({wanted})'
        f" does not match the UID in record ({actual}). The object might have been deleted and then"
        " recreated"
    )
    details = {**_details(kind, name), "kind": kind.kind}
    return RefusedError(409, "Conflict", message, details=details)


def invalid(kind: Kind, name: str, field: str, problem: str, reason: str) -> RefusedError:
    """``reason`` is the cause's: FieldValueRequired, FieldValueInvalid, FieldValueForbidden."""
    cause = {"reason": reason, "message": problem, "field": field}
    typed = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    details = {**_details(kind, name), "kind": kind.kind, "causes": [cause]}
    message = f'{typed} "{name}" is invalid: {field}: {problem}'
    return RefusedError(422, "Invalid", message, details=details)


def bad_request(message: str) -> RefusedError:
    return RefusedError(400, "BadRequest", message)


def method_not_allowed() -> RefusedError:
    message = "the server does not allow this method on the requested resource"
    return RefusedError(405, "MethodNotAllowed", message)


def forbidden(kind: Kind, name: str, why: str) -> RefusedError:
    message = f'{kind.resource} "{name}" is forbidden: {why}'
    return RefusedError(403, "Forbidden", message, details=_details(kind, name))


def expired(message: str, go_on: str = "") -> RefusedError:
    """410 Gone; ``go_on`` is a continue token for an inconsistent rest."""
    return RefusedError(410, "Expired", message, metadata={"continue": go_on} if go_on else None)


def unsupported(message: str) -> RefusedError:
    return RefusedError(415, "UnsupportedMediaType", message)


def _details(kind: Kind, name: str) -> dict[str, Any]:
    found = {"name": name, "group": kind.group, "kind": kind.plural}
    return {key: value for key, value in found.items() if value}
