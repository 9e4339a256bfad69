"""Responses, and the form in which a client wants objects."""

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web
from isal import igzip

JSON = "application/json"
COMPRESSED_FROM = 128 << 10
"""Bytes; real API servers compress larger answers only."""
_IN_THREAD_FROM = 4 << 20
_COMPRESSION_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Form:
    """``kind`` is empty for whole objects, Table, or PartialObjectMetadata (also its List)."""

    kind: str = ""
    include: str = "Metadata"
    """Objects in the rows of a Table: None, Metadata, Object."""

    @property
    def content_type(self) -> str:
        return JSON


def wanted_form(request: web.Request) -> Form:
    """The first of the client's choices that can be served."""
    include = request.query.get("includeObject") or "Metadata"
    for accepted in request.headers.get("Accept", "").split(","):
        media, *parameters = [part.strip() for part in accepted.split(";")]
        given = dict(p.split("=", 1) for p in parameters if "=" in p)
        if media not in (JSON, "*/*", "application/*"):
            continue
        kind = given.get("as", "")
        if not kind:
            break
        if given.get("g") == "meta.k8s.io" and given.get("v") == "v1":
            if kind == "Table":
                return Form("Table", include)
            if kind.startswith("PartialObjectMetadata"):
                return Form("PartialObjectMetadata")
    return Form()


def answer(body: Any, status: int = 200, content_type: str = JSON) -> web.Response:
    """A document, or one that is encoded already."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return web.Response(
        body=data,
        status=status,
        headers={"Content-Type": content_type, "Cache-Control": "no-cache, private"},
    )


async def compressed(request: web.Request, body: bytes) -> web.Response:
    """200 with that JSON, as gzip where it is large and the client takes it."""
    accepts = "gzip" in request.headers.get("Accept-Encoding", "")
    if not accepts or len(body) < COMPRESSED_FROM:
        return answer(body)
    if len(body) < _IN_THREAD_FROM:
        packed = igzip.compress(body, _COMPRESSION_LEVEL)
    else:  # others are served meanwhile
        packed = await asyncio.to_thread(igzip.compress, body, _COMPRESSION_LEVEL)
    response = answer(packed)
    response.headers["Content-Encoding"] = "gzip"
    return response
