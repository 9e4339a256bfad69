"""Traces that wait for the receiver: bounded, packed, and kept by the ledger until it has them.

A trace comes in with the values that its run was counted in, and is committed with them; it leaves
the ledger with the first commit after the receiver has accepted it. So a crash loses none, and what
it may send again (a second's worth) has the same ids, which is the same trace to a receiver.
"""

import zlib
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import structlog
from isal import igzip

from argoscope.metrics.internal import TRACES_DROPPED, TRACES_QUEUED, TRACES_QUEUED_BYTES
from argoscope.metrics.registry import Registry
from argoscope.resources._records import Codec
from argoscope.resources.workflow.timeline import Timeline

KIND = "traces"
"""In the ledger, beside the kinds of objects."""
MOST_TRACES = 10_000
MOST_BYTES = 32 * 2**20
"""Of packed traces, in memory and in the ledger: some million spans. Over either bound the oldest
trace gives way."""
_NODE = 300  # bytes of memory of a node of a timeline
_CHUNK = 1_000_000  # bytes of spans: what is sent or given up together

log = structlog.get_logger()


class Chunk(msgspec.Struct, array_like=True, gc=False):
    """A trace, or a part of a large one. The ledger keeps it as it is, by position."""

    trace_id: str
    spans: int
    size: int
    """Bytes of the encoded spans."""
    packed: bytes
    """The same as gzip."""
    last: bool = True
    """No other chunk of the trace comes after it."""

    def unpack(self) -> bytes:
        return zlib.decompress(self.packed, wbits=31, bufsize=self.size)


Kept = Chunk | Timeline
"""What waits: ready to be sent, or a large run whose spans are not made yet."""
_CODECS: dict[type[Kept], Codec[Any]] = {Chunk: Codec(1, Chunk), Timeline: Codec(2, Timeline)}


def chunks(trace_id: str, spans: Iterable[bytes]) -> Iterator[Chunk]:
    """Encoded spans, packed into pieces that fit into a request each."""
    held: list[bytes] = []
    size = 0
    for span in spans:
        if held and size + len(span) > _CHUNK:
            yield _packed(trace_id, held, size, last=False)
            held, size = [], 0
        held.append(span)
        size += len(span)
    yield _packed(trace_id, held, size, last=True)


def _packed(trace_id: str, spans: list[bytes], size: int, *, last: bool) -> Chunk:
    packed = igzip.compress(b"".join(spans), 1, mtime=0)
    return Chunk(trace_id, len(spans), size, packed, last)


class Queue:
    """In the order in which runs ended."""

    def __init__(
        self, registry: Registry, *, traces: int = MOST_TRACES, size: int = MOST_BYTES
    ) -> None:
        self.number = 0
        """Of the chunk that was added last."""
        self._registry = registry
        self._most = traces, size
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._raw: dict[str, None] = {}
        """Keys of the timelines among them, in order."""
        self._traces: Counter[str] = Counter()
        self._bytes = 0
        self._changed: set[str] = set()
        self._full = False

    def __len__(self) -> int:
        return len(self._traces)

    def add(self, trace: Iterable[Kept]) -> None:
        """Take a trace; the oldest give way to it if there are too many."""
        for chunk in trace:
            self.number += 1
            self._put(f"/{self.number:016}", chunk)
        full = not self._fits()
        if full and not self._full:
            log.error("trace queue full: the oldest traces are given up", traces=len(self))
        self._full = full
        while len(self) > 1 and not self._fits():
            self._drop_oldest()
        self._tell()

    def first(self, size: int, until: int) -> list[tuple[str, Chunk]]:
        """The oldest chunks up to number ``until``, of up to so many bytes unpacked; at least one
        if there is any."""
        found: list[tuple[str, Chunk]] = []
        for key, chunk in self._kept.items():
            if isinstance(chunk, Timeline):
                continue
            size -= chunk.size
            if (found and size < 0) or int(key[1:]) > until:
                break
            found.append((key, chunk))
        return found

    def raw(self) -> tuple[str, Timeline] | None:
        """The oldest run whose spans are not made yet."""
        key = next(iter(self._raw), "")
        line = self._kept.get(key)
        return (key, line) if isinstance(line, Timeline) else None

    def replace(self, key: str, trace: Iterable[Chunk]) -> None:
        """Its spans are made; unless it has given way meanwhile."""
        if key in self._kept:
            self.remove([key])
            self.add(trace)

    def remove(self, keys: Iterable[str]) -> None:
        """What the receiver has, or what nobody will take. It may have given way meanwhile."""
        for key in keys:
            kept = self._kept.pop(key, None)
            if kept is not None:
                self._forget(key, kept)
        self._tell()

    def clear(self) -> None:
        """Nobody wants them any more."""
        self.remove(list(self._kept))

    def changes(self) -> Iterator[tuple[str, str, bytes | None]]:
        """For the ledger: what has come and gone since the last call."""
        changed, self._changed = self._changed, set()
        for key in changed:
            kept = self._kept.get(key)
            yield KIND, key, _CODECS[type(kept)].encode(kept) if kept is not None else None

    def restore(self, records: Iterable[tuple[str, bytes]]) -> None:
        """Take back what ``changes`` gave."""
        for key, data in sorted(records):
            try:
                self.number = max(self.number, int(key[1:]))
                self._put(key, _CODECS[Timeline if data[:1] == b"\x02" else Chunk].decode(data))
            except ValueError as error:
                log.warning("a trace in the ledger can't be read", problem=str(error))
                self._changed.add(key)
        self._changed.difference_update(self._kept)
        self._tell()

    def _put(self, key: str, kept: Kept) -> None:
        self._kept[key] = kept
        if isinstance(kept, Timeline):
            self._raw[key] = None
        self._traces[_id(kept)] += 1
        self._bytes += _size(kept)
        self._changed.add(key)

    def _forget(self, key: str, kept: Kept) -> None:
        self._raw.pop(key, None)
        self._bytes -= _size(kept)
        self._changed.add(key)
        self._traces[_id(kept)] -= 1
        if not self._traces[_id(kept)]:
            del self._traces[_id(kept)]

    def _fits(self) -> bool:
        traces, size = self._most
        return len(self._traces) <= traces and self._bytes <= size

    def _drop_oldest(self) -> None:
        oldest = _id(next(iter(self._kept.values())))
        # A trace's chunks lie one after the other.
        while self._kept and _id(next(iter(self._kept.values()))) == oldest:
            self._forget(*self._kept.popitem(last=False))
        self._registry.count(TRACES_DROPPED, ("queue_full",))

    def _tell(self) -> None:
        gauges = [
            (TRACES_QUEUED, (), float(len(self._traces))),
            (TRACES_QUEUED_BYTES, (), float(self._bytes)),
        ]
        self._registry.own(TRACES_QUEUED.name, gauges)


def _id(kept: Kept) -> str:
    if isinstance(kept, Chunk):
        return kept.trace_id
    return kept.trace.id if kept.trace is not None else ""


def _size(kept: Kept) -> int:
    return len(kept.packed) if isinstance(kept, Chunk) else len(kept.nodes) * _NODE
