"""Series to lines of the Prometheus text format, which OpenMetrics shares but for exemplars.

Sources: Prometheus "Exposition formats" (0.0.4) and OpenMetrics 1.0.0.
"""

from collections.abc import Iterable, Mapping
from itertools import accumulate
from types import MappingProxyType

from prometheus_client.utils import floatToGoString

from argoscope.metrics.exemplars import Exemplar, Traced
from argoscope.metrics.model import Instrument, Labels, Metric

EXEMPLAR_LABEL = "workflow"
_NONE: Mapping[int, Exemplar] = MappingProxyType({})
_TRACE_LABEL = "trace_id"  # as OpenMetrics recommends, and Grafana expects
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

    A shortened name would be that of no object, so such a name is left out; of a run that is traced
    the trace stays, which has the name.
    """
    if exemplar is None:
        return ""
    subject, value, at = exemplar
    labels, room, name = [], _EXEMPLAR_LIMIT, subject
    if isinstance(subject, Traced):
        name = subject.workflow
        labels.append(f'{_TRACE_LABEL}="{subject.trace_id}"')
        room -= len(_TRACE_LABEL) + len(subject.trace_id)
    if len(EXEMPLAR_LABEL) + len(name) <= room:
        labels.append(f'{EXEMPLAR_LABEL}="{escape(str(name))}"')
    if not labels:
        return ""
    return f" # {{{','.join(labels)}}} {number(value)} {number(round(at, 3))}"


def _bound(value: float) -> str:
    # The canonical floats of OpenMetrics, which Prometheus 3 makes of all others when it scrapes.
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


_PAIRS = "\0"
"""In a template: where the labels come; no name and no bound has it."""


class Lines:
    """Writes the lines of one metric's series; what they share is prepared once."""

    __slots__ = ("_pairs", "_sample", "_template", "metric")

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        name = metric.prometheus
        self._pairs = ",".join(f'{label.name}="%s"' for label in metric.labels)
        self._sample = f"{name}{{{self._pairs}}} " if self._pairs else f"{name} "
        comma = "," if self._pairs else ""
        braced = f"{{{_PAIRS}}}" if self._pairs else ""
        buckets = [
            f'{name}_bucket{{{_PAIRS}{comma}le="{_bound(bound)}"}} %s\n'
            for bound in (*metric.buckets, float("inf"))
        ]
        self._template = "".join([*buckets, f"{name}_sum{braced} %s\n{name}_count{braced} %s\n"])

    def prefix(self, labels: Labels) -> str:
        """A scalar's line up to its value."""
        return self._sample % _escaped(labels)

    def scalar(self, labels: Labels, value: float) -> str:
        """A counter's or gauge's line, with its line feed."""
        return f"{self._sample % _escaped(labels)}{number(value)}\n"

    def histogram(
        self,
        labels: Labels,
        counts: Iterable[int],
        total: float,
        exemplars: Mapping[int, Exemplar] = _NONE,
    ) -> str:
        """The cumulative buckets, sum and count; ``counts`` are those of the single buckets.

        ``exemplars`` are by the index of their bucket, for OpenMetrics only.
        """
        values: list[int | str] = list(accumulate(counts))
        values += (number(total), values[-1])
        for index, exemplar in exemplars.items():
            values[index] = f"{values[index]}{exemplar_text(exemplar)}"
        pairs = self._pairs % _escaped(labels)
        # Two steps in C for all of the lines.
        return self._template.replace(_PAIRS, pairs.replace("%", "%%")) % (*values,)


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
