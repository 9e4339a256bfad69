"""Values and records as rows, and rows as values: encoding, checks, and what is in a commit."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import calcsize, pack, unpack
from typing import Any
from zlib import crc32

import msgspec

from argoscope.metrics.held import Held
from argoscope.metrics.model import Instrument, Labels, Metric
from argoscope.resources._base import RunRecord

Row = tuple[Any, ...]
State = float | tuple[tuple[int, ...], float]
"""A counter's value, or a histogram's counts of single buckets and sum."""

packed = msgspec.msgpack.Encoder().encode
"""What CRCs are made of. Doubles, integers, text and bytes come back from SQLite as they were."""
_json = msgspec.json.Encoder(order="deterministic").encode
_labels = msgspec.json.Decoder(tuple[str, ...]).decode
_seconds = msgspec.json.Decoder(dict[str, float]).decode


@dataclass(slots=True)
class Batch:
    """All of one commit: either everything of it is in the ledger or nothing."""

    held: Held = field(default_factory=Held)
    """To be published when the commit has succeeded."""
    shapes: list[Row] = field(default_factory=list)
    series: list[Row] = field(default_factory=list)
    acknowledged: list[Row] = field(default_factory=list)
    objects: list[Row] = field(default_factory=list)
    gone: list[Row] = field(default_factory=list)
    runs: list[Row] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    retention: float = 0.0
    """Seconds; of older run records a bounded number is deleted. 0: none."""
    now: float = 0.0

    def __bool__(self) -> bool:
        return bool(
            self.shapes
            or self.series
            or self.acknowledged
            or self.objects
            or self.gone
            or self.runs
            or self.notes
            or self.retention
        )


def sealed(*columns: Any) -> Row:
    """The columns and, behind them, their CRC-32."""
    return (*columns, crc32(packed(columns)))


def labels_text(labels: Labels) -> str:
    try:
        return _json(labels).decode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON from the API server can't hold
        return _json([label.encode("utf-8", "replace").decode() for label in labels]).decode()


def labels_of(text: str) -> Labels:
    return _labels(text)


def state_bytes(state: State) -> bytes:
    if isinstance(state, tuple):
        counts, total = state
        return pack(f"<d{len(counts)}Q", total, *counts)
    return pack("<d", state)


def state_of(raw: bytes, metric: Metric) -> State:
    if metric.instrument is Instrument.COUNTER:
        (value,) = unpack("<d", raw)
        return float(value)
    counts = (len(raw) - calcsize("<d")) // calcsize("<Q")
    total, *rest = unpack(f"<d{counts}Q", raw)
    return tuple(rest), total


def shape_of(metric: Metric) -> str:
    """What must be the same for a stored value to be one of the metric's."""
    shape = {
        "instrument": str(metric.instrument),
        "unit": metric.unit,
        "labels": metric.label_names,
        "buckets": metric.buckets,
    }
    return _json(shape).decode()


def series_rows(held: Held, now: float) -> Iterator[Row]:
    for metric, counter, value in held.counters():
        name = metric.prometheus
        yield sealed(name, labels_text(counter.labels), counter.start, now, pack("<d", value))
    for metric, histogram, (counts, total, _) in held.histograms():
        text, raw = labels_text(histogram.labels), state_bytes((counts, total))
        yield sealed(metric.prometheus, text, histogram.start, now, raw)


def run_row(run: RunRecord) -> Row:
    return sealed(
        float(run.finished),
        run.uid,
        run.namespace,
        run.pipeline,
        run.name,
        run.cron,
        run.phase,
        run.cause,
        float(run.created),
        float(run.started),
        run.retries,
        _json(run.resources).decode() if run.resources else "{}",
        run.actor,
        run.action,
        int(run.counted),
    )


def run_of(row: Row) -> RunRecord:
    return RunRecord(
        finished=row[0],
        uid=row[1],
        namespace=row[2],
        pipeline=row[3],
        name=row[4],
        cron=row[5],
        phase=row[6],
        cause=row[7],
        created=row[8],
        started=row[9],
        retries=row[10],
        resources=_seconds(row[11]),
        actor=row[12],
        action=row[13],
        counted=bool(row[14]),
    )
