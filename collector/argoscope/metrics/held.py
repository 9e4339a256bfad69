"""Values of cumulative series at one moment: committed first, published then."""

from collections.abc import Iterator

from argoscope.metrics.model import Metric
from argoscope.metrics.series import Buckets, Counter, Family, Histogram, Marked


class Held:
    """What changed between two commits. Counting goes on while this is written."""

    def __init__(self) -> None:
        self._counters: list[tuple[Family[Counter], list[tuple[Counter, Marked]]]] = []
        self._histograms: list[tuple[Family[Histogram], list[tuple[Histogram, Buckets]]]] = []

    def take_counters(self, family: Family[Counter]) -> None:
        self._counters.append((family, [(one, one.state()) for one in family.changed]))
        family.changed.clear()

    def take_histograms(self, family: Family[Histogram]) -> None:
        self._histograms.append((family, [(one, one.state()) for one in family.changed]))
        family.changed.clear()

    def counters(self) -> Iterator[tuple[Metric, Counter, float]]:
        for family, changed in self._counters:
            for counter, (value, _) in changed:
                yield family.metric, counter, value

    def histograms(self) -> Iterator[tuple[Metric, Histogram, Buckets]]:
        for family, changed in self._histograms:
            for histogram, state in changed:
                yield family.metric, histogram, state

    def publish(self) -> None:
        """From the next publication of the registry on, these values may be shown."""
        for counters, counted in self._counters:
            counters.committed.update(counted)
        for histograms, observed in self._histograms:
            histograms.committed.update(observed)
