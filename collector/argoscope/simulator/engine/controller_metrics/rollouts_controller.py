"""The rollouts controller's metrics (argo-rollouts 1.5 to 1.10, ``controller/metrics``)."""

from collections.abc import Callable, Iterable, Iterator

from argoscope.simulator.engine.controller_metrics.exposition import (
    Family,
    Type,
    Values,
    exposition,
)
from argoscope.simulator.engine.kernel import Change, Kernel, Key, Object, unix

QUEUES = ("AnalysisRuns", "Experiments", "Ingresses", "Rollouts", "Services")
KIND_OF_QUEUE = {"Rollouts": "rollout", "AnalysisRuns": "analysis_run"}
ROLLOUT_PHASES = ("Completed", "Progressing", "Paused", "Timeout", "Error", "Abort")
ANALYSIS_PHASES = ("Pending", "Error", "Failed", "Successful", "Running", "Inconclusive")

_NAME = ("namespace", "name")
_RECONCILE = (0.01, 0.15, 0.25, 0.5, 1.0)
_WORKQUEUE = tuple(10.0**power for power in range(-8, 2))
_TOTAL = (30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0)
_PROGRESSION = (30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)
_PAUSE = (0.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0)
_COMPONENT = "rollouts-controller"
_REASONS = {
    "NewReplicaSetAvailable": "Completed",
    "RolloutPaused": "Paused",
    "ReplicaSetCreateError": "Error",
    "ProgressDeadlineExceeded": "Timeout",
    "RolloutAborted": "Abort",
}
_ROUTERS = {
    "appMesh": "AppMesh",
    "smi": "SMI",
    "nginx": "Nginx",
    "istio": "Istio",
    "ambassador": "Ambassador",
    "alb": "ALB",
}
_REQUEST_KINDS_WITHOUT_NAME = frozenset({"analysisruns", "events", "replicasets"})

Series = Iterator[tuple[Values, float]]


