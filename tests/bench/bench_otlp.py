"""An OTLP export of 100,000 points to wire bytes, beside the OpenTelemetry SDK; CPU time."""

import asyncio
import time
from collections.abc import Callable
from random import Random
from statistics import median
from typing import Any

from exposed import CHANGED, DURATION, RUNS, Load, label_sets, registry
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View

from argoscope.export.otlp_encode import Encoder
from argoscope.metrics.registry import Registry

BAR = 150.0
PEER = "OpenTelemetry SDK"
ROUNDS = 5
HISTOGRAM_SHARE = 6
"""One point in so many is a histogram, as in the catalogue's series."""
SDK_SETS = 1900
"""The SDK folds what an instrument has beyond 2,000 attribute sets."""


def run(quick: bool) -> list[dict[str, Any]]:
    points = 10_000 if quick else 100_000
    histograms = points // HISTOGRAM_SHARE
    load = Load(label_sets(points - histograms), label_sets(histograms), Random(1))
    ours = registry()
    load.fill(ours, exemplar="")
    encoder = Encoder({"service.name": "argoscope"}, version="bench")
    first, size = _export(encoder, ours)
    load.fill(ours, exemplar="")
    everything = _export(encoder, ours)[0]
    steady = []
    for _ in range(ROUNDS):
        load.change(ours)
        steady.append(_export(encoder, ours)[0])
    load.fill(ours)
    exemplified = _export(encoder, ours)[0]
    reader = _peer(load)
    peer = _cpu(lambda: _sdk_bytes(reader))
    name = f"OTLP export of {points:,} points ({size / 1e6:.1f} MB)"
    changed = f"{CHANGED:.0%} changed"
    return [
        _row(f"{name}, {changed}", median(steady), peer, BAR),
        _row(f"{name}, all changed", everything, peer, BAR),
        _row(f"{name}, all changed, each with an exemplar", exemplified, peer),
        _row(f"{name}, the first", first, peer),
    ]


def _row(name: str, value: float, peer: float, bar: float | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "value": value,
        "unit": "ms",
        "peer": PEER,
        "peer_value": peer,
        "ratio": peer / value,
        "bar": bar,
        "met": None if bar is None else value <= bar,
    }


def _cpu(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return (time.process_time() - begin) * 1e3


def _export(encoder: Encoder, registry: Registry) -> tuple[float, int]:
    """CPU milliseconds of one export, and its bytes."""

    async def encode() -> int:
        return sum([len(request.body) async for request in encoder.requests(registry)])

    begin = time.process_time()
    size = asyncio.run(encode())
    return (time.process_time() - begin) * 1e3, size


def _peer(load: Load) -> InMemoryMetricReader:
    """The same points in the SDK's instruments, as many as its limit on each makes necessary."""
    reader = InMemoryMetricReader()
    buckets = ExplicitBucketHistogramAggregation(DURATION.buckets)
    view = View(instrument_name="argo.workflow.run.duration*", aggregation=buckets)
    meter = MeterProvider([reader], views=[view]).get_meter("bench")
    names = RUNS.label_names
    for at in range(0, len(load.counters), SDK_SETS):
        counter = meter.create_counter(f"{RUNS.name}.{at}", RUNS.unit, RUNS.help)
        for labels in load.counters[at : at + SDK_SETS]:
            counter.add(load.random.randrange(1000), dict(zip(names, labels, strict=True)))
    for at in range(0, len(load.histograms), SDK_SETS):
        histogram = meter.create_histogram(f"{DURATION.name}.{at}", DURATION.unit, DURATION.help)
        for labels in load.histograms[at : at + SDK_SETS]:
            histogram.record(load.random.uniform(1, 9000), dict(zip(names, labels, strict=True)))
    return reader


def _sdk_bytes(reader: InMemoryMetricReader) -> bytes:
    data = reader.get_metrics_data()
    assert data is not None
    return encode_metrics(data).SerializeToString()
