"""Spans to protobuf bytes.

Source: opentelemetry-proto trace/v1/trace.proto and collector/trace/v1 (field numbers).
"""

from collections.abc import Iterable, Mapping
from struct import Struct, pack

from argoscope.export.otlp_wire import key_value, message, tag, text, varint
from argoscope.metrics.exemplars import span_id
from argoscope.traces.semconv import SCHEMA_URL
from argoscope.traces.span import Event, Link, Span, Value

_ATTRIBUTES = 9
_EVENT, _LINK, _STATUS = 11, 13, 15
_ERROR = b"\x18\x02"  # Status.code
_KIND_AND_TIMES = Struct("<BBBQBQ")
_MS = 1_000_000  # nanoseconds


class SpanEncoder:
    """Encodes the spans of one trace: what they share is encoded once."""

    def __init__(self, trace_id: str) -> None:
        self._head = message(1, bytes.fromhex(trace_id))
        self._pairs: dict[tuple[int, str, Value], bytes] = {}

    def encode(self, span: Span) -> bytes:
        """A span as a field of ScopeSpans."""
        parts = [
            self._head,
            message(2, span.id),
            message(4, span.parent) if span.parent else b"",
            text(5, span.name),
            _KIND_AND_TIMES.pack(0x30, span.kind, 0x39, span.start * _MS, 0x41, span.end * _MS),
            *[self._pair(_ATTRIBUTES, name, value) for name, value in span.attributes.items()],
            *[message(_EVENT, self._event(event)) for event in span.events],
            *[message(_LINK, self._link(link)) for link in span.links],
        ]
        if span.error is not None:
            parts.append(message(_STATUS, text(2, span.error) + _ERROR))
        body = b"".join(parts)
        return tag(2, len(body)) + body

    def _event(self, event: Event) -> bytes:
        pairs = [self._pair(3, name, value) for name, value in event.attributes.items()]
        return pack("<BQ", 0x09, event.at * _MS) + text(2, event.name) + b"".join(pairs)

    def _link(self, link: Link) -> bytes:
        pairs = [self._pair(4, name, value) for name, value in link.attributes.items()]
        ids = message(1, bytes.fromhex(link.trace_id)) + message(2, span_id(link.trace_id))
        return ids + b"".join(pairs)

    def _pair(self, field: int, name: str, value: Value) -> bytes:
        known = self._pairs.get((field, name, value))
        if known is None:
            known = self._pairs[field, name, value] = _pair(field, name, value)
        return known


def _pair(field: int, name: str, value: Value) -> bytes:
    if isinstance(value, str):
        return key_value(field, name, value)
    if isinstance(value, bool):
        any_value = bytes((0x10, value))
    elif isinstance(value, int):
        any_value = b"\x18" + varint(value)
    else:
        any_value = pack("<Bd", 0x21, value)
    return message(field, text(1, name) + message(2, any_value))


class Envelope:
    """What stands around the spans of a request."""

    def __init__(self, resource: Mapping[str, str], *, version: str) -> None:
        attributes = b"".join(key_value(1, name, value) for name, value in resource.items())
        self._resource = message(1, attributes)
        self._scope = message(1, text(1, "argoscope") + text(2, version))
        self._schema = text(3, SCHEMA_URL)

    def request(self, spans: Iterable[bytes]) -> bytes:
        """An ExportTraceServiceRequest of encoded spans."""
        scope = message(2, b"".join((self._scope, *spans, self._schema)))
        return message(1, self._resource + scope + self._schema)