class RolloutsControllerMetrics:
    """Listens to a kernel. ``text`` is what a scrape gets."""

    def __init__(self, kernel: Kernel, *, version: str = "v1.10.0") -> None:
        self._families: list[Family] = []
        self._rollouts: dict[Key, Object] = {}
        self._runs: dict[Key, Object] = {}
        self._finished: dict[str, str] = {}
        """The end of the attempt that was observed last, by uid of the rollout."""
        self._define_rollouts()
        self._define_analyses()
        self._define_controller(version)
        kernel.follow("rollouts", self._rollout)
        kernel.follow("analysisruns", self._analysis_run)
        kernel.follow("replicasets", self._replica_set)
        kernel.follow("events", self._event)
        kernel.on_work(self._worked)

    def text(self) -> str:
        return exposition(self._families)

    # Definitions

    def _define_rollouts(self) -> None:
        self._asked(
            "rollout_info",
            "Information about rollout.",
            (*_NAME, "strategy", "traffic_router", "phase"),
            self._infos,
        )
        for state, text, count in (
            ("available", "available", lambda _, status: status.get("availableReplicas", 0)),
            ("unavailable", "unavailable", _unavailable),
            ("desired", "desired", lambda spec, _: spec.get("replicas", 1)),
            ("updated", "updated", lambda _, status: status.get("updatedReplicas", 0)),
        ):
            self._asked(
                f"rollout_info_replicas_{state}",
                f"The number of {text} replicas per rollout.",
                _NAME,
                lambda count=count: self._replicas(count),  # type: ignore[misc]
            )
        self._asked(
            "rollout_phase",
            "Information on the state of the rollout (DEPRECATED - use rollout_info)",
            (*_NAME, "strategy", "phase"),
            self._states,
        )
        self._events = self._family(
            "rollout_events_total", "counter", "Count of rollout events", (*_NAME, "type", "reason")
        )
        for_all = ("status",)
        self._total = self._histogram(
            "rollout_duration_seconds",
            "Total wall-clock time for a rollout from start to completion/abort/supersede",
            _TOTAL,
            for_all,
        )
        self._progression = self._histogram(
            "rollout_progression_duration_seconds",
            "Active progression time for a rollout (excluding manual pause time)",
            _PROGRESSION,
            for_all,
        )
        self._pause = self._histogram(
            "rollout_manual_pause_duration_seconds",
            "Time spent in manual pause waiting for human intervention",
            _PAUSE,
            for_all,
        )

    def _define_analyses(self) -> None:
        self._asked(
            "analysis_run_info",
            "Information about analysis run.",
            (*_NAME, "phase"),
            lambda: (((*key, _phase(run)), 1.0) for key, run in self._runs.items()),
        )
        self._asked(
            "analysis_run_phase",
            "Information on the state of the Analysis Run (DEPRECATED - use analysis_run_info)",
            (*_NAME, "phase"),
            self._run_states,
        )
        self._asked(
            "analysis_run_metric_type",
            "Information on the type of a specific metric in the Analysis Runs",
            (*_NAME, "metric", "type"),
            self._metric_types,
        )
        self._asked(
            "analysis_run_metric_phase",
            "Information on the duration of a specific metric in the Analysis Run",
            (*_NAME, "metric", "type", "dry_run", "phase"),
            self._metric_states,
        )

    def _define_controller(self, version: str) -> None:
        self._reconcile: dict[str, Family] = {}
        for kind, text in (("rollout", "Rollout"), ("analysis_run", "Analysis Run")):
            self._reconcile[kind] = self._histogram(
                f"{kind}_reconcile", f"{text} reconciliation performance.", _RECONCILE, _NAME
            )
        self._requests = self._family(
            "controller_clientset_k8s_request_total",
            "counter",
            "Number of kubernetes requests executed during application reconciliation.",
            ("kind", "namespace", "name", "verb", "status_code"),
        )
        self._family(
            "argo_rollouts_controller_info", "gauge", "Running Argo-rollouts version", ("version",)
        ).set(1, version)
        self._define_queues()

    def _define_queues(self) -> None:
        name = ("name",)
        self._adds = self._family(
            "workqueue_adds_total", "counter", "Total number of adds handled by workqueue", name
        )
        retries = self._family(
            "workqueue_retries_total", "counter", "Total number of retries handled", name
        )
        depth = self._family("workqueue_depth", "gauge", "Current depth of workqueue", name)
        longest = self._family(
            "workqueue_longest_running_processor_seconds",
            "gauge",
            "How many seconds has the longest running processor for workqueue been running.",
            name,
        )
        unfinished = self._family(
            "workqueue_unfinished_work_seconds",
            "gauge",
            "How many seconds of work has been done that is in progress.",
            name,
        )
        self._wait = self._histogram(
            "workqueue_queue_duration_seconds",
            "How long in seconds an item stays in workqueue before being requested.",
            _WORKQUEUE,
            name,
        )
        self._work = self._histogram(
            "workqueue_work_duration_seconds",
            "How long in seconds processing an item from workqueue takes.",
            _WORKQUEUE,
            name,
        )
        for queue in QUEUES:
            for family in (depth, longest, unfinished):
                family.set(0, queue)
            for counter in (self._adds, retries):
                counter.add(queue, by=0)

    def _family(self, name: str, kind: Type, text: str, labels: tuple[str, ...]) -> Family:
        family = Family(name, kind, text, labels)
        self._families.append(family)
        return family

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], labels: tuple[str, ...]
    ) -> Family:
        family = Family(name, "histogram", text, labels, buckets=buckets)
        self._families.append(family)
        return family

    def _asked(
        self,
        name: str,
        text: str,
        labels: tuple[str, ...],
        ask: Callable[[], Iterable[tuple[Values, float]]],
    ) -> None:
        self._families.append(Family(name, "gauge", text, labels, ask=ask))

    # What happens

    def _rollout(self, change: Change, rollout: Object) -> None:
        key = _key(rollout)
        self._adds.add("Rollouts")
        if change == "DELETED":
            self._rollouts.pop(key, None)
            self._finished.pop(rollout["metadata"]["uid"], None)
            for family in (self._reconcile["rollout"], self._events):
                family.forget(*key)
            return
        self._rollouts[key] = rollout
        if change == "MODIFIED":
            self._request("rollouts", key, "Patch", "200")
        self._end(rollout)

    def _end(self, rollout: Object) -> None:
        """Observes an attempt once, when it has ended (``EmitRolloutDuration``)."""
        times = (rollout.get("status") or {}).get("duration") or {}
        began, ended = times.get("rolloutStartedAt"), times.get("finishedAt")
        status, uid = times.get("completionStatus", ""), rollout["metadata"]["uid"]
        if not began or not ended or not status or self._finished.get(uid) == ended:
            return
        self._finished[uid] = ended
        total, paused = unix(ended) - unix(began), float(times.get("totalManualPauseDuration") or 0)
        self._total.observe(total, status)
        self._progression.observe(total - paused, status)
        self._pause.observe(paused, status)

    def _analysis_run(self, change: Change, run: Object) -> None:
        key = _key(run)
        self._adds.add("AnalysisRuns")
        if change == "DELETED":
            self._runs.pop(key, None)
            self._reconcile["analysis_run"].forget(*key)
            return
        self._runs[key] = run
        created = change == "ADDED"
        self._request("analysisruns", key, "Create" if created else "Patch", _code(created))

    def _replica_set(self, change: Change, replica_set: Object) -> None:
        verb = {"ADDED": "Create", "MODIFIED": "Update", "DELETED": "Delete"}[change]
        self._request("replicasets", _key(replica_set), verb, _code(change == "ADDED"))

    def _event(self, change: Change, event: Object) -> None:
        about = event["involvedObject"]
        ours = (event.get("source") or {}).get("component") == _COMPONENT
        if not ours or about["kind"] != "Rollout" or change == "DELETED":
            return
        key = (about.get("namespace", ""), about["name"])
        self._events.add(*key, event["type"], event["reason"])
        created = change == "ADDED"
        self._request("events", key, "Create" if created else "Patch", _code(created))

    def _request(self, kind: str, key: Key, verb: str, code: str) -> None:
        name = "N/A" if kind in _REQUEST_KINDS_WITHOUT_NAME else key[1]
        self._requests.add(kind, key[0], name, verb, code)

    def _worked(self, queue: str, key: Key, seconds: float) -> None:
        if queue not in QUEUES:
            return
        self._wait.observe(0.0, queue)
        self._work.observe(seconds, queue)
        kind = KIND_OF_QUEUE.get(queue)
        if kind:
            self._reconcile[kind].observe(seconds, *key)

    # What there is

    def _infos(self) -> Series:
        for key, rollout in self._rollouts.items():
            yield (*key, _strategy(rollout), _router(rollout), _state(rollout)), 1.0

    def _replicas(self, count: Callable[[Object, Object], int]) -> Series:
        for key, rollout in self._rollouts.items():
            yield key, float(count(rollout["spec"], rollout.get("status") or {}))

    def _states(self) -> Series:
        for key, rollout in self._rollouts.items():
            now = _state(rollout)
            for phase in ROLLOUT_PHASES:
                yield (*key, _strategy(rollout), phase), float(phase == now)

    def _run_states(self) -> Series:
        for key, run in self._runs.items():
            for phase in ANALYSIS_PHASES:
                yield (*key, phase), float(phase == (_phase(run) or "Pending"))

    def _metric_types(self) -> Series:
        for key, run in self._runs.items():
            for metric in run["spec"].get("metrics") or ():
                yield (*key, metric["name"], _provider(metric)), 1.0

    def _metric_states(self) -> Series:
        for key, run in self._runs.items():
            results = {
                one["name"]: one for one in (run.get("status") or {}).get("metricResults") or ()
            }
            for metric in run["spec"].get("metrics") or ():
                result = results.get(metric["name"]) or {}
                now = result.get("phase") or "Pending"
                dry = "true" if result.get("dryRun") else "false"
                head = (*key, metric["name"], _provider(metric), dry)
                for phase in ANALYSIS_PHASES:
                    yield (*head, phase), float(phase == now)


