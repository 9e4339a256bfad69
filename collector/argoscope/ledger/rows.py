"""Values and records as rows, and rows as values: encoding, checks, and what is in a commit."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import msgspec

from argoscope.metrics.held import Held
from argoscope.metrics.model import Instrument, Labels, Metric
from argoscope.metrics.series import Series
from argoscope.resources._base import RunCauses

Row = tuple[Any, ...]
State = float | tuple[tuple[int, ...], float]
"""A counter's value, or a histogram's counts of single buckets and sum."""

packed = msgspec.msgpack.Encoder().encode
"""What CRCs are made of. Doubles, integers, text and bytes come back from SQLite as they were."""
_seconds = msgspec.json.Decoder(dict[str, float]).decode
_json = msgspec.json.Encoder(order="deterministic").encode
_labels = msgspec.json.Decoder(tuple[str, ...]).decode
_value = msgspec.msgpack.Decoder(float).decode
_distribution = msgspec.msgpack.Decoder(tuple[tuple[int, ...], float]).decode


@dataclass(slots=True)
class Batch:
    """All of one commit: either everything of it is in the ledger or nothing."""

    held: Held = field(default_factory=Held)
    """To be published when the commit has succeeded."""
    shapes: list[Row] = field(default_factory=list)
    series: list[Row] = field(default_factory=list)
    """Those that are new."""
    values: list[Row] = field(default_factory=list)
    acknowledged: list[Row] = field(default_factory=list)
    objects: list[Row] = field(default_factory=list)
    gone: list[Row] = field(default_factory=list)
    runs: list[Row] = field(default_factory=list)
    paths: list[Row] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    retention: float = 0.0
    """Seconds; of older run records a bounded number is deleted. 0: none."""
    now: float = 0.0

    def __bool__(self) -> bool:
        return bool(
            self.shapes
            or self.series
            or self.values
            or self.acknowledged
            or self.objects
            or self.gone
            or self.runs
            or self.paths
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
    return packed(state if isinstance(state, tuple) else float(state))


def state_of(raw: bytes, metric: Metric) -> State:
    return _value(raw) if metric.instrument is Instrument.COUNTER else _distribution(raw)


def shape_of(metric: Metric) -> str:
    """What must be the same for a stored value to be one of the metric's."""
    shape = {
        "instrument": str(metric.instrument),
        "unit": metric.unit,
        "labels": metric.label_names,
        "buckets": metric.buckets,
    }
    return _json(shape).decode()


def values_of(held: Held) -> Iterator[tuple[Series, bytes]]:
    """The series in it, and what is kept of each."""
    for counter, value in held.counters():
        yield counter, packed(float(value))
    for histogram, (counts, total, _) in held.histograms():
        yield histogram, packed((counts, float(total)))


def path_row(found: RunCauses) -> Row:
    return sealed(float(found.finished), found.uid, _json(found.causes).decode())


def causes_of(row: Row) -> dict[str, float]:
    return _seconds(row[2])
