"""The part of the Kubernetes API that watchers use, over HTTP, on a cluster in memory.

Lists with pages that show one moment, watches with bookmarks and history, streaming lists,
discovery and access reviews; and every fault that a watcher has to survive, on demand.
"""

import asyncio
import base64
from typing import Any, Self

import msgspec
from aiohttp import web

from argoscope.simulator.cluster import LEASES, Cluster, Collection, Selection, Stored
from argoscope.simulator.faults import Fault, Faults
from argoscope.simulator.watching import WatchResponse

SNAPSHOTS = 64
"""Lists half read that are remembered; older continue tokens expire."""


class ApiServer:
    """Serves a cluster on 127.0.0.1; an async context manager.

    Settings and faults can be changed while it runs.
    """

    def __init__(self, cluster: Cluster | None = None, *, port: int = 0) -> None:
        self.cluster = cluster or Cluster()
        self.cluster.serve(LEASES)
        self.faults = Faults()
        self.port = port
        """0: a free one, which is kept over ``stop`` and ``start``."""
        self.tokens: set[str] | None = None
        """Bearer tokens that are accepted; None: no authentication."""
        self.denied: set[tuple[str, str]] = set()
        """(verb, plural) that RBAC refuses."""
        self.streaming_lists = True
        self.gone_as_status = False
        """410 as the HTTP status of a watch from a forgotten version; else as an ERROR event."""
        self.bookmark_seconds = 60.0
        self.git_version = "v1.34.1"
        self.requests: list[tuple[str, str]] = []
        """(verb, path with query) of all that came, for tests to read."""
        self._snapshots: dict[str, tuple[int, list[Stored]]] = {}
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/version", self._version)
        app.router.add_get("/{probe:livez|readyz}", self._probe)
        app.router.add_get("/apis", self._groups)
        app.router.add_post(
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", self._access_review
        )
        for root in ("/api/{version}", "/apis/{group}/{version}"):
            app.router.add_get(root, self._resources)
            for scope in ("", "/namespaces/{namespace}"):
                app.router.add_get(root + scope + "/{plural}", self._collection)
                app.router.add_get(root + scope + "/{plural}/{name}", self._object)
                app.router.add_post(root + scope + "/{plural}", self._write)
                app.router.add_put(root + scope + "/{plural}/{name}", self._write)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01, access_log=None)
        await self._runner.setup()
        assert self._runner.server is not None
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            self._runner.server, "127.0.0.1", self.port, reuse_address=True
        )
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Ends all connections at once, as when the process is killed."""
        if self._runner is not None:
            await self._stop_listening()
            await self._runner.cleanup()
            self._runner = None

    async def _stop_listening(self) -> None:
        """Python loses a connection that it is accepting when its listener is closed
        (python/cpython#109564), so accepting ends first."""
        assert self._listener is not None
        for listening in self._listener.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        for _ in range(3):  # until what was accepted is connected
            await asyncio.sleep(0)
        self._listener.close()

    def fail(self, fault: Fault) -> None:
        self.faults.add(fault)

    def compact(self) -> None:
        """Forgets history: positions and continue tokens of before get 410 Gone."""
        self.cluster.compact()
        self._snapshots.clear()

    async def _version(self, request: web.Request) -> web.StreamResponse:
        if refused := await self._refusal(request, "version", ""):
            return refused
        major, minor, _ = self.git_version.removeprefix("v").split(".", 2)
        return _json({"major": major, "minor": minor, "gitVersion": self.git_version})

    async def _probe(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text="ok")

    async def _groups(self, _: web.Request) -> web.StreamResponse:
        served = {c.kind.group: c.kind.version for c in self.cluster.collections.values()}
        groups = []
        for group, version in served.items():
            if group:
                both = {"groupVersion": f"{group}/{version}", "version": version}
                groups.append({"name": group, "versions": [both], "preferredVersion": both})
        return _json({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})

    async def _resources(self, request: web.Request) -> web.StreamResponse:
        group, version = request.match_info.get("group", ""), request.match_info["version"]
        kinds = [
            c.kind
            for c in self.cluster.collections.values()
            if (c.kind.group, c.kind.version) == (group, version)
        ]
        if not kinds:
            return _status(404, "NotFound", "the server could not find the requested resource")
        resources = [
            {
                "name": kind.plural,
                "kind": kind.kind,
                "namespaced": kind.namespaced,
                "verbs": ["get", "list", "watch"],
            }
            for kind in kinds
        ]
        body = {"kind": "APIResourceList", "groupVersion": kinds[0].api_version}
        return _json({**body, "resources": resources})

    async def _access_review(self, request: web.Request) -> web.StreamResponse:
        if refused := await self._refusal(request, "review", ""):
            return refused
        review = msgspec.json.decode(await request.read())
        asked = review["spec"]["resourceAttributes"]
        denied = (asked["verb"], asked["resource"]) in self.denied
        reason = "no RBAC rule matched" if denied else "RBAC: allowed by ClusterRole"
        return _json({**review, "status": {"allowed": not denied, "reason": reason}}, status=201)

    async def _object(self, request: web.Request) -> web.StreamResponse:
        plural, name = request.match_info["plural"], request.match_info["name"]
        if refused := await self._refusal(request, "get", plural):
            return refused
        collection = self._find(request)
        namespace = request.match_info.get("namespace", "")
        stored = collection.objects.get((namespace, name)) if collection else None
        if stored is None:
            return _status(404, "NotFound", f'{plural} "{name}" not found')
        return web.Response(body=stored.json, content_type="application/json")

    async def _collection(self, request: web.Request) -> web.StreamResponse:
        query, plural = request.query, request.match_info["plural"]
        verb = "watch" if query.get("watch") in ("true", "1") else "list"
        self.requests.append((verb, request.path_qs))
        fault = self.faults.take(verb, plural, continued="continue" in query)
        if refused := await self._refusal(request, verb, plural, fault):
            return refused
        collection = self._find(request)
        if collection is None:
            return _status(404, "NotFound", "the server could not find the requested resource")
        try:
            selection = Selection(
                request.match_info.get("namespace", ""),
                query.get("labelSelector", ""),
                query.get("fieldSelector", ""),
            )
        except ValueError as error:
            return _status(400, "BadRequest", str(error))
        if verb == "list":
            return self._list(request, collection, selection)
        return await self._watch(request, collection, selection, fault)

    async def _write(self, request: web.Request) -> web.StreamResponse:
        """Creates an object that must not exist (POST), or replaces the version that is named."""
        plural, verb = (
            request.match_info["plural"],
            "create" if request.method == "POST" else "update",
        )
        self.requests.append((verb, request.path_qs))
        if refused := await self._refusal(request, verb, plural):
            return refused
        obj = msgspec.json.decode(await request.read())
        obj["metadata"]["namespace"] = request.match_info.get("namespace", "")
        collection = self._find(request)
        key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        old = collection.objects.get(key) if collection else None
        if collection is None or (verb == "update" and old is None):
            return _status(404, "NotFound", f'{plural} "{key[1]}" not found')
        if verb == "create" and old is not None:
            return _status(409, "AlreadyExists", f'{plural} "{key[1]}" already exists')
        version = obj["metadata"].get("resourceVersion")
        if old is not None and version not in (None, str(old.version)):
            return _status(409, "Conflict", "the object has been modified")
        stored = self.cluster.put(plural, obj)
        return web.Response(
            body=stored.json,
            status=201 if old is None else 200,
            content_type="application/json",
        )

    def _find(self, request: web.Request) -> Collection | None:
        at = request.match_info
        collection = self.cluster.collections.get(at["plural"])
        if collection is None:
            return None
        served = (collection.kind.group, collection.kind.version)
        return collection if served == (at.get("group", ""), at["version"]) else None

    async def _refusal(
        self, request: web.Request, verb: str, plural: str, fault: Fault | None = None
    ) -> web.StreamResponse | None:
        """What faults, authentication and authorization have against a request."""
        fault = fault or self.faults.take(verb, plural)
        if fault is not None and fault.hang:
            await asyncio.Event().wait()
        if fault is not None and fault.body is not None:
            return web.Response(body=fault.body, content_type="application/json")
        if fault is not None and fault.status:
            return _refuse(fault)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.tokens is not None and token not in self.tokens:
            return _status(401, "Unauthorized", "Unauthorized")
        if (verb, plural) in self.denied:
            message = f'{plural} is forbidden: User "argoscope" cannot {verb} resource "{plural}"'
            return _status(403, "Forbidden", message)
        return None

    def _list(
        self, request: web.Request, collection: Collection, selection: Selection
    ) -> web.StreamResponse:
        token = request.query.get("continue", "")
        if token:
            snapshot, _, start = base64.b64decode(token).decode().partition(":")
            if snapshot not in self._snapshots:
                return self._expired_token(collection, selection, int(start))
            version, found = self._snapshots[snapshot]
        else:
            snapshot, start = str(len(self.requests)), "0"
            version = self.cluster.version
            found = [s for s in collection.objects.values() if selection.matches(s)]
        limit = int(request.query.get("limit", "0")) or len(found)
        end = int(start) + limit
        meta = {"resourceVersion": str(version)}
        if end < len(found):
            meta["continue"] = self._remember(snapshot, version, found, end)
            meta["remainingItemCount"] = str(len(found) - end)
        response = web.Response(
            body=_list_body(collection, meta, found[int(start) : end]),
            content_type="application/json",
        )
        response.enable_compression()  # where the client accepts it
        return response

    def _remember(self, snapshot: str, version: int, found: list[Stored], end: int) -> str:
        self._snapshots[snapshot] = (version, found)
        if len(self._snapshots) > SNAPSHOTS:
            del self._snapshots[next(iter(self._snapshots))]
        return base64.b64encode(f"{snapshot}:{end}".encode()).decode()

    def _expired_token(
        self, collection: Collection, selection: Selection, start: int
    ) -> web.StreamResponse:
        """410 with a token that goes on at the same place, at the present moment."""
        found = [s for s in collection.objects.values() if selection.matches(s)]
        fresh = self._remember(f"fresh{len(self.requests)}", self.cluster.version, found, start)
        message = "The provided continue parameter is too old"
        return _status(410, "Expired", message, metadata={"continue": fresh})

    async def _watch(
        self,
        request: web.Request,
        collection: Collection,
        selection: Selection,
        fault: Fault | None,
    ) -> web.StreamResponse:
        query = request.query
        initial = query.get("sendInitialEvents") == "true"
        if "resourceVersionMatch" in query and not (initial and self.streaming_lists):
            message = "sendInitialEvents: Forbidden: the WatchList feature gate is disabled"
            return _status(422, "Invalid", message)
        since = int(query.get("resourceVersion") or 0)
        gone = 0 < since < collection.compacted
        if gone and self.gone_as_status:
            return _status(410, "Expired", "too old resource version")
        watch = WatchResponse(self.cluster, collection, selection, fault)
        watch.bookmark_seconds = self.bookmark_seconds
        if gone:
            return await watch.refuse(request, 410, "too old resource version")
        seconds = float(query.get("timeoutSeconds") or 1800)
        try:
            async with asyncio.timeout(seconds):
                await watch.run(request, since, initial=initial)
        except (TimeoutError, ConnectionError):
            pass  # the stream's time is over, or the client has gone
        return watch.response


def _list_body(collection: Collection, meta: dict[str, str], found: list[Stored]) -> bytes:
    kind = collection.kind
    head = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta}
    items = b",".join(stored.json for stored in found)
    return msgspec.json.encode(head)[:-1] + b',"items":[' + items + b"]}"


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json"
    )


def _status(code: int, reason: str, message: str, **more: Any) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return _json({**body, "code": code, "reason": reason, "message": message, **more}, code)


def _refuse(fault: Fault) -> web.Response:
    details = {"causes": [{"reason": fault.cause}]} if fault.cause else {}
    response = _status(fault.status, "Injected", "an injected fault", details=details)
    if fault.retry_after is not None:
        response.headers["Retry-After"] = str(fault.retry_after)
    return response
