"""Argo's own controllers: do they keep up, and what slows them down?

Their series exist only where Prometheus scrapes the controllers; each panel says what to enable.
"""

from collections.abc import Iterator, Sequence

from argoscope.metrics import internal
from argoscope_dashboards import _foreign as foreign
from argoscope_dashboards import _links as links
from argoscope_dashboards._dashboard import Dashboard, Section
from argoscope_dashboards._fields import WARNING, limit
from argoscope_dashboards._foreign import Foreign
from argoscope_dashboards._grafana import BarGauge, Panel, Stat, TimeSeries
from argoscope_dashboards._query import Like, Scope, worst
from argoscope_dashboards._target import queries, target

_SCRAPE_WORKFLOWS = (
    "Absent? Scrape the workflow controller: port 9090, path /metrics, from 3.6 on over https with "
    "a self-signed certificate unless metricsConfig.secure is false"
)
_SCRAPE_ROLLOUTS = "Absent? Scrape the rollouts controller: port 8090, path /metrics"
_WORKFLOWS_ABSENT = "The workflow controller is not scraped (port 9090)"
_ROLLOUTS_ABSENT = "The rollouts controller is not scraped (port 8090)"


def _workflows(text: str, *asked: Foreign) -> str:
    """A description that ends with what to enable, and since which version it exists."""
    return _said(text, _SCRAPE_WORKFLOWS, asked)


def _rollouts(text: str, *asked: Foreign) -> str:
    return _said(text, _SCRAPE_ROLLOUTS, asked)


def _said(text: str, scrape: str, asked: Sequence[Foreign]) -> str:
    since = "; ".join(f"{one.prometheus}: {one.since}" for one in asked if one.since)
    return f"{text} {scrape}.{f' Names: {since}.' if since else ''}"


def _either(q: Scope, new: Foreign, old: Foreign, label: str, old_label: str) -> str:
    """A gauge under its name since 3.6, else under the one before, with one label name."""
    before = f'label_replace({q.sum(old, old_label)}, "{label}", "$1", "{old_label}", "(.*)")'
    return f"{q.sum(new, label)} or sum by ({label}) ({before})"


def _now(q: Scope) -> Iterator[Panel]:
    phases = _either(q, foreign.WORKFLOWS, foreign.WORKFLOWS_35, "phase", "status")
    yield Stat(
        title="Leaders",
        description=_workflows("Workflow controllers that lead: one a cluster.", foreign.LEADER),
        decimals=0,
        no_value="absent",
        targets=[target(q.sum(foreign.LEADER), "Leaders", instant=True)],
    )
    yield Stat(
        title="Workflows known",
        description=_workflows("Workflows in the controller's cache.", foreign.WORKFLOWS),
        decimals=0,
        no_value="absent",
        targets=[target(f"sum({phases})", "Workflows", instant=True)],
    )
    yield Stat(
        title="Queued",
        description=_workflows("Items in all queues of the controller.", foreign.QUEUE_DEPTH),
        decimals=0,
        no_value="absent",
        sparkline=True,
        targets=[
            target(f"{q.sum(foreign.QUEUE_DEPTH)} or {q.sum(foreign.QUEUE_DEPTH_35)}", "Queued")
        ],
    )
    yield Stat(
        title="Operation p95",
        description=_workflows("Time to reconcile one workflow once.", foreign.OPERATION_SECONDS),
        unit="s",
        no_value="absent",
        targets=[
            target(
                q.quantile(0.95, foreign.OPERATION_SECONDS, window="$__range"), "p95", instant=True
            )
        ],
    )
    yield Stat(
        title="Controller errors",
        description=_workflows("Panics and refused cron specs in the time range.", foreign.ERRORS),
        decimals=0,
        no_value="absent",
        steps=limit(0.5, WARNING),
        targets=[target(q.increase(foreign.ERRORS), "Errors", instant=True)],
    )
    yield Stat(
        title="Rollouts known",
        description=_rollouts("Rollouts in the rollouts controller's cache.", foreign.ROLLOUTS),
        decimals=0,
        no_value="absent",
        targets=[target(f"count({q.series(foreign.ROLLOUTS)})", "Rollouts", instant=True)],
    )


