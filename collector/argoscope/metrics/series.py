"""The series of one metric: working values, published values, and the text of shards of them.

Series lie in shards of a few dozen lines, so that only the shards that changed are rendered and
compressed again. There are 100,000 lines: structs that the garbage collector does not track, and
no field that could be derived cheaply.
"""

from collections.abc import Callable
from math import fsum
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from argoscope.metrics.exemplars import Exemplar
from argoscope.metrics.model import Combine, Instrument, Labels, Metric
from argoscope.metrics.text import Lines, exemplar_text, number

# Some 5 kB: more compress better, but a change anywhere costs compressing all of them again.
_SCALARS_PER_SHARD = 32
_HISTOGRAMS_PER_SHARD = 3
OTHER = "_other"
"""Label value of the series that a metric over its series budget is folded into."""

Packed = tuple[bytes, int, int]
"""Text as deflate blocks ending at a byte, its CRC-32 and its length in bytes."""

Marked: TypeAlias = tuple[float, Exemplar | None]
"""A counter's state: value and the exemplar of its last growth."""
Buckets: TypeAlias = tuple[tuple[int, ...], float, dict[int, Exemplar]]
"""A histogram's state: count of each single bucket, sum, exemplars by bucket."""


class Shard:
    """Up to a few dozen series, and their text as it was last scraped."""

    __slots__ = ("changed", "packed", "series", "writer")

    def __init__(self, writer: Lines, changed: dict[Any, None]) -> None:
        self.writer = writer
        self.changed = changed
        """Of the family: a series that is not as it was published puts itself there."""
        self.series: list[Any] = []
        self.packed: list[Packed | None] = [None, None]
        """Kept by export/prometheus.py: without and with exemplars."""

    @property
    def metric(self) -> Metric:
        return self.writer.metric

    def add(self, series: "Series") -> None:
        self.series.append(series)

    def drop(self, series: "Series") -> None:
        """The last series takes its place."""
        last = self.series.pop()
        if last is not series:
            last.index = series.index
            self.series[series.index] = last
        self.outdate()

    def outdate(self) -> None:
        self.packed[:] = (None, None)

    def text(self, *, exemplars: bool) -> bytes:
        """The lines of what is published."""
        raise NotImplementedError


class ScalarShard(Shard):
    """Keeps its lines: a change of one would else render all of them anew."""

    __slots__ = ("exemplified", "lines")

    def __init__(self, writer: Lines, changed: dict[Any, None]) -> None:
        super().__init__(writer, changed)
        self.lines: list[bytes] = []
        """Index by index; empty where the series was not published yet."""
        self.exemplified: dict[int, bytes] = {}
        """The lines that have an exemplar, by index. Those of counters, which are never dropped."""

    def add(self, series: "Series") -> None:
        super().add(series)
        self.lines.append(b"")

    def drop(self, series: "Series") -> None:
        last = self.lines.pop()
        if series.index < len(self.lines):
            self.lines[series.index] = last
        super().drop(series)

    def set(self, index: int, line: str, exemplar: Exemplar | None = None) -> None:
        self.lines[index] = encoded(line)
        if exemplar is not None:
            self.exemplified[index] = encoded(f"{line[:-1]}{exemplar_text(exemplar)}\n")
        elif self.exemplified:
            self.exemplified.pop(index, None)
        self.outdate()

    def text(self, *, exemplars: bool) -> bytes:
        if not exemplars or not self.exemplified:
            return b"".join(self.lines)
        lines = self.lines.copy()
        for index, line in self.exemplified.items():
            lines[index] = line
        return b"".join(lines)


class HistogramShard(Shard):
    """Renders when it is asked: the buckets of a histogram take more memory than all it counts."""

    __slots__ = ()

    def text(self, *, exemplars: bool) -> bytes:
        write = self.writer.histogram
        states = [(one.labels, one.published) for one in self.series if one.published is not None]
        if exemplars:
            return encoded("".join([write(labels, *state) for labels, state in states]))
        return encoded("".join([write(labels, *state[:2]) for labels, state in states]))


def encoded(text: str) -> bytes:
    """As UTF-8; half a surrogate pair, which no API server can send, becomes a question mark."""
    return text.encode("utf-8", "replace")


class Series(msgspec.Struct, gc=False, eq=False, kw_only=True):
    """What all kinds of series have."""

    labels: Labels
    start: float
    """Unix seconds of its creation; OTLP's start_time_unix_nano."""
    shard: Shard
    index: int
    row: int = 0
    """Of the ledger, kept by ledger/ledger.py; 0 while it has none."""
    sent: object = None
    """``published`` as it was when ``wire`` was made; kept by export/otlp_encode.py."""
    wire: bytes = b""
    """OTLP data point up to its time, where one was made."""


class Counter(Series, gc=False, eq=False, kw_only=True):
    shard: ScalarShard
    value: float = 0.0
    exemplar: Exemplar | None = None
    published: float | None = None
    shown: Exemplar | None = None
    """The published exemplar."""

    def state(self) -> Marked:
        return self.value, self.exemplar

    def publish(self, state: Marked) -> None:
        value, self.shown = state
        self._show(value)

    def publish_zero(self) -> None:
        """Show that the series is there, and nothing yet of what it has counted."""
        self._show(0.0)

    def _show(self, value: float) -> None:
        self.published = value
        self.shard.set(self.index, self.shard.writer.scalar(self.labels, value), self.shown)


