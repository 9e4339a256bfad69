"""From an OpenTelemetry name and unit to the Prometheus name.

Source: OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility", metric metadata.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argoscope.metrics.model import Metric

_UNITS = {"s": "seconds", "By": "bytes", "ms": "milliseconds"}


def prometheus_name(metric: "Metric") -> str:
    """``argo.workflow.run.duration`` in ``s`` becomes ``argo_workflow_run_duration_seconds``.

    Raises ValueError for a unit that has no published Prometheus word.
    """
    name = metric.name.replace(".", "_")
    unit = metric.unit
    if unit == "1":
        if metric.instrument == "gauge" and not name.endswith("_ratio"):
            name += "_ratio"
    elif unit and not unit.startswith("{"):
        try:
            word = _UNITS[unit]
        except KeyError:
            raise ValueError(f"unit {unit!r} has no Prometheus word in naming.py") from None
        if not name.endswith("_" + word):
            name += "_" + word
    if metric.instrument == "counter" and not name.endswith("_total"):
        name += "_total"
    return name