def _keeps_up(q: Scope) -> Iterator[Panel]:
    depths = (foreign.QUEUE_DEPTH, foreign.QUEUE_DEPTH_35)
    depth = " or ".join(q.sum(one, "queue_name") for one in depths)
    yield TimeSeries(
        title="Queue depth",
        description=_workflows(
            "Items that wait in each queue. A workflow_queue that grows for long: more workers "
            "(--workflow-workers), or fewer nodes at once (parallelism).",
            foreign.QUEUE_DEPTH,
            foreign.QUEUE_DEPTH_35,
        ),
        decimals=0,
        no_value=_WORKFLOWS_ABSENT,
        targets=[target(depth, "{{queue_name}}")],
    )
    yield TimeSeries(
        title="Time in the queue",
        description=_workflows(
            "95th percentile of how long items wait before a worker takes them: what a step waits "
            "for the controller.",
            foreign.QUEUE_LATENCY,
        ),
        unit="s",
        no_value=_WORKFLOWS_ABSENT,
        targets=[target(q.quantile(0.95, foreign.QUEUE_LATENCY, "queue_name"), "{{queue_name}}")],
    )
    yield TimeSeries(
        title="Busy workers",
        description=_workflows(
            "Workers at work, by queue. At the configured number for long: they limit.",
            foreign.WORKERS_BUSY,
        ),
        decimals=0,
        no_value=_WORKFLOWS_ABSENT,
        targets=[target(q.sum(foreign.WORKERS_BUSY, "worker_type"), "{{worker_type}}")],
    )
    yield TimeSeries(
        title="Operation duration",
        description=_workflows(
            "Time to reconcile one workflow once. It grows with the workflow's nodes.",
            foreign.OPERATION_SECONDS,
        ),
        unit="s",
        no_value=_WORKFLOWS_ABSENT,
        targets=queries(
            (q.quantile(0.99, foreign.OPERATION_SECONDS), "p99"),
            (q.quantile(0.95, foreign.OPERATION_SECONDS), "p95"),
            (q.quantile(0.5, foreign.OPERATION_SECONDS), "p50"),
        ),
    )
    yield TimeSeries(
        title="Added to the queues",
        description=_workflows(
            "Items added, and added again after a failure.",
            foreign.QUEUE_ADDS,
            foreign.QUEUE_RETRIES,
        ),
        unit="cps",
        no_value=_WORKFLOWS_ABSENT,
        targets=queries(
            (q.rate(foreign.QUEUE_ADDS, "queue_name"), "{{queue_name}}"),
            (q.rate(foreign.QUEUE_RETRIES, "queue_name") + " > 0", "{{queue_name}} again"),
        ),
    )
    yield TimeSeries(
        title="Longest running item",
        description=_workflows(
            "How long the longest running worker has been at one item. Minutes mean that it hangs.",
            foreign.QUEUE_LONGEST,
        ),
        unit="s",
        no_value=_WORKFLOWS_ABSENT,
        targets=[target(q.max(foreign.QUEUE_LONGEST, "queue_name"), "{{queue_name}}")],
    )


