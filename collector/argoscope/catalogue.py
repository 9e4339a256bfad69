"""Every metric definition, collected: what dashboards, alerts and docs are checked against."""

from functools import cache

from argoscope.lease import metrics as lease
from argoscope.ledger import metrics as ledger
from argoscope.metrics import internal
from argoscope.metrics.model import Metric
from argoscope.resources._load import load


@cache
def catalogue() -> tuple[Metric, ...]:
    """All metrics, sorted by Prometheus name.

    Raises ValueError when two definitions share a name.
    """
    metrics = [metric for resource in load() for metric in resource.metrics]
    metrics.extend(internal.INTERNAL)
    metrics.extend(ledger.METRICS)
    metrics.extend(lease.METRICS)
    by_name: dict[str, Metric] = {}
    for metric in metrics:
        if by_name.setdefault(metric.prometheus, metric) is not metric:
            raise ValueError(f"two metrics are named {metric.prometheus}")
    return tuple(sorted(by_name.values(), key=lambda metric: metric.prometheus))
