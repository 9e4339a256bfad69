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
from struct import Struct, pack
from typing import Any

from argoscope.export.otlp_wire import (
    POINT,
    START,
    TIME,
    ExemplarPool,
    Heading,
    Pool,
    heading,
    key_value,
    message,
    nanoseconds,
    number_point,
    tag,
    text,
    varint,
)
from argoscope.metrics.model import Instrument, Labels, Metric
from argoscope.metrics.registry import Registry
from argoscope.metrics.series import Buckets, Counter, Gauge, Histogram, Series

MAX_POINTS = 10_000
MAX_BYTES = 2_000_000
"""Of one request. gRPC receivers refuse 4 MiB by default."""


_BLOCK = 500
_SLICE = 0.005  # seconds that encoding may keep the event loop at a time

State = float | Buckets
_States = dict[Series, State]
_Encode = Callable[[list[Any], _States], list[bytes]]


@dataclass(frozen=True, slots=True)
class Request:
    """An ExportMetricsServiceRequest."""

    body: bytes
    points: int
    states: Mapping[Series, State]
    """With delta temporality: what the receiver knows of each series once it has accepted this."""
    time_ns: int


class _Shape:
    """What the points of one metric share."""

    def __init__(
        self,
        metric: Metric,
        pools: dict[tuple[int, str], Pool],
        exemplars: ExemplarPool,
        *,
        delta: bool,
    ) -> None:
        histogram = metric.instrument is Instrument.HISTOGRAM
        field = 9 if histogram else 7
        self.heading = heading(
            metric.name, metric.help, metric.unit, metric.instrument, delta=delta
        )
        self._pools = tuple(
            pools.setdefault((field, label.name), Pool(field, label.name))
            for label in metric.labels
        )
        self._exemplars = exemplars
        bounds = len(metric.buckets)
        self._counts = Struct(f"<{bounds + 1}Q")
        self._bounds = message(7, pack(f"<{bounds}d", *metric.buckets))

    def _attributes(self, labels: Labels) -> bytes:
        return b"".join([pool[value] for pool, value in zip(self._pools, labels, strict=True)])

    def number(self, series: Series, value: float, start: int = 0) -> bytes:
        """A NumberDataPoint without exemplar; of one that was made before only the value is new."""
        if series.wire:
            return series.wire[:-9] + pack("<dB", value, TIME)
        return number_point(self._attributes(series.labels), value, start)

    def exemplified(self, counter: Counter, value: float, start: int) -> bytes:
        """A NumberDataPoint with the exemplar, if that is younger than ``start``."""
        head = self._attributes(counter.labels)
        if counter.shown is not None and nanoseconds(counter.shown[2]) >= start:
            head += self._exemplars.field(5, counter.shown)
        return number_point(head, value, start)

    def distribution(self, labels: Labels, start: int, state: Buckets) -> bytes:
        """A HistogramDataPoint."""
        counts, total, exemplars = state
        body = b"".join(
            [
                self._attributes(labels),
                pack("<BQBQBd", START, start, 0x21, sum(counts), 0x29, total),
                message(6, self._counts.pack(*counts)),
                self._bounds,
                *[self._exemplars.field(8, exemplar) for exemplar in exemplars.values()],
            ]
        )
        return POINT + varint(len(body) + 9) + body + _TIME_TAG


_TIME_TAG = bytes((TIME,))


