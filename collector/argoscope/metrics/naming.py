"""From an OpenTelemetry name and unit to the Prometheus name.

Source: OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility", metric metadata.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argoscope.metrics.model import Metric

_UNITS = {"s": "seconds", "ms": "milliseconds", "By": "bytes", "%": "percent"}


def prometheus_unit(metric: "Metric") -> str:
    """The unit's word at the end of the name, as OpenMetrics' UNIT wants it; empty for none.

    ``1`` is a ratio on gauges and nothing on others; an annotation such as ``{run}`` is nothing.
    Raises ValueError for a unit that has no published Prometheus word.
    """
    unit = metric.unit
    if unit == "1":
        return "ratio" if metric.instrument == "gauge" else ""
    if not unit or unit.startswith("{"):
        return ""
    try:
        return _UNITS[unit]
    except KeyError:
        raise ValueError(f"unit {unit!r} has no Prometheus word in naming.py") from None


def prometheus_name(metric: "Metric") -> str:
    """``argo.workflow.run.duration`` in ``s`` becomes ``argo_workflow_run_duration_seconds``.

    Raises ValueError for a unit that has no published Prometheus word.
    """
    name = metric.name.replace(".", "_")
    unit = prometheus_unit(metric)
    counter = metric.instrument == "counter"
    if counter:
        name = name.removesuffix("_total")
    if unit and not name.endswith("_" + unit):
        name += "_" + unit
    return name + "_total" if counter else name
