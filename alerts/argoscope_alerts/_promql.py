"""PromQL from the catalogue's metrics: what is named here exists, label by label.

Rules must give the same on Prometheus 2.42 and 3: no matcher on ``le`` (2 writes "1", 3 "1.0"),
and no result that hangs on a sample at the very edge of a range (closed in 2, open in 3).
"""

from dataclasses import dataclass
from typing import Literal

from argoscope.metrics.model import Instrument, Metric
from argoscope.resources._limits import PIPELINE_THRESHOLD
from argoscope.resources._thresholds import THRESHOLDS
from argoscope.resources.workflow.metrics import POLICY_CAUSES
from argoscope_alerts.config import Config

Matcher = tuple[str, Literal["=", "!=", "=~", "!~"], str]

POLICY = "|".join(sorted(POLICY_CAUSES))
"""Causes that are what people and policies did: no alert counts them."""


def select(
    metric: Metric, *matchers: Matcher, part: Literal["", "bucket", "sum", "count"] = ""
) -> str:
    """A selector of a catalogue metric. Raises ValueError for what it does not have."""
    if bool(part) != (metric.instrument is Instrument.HISTOGRAM):
        raise ValueError(f"{metric.prometheus}: a histogram has parts, others have none")
    for label, _, _ in matchers:
        if label not in metric.label_names:
            raise ValueError(f"{metric.prometheus} has no label {label}")
    name = f"{metric.prometheus}_{part}" if part else metric.prometheus
    inner = ", ".join(f'{label}{operator}"{value}"' for label, operator, value in matchers)
    return f"{name}{{{inner}}}" if inner else name


@dataclass(frozen=True)
class Query:
    """Builds expressions for one configuration: each keeps the cluster label."""

    config: Config

    def labels(self, *names: str) -> str:
        cluster = (self.config.cluster_label,) if self.config.cluster_label else ()
        return f"({', '.join((*cluster, *names))})"

    def sum(self, expression: str, *by: str) -> str:
        return f"sum by {self.labels(*by)} ({expression})"

    def max(self, expression: str, *by: str) -> str:
        return f"max by {self.labels(*by)} ({expression})"

    def min(self, expression: str, *by: str) -> str:
        return f"min by {self.labels(*by)} ({expression})"

    def limit(self, alert: str, left: str) -> str:
        """What to compare ``left`` with: a series of its own for each subject in it, else the
        default."""
        threshold = THRESHOLDS[alert]
        default = number(self.config.threshold(alert))
        if not threshold.of:
            return default
        own = select(PIPELINE_THRESHOLD, ("alert", "=", alert))
        if threshold.of != "pipeline":
            own = f'label_replace({own}, "{threshold.of}", "$1", "pipeline", "(.+)")'
        subject = ("namespace", threshold.of)
        return (
            f"(\n  {self.min(own, *subject)}\n"
            f"  or on {self.labels(*subject)}\n"
            f"  0 * {self.max(left, *subject)} + {default}\n)"
        )

    def above(self, left: str, alert: str) -> str:
        """``left``, where it is above the limit of the alert. ``left`` is evaluated twice, and
        may have more labels than its subject."""
        threshold = THRESHOLDS[alert]
        if not threshold.of:
            return f"{left}\n> {self.limit(alert, left)}"
        subject = self.labels("namespace", threshold.of)
        return f"{left}\n> on {subject} group_left ()\n{self.limit(alert, left)}"


def number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
