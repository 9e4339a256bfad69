"""CronWorkflows: when each last ran, runs next, what was missed or late, and what keeps failing."""

from collections.abc import Iterator, Sequence

from argoscope.resources.cron_workflow import metrics as cron
from argoscope_dashboards import _links as links
from argoscope_dashboards._common import SLOW, failed_runs, missed_runs
from argoscope_dashboards._dashboard import Annotation, Dashboard, Section, Variable
from argoscope_dashboards._fields import BAD, OK, WARNING, Column, limit
from argoscope_dashboards._grafana import Panel, Stat, StatusHistory, Table, TimeSeries
from argoscope_dashboards._query import Scope
from argoscope_dashboards._target import queries, target

_MILLISECONDS = " * 1000"  # Grafana's units of dates count them


def _now(q: Scope) -> Iterator[Panel]:
    failing = f"count({q.series(cron.CONSECUTIVE_FAILURES)} > 0) or vector(0)"
    overdue = f"count(time() > {q.series(cron.NEXT_SCHEDULE)} + 60) or vector(0)"
    for title, text, query, bad in (
        ("CronWorkflows", "CronWorkflows that exist.", f"count({q.series(cron.INFO)})", ()),
        ("Suspended", "CronWorkflows that are suspended.", q.sum(cron.SUSPENDED), ()),
        (
            "Invalid",
            (
                "CronWorkflows that can't run as they are written: their schedule or time zone is "
                "wrong, never fires, or the spec is refused."
            ),
            q.sum(cron.INVALID),
            limit(1),
        ),
        ("Failing", "CronWorkflows whose latest run failed.", failing, limit(1)),
        (
            "Overdue",
            "CronWorkflows whose next run was due more than a minute ago.",
            overdue,
            limit(1, WARNING),
        ),
        (
            "Runs missed",
            (
                "Runs that were due in the time range and never made, without those that were "
                "suspended, stopped or left out by when."
            ),
            missed_runs(q),
            limit(0.5, WARNING),
        ),
    ):
        yield Stat(
            title=title,
            description=text,
            decimals=0,
            no_value="0",
            steps=bad,
            targets=[target(query, title, instant=True)],
        )


def _table(q: Scope) -> Table:
    by = q.keys("namespace", "cron")
    said = (*by, "schedule", "timezone", "concurrency_policy")
    here = links.row(q.config, links.CRON_WORKFLOWS, "Only this one", "namespace", "cron")
    runs = links.row(q.config, links.WORKFLOWS, "Workflows of the namespace", "namespace")
    streak = q.config.threshold("ArgoCronFailingRepeatedly")
    return Table(
        title="CronWorkflows",
        description="One row for each. Times are relative to now; the next run is in the past when "
        "the controller is late. Missed counts the time range, without what was suspended, stopped "
        "or left out by when.",
        no_value="No CronWorkflow in these namespaces",
        size=(24, 9),
        names=[
            Column(title="Cluster", field=q.config.cluster_label, width=100),
            Column(title="Namespace", field="namespace", links=[runs]),
            Column(title="CronWorkflow", field="cron", links=[here]),
            Column(title="Schedule", field="schedule"),
            Column(title="Time zone", field="timezone", width=120),
            Column(title="Policy", field="concurrency_policy", width=90),
        ],
        cells=[
            Column(title="", query=q.max(cron.INFO, *said)),
            _time("Last run", q.max(cron.LAST_SCHEDULE, *by)),
            _time("Last success", q.max(cron.LAST_SUCCESS, *by)),
            _time("Last failure", q.max(cron.LAST_FAILURE, *by)),
            _time("Next run", q.min(cron.NEXT_SCHEDULE, *by)),
            Column(
                title="Failed in a row",
                query=q.max(cron.CONSECUTIVE_FAILURES, *by),
                decimals=0,
                steps=(("text", None), (WARNING, 1), (BAD, streak + 1)),
            ),
            Column(
                title="Missed",
                width=80,
                query=missed_runs(q, *by),
                decimals=0,
                steps=limit(0.5, WARNING),
            ),
            Column(title="Active", query=q.sum(cron.ACTIVE, *by), decimals=0, width=70),
            Column(
                title="Suspended",
                width=100,
                query=q.sum(cron.SUSPENDED, *by),
                value_names=[("0", "no", "text"), ("1", "yes", WARNING)],
            ),
        ],
        sorted_by="Failed in a row",
    )


