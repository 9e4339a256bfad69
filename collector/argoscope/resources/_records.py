"""What derivations keep of live objects, as bytes for the ledger, and which of it has changed.

A record is one byte that says its layout's version, then its fields by position in MessagePack.
Whole seconds are written as integers, which halves a record of times. A layout changes in one of
two ways: a field with a default is added at the end, or the version goes up and older records are
given up (their objects are taken as history then: nothing counts twice).
"""

from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import Any, Generic, TypeVar

import msgspec

from argoscope.resources._base import Seen, Sink

R = TypeVar("R")

_EXACT = float(2**53)
_UNREADABLE = b"\0"
"""In place of a record that could not be written: so the object will be history, as of any record
that can't be read, and not new. No layout has version 0."""


class Codec(Generic[R]):
    """Bytes of records of type ``layout``: a Struct, or a union of tagged ones, of array_like."""

    def __init__(self, version: int, layout: Any) -> None:
        self._version = bytes([version])
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(layout).decode

    def encode(self, record: R) -> bytes:
        return self._version + self._encode(_lean(record))

    def decode(self, data: bytes) -> R:
        """Raises ValueError for another version and for bytes that are no such record."""
        if data[:1] != self._version:
            raise ValueError(f"version {data[0] if data else 'none'} of its layout is not known")
        try:
            found: R = self._decode(memoryview(data)[1:])
        except msgspec.MsgspecError as error:
            raise ValueError(str(error)) from error
        return found


def _lean(value: Any) -> Any:
    """Lists in place of structs, and integers in place of the floats that are whole."""
    kind = type(value)
    if kind is str or kind is bytes or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        return int(value) if value.is_integer() and -_EXACT < value < _EXACT else value
    if kind is dict:
        return {key: _lean(item) for key, item in value.items()}
    if isinstance(value, msgspec.Struct):
        tag = value.__struct_config__.tag
        fields = [_lean(item) for item in msgspec.structs.astuple(value)]
        return fields if tag is None else [tag, *fields]
    return [_lean(item) for item in value]


class Journal(Generic[R]):
    """Which records of one kind have changed since they were last asked for."""

    def __init__(self, kind: str, sink: Sink, codec: Codec[R]) -> None:
        self.changed: set[str] = set()
        """Keys; a derivation adds to it whenever it may have changed a record."""
        self._kind = kind
        self._sink = sink
        self._codec = codec
        self._lost: set[str] = set()

    def changes(self, lookup: Callable[[str], R | None]) -> Iterator[tuple[str, bytes | None]]:
        """(key, record) of what has changed. Also who does not read them has taken them off."""
        changed, self.changed = self.changed, set()
        return self._encoded(changed, lookup)

    def _encoded(
        self, changed: set[str], lookup: Callable[[str], R | None]
    ) -> Iterator[tuple[str, bytes | None]]:
        for key in changed:
            data = None
            try:
                record = lookup(key)
                data = None if record is None else self._codec.encode(record)
            except Exception as error:  # noqa: BLE001 - a bug must cost one object, not the commit
                self._sink.problem(self._kind, "bug", f"record of {key}: {error!r}")
                data = _UNREADABLE
            yield key, data

    def read(self, records: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, R]]:
        """The records that can be read; of the others it is remembered that they were."""
        for key, data in records:
            try:
                record = self._codec.decode(data)
            except ValueError as error:
                self._lost.add(key)
                self._sink.problem(self._kind, "ledger_record", f"{key}: {error}")
                continue
            yield key, record

    def met(self, uid: str, seen: Seen) -> Seen:
        """How to take an object that has no record: one whose record was lost is history, since
        nobody knows what of it was counted."""
        if uid not in self._lost:
            return seen
        self._lost.discard(uid)
        return Seen(at=seen.at, size=seen.size, history_until=inf)

    def missed(self, uid: str) -> None:
        """An object that has no record is gone: what the ledger has of it may go as well."""
        if uid in self._lost:
            self._lost.discard(uid)
            self.changed.add(uid)
