"""Rules and groups of rules as data, and how Prometheus and its operator want them written."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from argoscope_alerts._promql import Query
from argoscope_alerts.config import SEVERITIES, Config

_ALERT = re.compile(r"Argo(scope)?[A-Z][A-Za-z]+\Z")
_RECORD = re.compile(r"[a-z_]+:[a-z0-9_]+:[a-z0-9_]+\Z")
_DURATION = re.compile(r"(0|[1-9]\d*)[smhdw]\Z")
VARIABLES = ("namespace", "pipeline", "template", "cron", "rollout")
"""Labels that the dashboards have variables for, beside the cluster."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A recording rule."""

    name: str
    expr: str
    labels: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _RECORD.match(self.name):
            raise ValueError(f"{self.name!r} is not level:metric:operation")


@dataclass(frozen=True, kw_only=True)
class Alert:
    """An alerting rule. Texts are Prometheus templates.

    Raises ValueError for what breaks the conventions.
    """

    name: str
    expr: str
    severity: str
    wait: str
    """``for``: how long the condition must hold."""
    keep: str = ""
    """``keep_firing_for``: how long it goes on firing when the condition holds no more."""
    summary: str
    description: str
    dashboard: str
    """Uid of the dashboard that shows it."""
    variables: tuple[str, ...] = ()
    """Labels of the alert that are handed to the dashboard as variables."""
    happens: str
    """The shortest real condition: what must happen in a cluster for it to fire."""

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise ValueError(f"alert {self.name}: {'; '.join(problems)}")

    def _problems(self) -> Iterator[str]:
        if not _ALERT.match(self.name):
            yield "the name is not Argo<Object><Symptom>"
        if self.severity not in SEVERITIES:
            yield f"severity {self.severity!r} is not one of {', '.join(SEVERITIES)}"
        if not _DURATION.match(self.wait) or (self.keep and not _DURATION.match(self.keep)):
            yield "a duration is a whole number and a unit, such as 10m"
        if unknown := set(self.variables) - set(VARIABLES):
            yield f"no dashboard has a variable {', '.join(sorted(unknown))}"
        if self.summary.endswith(".") or "\n" in self.summary:
            yield "the summary is one line without a trailing period"
        if not self.description.endswith("."):
            yield "the description is sentences"


Rule = Record | Alert


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rules that are evaluated together, in their order."""

    name: str
    title: str
    """Heading in docs/alerts.md."""
    interval: str = "1m"
    rules: Callable[[Query], Iterator[Rule]]

    def built(self, config: Config) -> tuple[Rule, ...]:
        return tuple(self.rules(Query(config)))


def document(groups: tuple[Group, ...], config: Config) -> dict[str, Any]:
    """The rule file of Prometheus."""
    return {
        "groups": [
            {
                "name": group.name,
                "interval": group.interval,
                "rules": [_rule(rule, config) for rule in group.built(config)],
            }
            for group in groups
        ]
    }


def _rule(rule: Rule, config: Config) -> dict[str, Any]:
    if isinstance(rule, Record):
        labels = {"labels": dict(rule.labels)} if rule.labels else {}
        return {"record": rule.name, "expr": rule.expr, **labels}
    keep = {"keep_firing_for": rule.keep} if rule.keep else {}
    return {
        "alert": rule.name,
        "expr": rule.expr,
        "for": rule.wait,
        **keep,
        "labels": {"severity": rule.severity},
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            "runbook_url": f"{config.runbooks_url}/{rule.name}.md",
            "dashboard_url": dashboard_url(rule, config),
        },
    }


def dashboard_url(alert: Alert, config: Config) -> str:
    """The dashboard with the alert's labels as variables; the cluster only where there is one,
    since Grafana may ask a Prometheus that does not have its own external label."""
    parts = [f"var-{name}={{{{ $labels.{name} | urlquery }}}}" for name in alert.variables]
    url = f"{config.grafana_url}/d/{alert.dashboard}"
    if parts:
        url += "?" + "&".join(parts)
    if config.cluster_label:
        mark = "&" if parts else "?"
        url += (
            f"{{{{ with $labels.{config.cluster_label} }}}}"
            f"{mark}var-cluster={{{{ . | urlquery }}}}{{{{ end }}}}"
        )
    return url
