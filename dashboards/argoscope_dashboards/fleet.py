"""Fleet: all clusters and namespaces at a glance, worst first; three clicks lead to a run."""

from collections.abc import Iterator, Sequence

from argoscope.metrics import internal
from argoscope.resources.cron_workflow import metrics as cron
from argoscope.resources.pod import _metrics as pod
from argoscope.resources.rollout import metrics as rollout
from argoscope.resources.workflow import metrics as workflow
from argoscope_dashboards import _foreign as foreign
from argoscope_dashboards import _links as links
from argoscope_dashboards._common import (
    FAILED,
    durations,
    failed_runs,
    failure_ratio,
    failures_by_cause,
    missed_runs,
    pending_by_reason,
    releases,
    runs_by_phase,
)
from argoscope_dashboards._critical_path import where_the_time_goes
from argoscope_dashboards._dashboard import Annotation, Dashboard, Section, Variable
from argoscope_dashboards._fields import BAD, WARNING, Column, limit
from argoscope_dashboards._grafana import Panel, Stat, Table
from argoscope_dashboards._query import Like, Scope, ratio
from argoscope_dashboards._target import target


def _now(q: Scope) -> Iterator[Panel]:
    runs = q.increase(workflow.RUNS)
    workflows = links.to(links.WORKFLOWS, "Workflows", "namespace")
    yield Stat(
        title="Runs that ended",
        description="Run attempts of workflows that ended in the time range. A retry is another "
        "attempt.",
        decimals=0,
        targets=[target(runs, "Runs", instant=True)],
        links_to=[workflows],
    )
    yield Stat(
        title="Failure ratio",
        description="Share of the time range's runs that ended as Failed or Error. What people "
        "stopped is part of it; the tables below leave that out.",
        unit="percentunit",
        decimals=1,
        steps=failure_ratio(q.config),
        targets=[target(ratio(q.increase(workflow.RUNS, phase=FAILED), runs), instant=True)],
        links_to=[workflows],
    )
    yield Stat(
        title="Workflows at work",
        description="Workflows that are not over: pending, running, suspended or waiting for a "
        "lock.",
        decimals=0,
        sparkline=True,
        targets=[target(q.sum(workflow.ACTIVE), "Active")],
        links_to=[workflows],
    )
    yield Stat(
        title="Pods pending",
        description="Pods whose main container has not started. Pending pods says why.",
        decimals=0,
        sparkline=True,
        no_value="0",
        targets=[target(q.sum(pod.PENDING), "Pending")],
        links_to=[links.to(links.PENDING_PODS, "Pending pods", "namespace")],
    )
    yield Stat(
        title="Cron runs missed",
        description="Runs of CronWorkflows that were due in the time range and never made, without "
        "those that were suspended, stopped or left out by when.",
        decimals=0,
        steps=limit(0.5, WARNING),
        targets=[target(missed_runs(q), "Missed", instant=True)],
        links_to=[links.to(links.CRON_WORKFLOWS, "CronWorkflows", "namespace")],
    )
    yield Stat(
        title="Releases aborted",
        description="Attempts to release a revision that were aborted in the time range.",
        decimals=0,
        steps=limit(0.5, WARNING),
        targets=[target(q.increase(rollout.ABORTS), "Aborted", instant=True)],
        links_to=[links.to(links.ROLLOUTS, "Rollouts", "namespace")],
    )


def _alerts(q: Scope) -> Table:
    objects = ("namespace", "pipeline", "cron", "rollout")
    by = q.keys("alertname", "severity", *objects)
    firing = q.sum(foreign.ALERTS, *by, alertname=Like("Argo.*"), alertstate="firing")
    return Table(
        title="Firing alerts",
        description="Alerts of argoscope's rules that fire now. Click an alert for its runbook, an "
        "object for its dashboard.",
        no_value="No alert fires (or the rules are not installed)",
        size=(24, 6),
        names=[
            Column(title="Alert", field="alertname", width=280, links=[links.runbook(q.config)]),
            Column(
                title="Severity",
                field="severity",
                width=100,
                value_names=[("critical", "critical", BAD), ("warning", "warning", WARNING)],
            ),
            Column(title="Cluster", field=q.config.cluster_label, width=120),
            *_objects(q),
        ],
        cells=[Column(title="Alerts", query=firing, decimals=0)],
        sorted_by="Severity",
        descending=False,
    )


def _objects(q: Scope) -> Iterator[Column]:
    """The columns of the firing alerts that name an object."""
    for title, field, uid, names in (
        ("Namespace", "namespace", links.WORKFLOWS, ("namespace",)),
        ("Pipeline", "pipeline", links.PIPELINE, ("namespace", "pipeline")),
        ("CronWorkflow", "cron", links.CRON_WORKFLOWS, ("namespace", "cron")),
        ("Rollout", "rollout", links.ROLLOUTS, ("namespace", "rollout")),
    ):
        link = links.row(q.config, uid, title, *names)
        yield Column(title=title, field=field, links=[link])


