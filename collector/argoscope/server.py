"""What the daemon serves over HTTP: metrics, health, and a page that answers the questions."""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.log import server_logger
from aiohttp.typedefs import Middleware

from argoscope.export.prometheus import Exposition
from argoscope.gate.gate import Gate, Handler
from argoscope.metrics.registry import Registry
from argoscope.page import render
from argoscope.page.model import Summary
from argoscope.page.summary import ready, summarize
from argoscope.watch.status import ReflectorStatus, State

log = structlog.get_logger()

_FRESH = 1.0  # seconds that a summary is shown to everybody: values are published once a second
_SCRAPES = 8  # at a time; a body of 100,000 series is 12 MB that a slow reader keeps in memory
_SCRAPE_TIMEOUT = 60.0  # seconds until a reader that does not read is cut off
_CHUNK = 256 << 10
_SHUTDOWN = 1.0  # seconds that requests in flight have to end
_HTML = "text/html"
_TEXT = "text/plain"

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "argoscope",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class ListenError(Exception):
    """The address can't be listened on: which one, why, and what to do."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; an empty host and ``::`` mean all interfaces, IPv4 and IPv6.

    asyncio would make ``::`` an IPv6-only socket, which a cluster without IPv6 can't reach.
    Raises ListenError.
    """
    try:
        return _bind(host, port)
    except OSError as error:
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        hint = ""
        if error.errno == errno.EADDRINUSE:
            hint = ": something else listens there; end it, or choose another with --listen"
        elif error.errno in (errno.EADDRNOTAVAIL, socket.EAI_NONAME):
            hint = ": this machine has no such address"
        elif error.errno == errno.EACCES:
            hint = ": ports below 1024 need a privilege"
        raise ListenError(f"can't listen on {shown}{hint} ({error.strerror or error})") from error


def _bind(host: str, port: int) -> socket.socket:
    if host in ("", "::"):
        if socket.has_dualstack_ipv6():
            return socket.create_server(
                ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128
            )
        host = "0.0.0.0"  # noqa: S104 - asked for
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, where = found[0]
    return socket.create_server((str(where[0]), port), family=family, backlog=128)


_AMISS = (State.FORBIDDEN, State.FAILING)
"""What is shown is of before, or lacks a kind that may be missing: no reason to be not ready."""


def readiness(statuses: Sequence[ReflectorStatus]) -> str:
    """One line for each stream: what keeps it from being ready first."""
    lines = []
    for status in sorted(statuses, key=lambda status: (status.ready, status.resource)):
        name = f"{status.resource} ({status.stream})" if status.stream else status.resource
        mark = "waiting" if not status.ready else "degraded" if status.state in _AMISS else "ok"
        why = f": {status.reason}" if status.reason else ""
        lines.append(f"{mark} {name} {status.state.value}{why}\n")
    return "".join(lines) or "ok nothing is watched\n"


