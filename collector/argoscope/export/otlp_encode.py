"""Published series to OTLP requests, as protobuf bytes.

Sources: opentelemetry-proto metrics/v1/metrics.proto and collector/metrics/v1 (field numbers), and
the specification's "Metrics Data Model" (temporality, start times).

A data point is kept encoded up to its time, which comes last: the points of a metric that did not
change are then joined with the time between them, and need no work each.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from operator import sub
from struct import pack
from typing import Any, NamedTuple

from argoscope.metrics.model import Instrument, Labels, Metric
from argoscope.metrics.registry import Registry
from argoscope.metrics.series import AnyFamily, Buckets, Counter, Gauge, Histogram, Series
from argoscope.metrics.text import EXEMPLAR_LABEL, Exemplar

MAX_POINTS = 10_000
MAX_BYTES = 2_000_000
"""Of one request. gRPC receivers refuse 4 MiB by default."""

_DELTA, _CUMULATIVE = 1, 2
_POOLED = 50_000
_BLOCK = 500
_SLICE = 0.005  # seconds that encoding may keep the event loop at a time
State = float | Buckets


_States = dict[Series, State]
_Encode = Callable[[list[Any], _States], list[bytes]]
_POINT = b"\x0a"  # field 1 of Gauge, Sum and Histogram: a data point
_START, _TIME, _DOUBLE = 0x11, 0x19, 0x21  # tags of a NumberDataPoint, the first two also of others


@dataclass(frozen=True, slots=True)
class Request:
    """An ExportMetricsServiceRequest."""

    body: bytes
    points: int
    states: Mapping[Series, State]
    """With delta temporality: what the receiver knows of each series once it has accepted this."""
    time_ns: int


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _tag(field: int, length: int) -> bytes:
    return varint(field << 3 | 2) + varint(length)


def message(field: int, body: bytes) -> bytes:
    """A length-delimited field: message, string or packed numbers."""
    return _tag(field, len(body)) + body


def text(field: int, value: str) -> bytes:
    return message(field, value.encode("utf-8", "replace")) if value else b""


def key_value(field: int, name: str, value: str) -> bytes:
    """A KeyValue with a string value; the value is written also when it is empty."""
    string = message(1, value.encode("utf-8", "replace"))
    return message(field, text(1, name) + message(2, string))


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


def number_point(attributes: bytes, value: float, start: int = 0) -> bytes:
    """A NumberDataPoint up to its time; ``start`` in nanoseconds, 0 for a gauge."""
    if start:
        attributes += pack("<BQ", _START, start)
    end = pack("<BdB", _DOUBLE, value, _TIME)
    return _POINT + varint(len(attributes) + 18) + attributes + end


def nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)


class Encoder:
    """Encodes for one receiver; with ``delta`` it remembers what that has accepted."""

    def __init__(self, resource: Mapping[str, str], *, version: str, delta: bool = False) -> None:
        attributes = b"".join(key_value(1, name, value) for name, value in resource.items())
        self._resource = message(1, attributes)
        self._scope = message(1, text(1, "argoscope") + text(2, version))
        self._delta = delta
        self._accepted: dict[Series, tuple[State, int]] = {}
        self._headings = _Headings(delta=delta)
        self._pairs: dict[tuple[int, str], dict[str, bytes]] = {}

    async def requests(
        self, registry: Registry, extra: Iterable[tuple[Heading, list[bytes]]] = ()
    ) -> AsyncGenerator[Request, None]:
        """All series as published, in requests that receivers can take.

        ``extra`` are points of metrics that are not in the registry. Gives way to other tasks every
        few milliseconds: what they publish meanwhile is in what follows, but no series that is
        younger than the time of the export.
        """
        now = registry.now()
        pause = time.perf_counter() + _SLICE
        batch = _Batch(self._resource, self._scope, nanoseconds(now))
        for family in registry.families:
            encode = self._encoder(family, now)
            series = [known for known in family.series.values() if known.start <= now]
            for at in range(0, len(series), _BLOCK):
                states: _States = {}
                points = encode(series[at : at + _BLOCK], states)
                if full := batch.add(self._headings[family.metric], points, states):
                    yield full
                if time.perf_counter() > pause:
                    await asyncio.sleep(0)
                    pause = time.perf_counter() + _SLICE
        for foreign, points in extra:
            if full := batch.add(foreign, points, {}):
                yield full
        if last := batch.take():
            yield last

    def accepted(self, request: Request) -> None:
        """The receiver has taken it: the next deltas begin there."""
        for series, state in request.states.items():
            self._accepted[series] = (state, request.time_ns)

    def resume(self, series: Series, state: State, time_ns: int) -> None:
        """Go on, with delta temporality, from what the receiver had accepted at that time."""
        self._accepted[series] = (state, time_ns)

    def _encoder(self, family: AnyFamily, now: float) -> _Encode:
        metric = family.metric
        if metric.instrument is Instrument.GAUGE:
            return partial(self._ages if metric.age else self._gauges, metric, now)
        if metric.instrument is Instrument.COUNTER:
            return partial(self._counter_deltas if self._delta else self._counters, metric)
        return partial(self._histogram_deltas if self._delta else self._histograms, metric)

    def _gauges(
        self, metric: Metric, now: float, block: list[Gauge], states: _States
    ) -> list[bytes]:
        points = []
        for gauge in block:
            value = gauge.published
            if value is None:
                continue
            if gauge.sent is not value:
                gauge.wire = self._number(metric, gauge, value)
                gauge.sent = value
            points.append(gauge.wire)
        return points

    def _ages(self, metric: Metric, now: float, block: list[Gauge], states: _States) -> list[bytes]:
        points = []
        for gauge in block:
            if gauge.published is not None:
                gauge.wire = self._number(metric, gauge, max(0.0, now - gauge.published))
                points.append(gauge.wire)
        return points

    def _counters(self, metric: Metric, block: list[Counter], states: _States) -> list[bytes]:
        points = []
        for counter in block:
            value = counter.published
            if value is None:
                continue
            if counter.sent is not value:
                if counter.shown is None:
                    counter.wire = self._number(metric, counter, value, nanoseconds(counter.start))
                else:
                    start = nanoseconds(counter.start)
                    counter.wire = self._exemplified(metric, counter, value, start)
                counter.sent = value
            points.append(counter.wire)
        return points

    def _histograms(self, metric: Metric, block: list[Histogram], states: _States) -> list[bytes]:
        points = []
        for histogram in block:
            state = histogram.published
            if state is None:
                continue
            if histogram.sent is not state:
                start = nanoseconds(histogram.start)
                histogram.wire = self._distribution(metric, histogram.labels, start, state)
                histogram.sent = state
            points.append(histogram.wire)
        return points

    def _counter_deltas(self, metric: Metric, block: list[Counter], states: _States) -> list[bytes]:
        points = []
        for counter in block:
            value = counter.published
            known, start = self._accepted.get(counter, (None, nanoseconds(counter.start)))
            if value is None or value == known:
                continue
            states[counter] = value
            change = value - known if isinstance(known, float) else value
            points.append(self._exemplified(metric, counter, change, start))
        return points

    def _histogram_deltas(
        self, metric: Metric, block: list[Histogram], states: _States
    ) -> list[bytes]:
        points = []
        for histogram in block:
            state = histogram.published
            known, start = self._accepted.get(histogram, (None, nanoseconds(histogram.start)))
            if state is None or (isinstance(known, tuple) and state[:2] == known[:2]):
                continue
            states[histogram] = state
            change = _change(state, known, start) if isinstance(known, tuple) else state
            points.append(self._distribution(metric, histogram.labels, start, change))
        return points

    def _number(self, metric: Metric, series: Series, value: float, start: int = 0) -> bytes:
        """A NumberDataPoint without exemplar; of one that was made before only the value is new."""
        if series.wire:
            return series.wire[:-9] + pack("<dB", value, _TIME)
        return number_point(self._attributes(7, metric, series.labels), value, start)

    def _exemplified(self, metric: Metric, counter: Counter, value: float, start: int) -> bytes:
        """A NumberDataPoint with the exemplar, if that is younger than ``start``."""
        head = self._attributes(7, metric, counter.labels)
        if counter.shown is not None and nanoseconds(counter.shown[2]) >= start:
            head += message(5, _exemplar(counter.shown))
        return number_point(head, value, start)

    def _distribution(self, metric: Metric, labels: Labels, start: int, state: Buckets) -> bytes:
        """A HistogramDataPoint."""
        counts, total, exemplars = state
        head = (
            self._attributes(9, metric, labels)
            + pack("<BQBQBd", _START, start, 0x21, sum(counts), 0x29, total)
            + message(6, pack(f"<{len(counts)}Q", *counts))
            + message(7, pack(f"<{len(metric.buckets)}d", *metric.buckets))
            + b"".join(message(8, _exemplar(exemplar)) for exemplar in exemplars.values())
        )
        return _POINT + varint(len(head) + 9) + head + bytes((_TIME,))

    def _attributes(self, field: int, metric: Metric, labels: Labels) -> bytes:
        return b"".join(
            [
                self._pair(field, label.name, value)
                for label, value in zip(metric.labels, labels, strict=True)
            ]
        )

    def _pair(self, field: int, name: str, value: str) -> bytes:
        pool = self._pairs.setdefault((field, name), {})
        known = pool.get(value)
        if known is None:
            if len(pool) >= _POOLED:
                pool.clear()
            known = pool[value] = key_value(field, name, value)
        return known


def _change(state: Buckets, known: Buckets, start: int) -> Buckets:
    """From ``known`` to ``state``, with the exemplars that are younger than ``start``."""
    counts = tuple(map(sub, state[0], known[0]))
    young = {at: exemplar for at, exemplar in state[2].items() if nanoseconds(exemplar[2]) >= start}
    return counts, state[1] - known[1], young


def _exemplar(exemplar: Exemplar) -> bytes:
    name, value, at = exemplar
    attributes = key_value(7, EXEMPLAR_LABEL, name)
    return attributes + pack("<BQBd", 0x11, nanoseconds(at), 0x19, value)


class _Headings(dict[Metric, Heading]):
    def __init__(self, *, delta: bool) -> None:
        self._delta = delta

    def __missing__(self, metric: Metric) -> Heading:
        made = self[metric] = heading(
            metric.name, metric.help, metric.unit, metric.instrument, delta=self._delta
        )
        return made


class _Batch:
    """Collects points up to the size of a request; points of one metric stay together."""

    def __init__(self, resource: bytes, scope: bytes, time_ns: int) -> None:
        self._resource = resource
        self._scope = scope
        self._time_ns = time_ns
        self._time = pack("<Q", time_ns)
        self._clear()

    def _clear(self) -> None:
        self._heading: Heading | None = None
        self._open: list[bytes] = []
        self._parts: list[bytes] = []
        self._points = self._bytes = 0
        self._states: dict[Series, State] = {}

    def add(self, heading: Heading, points: list[bytes], states: _States) -> Request | None:
        """Take the points; the request before them if they do not fit into it."""
        size = sum(map(len, points)) + len(points) * len(self._time)
        full = None
        if self._points + len(points) > MAX_POINTS or self._bytes + size > MAX_BYTES:
            full = self.take()
        if heading is not self._heading:
            self._close()
            self._heading = heading
        self._open += points
        self._points += len(points)
        self._bytes += size
        self._states.update(states)
        return full

    def take(self) -> Request | None:
        """What was collected; None if nothing was."""
        if not self._points:
            return None
        self._close()
        metrics = sum(map(len, self._parts))
        scope = _tag(2, len(self._scope) + metrics) + self._scope
        outer = _tag(1, len(self._resource) + len(scope) + metrics) + self._resource
        body = b"".join([outer, scope, *self._parts])
        request = Request(body, self._points, self._states, self._time_ns)
        self._clear()
        return request

    def _close(self) -> None:
        """Finish the metric that is being collected."""
        if self._heading is None or not self._open:
            return
        prefix, field, tail = self._heading
        points = self._time.join(self._open) + self._time
        inner = prefix + _tag(field, len(points) + len(tail))
        self._parts += (_tag(2, len(inner) + len(points) + len(tail)), inner, points, tail)
        self._open = []