def _kubernetes(q: Scope) -> Iterator[Panel]:
    yield TimeSeries(
        title="Requests to the API server",
        description=_workflows("Requests of the workflow controller, by verb.", foreign.REQUESTS),
        unit="reqps",
        stack=True,
        no_value=_WORKFLOWS_ABSENT,
        targets=[target(q.rate(foreign.REQUESTS, "verb"), "{{verb}}")],
    )
    yield TimeSeries(
        title="Latency of requests",
        description=_workflows(
            "95th percentile by verb. The controller's own rate limiter is not part of it.",
            foreign.REQUEST_SECONDS,
        ),
        unit="s",
        no_value=_WORKFLOWS_ABSENT,
        targets=[target(q.quantile(0.95, foreign.REQUEST_SECONDS, "verb"), "{{verb}}")],
    )
    yield TimeSeries(
        title="Refused requests",
        description=_workflows(
            "Requests that were answered with 4xx or 5xx. 409 is normal, 429 is the API server's "
            "own limit, 403 a missing permission.",
            foreign.REQUESTS,
        ),
        unit="reqps",
        stack=True,
        no_value="No request was refused, or the controller is not scraped",
        targets=[
            target(
                q.rate(foreign.REQUESTS, "kind", "status_code", status_code=Like("[45].."))
                + " > 0",
                "{{status_code}} {{kind}}",
            )
        ],
    )
    yield TimeSeries(
        title="Held back by the client's rate limiter",
        description=_workflows(
            "95th percentile of the time a request waits in the controller before it is sent. Over "
            "some 100 ms: raise --qps and --burst.",
            foreign.LIMITER_SECONDS,
        ),
        unit="s",
        no_value="Absent before Argo Workflows 4.1, or the controller is not scraped",
        targets=[target(q.quantile(0.95, foreign.LIMITER_SECONDS), "p95")],
    )


def _work(q: Scope) -> Iterator[Panel]:
    yield TimeSeries(
        title="Workflows, by phase",
        description=_workflows(
            "Workflows in the controller's cache.", foreign.WORKFLOWS, foreign.WORKFLOWS_35
        ),
        decimals=0,
        stack=True,
        size=(8, 9),
        no_value=_WORKFLOWS_ABSENT,
        targets=[
            target(
                _either(q, foreign.WORKFLOWS, foreign.WORKFLOWS_35, "phase", "status"), "{{phase}}"
            )
        ],
    )
    yield TimeSeries(
        title="Entered phases",
        description=_workflows(
            "Workflows that entered each phase. Counted again after a restart of the controller: "
            "argoscope's numbers are not.",
            foreign.WORKFLOWS_ENTERED,
        ),
        unit="cps",
        size=(8, 9),
        no_value=_WORKFLOWS_ABSENT,
        targets=[target(q.rate(foreign.WORKFLOWS_ENTERED, "phase"), "{{phase}}")],
    )
    yield TimeSeries(
        title="Pods, by phase",
        description=_workflows(
            "Pods of workflows in the controller's cache.", foreign.PODS, foreign.PODS_35
        ),
        decimals=0,
        stack=True,
        size=(8, 9),
        no_value=_WORKFLOWS_ABSENT,
        targets=[target(_either(q, foreign.PODS, foreign.PODS_35, "phase", "status"), "{{phase}}")],
    )
    yield TimeSeries(
        title="Errors, by cause",
        description=_workflows(
            "OperationPanic is a bug of the controller. CronWorkflowSpecError is shown on "
            "CronWorkflows too.",
            foreign.ERRORS,
        ),
        unit="cps",
        size=(8, 9),
        no_value="No error, or the controller is not scraped",
        targets=[target(q.rate(foreign.ERRORS, "cause"), "{{cause}}")],
    )
    yield TimeSeries(
        title="Log messages",
        description=_workflows("Warnings and errors in the controller's log.", foreign.LOGS),
        unit="cps",
        size=(8, 9),
        no_value=_WORKFLOWS_ABSENT,
        targets=[target(q.rate(foreign.LOGS, "level", level=("error", "warn")), "{{level}}")],
    )
    yield TimeSeries(
        title="Pods that went missing",
        description=_workflows(
            "Pods that the controller expected and did not find: deleted by somebody, or the "
            "controller's cache is behind.",
            foreign.POD_MISSING,
        ),
        unit="cps",
        size=(8, 9),
        no_value="No pod was missed, or the controller is not scraped",
        targets=[target(q.rate(foreign.POD_MISSING, "node_phase"), "{{node_phase}}")],
    )


