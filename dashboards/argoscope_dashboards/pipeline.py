"""One pipeline: how long it takes, why it fails, which template, and where the time goes."""

from collections.abc import Iterator, Sequence

from argoscope.metrics import internal
from argoscope.resources.pod import _metrics as pod
from argoscope.resources.rollout import metrics as rollout
from argoscope.resources.workflow import metrics as workflow
from argoscope_dashboards import _links as links
from argoscope_dashboards._advice import advice
from argoscope_dashboards._common import (
    FAILED,
    SLOW,
    durations,
    failed_runs,
    failure_ratio,
    failures_by_cause,
    object_size,
    pending_by_reason,
    releases,
    runs_by_phase,
)
from argoscope_dashboards._critical_path import where_the_time_goes
from argoscope_dashboards._dashboard import Annotation, Dashboard, Section, Variable
from argoscope_dashboards._fields import WARNING, Column, limit
from argoscope_dashboards._grafana import Heatmap, Panel, Stat, Table, TimeSeries
from argoscope_dashboards._query import Scope, ratio, worst
from argoscope_dashboards._target import queries, target

_STAGES = ("schedule", "prepare", "pull", "init", "main", "wait", "supervisor")


def _now(q: Scope) -> Iterator[Panel]:
    runs = q.increase(workflow.RUNS)
    yield Stat(
        title="Runs that ended",
        description="Run attempts that ended in the time range.",
        decimals=0,
        targets=[target(runs, "Runs", instant=True)],
    )
    yield Stat(
        title="Failure ratio",
        description="Share of the time range's runs that ended as Failed or Error. Red: more than "
        "the alert ArgoPipelineFailureRatioHigh allows.",
        unit="percentunit",
        decimals=1,
        steps=failure_ratio(q.config),
        targets=[target(ratio(q.increase(workflow.RUNS, phase=FAILED), runs), instant=True)],
    )
    yield Stat(
        title="Failed, 7 days",
        description="Runs that failed within the last 7 days, without those that were stopped. "
        "Right from the first minute on: the daemon's ledger has them.",
        decimals=0,
        targets=[target(q.sum(workflow.FAILED_7D), "Failed", instant=True)],
    )
    yield Stat(
        title="Duration p50",
        description="Half of the time range's runs took at most that long.",
        unit="s",
        targets=[
            target(q.quantile(0.5, workflow.RUN_DURATION, window="$__range"), "p50", instant=True)
        ],
    )
    yield Stat(
        title="Duration p95",
        description="95 of 100 runs of the time range took at most that long.",
        unit="s",
        targets=[
            target(q.quantile(0.95, workflow.RUN_DURATION, window="$__range"), "p95", instant=True)
        ],
    )
    yield Stat(
        title="At work",
        description="Runs that are not over.",
        decimals=0,
        sparkline=True,
        targets=[target(q.sum(workflow.ACTIVE), "Active")],
    )


def _duration(q: Scope) -> Iterator[Panel]:
    yield Heatmap(
        title="Distribution of the run duration",
        description="Runs that ended, by how long they took: the darker, the more. Dots are "
        "exemplars: each names a run, and leads to it where the data source has a link for them.",
        unit="s",
        interval=SLOW,
        no_value="No run ended in this time range",
        targets=[
            target(q.buckets(workflow.RUN_DURATION), "{{le}}", exemplar=True, heatmap=True),
        ],
    )
    yield durations(q)
    yield runs_by_phase(q)
    yield failures_by_cause(q)


