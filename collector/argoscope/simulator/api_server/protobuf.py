"""Request bodies in Kubernetes' protobuf, of the kinds that kubectl and controllers send so.

kubectl writes what it makes itself (``create configmap``, ``auth can-i``) in protobuf since 1.32,
what it reads from files in JSON. Answers are JSON, which all of them take. Field numbers are from
the generated.proto of k8s.io/api; what is not named here is dropped, as servers drop what they do
not know.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from argoscope.simulator import statuses

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"

_MAGIC = b"k8s\0"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types


@dataclass(frozen=True, slots=True)
class _Field:
    """``kind``: text, number, truth, time, or the fields of a message; ``many``: a list.

    ``by_key`` is a map from text to text (or bytes, which JSON has as base64).
    """

    name: str
    kind: Any = "text"
    many: bool = False
    by_key: bool = False


_Message = Mapping[int, _Field]

_OWNER: _Message = {
    1: _Field("kind"),
    3: _Field("name"),
    4: _Field("uid"),
    5: _Field("apiVersion"),
    6: _Field("controller", "truth"),
    7: _Field("blockOwnerDeletion", "truth"),
}
_META: _Message = {
    1: _Field("name"),
    2: _Field("generateName"),
    3: _Field("namespace"),
    5: _Field("uid"),
    6: _Field("resourceVersion"),
    11: _Field("labels", by_key=True),
    12: _Field("annotations", by_key=True),
    13: _Field("ownerReferences", _OWNER, many=True),
    14: _Field("finalizers", many=True),
}
_RESOURCE: _Message = {
    number: _Field(name)
    for number, name in enumerate(
        ("namespace", "verb", "group", "version", "resource", "subresource", "name"), 1
    )
}
_ACCESS: _Message = {
    1: _Field("resourceAttributes", _RESOURCE),
    2: _Field("nonResourceAttributes", {1: _Field("path"), 2: _Field("verb")}),
    3: _Field("user"),
    4: _Field("groups", many=True),
}
_REFERENCE: _Message = {
    number: _Field(name)
    for number, name in enumerate(
        ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"), 1
    )
}
_LEASE: _Message = {
    1: _Field("holderIdentity"),
    2: _Field("leaseDurationSeconds", "number"),
    3: _Field("acquireTime", "time"),
    4: _Field("renewTime", "time"),
    5: _Field("leaseTransitions", "number"),
}
_WITH_META: _Message = {1: _Field("metadata", _META)}

_KINDS: Mapping[str, _Message] = {
    "ConfigMap": {**_WITH_META, 2: _Field("data", by_key=True)},
    "Secret": {
        **_WITH_META,
        2: _Field("data", "bytes", by_key=True),
        3: _Field("type"),
        4: _Field("stringData", by_key=True),
    },
    "Namespace": {**_WITH_META, 2: _Field("spec", {1: _Field("finalizers", many=True)})},
    "ServiceAccount": _WITH_META,
    "Lease": {**_WITH_META, 2: _Field("spec", _LEASE)},
    "Event": {
        **_WITH_META,
        2: _Field("involvedObject", _REFERENCE),
        3: _Field("reason"),
        4: _Field("message"),
        5: _Field("source", {1: _Field("component"), 2: _Field("host")}),
        6: _Field("firstTimestamp", "time"),
        7: _Field("lastTimestamp", "time"),
        8: _Field("count", "number"),
        9: _Field("type"),
        10: _Field("eventTime", "time"),
        12: _Field("action"),
        14: _Field("reportingComponent"),
        15: _Field("reportingInstance"),
    },
    "SelfSubjectAccessReview": {**_WITH_META, 2: _Field("spec", _ACCESS)},
    "SubjectAccessReview": {**_WITH_META, 2: _Field("spec", _ACCESS)},
    "SelfSubjectRulesReview": {**_WITH_META, 2: _Field("spec", {1: _Field("namespace")})},
    "TokenReview": {
        **_WITH_META,
        2: _Field("spec", {1: _Field("token"), 2: _Field("audiences", many=True)}),
    },
    "DeleteOptions": {
        1: _Field("gracePeriodSeconds", "number"),
        2: _Field("preconditions", {1: _Field("uid"), 2: _Field("resourceVersion")}),
        3: _Field("orphanDependents", "truth"),
        4: _Field("propagationPolicy"),
        5: _Field("dryRun", many=True),
    },
}


def decode(data: bytes) -> dict[str, Any]:
    """The object as its JSON would be. Raises RefusedError: 400 for what is no such message, 415
    for a kind that is not known here."""
    if not data.startswith(_MAGIC):
        raise statuses.bad_request("the body is no Kubernetes object in protobuf")
    try:
        envelope = dict(_fields(data[len(_MAGIC) :]))
        head = _message(envelope.get(1, b""), {1: _Field("apiVersion"), 2: _Field("kind")})
        known = _KINDS.get(head.get("kind", ""))
        if known is None:
            raise statuses.unsupported(
                f"the simulator reads no protobuf of {head.get('kind')}: send JSON or YAML, as"
                " `kubectl create -f` does"
            )
        return {**head, **_message(envelope.get(2, b""), known)}
    except (IndexError, ValueError, TypeError, OverflowError) as error:
        raise statuses.bad_request(f"can't read the protobuf: {error}") from None


def _message(data: Any, known: _Message) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, value in _fields(data):
        field = known.get(number)
        if field is None:
            continue
        if field.by_key:
            entry = dict(_fields(value))
            text = _value(entry.get(2, b""), field.kind)
            found.setdefault(field.name, {})[_value(entry.get(1, b""), "text")] = text
        elif field.many:
            found.setdefault(field.name, []).append(_value(value, field.kind))
        else:
            found[field.name] = _value(value, field.kind)
    return {name: value for name, value in found.items() if value != ""}


def _value(value: Any, kind: Any) -> Any:
    if kind == "text":
        return bytes(value).decode()
    if kind == "bytes":
        return base64.b64encode(value).decode()
    if kind == "number":
        return int(value)
    if kind == "truth":
        return bool(value)
    if kind == "time":
        return _time(dict(_fields(value)))
    return _message(value, kind)


def _time(parts: dict[int, Any]) -> str | None:
    """Seconds and nanoseconds; None where the message is empty."""
    if not parts:
        return None
    micros = parts.get(2, 0) // 1000
    at = datetime.fromtimestamp(parts.get(1, 0), UTC).replace(microsecond=micros)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micros else "%Y-%m-%dT%H:%M:%SZ")


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value (int or bytes) of each field. Raises IndexError, ValueError or TypeError for
    what is cut off or no message."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield tag >> 3, value
        elif wire in (_BYTES, _FIXED64, _FIXED32):
            size, at = _varint(data, at) if wire == _BYTES else ((8 if wire == _FIXED64 else 4), at)
            if at + size > len(data):
                raise ValueError("it is cut off")
            yield tag >> 3, data[at : at + size]
            at += size
        else:
            raise ValueError(f"unknown wire type {wire}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[at]
        result |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return result, at
        if shift > 63:
            raise ValueError("a number is too long")
