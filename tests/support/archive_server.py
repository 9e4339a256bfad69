"""An argo-server of which only the workflow archive's HTTP API is there, with faults to order."""

import asyncio
import json
import ssl
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from argoscope.simulator.cluster import Object

TOKEN = "s3cret-bearer-token"


@dataclass
class ArchiveServer:
    """Pages by offset, newest start first, with items that have no spec and no nodes."""

    runs: list[Object]
    labelled: bool = True
    """Items have labels and annotations, as from 3.5 on."""
    namespaces: frozenset[str] | None = None
    """Namespaces in which the token may list; None for all and for the whole cluster."""
    faults: deque[web.Response] = field(default_factory=deque)
    """Answers to the next requests, in the place of true ones."""
    broken: dict[str, int] = field(default_factory=dict)
    """uid -> status with which it is always answered."""
    malformed: list[Any] = field(default_factory=list)
    """More items of the list, as they are."""
    delay: float = 0.0
    """Seconds that an answer takes."""
    stall_after: int | None = None
    """Requests beyond so many wait until this is None again."""
    hang: int = 0
    """So many requests get no answer."""
    accepted: str = f"Bearer {TOKEN}"
    requests: Counter[str] = field(default_factory=Counter)
    """By "list" or the uid."""
    address: str = ""

    async def list(self, request: web.Request) -> web.StreamResponse:
        self.requests["list"] += 1
        if (refusal := await self._refusal(request)) is not None:
            return refusal
        fields = dict(
            part.replace(">", "=", 1).split("=", 1)
            for part in request.query["listOptions.fieldSelector"].split(",")
        )
        namespace = fields.get("metadata.namespace", "")
        allowed = self.namespaces
        if allowed is not None and namespace not in allowed:
            return problem(403, 7, f'Permission denied: list workflows in namespace "{namespace}"')
        chosen = [
            run
            for run in self.runs
            if run["metadata"]["namespace"] == (namespace or run["metadata"]["namespace"])
            and run["status"]["startedAt"] > fields["spec.startedAt"]
        ]
        chosen.sort(key=lambda run: run["status"]["startedAt"], reverse=True)
        at, limit = (int(request.query[f"listOptions.{name}"]) for name in ("continue", "limit"))
        page: dict[str, Any] = {"metadata": {}, "items": None}
        if at + limit < len(chosen):
            page["metadata"]["continue"] = str(at + limit)
        items = [self._item(run) for run in chosen[at : at + limit]]
        if at == 0:
            items += self.malformed
        page["items"] = items or None  # as Go encodes an empty list
        return web.json_response(page)

    async def get(self, request: web.Request) -> web.StreamResponse:
        uid = request.match_info["uid"]
        self.requests[uid] += 1
        if (refusal := await self._refusal(request)) is not None:
            return refusal
        if uid in self.broken:
            return problem(self.broken[uid], 13, "unexpected end of JSON input")
        for run in self.runs:
            if run["metadata"]["uid"] == uid:
                return web.json_response(run)
        return problem(404, 5, "not found")

    async def _refusal(self, request: web.Request) -> web.StreamResponse | None:
        if self.hang:
            self.hang -= 1
            await asyncio.sleep(3600.0)
        await asyncio.sleep(self.delay)
        while (  # noqa: ASYNC110 - a field that tests set is simpler than an event
            self.stall_after is not None and self.requests.total() > self.stall_after
        ):
            await asyncio.sleep(0.01)
        if self.faults:
            return self.faults.popleft()
        if request.headers.get("Authorization") != self.accepted:
            return problem(401, 16, "token not valid. see https://argo-workflows.readthedocs.io")
        return None

    def _item(self, run: Object) -> dict[str, Any]:
        meta, status = run["metadata"], run["status"]
        names = ["name", "namespace", "uid", "creationTimestamp"]
        names += ["labels", "annotations"] if self.labelled else []
        return {
            "metadata": {name: meta[name] for name in names if name in meta},
            "spec": {"arguments": {}},
            "status": {name: status.get(name) for name in ("phase", "startedAt", "finishedAt")},
        }


def problem(status: int, code: int, message: str, **headers: str) -> web.Response:
    body = json.dumps({"code": code, "message": message})
    return web.Response(
        status=status, text=body, content_type="application/json", headers=headers or None
    )


@asynccontextmanager
async def archive_server(
    runs: list[Object], *, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[ArchiveServer]:
    server = ArchiveServer(runs, **options)
    app = web.Application()
    app.router.add_get("/api/v1/archived-workflows", server.list)
    app.router.add_get("/api/v1/archived-workflows/{uid}", server.get)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.address = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()
