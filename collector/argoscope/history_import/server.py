"""The workflow archive behind argo-server's HTTP API (Argo Workflows 3.4 to 4.1).

A list item has neither nodes nor spec, and in 3.4 no labels: it names no pipeline and no cause. So
the list only tells which runs there are, and each one that is not in the ledger yet is got by its
uid. The list is sorted by startedAt, newest first, and paged by offset: what is archived meanwhile
moves runs to a later page, where they come again, and none is left out.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

from argoscope import __version__
from argoscope.history_import.source import Key, SourceError, Unreadable, Wanted
from argoscope.kube.decoding import UNREADABLE
from argoscope.resources._time import unix

PAGE = 500
ATTEMPTS = 6
"""Of each request, with pauses of 1, 2, 4, 8 and 16 seconds, or as long as the server asks for."""
PAUSE_MAX = 60.0  # seconds
TIMEOUT = 60.0
"""Seconds for one request."""
GIVE_UP = 10
"""Objects in a row that can't be got: then it is the server and not the objects."""
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """How to talk to an argo-server."""

    url: str
    token: str = ""
    """Bearer token, or a whole value of the Authorization header; never shown."""
    ca_file: str = ""
    insecure: bool = False
    """Do not check the server's certificate (argo-server makes its own by default)."""
    concurrency: int = 8
    longest: float = 7 * 86400.0
    """Seconds that a run may have lasted: the API selects by startedAt, not by finishedAt."""


class _Meta(msgspec.Struct, rename="camel"):
    uid: str = ""
    name: str = ""
    namespace: str = ""


class _Status(msgspec.Struct, rename="camel"):
    finished_at: str | None = None


class _Item(msgspec.Struct):
    metadata: _Meta
    status: _Status = msgspec.field(default_factory=_Status)


class _ListMeta(msgspec.Struct, rename={"next": "continue"}):
    next: str = ""


class _List(msgspec.Struct):
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    items: list[msgspec.Raw] | None = None


class _Problem(msgspec.Struct):
    """An error of the gRPC gateway."""

    message: str = ""


class _RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(f"{status} {message}")


class _UnavailableError(Exception):
    """All attempts failed; why the last one did."""


