"""Values of cumulative series at one moment: committed first, published then."""

from collections.abc import Iterator

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

    def counters(self) -> Iterator[tuple[Counter, float]]:
        for _, changed in self._counters:
            for counter, (value, _exemplar) in changed:
                yield counter, value

    def histograms(self) -> Iterator[tuple[Histogram, Buckets]]:
        for _, changed in self._histograms:
            yield from changed

    def publish(self) -> None:
        """From the next publication of the registry on, these values may be shown."""
        for counters, counted in self._counters:
            counters.committed.update(counted)
        for histograms, observed in self._histograms:
            histograms.committed.update(observed)
