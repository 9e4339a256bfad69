"""Series to lines of the Prometheus text format, which OpenMetrics shares but for exemplars.

Sources: Prometheus "Exposition formats" (0.0.4) and OpenMetrics 1.0.0.
"""

from collections.abc import Iterable, Mapping
from itertools import accumulate

from prometheus_client.utils import floatToGoString

from argoscope.metrics.model import Instrument, Labels, Metric

Exemplar = tuple[str, float, float]
"""Name of the object that was measured, the measurement, Unix seconds of when."""

EXEMPLAR_LABEL = "workflow"
_EXEMPLAR_LIMIT = 128  # OpenMetrics: characters of all label names and values of an exemplar
_EXACT = 1e15  # integers above it are not written digit by digit


def number(value: float) -> str:
    """A float as both formats write it; integers without a fraction."""
    if value.is_integer() and -_EXACT < value < _EXACT:
        return str(int(value))
    text = repr(value)
    return _SPECIAL.get(text, text)


_SPECIAL = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}


def escape(value: str) -> str:
    """A label value between its quotes."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _escaped(labels: Labels) -> Labels:
    # Names that Kubernetes allows need no escaping: look once through all of them.
    joined = "".join(labels)
    if '"' in joined or "\\" in joined or "\n" in joined:
        return tuple(map(escape, labels))
    return labels


def exemplar_text(exemplar: Exemplar | None) -> str:
    """What OpenMetrics appends to a sample's line; empty for a name that is too long for it.

    A shortened name would be that of no object, so such an exemplar is left out.
    """
    if exemplar is None:
        return ""
    name, value, at = exemplar
    if len(EXEMPLAR_LABEL) + len(name) > _EXEMPLAR_LIMIT:
        return ""
    return f' # {{{EXEMPLAR_LABEL}="{escape(name)}"}} {number(value)} {number(round(at, 3))}'


def _bound(value: float) -> str:
    # The canonical floats of OpenMetrics, which Prometheus 3 makes of all others when it scrapes.
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


class Lines:
    """Writes the lines of one metric's series; what they share is prepared once."""

    __slots__ = ("_head", "_les", "_sample")

    def __init__(self, metric: Metric) -> None:
        name = metric.prometheus
        pairs = ",".join(f'{label.name}="%s"' for label in metric.labels)
        self._sample = f"{name}{{{pairs}}} " if pairs else f"{name} "
        self._head = f"{{{pairs}}} " if pairs else " "
        comma = "," if pairs else ""
        self._les = tuple(
            f'{name}_bucket{{%s{comma}le="{_bound(bound)}"}} '
            for bound in (*metric.buckets, float("inf"))
        )
        if metric.instrument is Instrument.HISTOGRAM:
            self._sample = pairs
            self._head = f"{name}_sum{self._head}%s\n{name}_count{self._head}%s\n"

    def prefix(self, labels: Labels) -> str:
        """A scalar's line up to its value."""
        return self._sample % _escaped(labels)

    def scalar(self, labels: Labels, value: float) -> str:
        """A counter's or gauge's line, with its line feed."""
        return f"{self._sample % _escaped(labels)}{number(value)}\n"

    def histogram(self, labels: Labels, counts: Iterable[int], total: float) -> str:
        """The cumulative buckets, sum and count; ``counts`` are those of the single buckets."""
        return self.histogram_with(labels, counts, total, {})

    def histogram_with(
        self,
        labels: Labels,
        counts: Iterable[int],
        total: float,
        exemplars: Mapping[int, Exemplar],
    ) -> str:
        """The same with exemplars, by the index of their bucket: OpenMetrics only."""
        values = _escaped(labels)
        pairs = self._sample % values
        cumulative = list(accumulate(counts))
        if exemplars:
            buckets = "".join(
                f"{le % pairs}{count}{exemplar_text(exemplars.get(index))}\n"
                for index, (le, count) in enumerate(zip(self._les, cumulative, strict=True))
            )
        else:
            buckets = "".join(
                [f"{le % pairs}{n}\n" for le, n in zip(self._les, cumulative, strict=True)]
            )
        return buckets + self._head % (*values, number(total), *values, cumulative[-1])


def header(metric: Metric, *, openmetrics: bool) -> bytes:
    """HELP and TYPE, and in OpenMetrics UNIT, where the counter's family has no ``_total``."""
    name = metric.prometheus
    help_text = metric.help.replace("\\", "\\\\")
    unit = ""
    if openmetrics:
        help_text = help_text.replace('"', '\\"')
        if metric.instrument is Instrument.COUNTER:
            name = name.removesuffix("_total")
        if metric.prometheus_unit:
            unit = f"# UNIT {name} {metric.prometheus_unit}\n"
    return f"# HELP {name} {help_text}\n# TYPE {name} {metric.instrument}\n{unit}".encode()
