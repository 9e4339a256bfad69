"""Faults and settings over HTTP, under a path that no real API has: /_simulator.

POST   /_simulator/faults     a ``Fault`` as JSON, which waits for its request
GET    /_simulator/faults     those that wait
DELETE /_simulator/faults     none waits any more
POST   /_simulator/compact    forgets history: old watches and continue tokens get 410
GET    /_simulator/settings   ``Settings``
PATCH  /_simulator/settings   changes those that are given
GET    /_simulator/metrics/…  what ``ApiServer.metrics`` has under that name, for Prometheus
"""

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from argoscope.simulator import statuses
from argoscope.simulator.api_server.answers import answer
from argoscope.simulator.faults import Fault

if TYPE_CHECKING:
    from argoscope.simulator.api_server.server import ApiServer

ROOT = "/_simulator/"


class Settings(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What can be changed; what is left out stays. See the attributes of ``ApiServer``."""

    tokens: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    users: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    denied: list[tuple[str, str]] | msgspec.UnsetType = msgspec.UNSET
    denied_to: list[tuple[str, str, str]] | msgspec.UnsetType = msgspec.UNSET
    streaming_lists: bool | msgspec.UnsetType = msgspec.UNSET
    gone_as_status: bool | msgspec.UnsetType = msgspec.UNSET
    bookmark_seconds: Annotated[float, Meta(gt=0)] | msgspec.UnsetType = msgspec.UNSET
    git_version: Annotated[str, Meta(pattern=r"^v\d+\.\d+\.")] | msgspec.UnsetType = msgspec.UNSET


async def control(server: "ApiServer", request: web.Request) -> web.Response:
    """Raises RefusedError."""
    asked = (request.method, request.path.removeprefix(ROOT).strip("/"))
    if asked == ("POST", "faults"):
        server.fail(_read(await request.read(), Fault))
        return answer(_waiting(server), 201)
    if asked == ("GET", "faults"):
        return answer(_waiting(server))
    if asked == ("DELETE", "faults"):
        server.faults.clear()
        return answer(_waiting(server))
    if asked == ("POST", "compact"):
        server.compact()
        return answer({"compacted": server.cluster.version})
    if asked == ("GET", "settings"):
        return answer(_settings(server))
    if asked == ("PATCH", "settings"):
        _change(server, _read(await request.read(), Settings))
        return answer(_settings(server))
    method, path = asked
    if method == "GET" and path.startswith("metrics/"):
        return _metrics(server, path.removeprefix("metrics/"))
    raise statuses.no_such_resource()


def _metrics(server: "ApiServer", name: str) -> web.Response:
    text = server.metrics.get(name)
    if text is None:
        raise statuses.no_such_resource()
    shown = text()
    if shown is None:
        return web.Response(status=503, text="this controller is down")
    return web.Response(
        body=shown.encode(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )


def _read(data: bytes, kind: type[Any]) -> Any:
    try:
        fields = msgspec.json.decode(data)
        if kind is Fault and (unknown := set(fields) - set(Fault.__slots__)):
            raise statuses.bad_request(f"a fault has no {', '.join(sorted(unknown))}")
        return msgspec.convert(fields, kind)
    except (msgspec.MsgspecError, TypeError) as error:
        raise statuses.bad_request(f"can't read it as {kind.__name__}: {error}") from None


def _waiting(server: "ApiServer") -> dict[str, Any]:
    return {"faults": [msgspec.to_builtins(fault) for fault in server.faults.due]}


def _settings(server: "ApiServer") -> Any:
    """Without the tokens themselves."""
    return {
        "tokens": None if server.tokens is None else len(server.tokens),
        "users": sorted(server.access.users.values()),
        "denied": sorted(server.denied),
        "deniedTo": sorted(server.access.denied_to),
        "streamingLists": server.streaming_lists,
        "goneAsStatus": server.gone_as_status,
        "bookmarkSeconds": server.bookmark_seconds,
        "gitVersion": server.git_version,
    }


def _change(server: "ApiServer", settings: Settings) -> None:
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if value is msgspec.UNSET:
            continue
        if name in ("tokens", "denied", "denied_to") and value is not None:
            value = set(value)
        owner = server.access if name in ("users", "denied_to") else server
        setattr(owner, name, value)
