"""Series that others expose: Prometheus itself and Argo's own controllers.

Names and labels are those of the Prometheus endpoints, which add no unit and no ``_total``.
Sources: docs/metrics.md, docs/upgrading.md and util/telemetry of argo-workflows 3.5 to 4.1;
controller/metrics of argo-rollouts 1.5 to 1.8; client-go's workqueue metrics.
"""

from dataclasses import dataclass

from argoscope.metrics.model import Instrument

_GAUGE, _COUNTER, _HISTOGRAM = Instrument.GAUGE, Instrument.COUNTER, Instrument.HISTOGRAM


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """A series of somebody else, with the reason why we may rely on it."""

    prometheus: str
    instrument: Instrument
    label_names: tuple[str, ...] = ()
    since: str = ""
    """First version that has it under this name; empty for all that are supported."""
    because: str


def _workflows(
    name: str, instrument: Instrument, *labels: str, since: str = "Argo Workflows 3.6"
) -> Foreign:
    return Foreign(
        prometheus=f"argo_workflows_{name}",
        instrument=instrument,
        label_names=labels,
        since=since,
        because="the workflow controller's own state, which no object shows",
    )


def _rollouts(name: str, instrument: Instrument, *labels: str) -> Foreign:
    return Foreign(
        prometheus=name,
        instrument=instrument,
        label_names=labels,
        since="Argo Rollouts 1.5",
        because="the rollouts controller's own state, which no object shows",
    )


ALERTS = Foreign(
    prometheus="ALERTS",
    instrument=_GAUGE,
    label_names=(
        *("alertname", "alertstate", "severity"),
        *("namespace", "pipeline", "cron", "rollout", "resource"),
    ),
    because="Prometheus' own series for alerts that are pending or firing",
)
MEMORY = Foreign(
    prometheus="process_resident_memory_bytes",
    instrument=_GAUGE,
    because="exposed by every Prometheus client, the daemon included",
)
CPU = Foreign(
    prometheus="process_cpu_seconds_total",
    instrument=_COUNTER,
    because="exposed by every Prometheus client, the daemon included",
)
SCRAPE_SECONDS = Foreign(
    prometheus="scrape_duration_seconds",
    instrument=_GAUGE,
    because="made by Prometheus for each target",
)
SCRAPE_SAMPLES = Foreign(
    prometheus="scrape_samples_scraped",
    instrument=_GAUGE,
    because="made by Prometheus for each target",
)

# Argo Workflows. In 3.5 these were: argo_workflows_count{status}, argo_workflows_pods_count and
# argo_workflows_queue_depth_count; the panels ask for both names.
WORKFLOWS = _workflows("gauge", _GAUGE, "phase")
WORKFLOWS_35 = _workflows("count", _GAUGE, "status", since="Argo Workflows 3.5 and before")
WORKFLOWS_ENTERED = _workflows("total_count", _COUNTER, "phase", "namespace")
OPERATION_SECONDS = _workflows("operation_duration_seconds", _HISTOGRAM, since="")
ERRORS = _workflows("error_count", _COUNTER, "cause", since="")
LOGS = _workflows("log_messages", _COUNTER, "level")
LEADER = _workflows("is_leader", _GAUGE)
PODS = _workflows("pods_gauge", _GAUGE, "phase")
PODS_35 = _workflows("pods_count", _GAUGE, "status", since="Argo Workflows 3.5 and before")
POD_MISSING = _workflows("pod_missing", _COUNTER, "node_phase", "recently_started", since="")
QUEUE_DEPTH = _workflows("queue_depth_gauge", _GAUGE, "queue_name")
QUEUE_DEPTH_35 = _workflows(
    "queue_depth_count", _GAUGE, "queue_name", since="Argo Workflows 3.5 and before"
)
QUEUE_ADDS = _workflows("queue_adds_count", _COUNTER, "queue_name", since="")
QUEUE_LATENCY = _workflows("queue_latency", _HISTOGRAM, "queue_name", since="")
QUEUE_LONGEST = _workflows("queue_longest_running", _GAUGE, "queue_name")
QUEUE_RETRIES = _workflows("queue_retries", _COUNTER, "queue_name")
WORKERS_BUSY = _workflows("workers_busy_count", _GAUGE, "worker_type", since="")
REQUESTS = _workflows("k8s_request_total", _COUNTER, "kind", "verb", "status_code", since="")
REQUEST_SECONDS = _workflows("k8s_request_duration", _HISTOGRAM, "kind", "verb", "status_code")
LIMITER_SECONDS = _workflows("client_rate_limiter_latency", _HISTOGRAM, since="Argo Workflows 4.1")

# Argo Rollouts. The workqueue's series come from client-go; its names are those of the controllers.
_QUEUE = ("name",)
ROLLOUTS = _rollouts(
    "rollout_info", _GAUGE, "namespace", "name", "strategy", "traffic_router", "phase"
)
RECONCILE_SECONDS = _rollouts("rollout_reconcile", _HISTOGRAM, "namespace", "name")
RECONCILE_ERRORS = _rollouts("rollout_reconcile_error", _COUNTER, "namespace", "name")
ANALYSIS_ERRORS = _rollouts("analysis_run_reconcile_error", _COUNTER, "namespace", "name")
ROLLOUT_REQUESTS = _rollouts(
    *("controller_clientset_k8s_request_total", _COUNTER),
    *("kind", "namespace", "name", "verb", "status_code"),
)
WORKQUEUE_DEPTH = _rollouts("workqueue_depth", _GAUGE, *_QUEUE)
WORKQUEUE_WAIT = _rollouts("workqueue_queue_duration_seconds", _HISTOGRAM, *_QUEUE)

FOREIGN = tuple(one for one in tuple(globals().values()) if isinstance(one, Foreign))
"""All of them, for the contract."""