def _templates(q: Scope) -> Iterator[Panel]:
    by = q.keys("namespace", "pipeline", "template")
    here = links.row(q.config, links.PIPELINE, "This template", "namespace", "pipeline", "template")
    failed = q.increase(workflow.TEMPLATE_FAILURES, *by)
    yield Table(
        title="Templates, slowest first",
        description="One row for each template with nodes that ended in the time range. Click one "
        "to see only its failures and stages below. Attempts count each retry.",
        no_value="No node ended in this time range",
        size=(24, 9),
        names=[Column(title="Template", field="template", links=[here])],
        hidden=(q.config.cluster_label, "namespace", "pipeline"),
        cells=[
            Column(
                title="Attempts", query=q.observations(workflow.TEMPLATE_DURATION, *by), decimals=0
            ),
            Column(title="Failed", query=failed, decimals=0, steps=limit(0.5)),
            Column(
                title="Retries",
                query=q.increase(workflow.TEMPLATE_RETRIES, *by),
                decimals=0,
                steps=limit(0.5, WARNING),
            ),
            Column(
                title="Mean",
                query=q.mean(workflow.TEMPLATE_DURATION, *by, window="$__range"),
                unit="s",
            ),
            Column(
                title="p95",
                query=q.quantile(0.95, workflow.TEMPLATE_DURATION, *by, window="$__range"),
                unit="s",
                bar=True,
            ),
        ],
        sorted_by="p95",
    )
    yield TimeSeries(
        title="Failed attempts, by template and cause",
        description="Attempts of leaf nodes that failed, retried ones included. oom: out of "
        "memory. exit_code: the command's own failure. image: it could not be pulled.",
        decimals=0,
        interval=SLOW,
        bars=True,
        stack=True,
        no_value="No attempt failed in this time range",
        calcs=("sum",),
        sort="Total",
        targets=[
            target(
                q.increase(
                    workflow.TEMPLATE_FAILURES, "template", "cause", window="$__rate_interval"
                )
                + " > 0",
                "{{template}}: {{cause}}",
            )
        ],
    )
    yield TimeSeries(
        title="Duration of templates",
        description="Mean time of an attempt from its creation by Argo to its end, for the 10 "
        "templates that take longest.",
        unit="s",
        interval=SLOW,
        no_value="No node ended in this time range",
        targets=[target(worst(10, q.mean(workflow.TEMPLATE_DURATION, "template")), "{{template}}")],
    )


def _time(q: Scope) -> Iterator[Panel]:
    yield TimeSeries(
        title="Stages of a pod's life",
        description="Mean time in each stage; they do not overlap. schedule: find a node. prepare: "
        "sandbox and volumes. pull: images. init: Argo's init container and input artifacts. main: "
        "the work. wait: output artifacts.",
        unit="s",
        interval=SLOW,
        bars=True,
        stack=True,
        no_value="No pod ended in this time range",
        calcs=("mean", "max"),
        sort="Mean",
        targets=[target(q.mean(pod.STAGE_SECONDS, "stage"), "{{stage}}")],
    )
    by = q.keys("namespace", "pipeline", "template")
    yield Table(
        title="Stages by template",
        description="Mean seconds of the time range in each stage of a pod's life.",
        size=(12, 9),
        no_value="No pod ended in this time range",
        names=[Column(title="Template", field="template")],
        hidden=(q.config.cluster_label, "namespace", "pipeline"),
        cells=[
            Column(
                title=stage,
                query=q.mean(pod.STAGE_SECONDS, *by, window="$__range", stage=stage),
                unit="s",
            )
            for stage in _STAGES
        ],
        sorted_by="main",
    )
    yield TimeSeries(
        title="Gap between steps",
        description="From the last end among a node's predecessors to its own start: the "
        "controller's reaction time, parallelism and queues.",
        unit="s",
        interval=SLOW,
        no_value="No step followed another in this time range",
        targets=queries(
            (q.quantile(0.95, workflow.STEP_GAP), "p95"),
            (q.quantile(0.5, workflow.STEP_GAP), "p50"),
        ),
    )
    yield TimeSeries(
        title="Time until the first start",
        description="From the creation of a workflow to the start of its first attempt.",
        unit="s",
        interval=SLOW,
        no_value="No run started in this time range",
        targets=queries(
            (q.quantile(0.95, workflow.RUN_PENDING), "p95"),
            (q.quantile(0.5, workflow.RUN_PENDING), "p50"),
        ),
    )


def _waiting(q: Scope) -> Iterator[Panel]:
    yield pending_by_reason(q)
    yield TimeSeries(
        title="Held back before there is a pod",
        description="Nodes that wait for a quota, a lock or parallelism, and runs that wait for an "
        "approval.",
        decimals=0,
        stack=True,
        no_value="Nothing is held back",
        targets=queries(
            (q.sum(workflow.NODES_BLOCKED, "reason") + " > 0", "{{reason}}"),
            (q.sum(workflow.ACTIVE, state="suspended") + " > 0", "suspended"),
        ),
    )
    yield TimeSeries(
        title="Retries and lost pods",
        description="Attempts beyond the first that a retryStrategy made, and pods that were "
        "deleted before their main container started and were made again.",
        decimals=0,
        interval=SLOW,
        bars=True,
        no_value="Nothing was retried in this time range",
        calcs=("sum",),
        sort="Total",
        targets=queries(
            (q.increase(workflow.TEMPLATE_RETRIES, window="$__rate_interval"), "retries"),
            (q.increase(pod.RESTARTS, window="$__rate_interval"), "pods made again"),
        ),
    )
    yield TimeSeries(
        title="Waited for locks",
        description="Time that runs and nodes waited for a mutex or semaphore, once they have it.",
        unit="s",
        interval=SLOW,
        no_value="Nothing waited for a lock in this time range",
        targets=queries(
            (q.quantile(0.95, workflow.LOCK_WAIT), "p95"),
            (q.quantile(0.5, workflow.LOCK_WAIT), "p50"),
        ),
    )


