"""PromQL from metric objects: a metric that is renamed breaks here, and not on a screen.

Every selector carries the dashboard's variables as matchers, for those labels that the metric has.
"""

import re
from dataclasses import dataclass, replace
from typing import TypeVar

from argoscope.metrics.model import Instrument, Metric
from argoscope_alerts.config import Config
from argoscope_dashboards._foreign import Foreign

Series = Metric | Foreign


class Like(str):
    """A regular expression for a label's whole value."""

    __slots__ = ()


Wanted = str | tuple[str, ...] | Like
"""A label's value, several of which one must match, or an expression."""
_S = TypeVar("_S", bound=Series)

RATE = "$__rate_interval"
RANGE = "$__range"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Builds the queries of one dashboard: its configuration, and the labels it filters by."""

    config: Config
    filters: tuple[str, ...]

    def keys(self, *labels: str) -> tuple[str, ...]:
        """Labels that name an object: the cluster's in front."""
        return (self.config.cluster_label, *labels)

    def unfiltered(self, *labels: str) -> "Scope":
        """The scope without the variables ``labels``, where a label means something else."""
        return replace(self, filters=tuple(one for one in self.filters if one not in labels))

    def series(self, metric: Series, suffix: str = "", /, **matchers: Wanted) -> str:
        """A selector. Raises ValueError for a label that the metric has not."""
        cluster = self.config.cluster_label
        parts = [f'{cluster}=~"${{cluster}}"']
        parts += [
            f'{label}=~"${{{label}}}"'
            for label in self.filters
            if label in metric.label_names and label not in matchers
        ]
        for label, wanted in matchers.items():
            if label not in (*metric.label_names, "job", "instance"):
                raise ValueError(f"{metric.prometheus} has no label {label}")
            parts.append(f"{label}{_matcher(wanted)}")
        return f"{metric.prometheus}{suffix}{{{', '.join(parts)}}}"

    def sum(self, metric: Series, *by: str, **matchers: Wanted) -> str:
        """The gauge's sum for each ``by``."""
        return f"sum{_by(by)} ({self.series(_gauge(metric), **matchers)})"

    def max(self, metric: Series, *by: str, **matchers: Wanted) -> str:
        return f"max{_by(by)} ({self.series(_gauge(metric), **matchers)})"

    def min(self, metric: Series, *by: str, **matchers: Wanted) -> str:
        return f"min{_by(by)} ({self.series(_gauge(metric), **matchers)})"

    def increase(
        self, metric: Series, *by: str, window: str = RANGE, suffix: str = "", **matchers: Wanted
    ) -> str:
        """How much the counter grew within the window (default: the dashboard's time range)."""
        selector = self.series(_counter(metric, suffix), suffix, **matchers)
        return f"sum{_by(by)} (increase({selector}[{window}]))"

    def rate(self, metric: Series, *by: str, suffix: str = "", **matchers: Wanted) -> str:
        """Growth of the counter per second."""
        selector = self.series(_counter(metric, suffix), suffix, **matchers)
        return f"sum{_by(by)} (rate({selector}[{RATE}]))"

    def quantile(
        self, share: float, metric: Series, *by: str, window: str = RATE, **matchers: Wanted
    ) -> str:
        """A quantile of the histogram, estimated from its buckets."""
        selector = self.series(_histogram(metric), "_bucket", **matchers)
        grouped = f"sum{_by(('le', *by))} (rate({selector}[{window}]))"
        return f"histogram_quantile({share:g}, {grouped})"

    def mean(self, metric: Series, *by: str, window: str = RATE, **matchers: Wanted) -> str:
        """The mean of what the histogram got."""
        parts = [
            f"sum{_by(by)} (rate({self.series(_histogram(metric), suffix, **matchers)}[{window}]))"
            for suffix in ("_sum", "_count")
        ]
        return " / ".join(parts)

    def buckets(self, metric: Series, **matchers: Wanted) -> str:
        """The histogram's buckets over time, for a heatmap."""
        selector = self.series(_histogram(metric), "_bucket", **matchers)
        return f"sum by (le) (increase({selector}[{RATE}]))"

    def observations(
        self, metric: Series, *by: str, window: str = RANGE, **matchers: Wanted
    ) -> str:
        """How many measurements the histogram got."""
        return self.increase(_histogram(metric), *by, window=window, suffix="_count", **matchers)

    def age(self, metric: Series, *by: str, **matchers: Wanted) -> str:
        """Seconds since the gauge's Unix time."""
        return f"time() - {self.max(metric, *by, **matchers)}"


def ratio(part: str, whole: str) -> str:
    """``part / whole``, nothing where the whole is 0 (a division by it would draw NaN)."""
    return f"{part} / ({whole} > 0)"


def worst(number: int, query: str) -> str:
    """The ``number`` highest, without those that are 0."""
    return f"topk({number}, {query} > 0)"


def values(metric: Series, label: str, cluster_label: str, *filters: str) -> str:
    """Grafana's query for the values of a variable, chained to the variables ``filters``."""
    matchers = [f'{cluster_label}=~"${{cluster}}"']
    matchers += [f'{name}=~"${{{name}}}"' for name in filters]
    suffix = "_count" if metric.instrument is Instrument.HISTOGRAM else ""
    return f"label_values({metric.prometheus}{suffix}{{{', '.join(matchers)}}}, {label})"


def _matcher(wanted: Wanted) -> str:
    if isinstance(wanted, Like):
        return f'=~"{wanted}"'
    if isinstance(wanted, str):
        return f'="{wanted}"'
    return f'=~"{"|".join(re.escape(one).replace(chr(92), chr(92) * 2) for one in wanted)}"'


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""


def _gauge(metric: _S) -> _S:
    return _of(metric, Instrument.GAUGE)


def _histogram(metric: _S) -> _S:
    return _of(metric, Instrument.HISTOGRAM)


def _counter(metric: _S, suffix: str) -> _S:
    return _of(metric, Instrument.HISTOGRAM if suffix else Instrument.COUNTER)


def _of(metric: _S, instrument: Instrument) -> _S:
    if metric.instrument is not instrument:
        raise ValueError(f"{metric.prometheus} is a {metric.instrument}, not a {instrument}")
    return metric