def _releases(q: Scope) -> Iterator[Panel]:
    yield TimeSeries(
        title="Reconciliation of rollouts",
        description=_rollouts("Time to reconcile one Rollout once.", foreign.RECONCILE_SECONDS),
        unit="s",
        no_value=_ROLLOUTS_ABSENT,
        targets=queries(
            (q.quantile(0.95, foreign.RECONCILE_SECONDS), "p95"),
            (q.quantile(0.5, foreign.RECONCILE_SECONDS), "p50"),
        ),
    )
    yield TimeSeries(
        title="Reconciliation errors",
        description=_rollouts(
            "Failed reconciliations of Rollouts and AnalysisRuns.",
            foreign.RECONCILE_ERRORS,
            foreign.ANALYSIS_ERRORS,
        ),
        unit="cps",
        no_value="No error, or the rollouts controller is not scraped",
        targets=queries(
            (q.rate(foreign.RECONCILE_ERRORS), "rollouts"),
            (q.rate(foreign.ANALYSIS_ERRORS), "analysis runs"),
        ),
    )
    yield TimeSeries(
        title="Queues",
        description=_rollouts(
            "Depth of the controller's workqueues. Other controllers have series of these names "
            "too: choose the cluster, or keep them apart by job.",
            foreign.WORKQUEUE_DEPTH,
        ),
        decimals=0,
        no_value=_ROLLOUTS_ABSENT,
        targets=[target(q.sum(foreign.WORKQUEUE_DEPTH, "name", name=_QUEUES), "{{name}}")],
    )
    yield TimeSeries(
        title="Time in the queue",
        description=_rollouts(
            "95th percentile of how long items wait before a worker takes them.",
            foreign.WORKQUEUE_WAIT,
        ),
        unit="s",
        no_value=_ROLLOUTS_ABSENT,
        targets=[
            target(q.quantile(0.95, foreign.WORKQUEUE_WAIT, "name", name=_QUEUES), "{{name}}")
        ],
    )
    yield TimeSeries(
        title="Requests to the API server",
        description=_rollouts(
            "Requests of the rollouts controller, by verb.", foreign.ROLLOUT_REQUESTS
        ),
        unit="reqps",
        stack=True,
        no_value=_ROLLOUTS_ABSENT,
        targets=[target(q.rate(foreign.ROLLOUT_REQUESTS, "verb"), "{{verb}}")],
    )
    yield BarGauge(
        title="Namespaces with most requests",
        description=_rollouts(
            "Requests of the time range by the namespace they were made for.",
            foreign.ROLLOUT_REQUESTS,
        ),
        decimals=0,
        no_value=_ROLLOUTS_ABSENT,
        targets=[
            target(
                worst(10, q.increase(foreign.ROLLOUT_REQUESTS, "namespace")),
                "{{namespace}}",
                instant=True,
            )
        ],
    )


_QUEUES = Like("(?i)(rollouts|experiments|analysisruns|services|ingresses)")


def _sections(q: Scope) -> Sequence[Section]:
    return (
        Section(title="At a glance", panels=list(_now(q))),
        Section(title="Does the workflow controller keep up?", panels=list(_keeps_up(q))),
        Section(title="Its requests to Kubernetes", panels=list(_kubernetes(q))),
        Section(title="Its work", panels=list(_work(q)), collapsed=True),
        Section(title="The rollouts controller", panels=list(_releases(q))),
    )


DASHBOARD = Dashboard(
    uid=links.CONTROLLERS,
    title="Argo / Controllers",
    description="Argo's own metrics: whether the controllers keep up, and what slows them down. "
    "Needs Prometheus to scrape the controllers; argoscope's other dashboards do not.",
    tags=("argo-workflows", "argo-rollouts"),
    cluster_from=internal.BUILD_INFO,
    variables=(),
    sections=_sections,
    begin="now-3h",
)
