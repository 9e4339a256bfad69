"""Where the time of runs goes, along their critical path: the same row wherever it stands."""

from collections.abc import Iterator

from argoscope.resources.workflow import metrics as workflow
from argoscope_dashboards._common import SLOW
from argoscope_dashboards._dashboard import Section
from argoscope_dashboards._grafana import BarGauge, Panel, TimeSeries
from argoscope_dashboards._query import Scope
from argoscope_dashboards._target import queries, target

_COLOURS = (
    ("main", "green"),
    ("queue", "dark-blue"),
    ("lock", "purple"),
    ("approval", "light-purple"),
    ("backoff", "dark-red"),
    ("schedule", "orange"),
    ("prepare", "light-orange"),
    ("pull", "dark-orange"),
    ("init", "yellow"),
    ("wait", "light-yellow"),
    ("gap", "light-blue"),
    ("retry", "red"),
    ("unknown", "text"),
)
_NOTHING = "No run ended in this time range"


def where_the_time_goes(q: Scope) -> Section:
    return Section(title="Where the time goes", panels=list(_panels(q)))


def _panels(q: Scope) -> Iterator[Panel]:
    spent = q.increase(workflow.CRITICAL_PATH, "cause")
    yield BarGauge(
        title="Share of the time, by cause",
        description="What the time range's runs spent their time on along the critical path, from "
        "creation to finish. Only main is the work itself.",
        size=(8, 9),
        unit="percentunit",
        decimals=1,
        no_value=_NOTHING,
        targets=[
            target(
                f"sort_desc({spent} / on () group_left () "
                f"({q.increase(workflow.CRITICAL_PATH)} > 0) > 0)",
                "{{cause}}",
                instant=True,
            )
        ],
    )
    yield TimeSeries(
        title="Time of runs, by cause",
        description="Seconds on the critical path of the runs that ended, per interval. The causes "
        "add up to the runs' whole time. queue: the controller had not started it. gap: between "
        "two steps. retry: attempts that failed.",
        size=(16, 9),
        unit="s",
        interval=SLOW,
        bars=True,
        stack=True,
        colours=_COLOURS,
        no_value=_NOTHING,
        calcs=("sum",),
        sort="Total",
        targets=[
            target(
                q.increase(workflow.CRITICAL_PATH, "cause", window="$__rate_interval") + " > 0",
                "{{cause}}",
            )
        ],
    )
    yield TimeSeries(
        title="Overhead",
        description="Part of a run's time in which no main container on its critical path ran: "
        "what a faster cluster, image or controller could win at most.",
        unit="percentunit",
        maximum=1,
        interval=SLOW,
        no_value=_NOTHING,
        targets=queries(
            (q.quantile(0.95, workflow.OVERHEAD), "p95"),
            (q.quantile(0.5, workflow.OVERHEAD), "p50"),
        ),
    )
    yield TimeSeries(
        title="Share in the runs that have it, by cause",
        description="Mean part of a run's time that a cause took, of the runs in which it took "
        "any: what is rare but long.",
        unit="percentunit",
        maximum=1,
        interval=SLOW,
        colours=_COLOURS,
        no_value=_NOTHING,
        targets=[target(q.mean(workflow.CRITICAL_SHARE, "cause"), "{{cause}}")],
    )
