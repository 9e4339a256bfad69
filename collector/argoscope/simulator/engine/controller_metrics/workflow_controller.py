"""The workflow controller's metrics (argo-workflows 3.6 to 4.1, ``docs/metrics.md``)."""

from collections import Counter
from collections.abc import Iterator

from argoscope.simulator.engine.controller_metrics.exposition import Family, Type, exposition
from argoscope.simulator.engine.kernel import Change, Kernel, Key, Object, unix

QUEUES = (
    "cron_wf_queue",
    "pod_cleanup_queue",
    "workflow_archive_queue",
    "workflow_queue",
    "workflow_ttl_queue",
)
ERROR_CAUSES = ("CronWorkflowSpecError", "CronWorkflowSubmissionError", "OperationPanic")

_OPERATION = (5.0, 10.0, 15.0, 20.0, 25.0, 30.0)  # MAX_OPERATION_TIME in six parts
_REQUEST = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 180.0)
_LATENCY = (1.0, 5.0, 20.0, 60.0, 180.0)
_LIMITER = (0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 180.0)
_OTEL = (0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0)
_RUNTIME = (*_OTEL, 7500.0, 10000.0)

WORKFLOW_LABEL = "workflows.argoproj.io/workflow"
CRON_LABEL = "workflows.argoproj.io/cron-workflow"
_COMPONENT = "workflow-controller"