class ArgoServer:
    """An ``Archive``; ``open`` it, and ``close`` it in the end."""

    def __init__(self, options: ServerOptions, session: aiohttp.ClientSession) -> None:
        self._options = options
        self._session = session
        self._base = base_url(options.url)
        self.unreadable = 0

    @classmethod
    async def open(cls, options: ServerOptions) -> Self:
        """Raises SourceError for a certificate file that can't be read. Connects to nothing."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=_tls(options), limit=options.concurrency),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            headers={"User-Agent": f"argoscope/{__version__}", **_authorization(options.token)},
            trust_env=True,
        )
        try:
            return cls(options, session)
        except SourceError:
            await session.close()
            raise

    async def close(self) -> None:
        await self._session.close()

    async def keys(self, wanted: Wanted) -> AsyncIterator[list[Key]]:
        for namespace in wanted.namespaces or ("",):
            at = "0"
            while at:
                page = await self._page(wanted, namespace, at)
                yield self._keys(page)
                following = page.metadata.next
                if following and not _is_after(following, at):
                    raise SourceError(
                        f"{self._base}: the list goes back from {at} to {following}, so it would"
                        " never end: does a proxy in front of argo-server change its answers?"
                    )
                at = following

    async def _page(self, wanted: Wanted, namespace: str, at: str) -> _List:
        since = datetime.fromtimestamp(max(wanted.since - self._options.longest, 0.0), UTC)
        fields = [f"spec.startedAt>{since:%Y-%m-%dT%H:%M:%SZ}"]
        params = {
            "listOptions.limit": str(PAGE),
            "listOptions.continue": at,
            "listOptions.labelSelector": wanted.selector,
        }
        if namespace:
            # The parameter is newer than the field selector; servers that know it accept both.
            fields.append(f"metadata.namespace={namespace}")
            params["namespace"] = namespace
        params["listOptions.fieldSelector"] = ",".join(fields)
        body = await self._get_or_fail("/api/v1/archived-workflows", params, namespace)
        try:
            return msgspec.json.decode(body, type=_List)
        except UNREADABLE as error:
            raise SourceError(
                f"{self._base}: answers with something else than a list of workflows ({error}): is"
                " this the address of argo-server itself?"
            ) from error

    def _keys(self, page: _List) -> list[Key]:
        found = []
        for raw in page.items or ():
            try:
                item = msgspec.json.decode(raw, type=_Item)
            except UNREADABLE:
                self.unreadable += 1
                continue
            meta = item.metadata
            if not meta.uid:
                self.unreadable += 1
                continue
            where = f"{meta.namespace}/{meta.name}"
            found.append(Key(meta.uid, unix(item.status.finished_at), where))
        return found

    async def fetch(self, keys: Sequence[Key]) -> AsyncIterator[tuple[Key, bytes | Unreadable]]:
        at_once = self._options.concurrency
        failed = 0
        for start in range(0, len(keys), at_once):
            chunk = keys[start : start + at_once]
            for key, got in zip(
                chunk, await asyncio.gather(*map(self._object, chunk)), strict=True
            ):
                if not isinstance(got, Unreadable) or got.reason == "gone":
                    failed = 0
                elif (failed := failed + 1) >= GIVE_UP:
                    raise SourceError(
                        f"{self._base}: the last {failed} workflows could not be got"
                        f" ({got.detail}); {_GOES_ON}"
                    )
                yield key, got

    async def _object(self, key: Key) -> bytes | Unreadable:
        path = f"/api/v1/archived-workflows/{quote(key.uid, safe='')}"
        try:
            return await self._get(path, {})
        except _RefusedError as error:
            if error.status == 404:
                return Unreadable("gone", "it is no longer in the archive")
            if error.status in (401, 403):
                raise self._refused(error, key.where) from error
            return Unreadable("unavailable", str(error))
        except _UnavailableError as error:
            return Unreadable("unavailable", str(error))

    async def _get_or_fail(self, path: str, params: Mapping[str, str], namespace: str) -> bytes:
        try:
            return await self._get(path, params)
        except _RefusedError as error:
            raise self._refused(error, f"namespace {namespace}" if namespace else "") from error
        except _UnavailableError as error:
            raise SourceError(f"{self._base}: {error}; {_GOES_ON}") from error

    async def _get(self, path: str, params: Mapping[str, str]) -> bytes:
        """The body of a successful answer. Raises _RefusedError, _UnavailableError, SourceError."""
        why, pause = "", 0.0
        for attempt in range(ATTEMPTS):
            await asyncio.sleep(pause)
            pause = min(2.0**attempt, PAUSE_MAX)
            try:
                async with self._session.get(
                    self._base + path, params=params, allow_redirects=False
                ) as response:
                    body = await response.read()
            except aiohttp.ClientSSLError as error:
                raise self._untrusted(error) from error
            except (aiohttp.ClientError, TimeoutError) as error:
                why = str(error) or f"no answer within {TIMEOUT:.0f} s"
                continue
            if response.status == 200:
                return body
            message = _message(response, body)
            if response.status not in _TRANSIENT:
                raise _RefusedError(response.status, message)
            why = f"{response.status} {message}"
            pause = _retry_after(response.headers, pause)
        raise _UnavailableError(f"{why} (tried {ATTEMPTS} times)")

    def _refused(self, error: _RefusedError, where: str) -> SourceError:
        said = f"{self._base} says {error}"
        if error.status == 401:
            advice = (
                "give a valid token in ARGO_TOKEN or --token-file (`argo auth token` prints one)"
            )
        elif error.status == 403:
            what = where or "all namespaces"
            advice = (
                f"the token's account must be allowed to get and list workflows ({what}); or name"
                " the namespaces in which it is with --namespace"
            )
        elif error.status == 404:
            advice = "is this the address of argo-server, with its base path (--base-href) if any?"
        elif 300 <= error.status < 400:
            advice = "give the address that it redirects to, behind no login page"
        else:
            advice = "the archive API of Argo Workflows 3.4 to 4.1 is expected"
        return SourceError(f"{said}: {advice}")

    def _untrusted(self, error: aiohttp.ClientSSLError) -> SourceError:
        return SourceError(
            f"{self._base}: {error}: name the certificate authority with --ca-file; argo-server"
            " makes a certificate of its own unless it is given one, then --insecure-skip-verify;"
            " or use http:// if it runs with --secure=false"
        )


_GOES_ON = "what was imported stays, run the import again to go on"


def base_url(text: str) -> str:
    """The server's address without a trailing slash; https if it names no scheme, as `argo` does.

    Raises SourceError.
    """
    url = text if "://" in text else f"https://{text}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SourceError(f"{text}: no address of an argo-server, such as https://argo:2746")
    if parts.username or parts.password:
        raise SourceError("give the token in ARGO_TOKEN or --token-file, not in the address")
    return url.rstrip("/")


def _authorization(token: str) -> dict[str, str]:
    if not token:
        return {}
    # `argo auth token` prints the whole header.
    return {"Authorization": token if " " in token else f"Bearer {token}"}


def _tls(options: ServerOptions) -> ssl.SSLContext | bool:
    if options.insecure:
        return False
    if not options.ca_file:
        return True
    try:
        return ssl.create_default_context(cafile=options.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SourceError(f"--ca-file {options.ca_file}: {error}") from error


def _message(response: aiohttp.ClientResponse, body: bytes) -> str:
    """What the server says, short; never what was sent to it."""
    if 300 <= response.status < 400:
        return f"redirect to {urlsplit(response.headers.get('Location', '')).hostname or '?'}"
    try:
        text = msgspec.json.decode(body, type=_Problem).message
    except UNREADABLE:
        text = response.reason or ""
    return " ".join(text.split())[:300]


def _retry_after(headers: Mapping[str, str], otherwise: float) -> float:
    value = headers.get("Retry-After", "")
    return min(float(value), PAUSE_MAX) if value.isdecimal() else otherwise


def _is_after(following: str, at: str) -> bool:
    return following.isdecimal() and int(following) > int(at)