def _namespaces(q: Scope) -> Table:
    by = q.keys("namespace")
    # A namespace without pending pods has no such series; its cell, and the column, say 0.
    pending = f"{q.sum(pod.PENDING, *by)} or 0 * {q.sum(workflow.COMPLETED_7D, *by)}"
    pods = links.row(q.config, links.PENDING_PODS, "Pending pods", "namespace")
    crons = links.row(q.config, links.CRON_WORKFLOWS, "CronWorkflows", "namespace")
    return Table(
        title="Namespaces, worst first",
        description="One row for each namespace. Click its name for its workflows, a number for "
        "what is behind it. Failures leave out what people and policies stopped.",
        no_value="No workflows: does Prometheus scrape argoscope?",
        size=(24, 7),
        names=[
            Column(title="Cluster", field=q.config.cluster_label, width=140),
            Column(
                title="Namespace",
                field="namespace",
                links=[links.row(q.config, links.WORKFLOWS, "Workflows", "namespace")],
            ),
        ],
        cells=[
            *_week(q, by),
            Column(title="At work", query=q.sum(workflow.ACTIVE, *by), decimals=0),
            Column(title="Pods pending", query=pending, decimals=0, links=[pods]),
            Column(
                title="Crons failing",
                query=f"sum by ({', '.join(by)}) ({q.series(cron.CONSECUTIVE_FAILURES)} > bool 0)",
                decimals=0,
                steps=limit(1, WARNING),
                links=[crons],
            ),
        ],
        sorted_by="Failed, 7 days",
    )


def _week(q: Scope, by: Sequence[str]) -> Iterator[Column]:
    failed, ended = q.sum(workflow.FAILED_7D, *by), q.sum(workflow.COMPLETED_7D, *by)
    yield Column(title="Failed, 7 days", query=failed, decimals=0, steps=limit(1))
    yield Column(title="Ended, 7 days", query=ended, decimals=0)
    yield Column(
        title="Failure ratio, 7 days",
        query=ratio(failed, ended),
        unit="percentunit",
        decimals=1,
        steps=failure_ratio(q.config),
    )


def _pipelines(q: Scope) -> Table:
    by = q.keys("namespace", "pipeline")
    here = links.row(q.config, links.PIPELINE, "Pipeline", "namespace", "pipeline")
    return Table(
        title="Pipelines, worst first",
        description="One row for each pipeline: the stable name that its runs share. Click it for "
        "its failing templates.",
        no_value="No workflows: does Prometheus scrape argoscope?",
        size=(24, 9),
        names=[
            Column(title="Cluster", field=q.config.cluster_label, width=140),
            Column(title="Namespace", field="namespace"),
            Column(title="Pipeline", field="pipeline", links=[here]),
        ],
        cells=[
            *_week(q, by),
            Column(
                title="Duration p95",
                query=q.quantile(0.95, workflow.RUN_DURATION, *by, window="$__range"),
                unit="s",
            ),
            Column(title="At work", query=q.sum(workflow.ACTIVE, *by), decimals=0),
        ],
        sorted_by="Failed, 7 days",
    )


def _trust(q: Scope) -> Iterator[Panel]:
    yield Stat(
        title="Daemons",
        description="argoscope daemons that are scraped, by version.",
        size=(8, 4),
        text="value_and_name",
        targets=[target(q.sum(internal.BUILD_INFO, "version"), "{{version}}", instant=True)],
        links_to=[links.to(links.SELF, "argoscope itself")],
    )
    yield Stat(
        title="Kinds not watched",
        description="Kinds whose watch is down: what they would count stands still.",
        size=(8, 4),
        decimals=0,
        steps=limit(1),
        targets=[
            target(
                f"count({q.min(internal.WATCH_UP, *q.keys('resource'))} == 0) or vector(0)",
                "Down",
                instant=True,
            )
        ],
        links_to=[links.to(links.SELF, "argoscope itself")],
    )
    yield Stat(
        title="Runs unobserved",
        description="Runs of the time range whose end or nodes could not be seen: they are missing "
        "from the other numbers.",
        no_value="0",
        size=(8, 4),
        decimals=0,
        steps=limit(0.5, WARNING),
        targets=[target(q.increase(internal.RUNS_UNOBSERVED), "Unobserved", instant=True)],
        links_to=[links.to(links.SELF, "argoscope itself")],
    )


def _sections(q: Scope) -> Sequence[Section]:
    return (
        Section(title="At a glance", panels=list(_now(q))),
        Section(title="Where to look", panels=[_namespaces(q), _pipelines(q), _alerts(q)]),
        Section(
            title="Trends",
            panels=[runs_by_phase(q), failures_by_cause(q), durations(q), pending_by_reason(q)],
        ),
        where_the_time_goes(q),
        Section(title="Can these numbers be trusted?", panels=list(_trust(q))),
    )


def _annotations(q: Scope) -> Sequence[Annotation]:
    ended = q.increase(
        rollout.ATTEMPTS, "namespace", "rollout", "result", window="$__rate_interval"
    )
    return (
        failed_runs(q, "namespace", "pipeline", shown=False),
        releases(ended, "namespace", "rollout", "result", shown=False),
    )


DASHBOARD = Dashboard(
    uid=links.FLEET,
    title="Argo / Fleet",
    description="All clusters and namespaces: what fails, what waits, what is late. Start here.",
    tags=("argo-workflows", "argo-rollouts"),
    cluster_from=internal.BUILD_INFO,
    variables=(Variable(label="namespace", metric=workflow.RUNS, title="Namespace"),),
    sections=_sections,
    annotations=_annotations,
)
