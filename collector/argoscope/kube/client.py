"""The few calls of the Kubernetes API that a watcher needs, on aiohttp."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import aiohttp
import msgspec

from argoscope import __version__
from argoscope.kube.config import Access, Credentials
from argoscope.kube.decoding import UNREADABLE
from argoscope.kube.errors import BadAnswerError, UnauthorizedError, api_error
from argoscope.kube.stream import MAX_LINE, WatchStream

Params = Mapping[str, str]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """Bounds of single requests."""

    connect_seconds: float = 10.0
    """Time for the TCP connection and the TLS handshake."""
    answer_seconds: float = 60.0
    """Time until a request's headers arrive; a busy server queues requests for that long."""
    body_seconds: float = 30.0
    """Longest silence within the body of an answer that is not a watch."""
    read_buffer: int = 4 << 20
    """Bytes that a watch may run ahead of the daemon before TCP holds the server back."""
    max_line: int = MAX_LINE
    """Bytes of the longest watch event that is read; longer ones are skipped and counted."""
    page_size: int = 500
    """Most objects in one page of a list."""
    first_page: int = 50
    """Objects in the first page, when nobody knows yet how large they are."""
    page_bytes: int = 8 << 20
    """Bytes that a page should not exceed: 500 large Workflows would be hundreds of MB."""


class ListMeta(msgspec.Struct, gc=False, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class Page(msgspec.Struct, gc=False):
    """One page of a list (``meta/v1.List``); the items pin the page's bytes."""

    metadata: ListMeta
    items: list[msgspec.Raw]


class _NullItems(msgspec.Struct, gc=False):
    """Some aggregated API servers write an empty list as null."""

    metadata: ListMeta
    items: None = None


class ReviewStatus(msgspec.Struct, gc=False):
    """``authorization/v1.SubjectAccessReviewStatus``."""

    allowed: bool
    reason: str = ""


class _Review(msgspec.Struct, gc=False):
    status: ReviewStatus


class Client:
    """An API server. An async context manager; one instance serves all reflectors.

    Methods raise ApiError by HTTP status, BadAnswerError, ConfigError from the credentials, and
    let network errors through. A 401 renews the credentials once and tries again.
    """

    def __init__(self, credentials: Credentials, settings: ClientSettings | None = None) -> None:
        self._credentials = credentials
        self._settings = settings or ClientSettings()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str, params: Params | None = None) -> bytes:
        response = await self._request("GET", path, params or {})
        return await self._body(response)

    async def get_json(self, path: str, params: Params | None = None) -> Any:
        """For discovery and other small documents."""
        return _decode(await self.get(path, params), object)

    async def send(self, method: str, path: str, body: Any, params: Params | None = None) -> bytes:
        """POST, PUT, PATCH (merge) or DELETE of a JSON document."""
        response = await self._request(method, path, params or {}, msgspec.json.encode(body))
        return await self._body(response)

    async def allowed(
        self, verb: str, group: str, resource: str, namespace: str = "", name: str = ""
    ) -> ReviewStatus:
        """Asks with a SelfSubjectAccessReview; an empty namespace means all of them, and an empty
        name all objects."""
        attributes = {
            "verb": verb,
            "group": group,
            "resource": resource,
            "namespace": namespace,
            "name": name,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return _decode(await self.send("POST", path, review), _Review).status

    async def pages(self, path: str, params: Params | None = None) -> AsyncIterator[Page]:
        """The pages of a consistent list: all of them show the moment of the first.

        Raises GoneError when the server has forgotten that moment before the last page.
        """
        limit, token = self._settings.first_page, ""
        while True:
            query = {**(params or {}), "limit": str(limit)}
            if token:
                query["continue"] = token
            body = await self.get(path, query)
            page = _page(body)
            token = page.metadata.continue_
            limit = self._next_limit(len(body), len(page.items))
            del body  # else it would be held while the next one is fetched
            yield page
            if not token:
                return

    def _next_limit(self, size: int, items: int) -> int:
        """As many objects as fit into ``page_bytes``, by the last page's average."""
        fitting = self._settings.page_bytes * max(items, 1) // max(size, 1)
        return max(1, min(fitting, self._settings.page_size))

    async def watch(self, path: str, params: Params) -> WatchStream:
        """Opens a watch. The parameters say from where; ``WatchStream.read`` gives the events."""
        response = await self._request("GET", path, {**params, "watch": "true"}, stream=True)
        return WatchStream(response, self._settings.max_line)

    async def _request(
        self,
        method: str,
        path: str,
        params: Params,
        data: bytes | None = None,
        *,
        stream: bool = False,
    ) -> aiohttp.ClientResponse:
        try:
            return await self._attempt(method, path, params, data, stream=stream)
        except UnauthorizedError:
            # The usual case: the token was rotated or has expired since it was read.
            self._credentials.invalidate()
            return await self._attempt(method, path, params, data, stream=stream)

    async def _attempt(
        self, method: str, path: str, params: Params, data: bytes | None, *, stream: bool
    ) -> aiohttp.ClientResponse:
        access = await self._credentials.access()
        async with asyncio.timeout(self._settings.answer_seconds):
            response = await self._open().request(
                method,
                access.server + path,
                params=params,
                data=data,
                headers=_headers(access, method, data, stream=stream),
                ssl=access.tls,
                server_hostname=access.server_hostname,
                proxy=access.proxy,
                allow_redirects=False,  # a redirect leads to a login page, never to the API
                timeout=self._timeout(stream=stream),
                read_bufsize=self._settings.read_buffer,
            )
        if response.status < 300:
            return response
        try:
            body = await self._body(response)
        finally:
            response.close()
        raise api_error(response.status, body, response.headers.get("Retry-After"))

    def _open(self) -> aiohttp.ClientSession:
        """The session, made on first use: it belongs to the running loop."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0)  # every watch holds a connection
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session

    def _timeout(self, *, stream: bool) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(
            total=None,
            sock_connect=self._settings.connect_seconds,
            sock_read=None if stream else self._settings.body_seconds,
        )

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        async with response:
            return await response.read()


def _headers(access: Access, method: str, data: bytes | None, *, stream: bool) -> dict[str, str]:
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip" if access.compress and not stream else "identity",
        "User-Agent": f"argoscope/{__version__}",
    }
    if access.authorization:
        headers["Authorization"] = access.authorization
    if data is not None:
        merge = "application/merge-patch+json"
        headers["Content-Type"] = merge if method == "PATCH" else "application/json"
    return headers


def _page(body: bytes) -> Page:
    try:
        return msgspec.json.decode(body, type=Page)
    except RecursionError as error:
        raise BadAnswerError(f"an object of the list is nested too deep: {error}") from error
    except UNREADABLE:
        return Page(_decode(body, _NullItems).metadata, [])


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE as error:
        start = body[:100].decode(errors="replace")
        raise BadAnswerError(f"not an answer of the Kubernetes API ({error}): {start}") from error