def _resources(q: Scope) -> Iterator[Panel]:
    yield TimeSeries(
        title="Object size against the limit",
        description="JSON size of the pipeline's largest stored workflow. Orange: the alert "
        "ArgoWorkflowObjectNearLimit. Red: etcd refuses it. Fewer or smaller parameters, or "
        "nodeStatusOffLoad, help.",
        unit="bytes",
        limit=True,
        steps=object_size(q.config),
        no_value="No run is stored",
        targets=[target(q.max(workflow.OBJECT_BYTES), "largest")],
    )
    yield TimeSeries(
        title="Resource seconds",
        description="Argo's resourcesDuration per second: cpu in CPUs, memory in units of 100 MiB "
        "unless the controller is configured otherwise. It follows requests, not use.",
        interval=SLOW,
        no_value="No pod with requests ended in this time range",
        targets=[target(q.rate(workflow.RESOURCE_SECONDS, "resource"), "{{resource}}")],
    )
    by = ("namespace", "pipeline", "template", "cron", "scope")
    yield Table(
        title="Where the pipeline's name comes from",
        description="The WorkflowTemplate and the CronWorkflow that its runs come from.",
        size=(12, 5),
        no_value="No run is stored",
        names=[
            Column(title="Namespace", field="namespace"),
            Column(title="Template", field="template"),
            Column(
                title="CronWorkflow",
                field="cron",
                links=[
                    links.row(q.config, links.CRON_WORKFLOWS, "CronWorkflow", "namespace", "cron")
                ],
            ),
            Column(title="Scope", field="scope"),
        ],
        hidden=(q.config.cluster_label, "pipeline"),
        # The variable "template" is a node's; here the label is the WorkflowTemplate's name.
        cells=[Column(title="", query=q.unfiltered("template").max(workflow.INFO, *q.keys(*by)))],
    )
    yield TimeSeries(
        title="What people did",
        description="Runs that were stopped, terminated, retried, resubmitted, suspended or "
        "resumed.",
        size=(12, 5),
        decimals=0,
        interval=SLOW,
        bars=True,
        stack=True,
        no_value="Nobody stepped in",
        calcs=("sum",),
        sort="Total",
        targets=[
            target(
                q.increase(workflow.WORKFLOW_ACTIONS, "action", window="$__rate_interval") + " > 0",
                "{{action}}",
            )
        ],
    )


def _sections(q: Scope) -> Sequence[Section]:
    return (
        Section(title="At a glance", panels=list(_now(q))),
        Section(title="Runs", panels=list(_duration(q))),
        where_the_time_goes(q),
        Section(title="What could be done", panels=[advice(q)]),
        Section(title="Templates", panels=list(_templates(q))),
        Section(title="Inside the pods", panels=list(_time(q))),
        Section(title="What it waits for", panels=list(_waiting(q))),
        Section(title="Resources, size and origin", panels=list(_resources(q))),
    )


def _annotations(q: Scope) -> Sequence[Annotation]:
    ended = q.increase(rollout.ATTEMPTS, "rollout", "result", window="$__rate_interval")
    return (failed_runs(q, "pipeline"), releases(ended, "rollout", "result", shown=False))


DASHBOARD = Dashboard(
    uid=links.PIPELINE,
    title="Argo / Pipeline",
    description="One pipeline: how long it takes and why, which template fails, what it waits for.",
    tags=("argo-workflows",),
    cluster_from=internal.BUILD_INFO,
    variables=(
        Variable(label="namespace", metric=workflow.RUNS, title="Namespace"),
        Variable(label="pipeline", metric=workflow.RUNS, title="Pipeline", one=True),
        Variable(label="template", metric=workflow.TEMPLATE_DURATION, title="Template"),
    ),
    sections=_sections,
    annotations=_annotations,
    begin="now-24h",
)
