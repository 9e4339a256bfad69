"""The server: listens, refuses whom it must, and hands requests on."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Self

from aiohttp import web

from argoscope.simulator import statuses
from argoscope.simulator.api_server import discovery, list_options, openapi
from argoscope.simulator.api_server.answers import Form, answer, compressed, wanted_form
from argoscope.simulator.api_server.control import ROOT as CONTROL
from argoscope.simulator.api_server.control import control
from argoscope.simulator.api_server.reading import Lists, list_body
from argoscope.simulator.api_server.reviews import Access, injected
from argoscope.simulator.api_server.route import Target, target, verb
from argoscope.simulator.api_server.tables import list_in_form, show_in_form
from argoscope.simulator.api_server.watching import WatchResponse
from argoscope.simulator.api_server.writing import Writes, decode_body
from argoscope.simulator.cluster import LEASES, Cluster, Stored
from argoscope.simulator.faults import Fault, Faults
from argoscope.simulator.lifecycle import Lifecycle
from argoscope.simulator.statuses import RefusedError

_log = logging.getLogger(__name__)

LARGEST_BODY = 3 << 20
"""Bytes of a request, as real servers allow."""
_REMEMBERED = 20_000  # requests
_PROBES = ("/livez", "/readyz", "/healthz")
_LONGEST_WATCH = 1800.0  # seconds
_REVIEWS = {(group, plural) for group, plural, _ in discovery.REVIEWS}


class ApiServer:
    """Serves a cluster; an async context manager.

    Settings and faults can be changed while it runs, and over HTTP (``control``).
    """

    def __init__(
        self, cluster: Cluster | None = None, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.cluster = cluster or Cluster()
        self.cluster.serve(LEASES)
        self.lifecycle = Lifecycle(self.cluster)
        """A client's way to write, for those in this process who want it."""
        self.faults = Faults()
        self.access = Access()
        self.host = host
        self.port = port
        """0: a free one, which is kept over ``stop`` and ``start``."""
        self.streaming_lists = True
        self.gone_as_status = False
        """410 as the HTTP status of a watch from a forgotten version; else as an ERROR event."""
        self.bookmark_seconds = 60.0
        self.git_version = "v1.34.1"
        self.requests: list[tuple[str, str]] = []
        """(verb, path with query) of the latest that came for objects, for tests to read; of
        single objects only those that write."""
        self.metrics: dict[str, Callable[[], str | None]] = {}
        """What /_simulator/metrics/<name> answers, in Prometheus' text format; None: 503."""
        self._lists = Lists(self.cluster)
        self._writes = Writes(self.lifecycle, self._lists)
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def tokens(self) -> set[str] | None:
        """Bearer tokens that are accepted; None: no authentication."""
        return self.access.tokens

    @tokens.setter
    def tokens(self, tokens: set[str] | None) -> None:
        self.access.tokens = tokens

    @property
    def denied(self) -> set[tuple[str, str]]:
        """(verb, plural) that RBAC refuses."""
        return self.access.denied

    @denied.setter
    def denied(self, denied: set[tuple[str, str]]) -> None:
        self.access.denied = denied

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Raises OSError where it can't listen."""
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01, access_log=None)
        await self._runner.setup()
        assert self._runner.server is not None
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            self._runner.server, self.host, self.port, reuse_address=True
        )
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Ends all connections at once, as when the process is killed."""
        if self._runner is not None:
            if self._listener is not None:
                await self._stop_listening(self._listener)
            await self._runner.cleanup()
            self._runner = None

    async def _stop_listening(self, listener: asyncio.Server) -> None:
        """Python loses a connection that it is accepting when its listener is closed
        (python/cpython#109564), so accepting ends first."""
        for listening in listener.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        for _ in range(3):  # until what was accepted is connected
            await asyncio.sleep(0)
        listener.close()

    def fail(self, fault: Fault) -> None:
        self.faults.add(fault)

    def compact(self) -> None:
        """Forgets history: positions and continue tokens of before get 410 Gone."""
        self.cluster.compact()
        self._lists.forget()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Every refusal is a ``Status``, also of what the server did not expect."""
        try:
            return await self._route(request)
        except RefusedError as refusal:
            return answer(refusal.status, refusal.code)
        except web.HTTPRequestEntityTooLarge:
            message = f"Request entity too large: limit is {LARGEST_BODY}"
            return answer(statuses.failure(413, "RequestEntityTooLarge", message), 413)
        except (ConnectionError, web.HTTPException):
            raise
        except Exception as error:  # noqa: BLE001 - clients get an answer, the log has the rest
            _log.exception("the simulator failed in %s %s", request.method, request.path)
            message = f"Internal error occurred: {error!r}"
            return answer(statuses.failure(500, "InternalError", message), 500)

    async def _route(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path in _PROBES:
            return web.Response(text="ok")
        if path == "/version":
            return await self._version(request)
        to = target(path, self.cluster)
        if to is not None:
            if (to.group, to.plural) in _REVIEWS:
                return await self._review(request, to)
            return await self._objects(request, to)
        self.access.user(request)
        if path.startswith(CONTROL):
            return await control(self, request)
        if response := openapi.document(path, request, self.cluster):
            return response
        if found := discovery.document(path, request, self.cluster):
            return answer(found[0], content_type=found[1])
        return _no_page()

    async def _version(self, request: web.Request) -> web.StreamResponse:
        if response := await self._injected(self.faults.take("version", "")):
            return response
        self.access.user(request)
        major, minor, _ = self.git_version.removeprefix("v").split(".", 2)
        return answer(
            {
                "major": major,
                "minor": minor,
                "gitVersion": self.git_version,
                "gitCommit": "",
                "platform": "argoscope/simulator",
            }
        )

    async def _review(self, request: web.Request, to: Target) -> web.StreamResponse:
        if response := await self._injected(self.faults.take("review", "")):
            return response
        user = self.access.user(request)
        if request.method != "POST":
            raise statuses.method_not_allowed()
        review = decode_body(request, await request.read())
        return answer(self.access.review(to.plural, review, user), 201)

    async def _objects(self, request: web.Request, to: Target) -> web.StreamResponse:
        query = request.query
        asked = verb(request.method, to, watching=list_options.is_true(query, "watch"))
        if asked != "get":
            self._note(asked, request.path_qs)
        fault = self.faults.take(asked, to.plural, continued="continue" in query)
        if response := await self._injected(fault):
            return response
        self.access.check(self.access.user(request), asked, to)
        if (to.group, to.version) not in discovery.group_versions(self.cluster):
            return _no_page()
        collection, form = to.found, wanted_form(request)
        if asked == "list":
            return await self._list(request, to, form)
        if asked == "watch":
            return await self._watch(request, to, form, fault)
        if asked == "deletecollection":
            meta, gone = await self._writes.delete_collection(request, to)
            return answer(list_body(collection, meta, gone))
        code, left = await self._object(asked, request, to)
        if not isinstance(left, Stored):
            return answer(left, code)
        show = show_in_form(form, collection, self.cluster.clock)
        return answer(show(left) if show else left.json, code)

    async def _object(
        self, asked: str, request: web.Request, to: Target
    ) -> tuple[int, Stored | dict[str, object]]:
        if asked == "get":
            if to.subresource and not (to.subresource == "status" and to.kind.status):
                raise statuses.no_such_resource()
            return 200, self.lifecycle.get(to.kind, to.namespace, to.name)
        if asked == "create":
            return await self._writes.create(request, to)
        if asked == "update":
            return await self._writes.update(request, to)
        if asked == "patch":
            return await self._writes.patch(request, to)
        if asked == "delete":
            return await self._writes.delete(request, to)
        raise statuses.method_not_allowed()

    async def _list(self, request: web.Request, to: Target, form: Form) -> web.StreamResponse:
        options = list_options.read(request.query)
        selection = list_options.select(to.kind, to.namespace, request.query)
        meta, found = self._lists.page(to.found, selection, options)
        if form.kind:
            body = list_in_form(form, to.found, meta, found, self.cluster.clock())
        else:
            body = list_body(to.found, meta, found)
        return await compressed(request, body)

    async def _watch(
        self, request: web.Request, to: Target, form: Form, fault: Fault | None
    ) -> web.StreamResponse:
        if not self.streaming_lists and "sendInitialEvents" in request.query:
            raise list_options.forbidden(
                "sendInitialEvents",
                "sendInitialEvents is forbidden for watch unless the WatchList feature gate is"
                " enabled",
            )
        options = list_options.read(request.query)
        selection = list_options.select(to.kind, to.namespace, request.query)
        since, initial = options.version or 0, bool(options.initial_events)
        watch = WatchResponse(
            *(self.cluster, to.found, selection, fault),
            show=show_in_form(form, to.found, self.cluster.clock),
            bookmark_seconds=self.bookmark_seconds if options.bookmarks else None,
        )
        if 0 < since < to.found.compacted and not initial:
            if self.gone_as_status:
                raise statuses.expired(f"too old resource version: {since}")
            return await watch.refuse(request, since)
        seconds = options.timeout or _LONGEST_WATCH
        with contextlib.suppress(TimeoutError, ConnectionError):  # its time is over, or it has gone
            async with asyncio.timeout(seconds):
                await watch.run(request, since, initial=initial)
        return watch.response

    async def _injected(self, fault: Fault | None) -> web.StreamResponse | None:
        if fault is None:
            return None
        if fault.hang:
            await asyncio.Event().wait()
        if fault.body is not None:
            return answer(fault.body)
        if not fault.status:
            return None
        response = answer(injected(fault.status, fault.cause), fault.status)
        if fault.retry_after is not None:
            response.headers["Retry-After"] = str(fault.retry_after)
        return response

    def _note(self, asked: str, path: str) -> None:
        self.requests.append((asked, path))
        if len(self.requests) > _REMEMBERED:
            del self.requests[: _REMEMBERED // 2]


def _no_page() -> web.Response:
    """What real servers say of a path that no API has: not even JSON."""
    return web.Response(status=404, text="404 page not found\n")