class Server:
    """Serves a registry. GET and HEAD only; nothing that is asked changes anything."""

    def __init__(
        self,
        registry: Registry,
        exposition: Exposition,
        statuses: Callable[[], Sequence[ReflectorStatus]],
        *,
        notes: Callable[[], Sequence[str]] = tuple,
        cluster: str = "",
        tls: ssl.SSLContext | None = None,
        gate: Gate | None = None,
    ) -> None:
        """``notes`` are further lines for /readyz; without ``gate`` everybody is let in."""
        self._registry = registry
        self._exposition = exposition
        self._statuses = statuses
        self._notes = notes
        self._cluster = cluster
        self._tls = tls
        self._gate = gate
        self._started = registry.now()
        self._scrapes = 0
        self._summary: Summary | None = None
        self._summed_at = 0.0
        self._summing = asyncio.Lock()
        server_logger.addFilter(_is_not_of_a_malformed_request)
        self._runner = web.AppRunner(
            self._application(),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_SHUTDOWN,
            keepalive_timeout=75.0,
        )

    def _application(self) -> web.Application:
        middlewares = [_gated(self._gate)] if self._gate is not None else []
        application = web.Application(client_max_size=1024, middlewares=middlewares)
        application.on_response_prepare.append(_add_headers)
        application.router.add_get("/", self._page)
        application.router.add_get("/api/summary", self._api_summary)
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/livez", self._livez)
        application.router.add_get("/readyz", self._readyz)
        for name, content_type in render.ASSETS.items():
            application.router.add_get(f"/{name}", _asset(name, content_type))
        return application

    async def start(self, listener: socket.socket) -> str:
        """Serves on the socket; returns the address as people type it."""
        render.prepare()
        await self._runner.setup()
        await web.SockSite(self._runner, listener, ssl_context=self._tls).start()
        host, port = listener.getsockname()[:2]
        host = {"::": "localhost", "0.0.0.0": "localhost"}.get(host, host)  # noqa: S104
        scheme = "https" if self._tls is not None else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    async def close(self) -> None:
        """Ends connections; requests in flight have a second."""
        await self._runner.cleanup()

    async def _livez(self, _: web.Request) -> web.Response:
        # That the event loop answers is all there is to know: a task that dies ends the process.
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        statuses = self._statuses()
        text = readiness(statuses) + "".join(f"{note}\n" for note in self._notes())
        return web.Response(text=text, status=200 if ready(statuses) else 503)

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        if self._scrapes >= _SCRAPES:
            return web.Response(
                text=f"{_SCRAPES} scrapes are being answered already\n",
                status=503,
                headers={"Retry-After": "5"},
            )
        self._scrapes += 1
        try:
            async with asyncio.timeout(_SCRAPE_TIMEOUT):
                body, headers = await self._exposition.respond(
                    request.headers.get("Accept", ""), request.headers.get("Accept-Encoding", "")
                )
                newborns = self._registry.newborns
                shown = newborns.publication
                try:
                    response = await _send(request, body, headers)
                except ConnectionError:
                    return web.Response()  # who asked has hung up, and has seen nothing
                if request.method == "GET":
                    newborns.scraped(request.remote or "", shown)
                return response
        finally:
            self._scrapes -= 1

    async def _page(self, _: web.Request) -> web.Response:
        html = render.page(await self._fresh(), cluster=self._cluster, started=self._started)
        return web.Response(text=html, content_type=_HTML, headers={"Cache-Control": "no-store"})

    async def _api_summary(self, _: web.Request) -> web.Response:
        return web.Response(
            body=msgspec.json.encode(await self._fresh()),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    async def _fresh(self) -> Summary:
        """The summary of this second, made once for however many people look."""
        clock = asyncio.get_running_loop()
        async with self._summing:
            if self._summary is None or clock.time() - self._summed_at >= _FRESH:
                self._summary = await summarize(self._registry, self._statuses())
                self._summed_at = clock.time()
            return self._summary


def _is_not_of_a_malformed_request(record: logging.LogRecord) -> bool:
    # aiohttp logs a traceback of each, which quotes it: a token may be in there. Who sent it is
    # told what is wrong with it; nobody else can do anything about it.
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)


def _gated(gate: Gate) -> Middleware:
    @web.middleware
    async def pass_through(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await gate(request, handler)

    return pass_through


async def _send(
    request: web.Request, body: bytes, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Writes in pieces, each when the last one has left, so that a slow reader holds nothing up.
    Raises ConnectionError when it hangs up."""
    response = web.StreamResponse(headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    if request.method != "HEAD":
        view = memoryview(body)
        for start in range(0, len(body), _CHUNK):
            await response.write(view[start : start + _CHUNK])
    await response.write_eof()
    return response


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


def _asset(name: str, content_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        # The page asks with the content's fingerprint: that never changes its meaning.
        lasting = request.query_string == render.fingerprint()
        headers = {"Cache-Control": "max-age=31536000, immutable" if lasting else "no-cache"}
        body = render.asset(name)
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)

    return answer
