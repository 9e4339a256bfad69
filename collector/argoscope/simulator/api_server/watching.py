"""One watch of the API server: the events that a client gets, and what is done to them."""

import asyncio
from collections.abc import Iterator

import msgspec
from aiohttp import web

from argoscope.simulator.api_server.tables import Show
from argoscope.simulator.cluster import Change, Cluster, Collection, Selection, Stored, at_version
from argoscope.simulator.faults import Fault
from argoscope.simulator.statuses import failure

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
_WRITE = 256 << 10
"""Bytes that are written at once when many events are due."""


Line = tuple[bytes, ...]
"""Of a stream, in pieces; empty: none."""


class _StreamEndError(Exception):
    """A fault has ended the stream."""


class WatchResponse:
    """Streams a collection's changes into a response."""

    def __init__(
        self,
        cluster: Cluster,
        collection: Collection,
        selection: Selection,
        fault: Fault | None = None,
        *,
        show: Show | None = None,
        bookmark_seconds: float | None = None,
    ) -> None:
        """``show`` gives an object's bytes in the form that the client wants, None: as it is.
        Without ``bookmark_seconds`` there are no bookmarks."""
        self.response = web.StreamResponse(headers={"Content-Type": "application/json"})
        self._bookmark_seconds = bookmark_seconds
        self._cluster = cluster
        self._collection = collection
        self._selection = selection
        self._show = show or _as_it_is
        self._fault = fault or Fault(times=0)
        self._last: Line = ()
        self._sent = 0
        self._told_at = 0.0
        """When the last bookmark was sent, by the event loop's clock: tests have their own."""
        self._transport: asyncio.Transport | None = None

    async def refuse(self, request: web.Request, since: int) -> web.StreamResponse:
        """Answers 200 and then with an ERROR event, as API servers do for an old version."""
        await self.response.prepare(request)
        await self.response.write(b"".join(self._gone(since)))
        return self.response

    async def run(self, request: web.Request, since: int, *, initial: bool) -> None:
        """Events from that version on (0: all objects first), until the client goes or a fault
        ends it. ``initial``: and then a bookmark that says that these were all."""
        self._transport = request.transport
        await self.response.prepare(request)
        try:
            await self._follow(since, initial=initial)
        except _StreamEndError:
            pass

    async def _follow(self, since: int, *, initial: bool) -> None:
        if self._fault.junk:
            await self.response.write(self._fault.junk + b"\n")
        position = self._collection.end()
        if since and not initial:
            position = self._collection.dropped
        else:
            since = self._cluster.version
            await self._send(self._objects())
        if initial and self._bookmark_seconds is not None:
            # Of the version that the objects had: what changed while they were sent comes after it.
            await self._send(iter([self._bookmark(since, {INITIAL_EVENTS_END: "true"})]))
        self._told_at = asyncio.get_running_loop().time()
        while True:
            if position < self._collection.dropped:
                await self.response.write(b"".join(self._gone(since)))
                return
            end = self._collection.end()
            await self._send(self._changes(position, since))
            position = end
            if self._cluster.collections.get(self._collection.kind.plural) is not self._collection:
                return  # the CRD was removed
            await self._wait(position)

    async def _wait(self, position: int) -> None:
        """Until there is more; sends bookmarks meanwhile.

        They are due by the clock also while changes come: none of these may be in the selection.
        """
        while position == self._collection.end():
            try:
                async with asyncio.timeout_at(self._due()):
                    await self._collection.changed()
            except TimeoutError:
                if position == self._collection.end():  # else it would cover what is not sent yet
                    self._told_at = asyncio.get_running_loop().time()
                    await self._send(iter([self._bookmark(self._cluster.version, {})]))

    def _due(self) -> float | None:
        """When the next bookmark is."""
        return None if self._bookmark_seconds is None else self._told_at + self._bookmark_seconds

    def _objects(self) -> Iterator[Line]:
        for stored in self._collection.sorted():
            if self._selection.matches(stored):
                yield _line(b"ADDED", self._show(stored))

    def _changes(self, position: int, since: int) -> Iterator[Line]:
        start = position - self._collection.dropped
        for change in self._collection.changes[start:]:
            if change.version > since and (line := self._seen(change)):
                yield line

    def _seen(self, change: Change) -> Line:
        """A change as this selection sees it: leaving the selection is a deletion."""
        was = change.old is not None and self._selection.matches(change.old)
        remains = not change.gone and self._selection.matches(change.new)
        if remains:
            return _line(b"MODIFIED" if was else b"ADDED", self._show(change.new))
        if was and change.old is not None:
            last = change.new if change.gone else at_version(change.old, change.version)
            return _line(b"DELETED", self._show(last))
        return ()

    def _bookmark(self, version: int, annotations: dict[str, str]) -> Line:
        kind = self._collection.kind
        meta: dict[str, object] = {"resourceVersion": str(version)}
        if annotations:
            meta["annotations"] = annotations
        body = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta}
        return _line(b"BOOKMARK", msgspec.json.encode(body))

    def _gone(self, since: int) -> Line:
        message = f"too old resource version: {since} ({self._collection.compacted})"
        return _error(410, "Expired", message)

    async def _send(self, lines: Iterator[Line]) -> None:
        batch: list[bytes] = []
        size = 0
        for line in lines:
            fault = self._fault
            if (fault.cut or fault.end or fault.error or fault.stall) and self._sent >= fault.after:
                await self._write(batch)
                await self._break(line)
            self._sent += 1
            batch += line
            if fault.duplicate:
                batch += [*line, *(self._last or line)]
            self._last = line
            size += len(line[1])
            if size > _WRITE:
                await self._write(batch)
                size = 0
        await self._write(batch)

    async def _write(self, batch: list[bytes]) -> None:
        data = b"".join(batch)
        batch.clear()
        step = self._fault.chunk or len(data)
        for start in range(0, len(data), step or 1):
            await self.response.write(data[start : start + step])
            if self._fault.chunk:
                await asyncio.sleep(0)

    async def _break(self, line: Line) -> None:
        """Does what the fault says instead of sending the line."""
        if self._fault.stall:
            await asyncio.Event().wait()
        if self._fault.error:
            reason = "Expired" if self._fault.error == 410 else "InternalError"
            broken = _error(self._fault.error, reason, "an injected fault")
            await self.response.write(b"".join(broken))
        if self._fault.cut:
            whole = b"".join(line)
            await self.response.write(whole[: len(whole) // 2])
            if self._transport is not None:
                self._transport.close()
        raise _StreamEndError


def _as_it_is(stored: Stored) -> bytes:
    return stored.json


def _line(event: bytes, obj: bytes) -> Line:
    """In pieces, so that the object's bytes are copied once, when they are sent."""
    return (b'{"type":"' + event + b'","object":', obj, b"}\n")


def _error(code: int, reason: str, message: str) -> Line:
    return _line(b"ERROR", msgspec.json.encode(failure(code, reason, message)))
