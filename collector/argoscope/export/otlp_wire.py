"""The protobuf wire format, as far as OTLP metrics need it.

Sources: protobuf's "Encoding", and opentelemetry-proto metrics/v1/metrics.proto and
common/v1/common.proto for the field numbers.
"""

from struct import Struct, pack
from typing import NamedTuple

from argoscope.metrics.exemplars import Exemplar, Subject, Traced, span_id
from argoscope.metrics.model import Instrument
from argoscope.metrics.text import EXEMPLAR_LABEL

POINT = b"\x0a"  # field 1 of Gauge, Sum and Histogram: a data point
START, TIME, DOUBLE = 0x11, 0x19, 0x21  # tags of a NumberDataPoint, the first two also of others
_DELTA, _CUMULATIVE = 1, 2
_SINGLE = [bytes((value,)) for value in range(128)]
_POOLED = 20_000


def varint(value: int) -> bytes:
    if value < 128:
        return _SINGLE[value]
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(field: int, length: int) -> bytes:
    """What stands before a length-delimited field of so many bytes."""
    return varint(field << 3 | 2) + varint(length)


def message(field: int, body: bytes) -> bytes:
    """A length-delimited field: message, string or packed numbers."""
    return tag(field, len(body)) + body


def text(field: int, value: str) -> bytes:
    return message(field, value.encode("utf-8", "replace")) if value else b""


def key_value(field: int, name: str, value: str) -> bytes:
    """A KeyValue with a string value; the value is written also when it is empty."""
    return _pair(field, text(1, name), value)


def _pair(field: int, key: bytes, value: str) -> bytes:
    string = message(1, value.encode("utf-8", "replace"))
    return message(field, key + message(2, string))


class Pool(dict[str, bytes]):
    """The encoded KeyValues of one label, by value: the same few are in thousands of series."""

    def __init__(self, field: int, name: str) -> None:
        self._field = field
        self._key = text(1, name)

    def __missing__(self, value: str) -> bytes:
        if len(self) >= _POOLED:
            self.clear()
        made = self[value] = _pair(self._field, self._key, value)
        return made


class Heading(NamedTuple):
    """What of a Metric message stands before and after its points."""

    prefix: bytes
    field: int
    tail: bytes


def heading(name: str, help_text: str, unit: str, instrument: str, *, delta: bool) -> Heading:
    prefix = text(1, name) + text(2, help_text) + text(3, unit)
    temporality = bytes((0x10, _DELTA if delta else _CUMULATIVE))
    if instrument == Instrument.COUNTER:
        return Heading(prefix, 7, temporality + b"\x18\x01")
    if instrument == Instrument.HISTOGRAM:
        return Heading(prefix, 9, temporality)
    return Heading(prefix, 5, b"")


def number_point(head: bytes, value: float, start: int = 0) -> bytes:
    """A NumberDataPoint up to its time.

    ``head`` holds attributes and exemplars, ``start`` is in nanoseconds and 0 for a gauge.
    """
    if start:
        head += pack("<BQ", START, start)
    return POINT + varint(len(head) + 18) + head + pack("<BdB", DOUBLE, value, TIME)


class ExemplarPool(dict[Subject, bytes]):
    """Encoded runs: one that ends is the exemplar of dozens of series."""

    def __missing__(self, subject: Subject) -> bytes:
        if len(self) >= _POOLED:
            self.clear()
        if isinstance(subject, Traced):
            ids = message(4, span_id(subject.trace_id)) + message(
                5, bytes.fromhex(subject.trace_id)
            )
            made = _pair(7, _EXEMPLAR_KEY, subject.workflow) + ids
        else:
            made = _pair(7, _EXEMPLAR_KEY, subject)
        self[subject] = made
        return made

    def field(self, field: int, exemplar: Exemplar) -> bytes:
        """An Exemplar with the name as its filtered attribute, and the trace if there is one."""
        subject, value, at = exemplar
        return message(field, self[subject] + _EXEMPLAR.pack(0x11, nanoseconds(at), 0x19, value))


_EXEMPLAR_KEY = text(1, EXEMPLAR_LABEL)
_EXEMPLAR = Struct("<BQBd")  # time_unix_nano, as_double


def nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
