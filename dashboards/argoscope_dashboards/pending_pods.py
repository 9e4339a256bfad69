"""Pending pods: why they wait, for how long, and what was in the way most of the time."""

from collections.abc import Iterator, Sequence

from argoscope.resources import node
from argoscope.resources.pod import _metrics as pod
from argoscope.resources.rollout import metrics as rollout
from argoscope.resources.workflow import metrics as workflow
from argoscope_dashboards import _links as links
from argoscope_dashboards._common import SLOW, failed_runs, pending_by_reason, releases
from argoscope_dashboards._dashboard import Annotation, Dashboard, Section, Variable
from argoscope_dashboards._fields import Column, limit
from argoscope_dashboards._grafana import BarGauge, Panel, Stat, Table, TimeSeries
from argoscope_dashboards._query import Like, Scope, worst
from argoscope_dashboards._target import queries, target

_DAY = "1d"
_PHASES = (
    ("Pending", "yellow"),
    ("Running", "blue"),
    ("Succeeded", "green"),
    ("Failed", "red"),
    ("Unknown", "text"),
)
_GROUPS = (
    ("Pending now", "Pods whose main container has not started, normal start-up included.", ".*"),
    ("No node for them", "Pods that the scheduler can't place.", "Unschedulable.*"),
    (
        "No image",
        "Pods whose image can't be pulled.",
        "ErrImage.*|ImagePullBackOff|InvalidImageName",
    ),
    (
        "Broken as written",
        "Pods whose container can't be made or run: a missing ConfigMap, Secret, key or command.",
        "CreateContainer.*|RunContainer.*|CrashLoopBackOff",
    ),
)


def _now(q: Scope) -> Iterator[Panel]:
    for title, text, reasons in _GROUPS:
        yield Stat(
            title=title,
            description=text,
            size=(4, 4),
            decimals=0,
            no_value="0",
            sparkline=True,
            steps=() if reasons == ".*" else limit(1, "orange"),
            targets=[target(q.sum(pod.PENDING, reason=Like(reasons)), title)],
        )
    yield Stat(
        title="Waits that ended",
        description="Ended times of waiting in the time range; a normal start-up of less than 30 s "
        "is none.",
        decimals=0,
        targets=[target(q.increase(pod.EPISODES), "Waits", instant=True)],
    )
    yield Stat(
        title="Wait p95",
        description="95 of 100 waits of the time range took at most that long.",
        unit="s",
        targets=[
            target(q.quantile(0.95, pod.PENDING_SECONDS, window="$__range"), "p95", instant=True)
        ],
    )


def _why(q: Scope) -> Iterator[Panel]:
    by = q.keys("namespace", "pipeline", "reason")
    here = links.row(q.config, links.PIPELINE, "Pipeline", "namespace", "pipeline")
    yield Table(
        title="Pending now: who waits for what",
        description="One row for each pipeline and reason. docs/metrics.md says for each reason "
        "what to do. Pods of rollouts have no pipeline.",
        size=(14, 9),
        no_value="No pod is pending",
        names=[
            Column(title="Cluster", field=q.config.cluster_label, width=140),
            Column(title="Namespace", field="namespace", width=120),
            Column(title="Pipeline", field="pipeline", links=[here]),
            Column(title="Reason", field="reason", width=280),
        ],
        cells=[Column(title="Pods", query=q.sum(pod.PENDING, *by) + " > 0", decimals=0, width=80)],
        sorted_by="Pods",
    )
    yield BarGauge(
        title="Top 5 reasons of the last 24 hours",
        description="Time that pods waited for each reason, added up over the last 24 hours "
        "whatever the time range. Counted when a wait ends.",
        size=(10, 9),
        unit="s",
        no_value="No wait ended in the last 24 hours",
        targets=[
            target(
                worst(5, q.increase(pod.PENDING_SECONDS, "reason", window=_DAY, suffix="_sum")),
                "{{reason}}",
                instant=True,
            )
        ],
    )
    yield pending_by_reason(q)
    yield TimeSeries(
        title="How long pods waited, by reason",
        description="95th percentile of the waits that ended, by reason.",
        unit="s",
        interval=SLOW,
        no_value="No wait ended in this time range",
        targets=[target(q.quantile(0.95, pod.PENDING_SECONDS, "reason"), "{{reason}}")],
    )


