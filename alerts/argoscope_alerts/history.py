"""How long a pipeline's runs take now, and how long they usually take at this hour of the week.

Weeks that are missing (a new pipeline, a retention of 15 days, a Prometheus that was down) only
make the history smaller. Everything is made of increases of one hour, recorded as they happen: so
the past is cheap to read, and a daemon with another address leaves no gap.
"""

from collections.abc import Iterator

from argoscope.resources.workflow.metrics import RUN_DURATION
from argoscope_alerts._promql import Query, select
from argoscope_alerts._rule import Group, Record, Rule

OF = ("namespace", "pipeline")
BUCKET = "pipeline:argo_workflow_run_duration_seconds_bucket:increase1h"
SUM = "pipeline:argo_workflow_run_duration_seconds_sum:increase1h"
COUNT = "pipeline:argo_workflow_run_duration_seconds_count:increase1h"
P95 = "pipeline:argo_workflow_run_duration_seconds:p95_1h"
MEAN = "pipeline:argo_workflow_run_duration_seconds:mean1h"
P95_USUAL = "pipeline:argo_workflow_run_duration_seconds:p95_usual"
MEAN_USUAL = "pipeline:argo_workflow_run_duration_seconds:mean_usual"

ENOUGH = 4.5
"""More runs than this are a history; a half, since increases are extrapolated."""
_HAPPENED = 0.5
_WEEKS = (1, 2, 3, 4)
_HOURS_PER_WEEK = 168


def _same_hour(series: str) -> str:
    """The same hour of earlier weeks and the one before and after it, week beside week."""
    parts = (
        f"label_replace(sum_over_time({series}[3h:1h] offset {week * _HOURS_PER_WEEK - 1}h), "
        f'"week", "{week}", "namespace", ".*")'
        for week in _WEEKS
    )
    return "\n  or\n  ".join(parts)


def _usual(query: Query, same_hour: str, overall: str) -> str:
    return f"{same_hour}\nor on {query.labels(*OF)}\n{overall}"


def _now(query: Query) -> Iterator[Rule]:
    phase = ("phase", "=", "Succeeded")
    parts = ((BUCKET, "bucket", (*OF, "le")), (SUM, "sum", OF), (COUNT, "count", OF))
    for name, part, by in parts:
        series = select(RUN_DURATION, phase, part=part)  # type: ignore[arg-type]
        yield Record(name=name, expr=query.sum(f"increase({series}[1h])", *by))
    on = query.labels(*OF)
    yield Record(
        name=P95,
        expr=f"histogram_quantile(0.95, {BUCKET})\nand on {on} {COUNT} > {_HAPPENED}",
    )
    yield Record(name=MEAN, expr=f"{SUM}\n/ on {on}\n({COUNT} > {_HAPPENED})")


def _past(query: Query) -> Iterator[Rule]:
    on = query.labels(*OF)
    for kind in ("bucket", "sum", "count"):
        by = (*OF, "le") if kind == "bucket" else OF
        recorded = f"pipeline:argo_workflow_run_duration_seconds_{kind}"
        yield Record(
            name=f"{recorded}:same_hour4w",
            expr=query.sum(f"\n  {_same_hour(f'{recorded}:increase1h')}\n", *by),
        )
    for past, recorded in (("same_hour4w", "{}"), ("sum4w", "last_over_time({}[3h])")):
        bucket, total, count = (
            recorded.format(f"pipeline:argo_workflow_run_duration_seconds_{kind}:{past}")
            for kind in ("bucket", "sum", "count")
        )
        yield Record(
            name=f"pipeline:argo_workflow_run_duration_seconds:p95_{past}",
            expr=f"histogram_quantile(0.95, {bucket})\nand on {on} {count} > {ENOUGH}",
        )
        yield Record(
            name=f"pipeline:argo_workflow_run_duration_seconds:mean_{past}",
            expr=f"{total}\n/ on {on}\n({count} > {ENOUGH})",
        )
    for name, kind in ((P95_USUAL, "p95"), (MEAN_USUAL, "mean")):
        recorded = f"pipeline:argo_workflow_run_duration_seconds:{kind}"
        expr = _usual(query, f"{recorded}_same_hour4w", f"{recorded}_sum4w")
        yield Record(name=name, expr=expr)


def _rules(query: Query) -> Iterator[Rule]:
    yield from _now(query)
    yield from _past(query)


GROUP = Group(
    name="argoscope-history",
    title="How long runs usually take",
    interval="2m",
    rules=_rules,
)
