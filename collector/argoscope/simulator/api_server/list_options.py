"""``ListOptions`` of meta/v1: what lists and watches are asked for, checked as by real servers."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from argoscope.simulator import statuses
from argoscope.simulator.collection import Key, Selection
from argoscope.simulator.kinds import Kind
from argoscope.simulator.selectors import field_paths
from argoscope.simulator.statuses import RefusedError

_MATCHES = ("", "Exact", "NotOlderThan")
INCONSISTENT = -1
"""As the version of a continue token: go on with what there is now."""


@dataclass(frozen=True, slots=True)
class ListOptions:
    """``version`` is None where none was given; ``since`` is the continue token's."""

    limit: int
    version: int | None
    match: str
    since: tuple[int, Key] | None
    initial_events: bool | None
    bookmarks: bool
    timeout: float | None

    @property
    def exact(self) -> bool:
        """The list of that very version; by custom also for a first page without a match."""
        return self.match == "Exact" or bool(self.limit and self.version and not self.match)


def read(query: Mapping[str, str]) -> ListOptions:
    """Raises RefusedError: 400 for what can't be read, 422 for what does not go together."""
    match, token = query.get("resourceVersionMatch", ""), query.get("continue", "")
    version = _number(query, "resourceVersion")
    initial = _truth(query, "sendInitialEvents")
    watching = is_true(query, "watch")
    if match not in _MATCHES:
        raise _invalid(
            "resourceVersionMatch",
            f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""',
            "FieldValueNotSupported",
        )
    if watching:
        _check_watch(match, initial)
    else:
        _check_list(match, token, version, initial)
    since = parse_token(token) if token else None
    timeout = _number(query, "timeoutSeconds")
    return ListOptions(
        limit=_number(query, "limit") or 0,
        version=version,
        match=match,
        since=since,
        initial_events=initial,
        bookmarks=is_true(query, "allowWatchBookmarks"),
        timeout=timeout,
    )


def select(kind: Kind, namespace: str, query: Mapping[str, str]) -> Selection:
    """Raises RefusedError, 400, for what the kind has no selector for."""
    label, field = query.get("labelSelector", ""), query.get("fieldSelector", "")
    try:
        for path in field_paths(field):
            if path not in ("metadata.name", "metadata.namespace", *kind.fields):
                raise statuses.bad_request(f"field label not supported: {path}")
        return Selection(namespace, label, field)
    except ValueError as error:
        raise statuses.bad_request(str(error)) from None


def token(version: int, start: Key) -> str:
    """A continue token: go on after ``start`` in the list of that version."""
    place = {"v": "meta.k8s.io/v1", "rv": version, "start": "/".join(start)}
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def parse_token(text: str) -> tuple[int, Key]:
    try:
        place = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        namespace, _, name = place["start"].partition("/")
        return int(place["rv"]), (namespace, name)
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error, msgspec.MsgspecError):
        raise statuses.bad_request("invalid continue token: continue key is not valid") from None


def is_true(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "") in ("true", "1", "True")


def _check_list(match: str, token_: str, version: int | None, initial: bool | None) -> None:
    field = "resourceVersionMatch"
    if initial is not None:
        raise forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")
    if match and token_:
        raise forbidden(field, f"{field} is forbidden when continue is provided")
    if match and version is None:
        raise forbidden(field, f"{field} is forbidden unless resourceVersion is provided")
    if match == "Exact" and version == 0:
        raise forbidden(field, f'{field} "exact" is forbidden for resourceVersion "0"')
    if token_ and version:
        raise statuses.bad_request("specifying resource version is not allowed when using continue")


def _check_watch(match: str, initial: bool | None) -> None:
    field = "resourceVersionMatch"
    if match and initial is None:
        raise forbidden(
            field, f"{field} is forbidden for watch unless sendInitialEvents is provided"
        )
    if initial is not None and not match:
        raise forbidden(field, f"sendInitialEvents requires setting {field} to NotOlderThan")
    if initial is not None and match != "NotOlderThan":
        raise _invalid(
            field,
            f'Unsupported value: "{match}": supported values: "NotOlderThan"',
            "FieldValueNotSupported",
        )


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdecimal():
        raise statuses.bad_request(
            f'unable to parse {name}: strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return int(text)


def _truth(query: Mapping[str, str], name: str) -> bool | None:
    return is_true(query, name) if name in query else None


def forbidden(field: str, why: str) -> RefusedError:
    return _invalid(field, f"Forbidden: {why}", "FieldValueForbidden")


def _invalid(field: str, problem: str, reason: str) -> RefusedError:
    return statuses.invalid(
        Kind("meta.k8s.io", "", "ListOptions", "ListOptions"), "", field, problem, reason
    )
