"""The series of one metric: working values, published values, and their rendered lines.

Lines lie in shards of a few dozen so that a scrape joins lists of finished lines, and so that only
the shards that changed are compressed again. There are 100,000 of these objects: structs that the
garbage collector does not track, and no field that could be derived cheaply.
"""

from collections.abc import Callable
from math import fsum
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from argoscope.metrics.model import Combine, Instrument, Labels, Metric
from argoscope.metrics.text import Exemplar, Lines, exemplar_text, number

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
    """Up to a few dozen series with their lines, index by index."""

    __slots__ = ("changed", "exemplified", "lines", "metric", "packed", "series")

    def __init__(self, metric: Metric, changed: dict[Any, None]) -> None:
        self.metric = metric
        self.changed = changed
        """Of the family: a series that is not as it was published puts itself there."""
        self.series: list[Series] = []
        self.lines: list[bytes] = []
        """Empty where the series was not published yet."""
        self.exemplified: dict[int, bytes] = {}
        """The lines that OpenMetrics writes differently, by index."""
        self.packed: list[Packed | None] = [None, None]
        """Kept by export/prometheus.py: without and with exemplars."""

    def set(self, index: int, line: str, exemplified: str = "") -> None:
        self.lines[index] = line.encode("utf-8", "replace")
        if exemplified and exemplified != line:
            self.exemplified[index] = exemplified.encode("utf-8", "replace")
        else:
            self.exemplified.pop(index, None)
        self.packed[:] = (None, None)

    def format(self, *, openmetrics: bool) -> list[bytes]:
        if not (openmetrics and self.exemplified):
            return self.lines
        lines = self.lines.copy()
        for index, line in self.exemplified.items():
            lines[index] = line
        return lines


class Series(msgspec.Struct, gc=False, eq=False, kw_only=True):
    """What all kinds of series have."""

    labels: Labels
    start: float
    """Unix seconds of its creation; OTLP's start_time_unix_nano."""
    shard: Shard
    index: int
    sent: object = None
    """``published`` as it was when ``wire`` was made; kept by export/otlp_encode.py."""
    wire: bytes = b""
    """OTLP data point up to its time, where one was made."""


class Counter(Series, gc=False, eq=False, kw_only=True):
    value: float = 0.0
    exemplar: Exemplar | None = None
    published: float | None = None
    shown: Exemplar | None = None
    """The published exemplar."""

    def state(self) -> Marked:
        return self.value, self.exemplar

    def publish(self, lines: Lines, state: Marked) -> None:
        value, self.shown = state
        self._show(lines, value)

    def publish_zero(self, lines: Lines) -> None:
        """Show that the series is there, and nothing yet of what it has counted."""
        self._show(lines, 0.0)

    def _show(self, lines: Lines, value: float) -> None:
        self.published = value
        line = lines.scalar(self.labels, value)
        marked = f"{line[:-1]}{exemplar_text(self.shown)}\n" if self.shown else ""
        self.shard.set(self.index, line, marked)


class Gauge(Series, gc=False, eq=False, kw_only=True):
    """The combination of contributions: how many there are of each value.

    Nearly always all are the same, so that case has fields and the rest a dict. Counting instead
    of adding up keeps a sum exact however often owners come and go.
    """

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

    def publish(self, lines: Lines, metric: Metric) -> None:
        self.published = self.combined(metric.combine)
        # An age's line ends before its value, which only the moment of the scrape tells.
        value = "" if metric.age else number(self.published) + "\n"
        self.shard.set(self.index, lines.prefix(self.labels) + value)


class Histogram(Series, gc=False, eq=False, kw_only=True):
    counts: list[int]
    """Of each single bucket, the last one up to infinity."""
    total: float = 0.0
    exemplars: dict[int, Exemplar]
    """By bucket; replaced and never changed, because ``published`` shares it."""
    published: Buckets | None = None

    def state(self) -> Buckets:
        return tuple(self.counts), self.total, self.exemplars

    def publish(self, lines: Lines, state: Buckets) -> None:
        self.published = state
        counts, total, exemplars = state
        marked = lines.histogram_with(self.labels, counts, total, exemplars) if exemplars else ""
        self.shard.set(self.index, lines.histogram(self.labels, counts, total), marked)

    def publish_zero(self, lines: Lines) -> None:
        """As a counter's."""
        counts = (0,) * len(self.counts)
        self.published = (counts, 0.0, {})
        self.shard.set(self.index, lines.histogram(self.labels, counts, 0.0))


S = TypeVar("S", bound=Series)
C = TypeVar("C", Counter, Histogram)
"""A series that can only grow."""


class Family(Generic[S]):
    """One metric with its series."""

    def __init__(self, metric: Metric, make: Callable[[Labels, float, Shard, int], S]) -> None:
        self.metric = metric
        self.budget = metric.budget
        """Most series; configuration may set another one before there are any."""
        self.lines = Lines(metric)
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
        self._roomy: list[Shard] = []
        histogram = metric.instrument is Instrument.HISTOGRAM
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
        shard.series.append(series)
        shard.lines.append(b"")
        if len(shard.series) == self._capacity:
            self._roomy.pop()
        self.series[labels] = series
        return series

    def _grow(self) -> Shard:
        shard = Shard(self.metric, self.changed)
        self.shards.append(shard)
        self._roomy.append(shard)
        return shard

    def remove(self, series: S) -> None:
        """Drop a gauge; the last series of its shard takes its place."""
        del self.series[series.labels]
        shard = series.shard
        if len(shard.series) == self._capacity:
            self._roomy.append(shard)
        last, line = shard.series.pop(), shard.lines.pop()
        if last is not series:
            last.index = series.index
            shard.series[series.index] = last
            shard.lines[series.index] = line
        shard.packed[:] = (None, None)


AnyFamily: TypeAlias = Family[Counter] | Family[Gauge] | Family[Histogram]
