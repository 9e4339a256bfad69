"""The series of all metrics: what is counted now, and what is published.

Derivations change values through the ``Sink`` methods; nothing of it is visible until
``publish()``. So a ledger can commit between the two, and a scrape never shows what a crash could
take back. A scrape renders and compresses only what was published since the one before.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from argoscope.metrics.exemplars import Exemplar, Subject
from argoscope.metrics.held import Held
from argoscope.metrics.internal import DECODE_ERRORS, INTERNAL, SERIES, SERIES_FOLDED
from argoscope.metrics.model import Instrument, Labels, Metric
from argoscope.metrics.newborn import Newborns
from argoscope.metrics.series import (
    AnyFamily,
    C,
    Counter,
    Family,
    Gauge,
    Histogram,
    HistogramShard,
    S,
    ScalarShard,
)

Contribution = tuple[Metric, Labels, float]
Distribution = tuple[Sequence[int], float]
"""Counts of a histogram's single buckets, the last one up to infinity, and the sum."""

_NO_EXEMPLARS: dict[int, Exemplar] = {}
_POOLED_STRINGS = 50_000


class _Holding(msgspec.Struct, gc=False, eq=False):
    """A set of contributions, shared by all owners that contribute exactly the same.

    Most pods of a pipeline are in the same few states, so 50,000 owners need a few thousand of
    these. It names the series and not their labels: what was folded is withdrawn from where it was
    folded to.
    """

    key: "_Key"
    owners: int = 0


_Key = tuple[tuple[Gauge, ...], tuple[float, ...]]  # untracked by the collector, as all in it is


