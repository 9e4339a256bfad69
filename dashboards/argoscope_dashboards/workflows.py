"""Workflows of one namespace or of all: which pipelines fail, are slow, wait, or grow too big."""

from collections.abc import Iterator, Sequence

from argoscope.metrics import internal
from argoscope.resources import workflow_template
from argoscope.resources.rollout import metrics as rollout
from argoscope.resources.workflow import metrics as workflow
from argoscope_dashboards import _links as links
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
from argoscope_dashboards._dashboard import Annotation, Dashboard, Section, Variable
from argoscope_dashboards._fields import WARNING, Column, limit
from argoscope_dashboards._grafana import BarGauge, Panel, Stat, Table, TimeSeries
from argoscope_dashboards._query import Scope, ratio, worst
from argoscope_dashboards._target import queries, target


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
        description="Share of the time range's runs that ended as Failed or Error.",
        unit="percentunit",
        decimals=1,
        steps=failure_ratio(q.config),
        targets=[target(ratio(q.increase(workflow.RUNS, phase=FAILED), runs), instant=True)],
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
        title="Workflows at work",
        description="Workflows that are not over.",
        decimals=0,
        sparkline=True,
        targets=[target(q.sum(workflow.ACTIVE), "Active")],
    )
    yield Stat(
        title="Oldest approval",
        description="How long the approval or suspension that is oldest has waited.",
        unit="s",
        no_value="none",
        steps=limit(q.config.threshold("ArgoWorkflowApprovalWaiting"), WARNING),
        targets=[target(q.max(workflow.SUSPENDED_OLDEST), "Oldest", instant=True)],
    )
    yield Stat(
        title="Nodes without a pod",
        description="Nodes that wait for a quota, a lock or parallelism before they get a pod.",
        decimals=0,
        sparkline=True,
        no_value="0",
        targets=[target(q.sum(workflow.NODES_BLOCKED), "Blocked")],
    )


def _pipelines(q: Scope) -> Table:
    by = q.keys("namespace", "pipeline")
    runs, failed = q.increase(workflow.RUNS, *by), q.increase(workflow.RUNS, *by, phase=FAILED)
    here = links.row(q.config, links.PIPELINE, "Pipeline", "namespace", "pipeline")
    return Table(
        title="Pipelines",
        description="One row for each pipeline: the stable name that its runs share. Click it for "
        "its templates, failures and durations.",
        no_value="No run was seen in these namespaces",
        names=[
            Column(title="Cluster", field=q.config.cluster_label, width=120),
            Column(title="Namespace", field="namespace"),
            Column(title="Pipeline", field="pipeline", links=[here]),
        ],
        cells=[
            Column(title="Runs", query=runs, decimals=0),
            Column(title="Failed", query=failed, decimals=0, steps=limit(0.5)),
            Column(
                title="Failure ratio",
                query=ratio(failed, runs),
                unit="percentunit",
                decimals=1,
                steps=failure_ratio(q.config),
            ),
            Column(
                title="p50",
                query=q.quantile(0.5, workflow.RUN_DURATION, *by, window="$__range"),
                unit="s",
            ),
            Column(
                title="p95",
                query=q.quantile(0.95, workflow.RUN_DURATION, *by, window="$__range"),
                unit="s",
            ),
            Column(title="At work", query=q.sum(workflow.ACTIVE, *by), decimals=0),
            Column(
                title="Largest object",
                query=q.max(workflow.OBJECT_BYTES, *by),
                unit="bytes",
                steps=object_size(q.config),
            ),
        ],
        sorted_by="Failed",
    )


def _trends(q: Scope) -> Iterator[Panel]:
    yield runs_by_phase(q)
    yield failures_by_cause(q)
    yield durations(q)
    yield TimeSeries(
        title="Workflows at work, by state",
        description="pending: not started. waiting_lock: held back by a mutex or semaphore. "
        "suspended: somebody has to resume it.",
        decimals=0,
        stack=True,
        no_value="No workflow is at work",
        targets=[target(q.sum(workflow.ACTIVE, "state") + " > 0", "{{state}}")],
    )