def _key(obj: Object) -> Key:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _code(created: bool) -> str:
    return "201" if created else "200"


def _phase(run: Object) -> str:
    return str((run.get("status") or {}).get("phase") or "")


def _strategy(rollout: Object) -> str:
    strategy = rollout["spec"].get("strategy") or {}
    return next((name for name in ("blueGreen", "canary") if name in strategy), "none")


def _router(rollout: Object) -> str:
    canary = (rollout["spec"].get("strategy") or {}).get("canary") or {}
    routing = canary.get("trafficRouting") or {}
    return next((name for field, name in _ROUTERS.items() if field in routing), "")


def _unavailable(_: Object, status: Object) -> int:
    return int(status.get("replicas", 0)) - int(status.get("availableReplicas", 0))


def _state(rollout: Object) -> str:
    conditions = (rollout.get("status") or {}).get("conditions") or ()
    by_type = {condition["type"]: condition for condition in conditions}
    if "InvalidSpec" in by_type:
        return "InvalidSpec"
    reason = (by_type.get("Progressing") or {}).get("reason", "")
    return _REASONS.get(reason, "Progressing")


def _provider(metric: Object) -> str:
    names = {"prometheus": "Prometheus", "job": "Job", "web": "Web", "datadog": "Datadog"}
    provider = next(iter(metric.get("provider") or {"": None}))
    return str(names.get(provider, provider))
