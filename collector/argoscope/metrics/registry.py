"""The series of all metrics: what is counted now, and what is published.

Derivations change values through the ``Sink`` methods; nothing of it is visible until
``publish()``. So a ledger can commit between the two, and a scrape never shows what a crash could
take back. Publishing renders only the series that changed; a scrape joins lines that are already
text.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence

from argoscope.metrics.model import Combine, Instrument, Labels, Metric

Contribution = tuple[Metric, Labels, float]


class Histogram:
    __slots__ = ("counts", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * (buckets + 1)
        self.total = 0.0


class Registry:
    """All series of one process. Not thread-safe: one event loop owns it."""

    def __init__(self, metrics: Iterable[Metric], *, now: Callable[[], float] = time.time) -> None:
        self.metrics = {metric.prometheus: metric for metric in metrics}
        self._now = now
        self._scalars: dict[Metric, dict[Labels, float]] = {}
        self._histograms: dict[Metric, dict[Labels, Histogram]] = {}
        self._owned: dict[str, tuple[Contribution, ...]] = {}
        self._owners: dict[tuple[Metric, Labels], dict[str, float]] = {}
        self.problems: dict[tuple[str, str], int] = {}

    def _check(self, metric: Metric, labels: Labels) -> None:
        if self.metrics.get(metric.prometheus) is not metric:
            raise ValueError(f"{metric.name} is not in this registry's catalogue")
        if len(labels) != len(metric.labels):
            raise ValueError(f"{metric.name} has labels {metric.label_names}, got {labels}")

    def declare(self, metric: Metric, labels: Labels) -> None:
        self._check(metric, labels)
        if metric.instrument is Instrument.HISTOGRAM:
            self._histograms.setdefault(metric, {}).setdefault(
                labels, Histogram(len(metric.buckets))
            )
        else:
            self._scalars.setdefault(metric, {}).setdefault(labels, 0.0)

    def count(
        self, metric: Metric, labels: Labels, amount: float = 1.0, *, exemplar: str = ""
    ) -> None:
        self.declare(metric, labels)
        self._scalars[metric][labels] += amount

    def observe(self, metric: Metric, labels: Labels, value: float, *, exemplar: str = "") -> None:
        self.declare(metric, labels)
        histogram = self._histograms[metric][labels]
        histogram.counts[bisect_left(metric.buckets, value)] += 1
        histogram.total += value

    def own(self, owner: str, gauges: Sequence[Contribution]) -> None:
        for metric, labels, _ in self._owned.pop(owner, ()):
            owners = self._owners[metric, labels]
            owners.pop(owner, None)
            if not owners:
                del self._owners[metric, labels]
        for metric, labels, value in gauges:
            self._check(metric, labels)
            self._owners.setdefault((metric, labels), {})[owner] = value
        if gauges:
            self._owned[owner] = tuple(gauges)

    def problem(self, kind: str, reason: str, detail: str) -> None:
        self.problems[kind, reason] = self.problems.get((kind, reason), 0) + 1

    def publish(self) -> None:
        """Make what was counted visible to scrapes and exports."""

    def value(self, metric: Metric, labels: Labels) -> float | None:
        """The value of a counter or gauge series, the count of a histogram's; None if absent."""
        return dict(self.samples(metric)).get(labels)

    def samples(self, metric: Metric) -> Iterator[tuple[Labels, float]]:
        """(labels, value) of each series; of a histogram, how many samples it holds."""
        if metric.instrument is Instrument.HISTOGRAM:
            for labels, histogram in self._histograms.get(metric, {}).items():
                yield labels, float(sum(histogram.counts))
            return
        yield from self._scalars.get(metric, {}).items()
        for (owned, labels), owners in self._owners.items():
            if owned is not metric:
                continue
            combined = _COMBINE[metric.combine](owners.values())
            yield labels, max(0.0, self._now() - combined) if metric.age else combined

    def sum(self, metric: Metric, labels: Labels) -> float:
        """The sum of a histogram series' samples, in the metric's unit; 0 if absent."""
        histogram = self._histograms.get(metric, {}).get(labels)
        return histogram.total if histogram else 0.0


_COMBINE: dict[Combine, Callable[[Iterable[float]], float]] = {
    Combine.SUM: sum,
    Combine.MAX: max,
    Combine.MIN: min,
}