class Registry:
    """All series of one process. Not thread-safe: one event loop owns it.

    ``metrics`` are joined by the daemon's own (metrics/internal.py). ``on_problem`` is told the
    kind, reason and detail of each problem. Raises ValueError for two metrics of one name. The
    ``Sink`` methods raise ValueError for a metric that is not in the catalogue or of another
    instrument, a wrong number of labels, and a value that is no number (or, for a counter, less
    than 0): all of these are bugs.
    """

    def __init__(
        self,
        metrics: Iterable[Metric],
        *,
        now: Callable[[], float] = time.time,
        on_problem: Callable[[str, str, str], None] | None = None,
    ) -> None:
        self.metrics: dict[str, Metric] = {}
        self.now = now
        self.problems: dict[tuple[str, str], int] = {}
        self.families: list[AnyFamily] = []
        """In catalogue order; their published state is what exporters read."""
        self.newborns = Newborns(now)
        """Told by the server who has seen what."""
        self._on_problem = on_problem
        self._counters: dict[Metric, Family[Counter]] = {}
        self._gauges: dict[Metric, Family[Gauge]] = {}
        self._histograms: dict[Metric, Family[Histogram]] = {}
        self._owned: dict[str, _Holding] = {}
        self._holdings: dict[_Key, _Holding] = {}
        self._strings: dict[str, str] = {}
        for metric in (*metrics, *INTERNAL):
            self.register(metric)

    def register(self, metric: Metric) -> None:
        """Take a metric into the catalogue; one whose labels are configured comes later."""
        known = self.metrics.setdefault(metric.prometheus, metric)
        if known is not metric:
            raise ValueError(f"two metrics are named {metric.prometheus}")
        if metric in self._counters or metric in self._gauges or metric in self._histograms:
            return
        family: AnyFamily
        if metric.instrument is Instrument.COUNTER:
            family = self._counters[metric] = Family(metric, _counter)
        elif metric.instrument is Instrument.GAUGE:
            family = self._gauges[metric] = Family(metric, _gauge)
        else:
            family = self._histograms[metric] = Family(metric, _histogram(len(metric.buckets) + 1))
        self.families.append(family)

    def declare(self, metric: Metric, labels: Labels) -> None:
        """Expose a counter or histogram at 0 if it does not exist yet."""
        if metric.instrument is Instrument.HISTOGRAM:
            family = self._family(self._histograms, metric)
            if labels not in family.series:
                self._create(family, labels)
        else:
            counters = self._family(self._counters, metric)
            if labels not in counters.series:
                self._create(counters, labels)

    def count(
        self, metric: Metric, labels: Labels, amount: float = 1.0, *, exemplar: Subject = ""
    ) -> None:
        """Add to a counter."""
        if not amount >= 0.0:
            raise ValueError(f"{metric.name} cannot grow by {amount}")
        family = self._family(self._counters, metric)
        series = family.series.get(labels) or self._create(family, labels)
        series.value += amount
        if exemplar:
            series.exemplar = (exemplar, float(amount), self.now())
        family.changed[series] = None

    def observe(
        self, metric: Metric, labels: Labels, value: float, *, exemplar: Subject = ""
    ) -> None:
        """Put one sample, in the metric's unit, into a histogram."""
        if value != value:
            raise ValueError(f"{metric.name} cannot observe {value}")
        family = self._family(self._histograms, metric)
        series = family.series.get(labels) or self._create(family, labels)
        bucket = bisect_left(metric.buckets, value)
        series.counts[bucket] += 1
        series.total += value
        if exemplar:
            series.exemplars = {
                **series.exemplars,
                bucket: (exemplar, float(value), self.now()),
            }
        family.changed[series] = None

    def own(self, owner: str, gauges: Sequence[Contribution]) -> None:
        """Replace all gauge contributions of ``owner``; an empty sequence withdraws them.

        Several contributions to one series combine, whether they are of one owner or of several.
        """
        before = self._owned.get(owner)
        if not gauges:
            if before is not None:
                del self._owned[owner]
                self._release(before)
            return
        key = self._resolve(gauges)
        holding = self._holdings.get(key)
        if holding is None:
            holding = self._holdings[key] = _Holding(key)
        elif holding is before:
            return
        holding.owners += 1
        for gauge, value in zip(*holding.key, strict=True):
            gauge.add(value)
        self._owned[owner] = holding
        if before is not None:
            self._release(before)

    def _resolve(self, gauges: Sequence[Contribution]) -> _Key:
        series = []
        for metric, labels, value in gauges:
            if value != value:
                raise ValueError(f"{metric.name} cannot be {value}")
            family = self._family(self._gauges, metric)
            series.append(family.series.get(labels) or self._create(family, labels))
        return tuple(series), tuple([value for _, _, value in gauges])

    def _release(self, holding: _Holding) -> None:
        for gauge, value in zip(*holding.key, strict=True):
            gauge.remove(value)
        holding.owners -= 1
        if not holding.owners:
            del self._holdings[holding.key]

    def problem(self, kind: str, reason: str, detail: str) -> None:
        """Count an object or field that was skipped; ``detail`` names object and field."""
        self.problems[kind, reason] = self.problems.get((kind, reason), 0) + 1
        self.count(DECODE_ERRORS, (kind, reason))
        if self._on_problem is not None:
            self._on_problem(kind, reason, detail)

    def record(self, run: object) -> None:
        """Drop a run record: a registry holds series."""

    def attribute(self, found: object) -> None:
        """Drop it, as ``record`` does."""

    def hold(self) -> Held:
        """What was counted up to now: to be committed, and then published.

        Every change is in one ``Held`` only. Volatile metrics are in none.
        """
        return self._take(volatile=False)

    def _take(self, *, volatile: bool) -> Held:
        held = Held()
        for counters in self._counters.values():
            if counters.changed and counters.metric.volatile is volatile:
                held.take_counters(counters)
        for histograms in self._histograms.values():
            if histograms.changed and histograms.metric.volatile is volatile:
                held.take_histograms(histograms)
        return held

    def publish(self, held: Held | None = None, *, hold: bool = True) -> None:
        """Make what was counted visible to scrapes and exports; of counters and histograms what is
        ``held``, or everything.

        Gauges say what is at this moment, and nobody adds them up: they need no commit. New series
        are shown at 0 first to those who scrape (metrics/newborn.py); without ``hold`` everything
        is shown, because there is no later.
        """
        (self.hold() if held is None else held).publish()
        self._take(volatile=True).publish()
        self.newborns.begin_publication(hold=hold)
        for counters in self._counters.values():
            for counter, value in self._shown(counters, hold):
                counter.publish(value)
        for histograms in self._histograms.values():
            for histogram, state in self._shown(histograms, hold):
                histogram.publish(state)
        self._publish_gauges()
        while self._count_series():
            self._publish_gauges()

    def _shown(self, family: Family[C], hold: bool) -> list[tuple[C, Any]]:
        """The series whose committed value is to be shown; the others are at 0 for now."""
        newborns, committed = self.newborns, family.committed
        held = newborns.held
        shown = []
        for series, state in committed.items():
            if series.published is None and newborns.is_born(series, hold=hold):
                series.publish_zero()
            if series not in held:
                shown.append((series, state))
        if len(shown) == len(committed):
            committed.clear()
        else:
            for series, _ in shown:
                del committed[series]
        return shown

    def _publish_gauges(self) -> None:
        for gauges in self._gauges.values():
            for gauge in gauges.changed:
                if gauge.owners:
                    gauge.publish()
                else:
                    gauges.remove(gauge)
            gauges.changed.clear()

    def restore(
        self, metric: Metric, labels: Labels, start: float, state: float | Distribution
    ) -> Counter | Histogram:
        """Put back a counter (its value) or a histogram (counts of the single buckets, and sum)
        as it was committed, whatever the budget says; ``start`` in Unix seconds.

        Counts as published before: the next ``hold`` does not have it.
        """
        pooled = tuple(map(self._pooled, labels))
        if not isinstance(state, tuple):
            counters = self._family(self._counters, metric)
            counter = counters.series.get(pooled) or counters.create(pooled, start)
            counter.value = state
            counter.publish(counter.state())
            return counter
        histograms = self._family(self._histograms, metric)
        histogram = histograms.series.get(pooled) or histograms.create(pooled, start)
        counts, histogram.total = state
        histogram.counts[:] = counts
        histogram.publish(histogram.state())
        return histogram

    def _count_series(self) -> bool:
        changed = [family for family in self.families if family.counted != len(family.series)]
        for family in changed:
            family.counted = len(family.series)
            name = family.metric.prometheus
            self.own(f"{SERIES.name}/{name}", [(SERIES, (name,), float(family.counted))])
        return bool(changed)

    def cumulative(self, metric: Metric) -> Mapping[Labels, Counter | Histogram]:
        """The series of a counter or histogram by their labels; empty for a gauge."""
        family = self._counters.get(metric) or self._histograms.get(metric)
        return family.series if family is not None else {}

    def value(self, metric: Metric, labels: Labels) -> float | None:
        """The value of a counter or gauge series, the count of a histogram's; None if absent.

        This and the next two read what is counted now, published or not.
        """
        return dict(self.samples(metric)).get(labels)

    def samples(self, metric: Metric) -> Iterator[tuple[Labels, float]]:
        """(labels, value) of each series; of a histogram, how many samples it holds."""
        if metric in self._counters:
            for labels, counter in self._counters[metric].series.items():
                yield labels, counter.value
        elif metric in self._histograms:
            for labels, histogram in self._histograms[metric].series.items():
                yield labels, float(sum(histogram.counts))
        elif metric in self._gauges:
            for labels, gauge in self._gauges[metric].series.items():
                if gauge.owners:
                    combined = gauge.combined(metric.combine)
                    yield labels, max(0.0, self.now() - combined) if metric.age else combined

    def sum(self, metric: Metric, labels: Labels) -> float:
        """The sum of a histogram series' samples, in the metric's unit; 0 if absent."""
        family = self._histograms.get(metric)
        histogram = family.series.get(labels) if family else None
        return histogram.total if histogram else 0.0

    def _family(self, families: dict[Metric, Family[S]], metric: Metric) -> Family[S]:
        try:
            return families[metric]
        except KeyError:
            wrong = (
                "is used as another instrument"
                if self.metrics.get(metric.prometheus) is metric
                else "is not in this registry's catalogue"
            )
            raise ValueError(f"{metric.name} {wrong}") from None

    def _create(self, family: Family[S], labels: Labels) -> S:
        """The series for new labels: a new one, or the folded one when the budget is spent."""
        metric = family.metric
        if len(labels) != len(metric.labels):
            raise ValueError(f"{metric.name} has labels {metric.label_names}, got {labels}")
        folded = family.fold(labels)
        if folded != labels:
            self.count(SERIES_FOLDED, (metric.prometheus,))
        series = family.series.get(folded)
        if series is None:
            series = family.create(tuple(map(self._pooled, folded)), self.now())
            family.changed[series] = None
        return series

    def _pooled(self, text: str) -> str:
        # Each decoded object brings its own copy of the same few names.
        if len(self._strings) >= _POOLED_STRINGS:
            self._strings.clear()
        return self._strings.setdefault(text, text)


def _counter(labels: Labels, start: float, shard: ScalarShard, index: int) -> Counter:
    return Counter(labels=labels, start=start, shard=shard, index=index)


def _gauge(labels: Labels, start: float, shard: ScalarShard, index: int) -> Gauge:
    return Gauge(labels=labels, start=start, shard=shard, index=index)


def _histogram(buckets: int) -> Callable[[Labels, float, HistogramShard, int], Histogram]:
    def make(labels: Labels, start: float, shard: HistogramShard, index: int) -> Histogram:
        return Histogram(
            labels=labels,
            start=start,
            shard=shard,
            index=index,
            counts=[0] * buckets,
            exemplars=_NO_EXEMPLARS,
        )

    return make
