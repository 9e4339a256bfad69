"""One watch of the API server: the events that a client gets, and what is done to them."""

import asyncio
from collections.abc import Iterator

import msgspec
from aiohttp import web

from argoscope.simulator.cluster import Change, Cluster, Collection, Selection, at_version
from argoscope.simulator.faults import Fault

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
_WRITE = 256 << 10
"""Bytes that are written at once when many events are due."""


class _StreamEndError(Exception):
    """A fault has ended the stream."""


class WatchResponse:
    """Streams a collection's changes into a response."""

    def __init__(
        self, cluster: Cluster, collection: Collection, selection: Selection, fault: Fault | None
    ) -> None:
        self.response = web.StreamResponse(headers={"Content-Type": "application/json"})
        self.bookmark_seconds = 60.0
        self._cluster = cluster
        self._collection = collection
        self._selection = selection
        self._fault = fault or Fault(times=0)
        self._last = b""
        self._sent = 0
        self._transport: asyncio.Transport | None = None

    async def refuse(self, request: web.Request, code: int, message: str) -> web.StreamResponse:
        """Answers 200 and then with an ERROR event, as API servers do for an old version."""
        await self.response.prepare(request)
        await self.response.write(_error(code, message))
        return self.response

    async def run(self, request: web.Request, since: int, *, initial: bool) -> None:
        """Events from that version on (0: all objects first), until the client goes or a fault
        ends it."""
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
        if since:
            position = self._collection.dropped
        else:
            await self._send(self._objects())
        if initial:
            await self._send(iter([self._bookmark({INITIAL_EVENTS_END: "true"})]))
        while True:
            if position < self._collection.dropped:
                await self.response.write(_error(410, "too old resource version"))
                return
            end = self._collection.end()
            await self._send(self._changes(position, since))
            position = end
            if self._cluster.collections.get(self._collection.kind.plural) is not self._collection:
                return  # the CRD was removed
            await self._wait(position)

    async def _wait(self, position: int) -> None:
        """Until there is more; sends bookmarks meanwhile."""
        while position == self._collection.end():
            try:
                async with asyncio.timeout(self.bookmark_seconds):
                    await self._collection.changed()
                    return
            except TimeoutError:
                await self._send(iter([self._bookmark({})]))

    def _objects(self) -> Iterator[bytes]:
        for stored in list(self._collection.objects.values()):
            if self._selection.matches(stored):
                yield _line("ADDED", stored.json)

    def _changes(self, position: int, since: int) -> Iterator[bytes]:
        start = position - self._collection.dropped
        for change in self._collection.changes[start:]:
            if change.version > since and (line := self._seen(change)):
                yield line

    def _seen(self, change: Change) -> bytes:
        """A change as this selection sees it: leaving the selection is a deletion."""
        was = change.old is not None and self._selection.matches(change.old)
        remains = not change.gone and self._selection.matches(change.new)
        if remains:
            return _line("MODIFIED" if was else "ADDED", change.new.json)
        if was and change.old is not None:
            last = change.new if change.gone else at_version(change.old, change.version)
            return _line("DELETED", last.json)
        return b""

    def _bookmark(self, annotations: dict[str, str]) -> bytes:
        kind = self._collection.kind
        meta = {"resourceVersion": str(self._cluster.version), "annotations": annotations}
        body = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta}
        return _line("BOOKMARK", msgspec.json.encode(body))

    async def _send(self, lines: Iterator[bytes]) -> None:
        batch: list[bytes] = []
        size = 0
        for line in lines:
            fault = self._fault
            if (fault.cut or fault.end or fault.error or fault.stall) and self._sent >= fault.after:
                await self._write(batch)
                await self._break(line)
            self._sent += 1
            batch += [line, line, self._last or line] if fault.duplicate else [line]
            self._last = line
            size += len(line)
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

    async def _break(self, line: bytes) -> None:
        """Does what the fault says instead of sending the line."""
        if self._fault.stall:
            await asyncio.Event().wait()
        if self._fault.error:
            await self.response.write(_error(self._fault.error, "an injected fault"))
        if self._fault.cut:
            await self.response.write(line[: len(line) // 2])
            if self._transport is not None:
                self._transport.close()
        raise _StreamEndError


def _line(kind: str, obj: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + obj + b"}\n"


def _error(code: int, message: str) -> bytes:
    reason = "Expired" if code == 410 else "InternalError"
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
    return _line("ERROR", msgspec.json.encode({**status, "reason": reason, "message": message}))
