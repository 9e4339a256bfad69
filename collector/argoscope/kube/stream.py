"""A watch's bytes: chunks as they arrive, cut into lines, cut into events, without copying.

aiohttp's own line reader copies every line and gives up on one that is longer than its buffer;
this one copies only the lines that cross a chunk, and skips one that is too long.
"""

import asyncio
from typing import Self

import aiohttp
import msgspec

from argoscope.kube.decoding import UNREADABLE
from argoscope.kube.errors import BadAnswerError

MAX_LINE = 64 << 20
"""Bytes. etcd refuses objects above 1.5 MiB by default; some raise that to 8 MiB and more."""

OVERSIZED = "OVERSIZED"
"""Type of the event that stands for a line longer than the bound; it has no readable object."""

_READ = 1 << 20
"""Bytes at once: two milliseconds of work, after which others on the event loop have their turn."""

_PREFIX = b'{"type":"'
_OBJECT = b'","object":'
_HEAD = 40
"""Bytes within which the object of every known event type has begun."""


class WatchEvent(msgspec.Struct, gc=False, frozen=True):
    """One change: ``object`` is undecoded and pins the whole chunk that it came in."""

    type: str
    object: msgspec.Raw
    size: int
    """Bytes of the object's JSON."""


class _Envelope(msgspec.Struct, gc=False):
    type: str
    object: msgspec.Raw


_decode_envelope = msgspec.json.Decoder(_Envelope).decode


def parse_event(line: memoryview) -> WatchEvent:
    """Cuts the envelope off. API servers write it in one fixed form, so nothing is scanned.

    Raises msgspec.MsgspecError for a line that is no watch event.
    """
    head = bytes(line[:_HEAD])
    end = head.find(b'"', len(_PREFIX))
    body = end + len(_OBJECT)
    if head.startswith(_PREFIX) and head[end:body] == _OBJECT and bytes(line[-2:]) == b"}}":
        size = len(line) - body - 1
        return WatchEvent(head[len(_PREFIX) : end].decode(), msgspec.Raw(line[body:-1]), size)
    envelope = _decode_envelope(line)
    return WatchEvent(envelope.type, envelope.object, len(memoryview(envelope.object)))


class LineSplitter:
    """Chunks in, complete lines out; what follows the last newline waits for its rest."""

    def __init__(self, max_line: int = MAX_LINE) -> None:
        self._max_line = max_line
        self._parts: list[memoryview] = []
        self._held = 0
        self._skipped = 0
        """Bytes of the line that is being skipped; 0 when none is."""
        self.oversized: list[int] = []
        """Sizes of the lines that were skipped since the last look."""

    def feed(self, chunk: bytes) -> list[memoryview]:
        lines: list[memoryview] = []
        view = memoryview(chunk)
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            self._end_line(view[start:end], lines)
            start = end + 1
        if start < len(chunk):
            self._hold(view[start:])
        return lines

    def _end_line(self, last: memoryview, lines: list[memoryview]) -> None:
        if self._skipped or self._held + len(last) > self._max_line:
            self.oversized.append(self._skipped + self._held + len(last))
        elif self._held:
            lines.append(memoryview(b"".join([*self._parts, last])))
        elif last:
            lines.append(last)
        self._parts.clear()
        self._held = self._skipped = 0

    def _hold(self, part: memoryview) -> None:
        self._held += len(part)
        if self._skipped or self._held > self._max_line:
            self._skipped += self._held
            self._held = 0
            self._parts.clear()
        else:
            self._parts.append(part)


class WatchStream:
    """An open watch; an async context manager that closes the connection."""

    def __init__(self, response: aiohttp.ClientResponse, max_line: int = MAX_LINE) -> None:
        self._response = response
        self._splitter = LineSplitter(max_line)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        # Not release(): the rest of a stream that is given up must not be read. And without TLS's
        # goodbye, for which a server that hangs could keep the connection open.
        connection = self._response.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
        self._response.close()

    async def read(self, idle: float) -> list[WatchEvent] | None:
        """The events of what has arrived, at least one; None at the stream's end.

        A line that the end has cut is discarded. Raises TimeoutError when not one byte came for
        ``idle`` seconds, aiohttp.ClientError when the connection broke, BadAnswerError when the
        stream is not a watch.
        """
        while True:
            async with asyncio.timeout(idle):
                chunk = await self._response.content.read(_READ)
            if not chunk:
                return None
            if events := self._events(chunk):
                return events

    def _events(self, chunk: bytes) -> list[WatchEvent]:
        try:
            events = [parse_event(line) for line in self._splitter.feed(chunk)]
        except UNREADABLE as error:
            raise BadAnswerError(f"the watch sent a line that is no event: {error}") from error
        skipped = self._splitter.oversized
        events.extend(WatchEvent(OVERSIZED, msgspec.Raw(b"{}"), size) for size in skipped)
        skipped.clear()
        return events