class Gauge(Series, gc=False, eq=False, kw_only=True):
    """The combination of contributions: how many there are of each value.

    Nearly always all are the same, so that case has fields and the rest a dict. Counting instead
    of adding up keeps a sum exact however often owners come and go.
    """

    shard: ScalarShard
    value: float = 0.0
    """The one value that all contributions have, while ``more`` is None."""
    owners: int = 0
    more: dict[float, int] | None = None
    published: float | None = None

    def add(self, value: float) -> None:
        self.shard.changed[self] = None
        self.owners += 1
        if self.owners == 1:
            self.value = value
        elif self.more is not None:
            self.more[value] = self.more.get(value, 0) + 1
        elif value != self.value:
            self.more = {self.value: self.owners - 1, value: 1}

    def remove(self, value: float) -> None:
        self.shard.changed[self] = None
        self.owners -= 1
        if self.more is None:
            return
        left = self.more[value] - 1
        if left:
            self.more[value] = left
            return
        del self.more[value]
        if len(self.more) == 1:
            (self.value,) = self.more
            self.more = None

    def combined(self, combine: Combine) -> float:
        """The value now; of an age, the time that it counts from."""
        if self.more is None:
            return float(self.value * self.owners if combine is Combine.SUM else self.value)
        if combine is Combine.SUM:
            return fsum(value * owners for value, owners in self.more.items())
        return float(max(self.more) if combine is Combine.MAX else min(self.more))

    def publish(self) -> None:
        metric = self.shard.metric
        self.published = self.combined(metric.combine)
        # An age's line ends before its value, which only the moment of the scrape tells.
        value = "" if metric.age else number(self.published) + "\n"
        self.shard.set(self.index, self.shard.writer.prefix(self.labels) + value)


class Histogram(Series, gc=False, eq=False, kw_only=True):
    shard: HistogramShard
    counts: list[int]
    """Of each single bucket, the last one up to infinity."""
    total: float = 0.0
    exemplars: dict[int, Exemplar]
    """By bucket; replaced and never changed, because ``published`` shares it."""
    published: Buckets | None = None

    def state(self) -> Buckets:
        return tuple(self.counts), self.total, self.exemplars

    def publish(self, state: Buckets) -> None:
        self.published = state
        self.shard.outdate()

    def publish_zero(self) -> None:
        """As a counter's."""
        self.publish(((0,) * len(self.counts), 0.0, {}))


S = TypeVar("S", bound=Series)
C = TypeVar("C", Counter, Histogram)
"""A series that can only grow."""


class Family(Generic[S]):
    """One metric with its series."""

    def __init__(self, metric: Metric, make: Callable[[Labels, float, Any, int], S]) -> None:
        self.metric = metric
        self.budget = metric.budget
        """Most series; configuration may set another one before there are any."""
        self.series: dict[Labels, S] = {}
        self.shards: list[Shard] = []
        self.changed: dict[S, None] = {}
        """Series that differ from what was last held for a commit, or, of gauges, published."""
        self.committed: dict[S, Any] = {}
        """State of each counter or histogram that is committed and not yet published."""
        self.folded = 0
        """Measurements that went into a series of ``_other`` instead of their own."""
        self.counted = 0
        """What the last publish said how many series there are."""
        self._make = make
        self._writer = Lines(metric)
        self._roomy: list[Shard] = []
        histogram = metric.instrument is Instrument.HISTOGRAM
        self._shard = HistogramShard if histogram else ScalarShard
        self._capacity = _HISTOGRAMS_PER_SHARD if histogram else _SCALARS_PER_SHARD

    def fold(self, labels: Labels) -> Labels:
        """The labels of the series that takes these: themselves while there is room for one more.

        Only open labels are folded, so the number of series beyond the budget is that of the
        combinations of closed label values.
        """
        if len(self.series) < self.budget:
            return labels
        pairs = zip(self.metric.labels, labels, strict=True)
        folded = tuple(OTHER if label.open else value for label, value in pairs)
        if folded != labels:
            self.folded += 1
        return folded

    def create(self, labels: Labels, now: float) -> S:
        shard = self._roomy[-1] if self._roomy else self._grow()
        series = self._make(labels, now, shard, len(shard.series))
        shard.add(series)
        if len(shard.series) == self._capacity:
            self._roomy.pop()
        self.series[labels] = series
        return series

    def _grow(self) -> Shard:
        shard = self._shard(self._writer, self.changed)
        self.shards.append(shard)
        self._roomy.append(shard)
        return shard

    def remove(self, series: S) -> None:
        """Drop a gauge."""
        del self.series[series.labels]
        shard = series.shard
        if len(shard.series) == self._capacity:
            self._roomy.append(shard)
        shard.drop(series)


AnyFamily: TypeAlias = Family[Counter] | Family[Gauge] | Family[Histogram]