class Encoder:
    """Encodes for one receiver; with ``delta`` it remembers what that has accepted."""

    def __init__(self, resource: Mapping[str, str], *, version: str, delta: bool = False) -> None:
        attributes = b"".join(key_value(1, name, value) for name, value in resource.items())
        self._resource = message(1, attributes)
        self._scope = message(1, text(1, "argoscope") + text(2, version))
        self._delta = delta
        self._accepted: dict[Series, tuple[State, int]] = {}
        self._pools: dict[tuple[int, str], Pool] = {}
        self._exemplars = ExemplarPool()
        self._shapes: dict[Metric, _Shape] = {}

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
            shape = self._shape(family.metric)
            encode = self._encoder(family.metric, shape, now)
            series = [known for known in family.series.values() if known.start <= now]
            for at in range(0, len(series), _BLOCK):
                states: _States = {}
                points = encode(series[at : at + _BLOCK], states)
                if full := batch.add(shape.heading, points, states):
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

    def _shape(self, metric: Metric) -> _Shape:
        if metric not in self._shapes:
            self._shapes[metric] = _Shape(metric, self._pools, self._exemplars, delta=self._delta)
        return self._shapes[metric]

    def _encoder(self, metric: Metric, shape: _Shape, now: float) -> _Encode:
        if metric.instrument is Instrument.GAUGE:
            return partial(_ages, shape, now) if metric.age else partial(_gauges, shape)
        if metric.instrument is Instrument.COUNTER:
            return partial(self._counter_deltas if self._delta else _counters, shape)
        return partial(self._histogram_deltas if self._delta else _histograms, shape)

    def _counter_deltas(self, shape: _Shape, block: list[Counter], states: _States) -> list[bytes]:
        points = []
        for counter in block:
            value = counter.published
            known, start = self._accepted.get(counter, (None, nanoseconds(counter.start)))
            if value is None or value == known:
                continue
            states[counter] = value
            change = value - known if isinstance(known, float) else value
            points.append(shape.exemplified(counter, change, start))
        return points

    def _histogram_deltas(
        self, shape: _Shape, block: list[Histogram], states: _States
    ) -> list[bytes]:
        points = []
        for histogram in block:
            state = histogram.published
            known, start = self._accepted.get(histogram, (None, nanoseconds(histogram.start)))
            if state is None or (isinstance(known, tuple) and state[:2] == known[:2]):
                continue
            states[histogram] = state
            change = _change(state, known, start) if isinstance(known, tuple) else state
            points.append(shape.distribution(histogram.labels, start, change))
        return points


def _gauges(shape: _Shape, block: list[Gauge], _: _States) -> list[bytes]:
    points = []
    for gauge in block:
        value = gauge.published
        if value is None:
            continue
        if gauge.sent is not value:
            gauge.wire = shape.number(gauge, value)
            gauge.sent = value
        points.append(gauge.wire)
    return points


def _ages(shape: _Shape, now: float, block: list[Gauge], _: _States) -> list[bytes]:
    points = []
    for gauge in block:
        if gauge.published is not None:
            gauge.wire = shape.number(gauge, max(0.0, now - gauge.published))
            points.append(gauge.wire)
    return points


def _counters(shape: _Shape, block: list[Counter], _: _States) -> list[bytes]:
    points = []
    for counter in block:
        value = counter.published
        if value is None:
            continue
        if counter.sent is not value:
            start = nanoseconds(counter.start)
            encode = shape.number if counter.shown is None else shape.exemplified
            counter.wire = encode(counter, value, start)
            counter.sent = value
        points.append(counter.wire)
    return points


def _histograms(shape: _Shape, block: list[Histogram], _: _States) -> list[bytes]:
    points = []
    for histogram in block:
        state = histogram.published
        if state is None:
            continue
        if histogram.sent is not state:
            start = nanoseconds(histogram.start)
            histogram.wire = shape.distribution(histogram.labels, start, state)
            histogram.sent = state
        points.append(histogram.wire)
    return points


def _change(state: Buckets, known: Buckets, start: int) -> Buckets:
    """From ``known`` to ``state``, with the exemplars that are younger than ``start``."""
    counts = tuple(map(sub, state[0], known[0]))
    young = {at: exemplar for at, exemplar in state[2].items() if nanoseconds(exemplar[2]) >= start}
    return counts, state[1] - known[1], young


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
        scope = tag(2, len(self._scope) + metrics) + self._scope
        outer = tag(1, len(self._resource) + len(scope) + metrics) + self._resource
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
        inner = prefix + tag(field, len(points) + len(tail))
        self._parts += (tag(2, len(inner) + len(points) + len(tail)), inner, points, tail)
        self._open = []