class WorkflowControllerMetrics:
    """Listens to a kernel. ``text`` is what a scrape gets."""

    def __init__(self, kernel: Kernel, *, version: str = "v4.1.0") -> None:
        self._families: list[Family] = []
        self._phases: dict[str, str] = {}
        """Phase of every workflow there is, by uid."""
        self._conditions: dict[str, tuple[tuple[str, str], ...]] = {}
        self._pods: dict[str, str] = {}
        self._pending: dict[str, str] = {}
        self._define_workflows(version)
        self._define_pods()
        self._define_queues()
        self._define_requests()
        kernel.follow("workflows", self._workflow)
        kernel.follow("pods", self._pod)
        kernel.follow("cronworkflows", self._cron)
        kernel.follow("events", self._event)
        kernel.on_work(self._worked)

    def text(self) -> str:
        return exposition(self._families)

    # Definitions: names, help, labels and buckets are those of the source

    def _define_workflows(self, version: str) -> None:
        self._gauge("is_leader", "Emits 1 if leader, 0 otherwise").set(1)
        build = self._counter(
            "version",
            "Build metadata for this Controller",
            *("version", "platform", "go_version", "build_date", "compiler"),
            *("git_commit", "git_tree_state", "git_tag"),
        )
        build.add(version, "argoscope/simulator", "", "", "", "", "", version)
        self._observed(
            "gauge",
            "A gauge of the number of workflows currently in the cluster in each phase",
            ("phase",),
            lambda: (((phase,), n) for phase, n in Counter(self._phases.values()).items()),
        )
        self._observed(
            "workflow_condition",
            "A gauge of the number of workflows with different conditions",
            ("type", "status"),
            self._counted_conditions,
        )
        self._total = self._counter(
            "total_count",
            "A counter of workflows that have entered each phase",
            *("phase", "namespace"),
        )
        self._operation = self._histogram(
            "operation_duration_seconds", "A histogram of durations of operations", _OPERATION
        )
        template = ("name", "namespace", "cluster_scope")
        self._template_runtime = self._histogram(
            "workflowtemplate_runtime",
            "A histogram of the runtime of workflows using `workflowTemplateRef` only",
            _RUNTIME,
            *template,
        )
        self._template_triggered = self._counter(
            "workflowtemplate_triggered_total",
            "A counter of workflows using `workflowTemplateRef` only, as they enter each phase",
            *template,
            "phase",
        )
        self._cron_triggered = self._counter(
            "cronworkflows_triggered_total",
            "A counter of the total number of times a CronWorkflow has been triggered",
            *("name", "namespace"),
        )
        self._errors = self._counter(
            "error_count",
            "A counter of certain errors incurred by the controller by cause",
            "cause",
        )
        for cause in ERROR_CAUSES:
            self._errors.add(cause, by=0)
        logs = self._counter("log_messages", "A count of log messages by log level", "level")
        for level in ("error", "info", "warn"):
            logs.add(level, by=0)

    def _define_pods(self) -> None:
        self._observed(
            "pods_gauge",
            "A gauge of the number of workflow created pods currently in the cluster in each phase",
            ("phase",),
            lambda: (((phase,), n) for phase, n in Counter(self._pods.values()).items()),
        )
        self._pods_total = self._counter(
            "pods_total_count",
            "Total number of pods that have entered each phase",
            *("phase", "namespace"),
        )
        self._pods_pending = self._counter(
            "pod_pending_count",
            "Total number of pods that started pending by reason",
            *("reason", "namespace"),
        )

    def _define_queues(self) -> None:
        queue = ("queue_name",)
        self._adds = self._counter("queue_adds_count", "Additions to the work queues", *queue)
        depth = self._gauge("queue_depth_gauge", "Current depth of the queues", *queue)
        longest = self._gauge(
            "queue_longest_running",
            "Seconds that this queue's longest running processor has been running for",
            *queue,
        )
        unfinished = self._gauge(
            "queue_unfinished_work", "Queue items that have not been processed yet", *queue
        )
        retries = self._counter("queue_retries", "Times a message has been retried", *queue)
        self._latency = self._histogram(
            "queue_latency", "Time events take before they are processed", _LATENCY, *queue
        )
        self._duration = self._histogram(
            "queue_duration", "Time events take to be processed", _REQUEST, *queue
        )
        busy = self._gauge(
            "workers_busy_count", "A gauge of queue workers that are busy", "worker_type"
        )
        for name in QUEUES:
            for family in (depth, longest, unfinished, busy):
                family.set(0, name)
            for counter in (self._adds, retries):
                counter.add(name, by=0)

    def _define_requests(self) -> None:
        request = ("kind", "verb", "status_code")
        self._requests = self._counter(
            "k8s_request_total", "API requests sent to the Kubernetes API", *request
        )
        self._request_seconds = self._histogram(
            "k8s_request_duration", "API requests sent to the Kubernetes API", _REQUEST, *request
        )
        self._limiter = self._histogram(
            "client_rate_limiter_latency",
            "A histogram of the time spent waiting for the client-side rate limiter",
            _LIMITER,
        )

    def _family(self, name: str, kind: Type, text: str, labels: tuple[str, ...]) -> Family:
        family = Family(f"argo_workflows_{name}", kind, text, labels)
        self._families.append(family)
        return family

    def _counter(self, name: str, text: str, *labels: str) -> Family:
        return self._family(name, "counter", text, labels)

    def _gauge(self, name: str, text: str, *labels: str) -> Family:
        return self._family(name, "gauge", text, labels)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Family:
        family = Family(f"argo_workflows_{name}", "histogram", text, labels, buckets=buckets)
        self._families.append(family)
        return family

    def _observed(self, name: str, text: str, labels: tuple[str, ...], ask: object) -> None:
        family = Family(f"argo_workflows_{name}", "gauge", text, labels, ask=ask)  # type: ignore[arg-type]
        self._families.append(family)

    # What happens

    def _workflow(self, change: Change, workflow: Object) -> None:
        meta, status = workflow["metadata"], workflow.get("status") or {}
        uid, namespace = meta["uid"], meta["namespace"]
        self._adds.add("workflow_queue")
        if change == "DELETED":
            self._phases.pop(uid, None)
            self._conditions.pop(uid, None)
            return
        self._conditions[uid] = tuple(
            (one["type"], one["status"]) for one in status.get("conditions") or ()
        )
        phase = status.get("phase", "")
        if phase == self._phases.get(uid):
            return
        if change == "ADDED" and (cron := (meta.get("labels") or {}).get(CRON_LABEL)):
            self._cron_triggered.add(cron, namespace)
            self._request("workflows", "Create", "201")
        self._phases[uid] = phase
        if phase:
            self._entered(workflow, phase)

    def _entered(self, workflow: Object, phase: str) -> None:
        meta, status = workflow["metadata"], workflow["status"]
        self._total.add(phase, meta["namespace"])
        self._request("workflows", "Update", "200")
        over = bool(status.get("finishedAt"))
        if over and (workflow["spec"].get("ttlStrategy") or {}):
            self._adds.add("workflow_ttl_queue")
        reference = workflow["spec"].get("workflowTemplateRef")
        if reference:
            scope = "true" if reference.get("clusterScope") else "false"
            template = (reference["name"], meta["namespace"], scope)
            self._template_triggered.add(*template, phase)
            if over:
                runtime = unix(status["finishedAt"]) - unix(status["startedAt"])
                self._template_runtime.observe(runtime, *template)

    def _pod(self, change: Change, pod: Object) -> None:
        meta, status = pod["metadata"], pod.get("status") or {}
        if WORKFLOW_LABEL not in (meta.get("labels") or {}):
            return
        uid, namespace = meta["uid"], meta["namespace"]
        self._adds.add("workflow_queue")
        if change == "DELETED":
            self._pods.pop(uid, None)
            self._pending.pop(uid, None)
            self._adds.add("pod_cleanup_queue")
            self._request("pods", "Delete", "200")
            return
        if change == "ADDED":
            self._request("pods", "Create", "201")
        phase = status.get("phase") or "Pending"
        if phase != self._pods.get(uid):
            self._pods[uid] = phase
            self._pods_total.add(phase, namespace)
        reason = _pending_reason(status) if phase == "Pending" else ""
        if reason and reason != self._pending.get(uid):
            self._pods_pending.add(reason, namespace)
        self._pending[uid] = reason

    def _cron(self, change: Change, cron: Object) -> None:
        self._adds.add("cron_wf_queue")
        if change == "MODIFIED":
            self._request("cronworkflows", "Patch", "200")

    def _event(self, change: Change, event: Object) -> None:
        if (event.get("source") or {}).get("component") == _COMPONENT and change != "DELETED":
            created = change == "ADDED"
            self._request("events", "Create" if created else "Patch", "201" if created else "200")

    def _request(self, kind: str, verb: str, code: str) -> None:
        self._requests.add(kind, verb, code)
        self._request_seconds.observe(0.0, kind, verb, code)
        self._limiter.observe(0.0)

    def _worked(self, queue: str, key: Key, seconds: float) -> None:
        if queue not in QUEUES:
            return
        self._latency.observe(0.0, queue)
        self._duration.observe(seconds, queue)
        if queue == "workflow_queue":
            self._operation.observe(seconds)

    def _counted_conditions(self) -> Iterator[tuple[tuple[str, ...], float]]:
        counts = Counter(one for found in self._conditions.values() for one in found)
        yield from counts.items()


def _pending_reason(status: Object) -> str:
    """What the controller writes into a pending node's message, up to its first colon."""
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return str(condition.get("reason") or "Unschedulable").partition(":")[0]
    containers = (
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    )
    for container in containers:
        waiting = (container.get("state") or {}).get("waiting")
        if waiting and waiting.get("reason") not in (None, "", "PodInitializing"):
            return str(waiting["reason"]).partition(":")[0]
    return ""