def _waiting(q: Scope) -> Iterator[Panel]:
    yield pending_by_reason(q)
    yield TimeSeries(
        title="Nodes without a pod, by reason",
        description="What keeps nodes from getting a pod: a resource quota, a refusal, a lock, or "
        "the workflow's parallelism.",
        decimals=0,
        stack=True,
        no_value="No node is held back",
        targets=[target(q.sum(workflow.NODES_BLOCKED, "reason") + " > 0", "{{reason}}")],
    )
    yield TimeSeries(
        title="Time until the first start",
        description="From the creation of a workflow to the start of its first attempt: the "
        "controller's queue, parallelism and locks.",
        unit="s",
        interval=SLOW,
        no_value="No run started in this time range",
        targets=queries(
            (q.quantile(0.95, workflow.RUN_PENDING), "p95"),
            (q.quantile(0.5, workflow.RUN_PENDING), "p50"),
        ),
    )
    yield TimeSeries(
        title="Waited for locks",
        description="Time that workflows and nodes waited for a mutex or semaphore, told once they "
        "have it.",
        unit="s",
        interval=SLOW,
        no_value="Nothing waited for a lock in this time range",
        steps=limit(q.config.threshold("ArgoWorkflowLockStarved")),
        targets=queries(
            (q.quantile(0.95, workflow.LOCK_WAIT), "p95"),
            (q.quantile(0.5, workflow.LOCK_WAIT), "p50"),
        ),
    )
    by = q.keys("namespace", "lock")
    yield Table(
        title="Locks",
        description="Mutexes and semaphores that are held or waited for now.",
        size=(12, 7),
        no_value="No lock is held",
        names=[
            Column(title="Cluster", field=q.config.cluster_label, width=120),
            Column(title="Namespace", field="namespace"),
            Column(title="Lock", field="lock"),
        ],
        cells=[
            Column(title="Waiting", query=q.sum(workflow.LOCK_WAITERS, *by), decimals=0),
            Column(title="Holding", query=q.sum(workflow.LOCK_HOLDERS, *by), decimals=0),
        ],
        sorted_by="Waiting",
    )
    yield TimeSeries(
        title="What people did",
        description="Workflows that were stopped, terminated, retried, resubmitted, suspended or "
        "resumed. Who did it stands in the run records of the ledger.",
        size=(12, 7),
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


def _stored(q: Scope) -> Iterator[Panel]:
    yield TimeSeries(
        title="Largest objects",
        description="JSON size of the largest stored workflow, for the 5 pipelines with the "
        "largest. etcd refuses more than 1.5 MiB (red); Argo compresses node statuses above 1 MiB.",
        unit="bytes",
        limit=True,
        steps=object_size(q.config),
        no_value="No workflow is stored",
        targets=[target(f"topk(5, {q.max(workflow.OBJECT_BYTES, 'pipeline')})", "{{pipeline}}")],
    )
    yield TimeSeries(
        title="Stored workflows",
        description="Workflows in the cluster's store. Completed ones without a TTL stay until "
        "somebody deletes them, and slow down every list.",
        decimals=0,
        stack=True,
        no_value="No workflow is stored",
        targets=queries(
            (q.sum(workflow.STORED, completed="false"), "not over"),
            (q.sum(workflow.STORED, completed="true", ttl="true"), "completed, with a TTL"),
            (q.sum(workflow.STORED, completed="true", ttl="false"), "completed, no TTL"),
        ),
    )
    yield BarGauge(
        title="Nodes of the largest workflow",
        description="Nodes in the stored workflow that has most of them, for the 6 pipelines with "
        "most.",
        size=(8, 7),
        decimals=0,
        no_value="No workflow is stored",
        targets=[target(worst(6, q.max(workflow.NODES, "pipeline")), "{{pipeline}}", instant=True)],
    )
    yield BarGauge(
        title="Where node statuses are",
        description="Stored workflows by where their node status is: in the object, compressed in "
        "it, or offloaded to a database.",
        size=(8, 7),
        decimals=0,
        no_value="No workflow is stored",
        targets=[target(q.sum(workflow.OBJECTS, "storage"), "{{storage}}", instant=True)],
    )
    yield BarGauge(
        title="Workflow templates",
        description="WorkflowTemplates of these namespaces, and ClusterWorkflowTemplates of the "
        "cluster when all namespaces are chosen.",
        size=(8, 7),
        decimals=0,
        no_value="No template is stored",
        targets=[
            target(
                f"count by (scope) ({q.series(workflow_template.TEMPLATE_INFO)})",
                "{{scope}}",
                instant=True,
            )
        ],
    )


def _resources(q: Scope) -> Iterator[Panel]:
    for resource, unit, what in (("cpu", "short", "CPUs"), ("memory", "short", "units of 100 MiB")):
        spent = q.rate(workflow.RESOURCE_SECONDS, "pipeline", resource=resource)
        yield TimeSeries(
            title=f"Requested {resource} of finished pods",
            description=f"Argo's resourcesDuration, in {what} (amount times seconds, per second), "
            "of the 10 pipelines that use most. It follows requests, not use, and is counted when "
            "a pod ends.",
            unit=unit,
            interval=SLOW,
            stack=True,
            no_value="No pod with requests ended in this time range",
            targets=[target(worst(10, spent), "{{pipeline}}")],
        )


def _sections(q: Scope) -> Sequence[Section]:
    return (
        Section(title="At a glance", panels=list(_now(q))),
        Section(title="Pipelines", panels=[_pipelines(q)]),
        Section(title="Trends", panels=list(_trends(q))),
        Section(title="What waits", panels=list(_waiting(q))),
        Section(title="Stored objects", panels=list(_stored(q))),
        Section(title="Resources", panels=list(_resources(q)), collapsed=True),
    )


def _annotations(q: Scope) -> Sequence[Annotation]:
    ended = q.increase(
        rollout.ATTEMPTS, "namespace", "rollout", "result", window="$__rate_interval"
    )
    return (
        failed_runs(q, "namespace", "pipeline"),
        releases(ended, "namespace", "rollout", "result", shown=False),
    )


DASHBOARD = Dashboard(
    uid=links.WORKFLOWS,
    title="Argo / Workflows",
    description="The workflows of one namespace, or of all: which pipelines fail, are slow, wait "
    "or grow too big.",
    tags=("argo-workflows",),
    cluster_from=internal.BUILD_INFO,
    variables=(
        Variable(label="namespace", metric=workflow.RUNS, title="Namespace"),
        Variable(label="pipeline", metric=workflow.RUNS, title="Pipeline"),
    ),
    sections=_sections,
    annotations=_annotations,
)
