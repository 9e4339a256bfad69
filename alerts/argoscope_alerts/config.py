"""What dashboards and alerts share and users may change: label names, addresses, thresholds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from types import MappingProxyType

from argoscope.catalogue import catalogue
from argoscope.resources._thresholds import THRESHOLDS

SEVERITIES = ("critical", "warning", "info")
"""critical: somebody acts now. warning: somebody acts today. info: notifies nobody by itself."""

NAMESPACE = "namespace"
PIPELINE = "pipeline"
TEMPLATE = "template"
CRON = "cron"
ROLLOUT = "rollout"


def _defaults() -> Mapping[str, float]:
    return MappingProxyType({name: threshold.default for name, threshold in THRESHOLDS.items()})


_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_OTHERS = {"le", "quantile", "job", "instance", "alertname", "alertstate", "severity"}
"""What Prometheus, its alerts and histograms call something else by."""


class ConfigError(Exception):
    """Everything that is wrong with a configuration."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


@dataclass(frozen=True, kw_only=True)
class Config:
    """One way to build rules and dashboards."""

    cluster_label: str = "cluster"
    """Label that tells clusters apart where one Prometheus has several; every aggregation keeps
    it, and it may be absent."""
    grafana_url: str = "https://grafana.example.com"
    """Beginning of ``dashboard_url``; ``/d/<uid>`` follows."""
    runbooks_url: str = "https://github.com/argoscope/argoscope/blob/main/docs/runbooks"
    """Beginning of ``runbook_url``; ``/<Alert>.md`` follows."""
    thresholds: Mapping[str, float] = field(default_factory=_defaults)
    """Limit by alert, complete; a pipeline's own limit is the metric argo_pipeline_threshold."""

    def __post_init__(self) -> None:
        label = self.cluster_label
        if label and not _LABEL.match(label):
            raise ConfigError([f"cluster label {label!r} is not the name of a label"])
        if label in _OTHERS.union(*(metric.label_names for metric in catalogue())):
            raise ConfigError([f"cluster label {label!r} means something else in these series"])

    def threshold(self, alert: str) -> float:
        """The limit of an alert for all that have none of their own. Raises KeyError."""
        return self.thresholds[alert]


DEFAULT = Config()


def read_thresholds(document: object, source: str) -> Mapping[str, float]:
    """All limits, with those of ``document`` (alert: number) in place of the defaults.

    Raises ConfigError with everything that is wrong.
    """
    if document is None:
        return DEFAULT.thresholds
    if not isinstance(document, dict):
        raise ConfigError([f"{source}: must be a mapping of alerts and numbers"])
    limits = dict(DEFAULT.thresholds)
    problems = []
    for alert, value in document.items():
        if wrong := _wrong(str(alert), value):
            problems.append(f"{source}: {wrong}")
        else:
            limits[alert] = float(value)
    if problems:
        raise ConfigError(problems)
    return MappingProxyType(limits)


def _wrong(alert: str, value: object) -> str:
    threshold = THRESHOLDS.get(alert)
    if threshold is None:
        close = get_close_matches(alert, list(THRESHOLDS), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        return f"{alert}: no alert of that name has a threshold{hint}"
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return f"{alert}: {value!r} is not a number"
    if not threshold.lowest <= value <= threshold.highest:
        return f"{alert}: must be from {threshold.lowest:g} to {threshold.highest:g}, not {value:g}"
    return ""
