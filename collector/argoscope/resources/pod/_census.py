"""How many pods are in which phase and wait for what: counted, not contributed pod by pod.

50,000 live pods would be as many owners of gauge contributions; so the pods of one series are
added up here and handed over as one contribution when time passes, only where it changed.
"""

from argoscope.metrics.model import Labels, Metric
from argoscope.resources._base import Sink


class Census:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._counts: dict[tuple[Metric, Labels], int] = {}
        self._changed: dict[tuple[Metric, Labels], None] = {}

    def add(self, metric: Metric, labels: Labels, change: int) -> None:
        series = (metric, labels)
        self._counts[series] = self._counts.get(series, 0) + change
        self._changed[series] = None

    def publish(self) -> None:
        for series in self._changed:
            metric, labels = series
            count = self._counts[series]
            if not count:
                del self._counts[series]
            gauges = [(metric, labels, float(count))] if count else []
            self._sink.own(f"{metric.name}/{'/'.join(labels)}", gauges)
        self._changed.clear()