def _often(q: Scope) -> Iterator[Panel]:
    by = q.keys("namespace", "pipeline", "reason")
    here = links.row(q.config, links.PIPELINE, "Pipeline", "namespace", "pipeline")
    yield Table(
        title="Waits of the time range",
        description="How often pods of each pipeline waited for each reason.",
        no_value="No wait ended in this time range",
        size=(12, 9),
        names=[
            Column(title="Namespace", field="namespace", width=120),
            Column(title="Pipeline", field="pipeline", links=[here]),
            Column(title="Reason", field="reason", width=280),
        ],
        hidden=(q.config.cluster_label,),
        cells=[
            Column(
                title="Waits", query=q.increase(pod.EPISODES, *by) + " > 0.5", decimals=0, width=80
            )
        ],
        sorted_by="Waits",
    )
    yield TimeSeries(
        title="Waits that ended, by reason",
        description="Ended times of waiting per interval.",
        decimals=0,
        interval=SLOW,
        bars=True,
        stack=True,
        no_value="No wait ended in this time range",
        calcs=("sum",),
        sort="Total",
        targets=[
            target(
                q.increase(pod.EPISODES, "reason", window="$__rate_interval") + " > 0", "{{reason}}"
            )
        ],
    )


def _around(q: Scope) -> Iterator[Panel]:
    yield TimeSeries(
        title="Pending by node pool",
        description="Pods that have a node of that pool already, or may run in no other: by their "
        "nodeSelector or node affinity. Of others no pool is known.",
        size=(12, 8),
        decimals=0,
        stack=True,
        no_value="No pod waits in a known pool",
        targets=[target(q.sum(pod.PENDING_BY_POOL, "pool") + " > 0", "{{pool}}")],
    )
    yield TimeSeries(
        title="Nodes by pool",
        description="Kubernetes nodes by pool, spot nodes marked: did the autoscaler add any while "
        "pods had no node?",
        size=(12, 8),
        decimals=0,
        stack=True,
        no_value="Nodes are not watched (resource node)",
        targets=queries(
            (_of_a_pool(q.sum(node.NODES, "pool", spot="false")), "{{pool}}"),
            (_of_a_pool(q.sum(node.NODES, "pool", spot="true")), "{{pool}} (spot)"),
        ),
    )
    yield TimeSeries(
        title="Pods by phase",
        description="Pods of workflows and rollouts. Finished ones stay until podGC deletes them.",
        size=(12, 8),
        decimals=0,
        stack=True,
        no_value="No pod of Argo exists",
        colours=_PHASES,
        targets=[target(q.sum(pod.PODS, "phase") + " > 0", "{{phase}}")],
    )
    yield TimeSeries(
        title="Held back before there is a pod",
        description="Nodes of workflows that wait for a quota, a lock or parallelism; and pods "
        "that were deleted before they started and were made again.",
        size=(12, 8),
        decimals=0,
        no_value="Nothing is held back",
        targets=queries(
            (q.sum(workflow.NODES_BLOCKED, "reason") + " > 0", "{{reason}}"),
            (q.increase(pod.RESTARTS, window="$__rate_interval") + " > 0", "pods made again"),
        ),
    )


def _sections(q: Scope) -> Sequence[Section]:
    return (
        Section(title="Now", panels=list(_now(q))),
        Section(title="Why", panels=list(_why(q))),
        Section(title="How often", panels=list(_often(q))),
        Section(title="Around it", panels=list(_around(q))),
    )


def _annotations(q: Scope) -> Sequence[Annotation]:
    ended = q.increase(
        rollout.ATTEMPTS, "namespace", "rollout", "result", window="$__rate_interval"
    )
    return (
        failed_runs(q, "namespace", "pipeline", shown=False),
        releases(ended, "namespace", "rollout", "result", shown=False),
    )


def _of_a_pool(query: str) -> str:
    """Nodes without a pool get a name: an empty legend would show as Value."""
    return f'label_replace({query}, "pool", "no pool", "pool", "")'


DASHBOARD = Dashboard(
    uid=links.PENDING_PODS,
    title="Argo / Pending pods",
    description="Why pods of workflows and rollouts do not start, for how long, and how often.",
    tags=("argo-workflows", "argo-rollouts"),
    cluster_from=pod.PODS,
    variables=(
        Variable(label="namespace", metric=pod.PODS, title="Namespace"),
        Variable(label="pipeline", metric=workflow.RUNS, title="Pipeline"),
    ),
    sections=_sections,
    annotations=_annotations,
    begin="now-24h",
)
