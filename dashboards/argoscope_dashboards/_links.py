"""Addresses of the dashboards, and the links that lead from one to the next."""

from argoscope_alerts.config import Config
from argoscope_dashboards._fields import Link

FLEET = "argoscope-fleet"
WORKFLOWS = "argoscope-workflows"
PIPELINE = "argoscope-pipeline"
CRON_WORKFLOWS = "argoscope-cron-workflows"
PENDING_PODS = "argoscope-pending-pods"
ROLLOUTS = "argoscope-rollouts"
CONTROLLERS = "argoscope-controllers"
SELF = "argoscope-self"

_KEPT = ("${__url_time_range}", "${datasource:queryparam}")


def to(uid: str, title: str, *kept: str) -> Link:
    """A link that keeps time, data source, cluster and the variables ``kept``."""
    parts = [*_KEPT, *(f"${{{name}:queryparam}}" for name in ("cluster", *kept))]
    return Link(title=title, url=f"/d/{uid}?{'&'.join(parts)}")


def row(config: Config, uid: str, title: str, *names: str) -> Link:
    """A link out of a table: its row's cluster and ``names`` become the variables.

    A row without the cluster's label gives an empty value, which selects the series without it.
    """
    fields = {"cluster": config.cluster_label, **{name: name for name in names}}
    parts = [
        f"var-{name}=${{__data.fields.{field}:percentencode}}" for name, field in fields.items()
    ]
    return Link(title=title, url=f"/d/{uid}?{'&'.join((*_KEPT, *parts))}")


def runbook(config: Config) -> Link:
    """The runbook of the alert in the row."""
    return Link(
        title="Runbook", url=f"{config.runbooks_url}/${{__data.fields.alertname}}.md", blank=True
    )