def _time(title: str, query: str) -> Column:
    return Column(title=title, query=query + _MILLISECONDS, unit="dateTimeFromNow", width=140)


def _history(q: Scope) -> Iterator[Panel]:
    yield StatusHistory(
        title="Failing or not",
        description="Green: no run has failed since the latest success, or since the beginning. "
        "Red: one has; stopped and replaced runs do not count.",
        size=(24, 7),
        interval="10m",
        no_value="No CronWorkflow in these namespaces",
        steps=((OK, None), (BAD, 1)),
        value_names=[("0", "not failing", OK)],
        targets=[
            target(q.max(cron.CONSECUTIVE_FAILURES, "namespace", "cron"), "{{namespace}}/{{cron}}")
        ],
    )


def _trouble(q: Scope) -> Iterator[Panel]:
    yield TimeSeries(
        title="Missed runs, by reason",
        description="forbidden: one was still active. forbidden_stale: the controller believed so, "
        "it had finished. deadline: startingDeadlineSeconds passed. controller: none of the "
        "others, so it was down or refused the spec.",
        decimals=0,
        interval=SLOW,
        bars=True,
        stack=True,
        no_value="No run was missed in this time range",
        calcs=("sum",),
        sort="Total",
        targets=[
            target(
                q.increase(cron.MISSED_RUNS, "reason", window="$__rate_interval") + " > 0",
                "{{reason}}",
            )
        ],
    )
    yield TimeSeries(
        title="Start delay",
        description="From a run's scheduled time to its start. Red: the alert ArgoCronLate.",
        unit="s",
        interval=SLOW,
        no_value="No scheduled run started in this time range",
        targets=queries(
            (q.quantile(0.95, cron.START_DELAY), "p95"),
            (q.quantile(0.5, cron.START_DELAY), "p50"),
        ),
    )
    yield TimeSeries(
        title="Failed in a row",
        description="Failed runs since the latest success, for the 10 worst. Dashed: the alert "
        "ArgoCronFailingRepeatedly.",
        decimals=0,
        limit=True,
        steps=limit(q.config.threshold("ArgoCronFailingRepeatedly") + 1),
        no_value="No CronWorkflow in these namespaces",
        targets=[
            target(
                f"topk(10, {q.max(cron.CONSECUTIVE_FAILURES, 'namespace', 'cron')})",
                "{{namespace}}/{{cron}}",
            )
        ],
    )
    yield TimeSeries(
        title="Replaced runs",
        description="Runs that the controller terminated because the next one was due "
        "(concurrencyPolicy Replace): the schedule is denser than the run is long.",
        decimals=0,
        interval=SLOW,
        bars=True,
        no_value="No run was replaced in this time range",
        calcs=("sum",),
        sort="Total",
        targets=[
            target(
                q.increase(cron.REPLACED_RUNS, "namespace", "cron", window="$__rate_interval")
                + " > 0",
                "{{namespace}}/{{cron}}",
            )
        ],
    )
    by = q.keys("namespace", "cron", "reason")
    yield Table(
        title="Can't run as written",
        description="schedule or timezone: it can't be parsed. never_fires: no such date. spec: "
        "the controller refuses it.",
        size=(24, 5),
        no_value="All CronWorkflows are valid",
        names=[
            Column(title="Cluster", field=q.config.cluster_label),
            Column(title="Namespace", field="namespace"),
            Column(title="CronWorkflow", field="cron"),
            Column(title="What is wrong", field="reason"),
        ],
        cells=[Column(title="", query=q.sum(cron.INVALID, *by) + " > 0")],
    )


def _sections(q: Scope) -> Sequence[Section]:
    return (
        Section(title="At a glance", panels=list(_now(q))),
        Section(title="All of them", panels=[_table(q), *_history(q)]),
        Section(title="What went wrong", panels=list(_trouble(q))),
    )


def _annotations(q: Scope) -> Sequence[Annotation]:
    return (failed_runs(q, "namespace", "pipeline", shown=False),)


DASHBOARD = Dashboard(
    uid=links.CRON_WORKFLOWS,
    title="Argo / CronWorkflows",
    description="When each CronWorkflow last ran and runs next, what was missed or late, and what "
    "keeps failing.",
    tags=("argo-workflows", "cron"),
    cluster_from=cron.INFO,
    variables=(
        Variable(label="namespace", metric=cron.INFO, title="Namespace"),
        Variable(label="cron", metric=cron.INFO, title="CronWorkflow"),
    ),
    sections=_sections,
    annotations=_annotations,
    begin="now-24h",
)
