"""How many pods are in which phase and wait for what: counted, not contributed pod by pod.

50,000 live pods would be as many owners of gauge contributions; so the pods of one series are
added up here and handed over as one contribution when time passes, only where it changed.
"""

from argoscope.metrics.model import Labels, Metric
from argoscope.resources._base import Contribution, Sink
from argoscope.resources.pod._metrics import PENDING_OLDEST


class Census:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._counts: dict[tuple[Metric, Labels], int] = {}
        self._waiting: dict[tuple[Metric, Labels], dict[float, int]] = {}
        """Since when -> how many, of those that wait."""
        self._changed: dict[tuple[Metric, Labels], None] = {}

    def add(self, metric: Metric, labels: Labels, change: int, since: float = 0.0) -> None:
        """``change`` pods more or less; of pods that wait, ``since`` when, the same both times."""
        series = (metric, labels)
        self._counts[series] = self._counts.get(series, 0) + change
        self._changed[series] = None
        if since:
            waiting = self._waiting.setdefault(series, {})
            waiting[since] = waiting.get(since, 0) + change
            if not waiting[since]:
                del waiting[since]

    def publish(self) -> None:
        for series in self._changed:
            metric, labels = series
            count = self._counts[series]
            waiting = self._waiting.get(series)
            gauges: list[Contribution] = [(metric, labels, float(count))] if count else []
            if count and waiting:
                gauges.append((PENDING_OLDEST, labels, min(waiting)))
            if not count:
                del self._counts[series]
                self._waiting.pop(series, None)
            self._sink.own(f"{metric.name}/{'/'.join(labels)}", gauges)
        self._changed.clear()
