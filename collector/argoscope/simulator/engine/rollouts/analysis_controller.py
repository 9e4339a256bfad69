"""The AnalysisRun controller: takes measurements in virtual time until a run is over."""

from argoscope.simulator.engine.behaviour import draw
from argoscope.simulator.engine.kernel import Change, Kernel, Key, Object, key_of, stamp, unix
from argoscope.simulator.engine.recorder import Recorder
from argoscope.simulator.engine.rollouts import measuring, spec
from argoscope.simulator.engine.rollouts.analyses import is_over, phase_of
from argoscope.simulator.engine.rollouts.measuring import Measured
from argoscope.simulator.engine.rollouts.telling import COMPONENT

_VALUES = {"Successful": "true", "Failed": "false", "Inconclusive": "0.5"}


class AnalysisController:
    """Runs every AnalysisRun, whoever made it; tells the truth ``analysis_run`` of each end."""

    def __init__(self, kernel: Kernel, recorder: Recorder) -> None:
        self._kernel = kernel
        self._recorder = recorder
        self._behaviours: dict[Key, dict[str, Measured]] = {}
        self._due: dict[Key, float] = {}
        kernel.subscribe("analysisruns", self._changed)

    def _changed(self, change: Change, run: Object) -> None:
        key = key_of(run)
        if change == "DELETED" or is_over(run):
            self._behaviours.pop(key, None)
            self._due.pop(key, None)
            if change != "DELETED":
                self._kernel.forget("analysisruns", run)
        elif key not in self._behaviours:
            self._behaviours[key] = measuring.measured_by(run, self._kernel.random)
            self._look_after(key, self._kernel.between(0.02, 0.1))
        elif run["spec"].get("terminate"):
            self._look_after(key, self._kernel.between(0.02, 0.1))

    def _look_after(self, key: Key, seconds: float) -> None:
        """Looks at a run then, unless it is to be looked at sooner anyway."""
        at = self._kernel.now + seconds
        if self._due.get(key, at + 1.0) > at:
            self._due[key] = at
            self._kernel.at(at, lambda: self._look(key, at))

    def _look(self, key: Key, at: float) -> None:
        if self._due.get(key) != at:
            return
        del self._due[key]
        with self._kernel.work("AnalysisRuns", key):
            self._reconcile(key)

    def _reconcile(self, key: Key) -> None:
        run = self._kernel.get("analysisruns", *key)
        if run is None or is_over(run):
            return
        status = run.get("status") or {}
        if not status.get("startedAt"):
            status = {"phase": "", "startedAt": stamp(self._kernel.now), "metricResults": []}
        before = _state(status)
        results = [
            result
            for metric in run["spec"]["metrics"]
            if (result := self._measure(key, run, metric, status)) is not None
        ]
        status["metricResults"] = results
        run["status"] = status
        self._assess(run, status)
        if _state(status) != before:
            self._kernel.put("analysisruns", run)

    def _measure(self, key: Key, run: Object, metric: Object, status: Object) -> Object | None:
        """The metric's result after a measurement, if one is due now."""
        now, known = self._kernel.now, measuring.result_of(metric, status["metricResults"])
        if known is not None and known["phase"] not in ("Running", "Pending"):
            return known
        measurements = known["measurements"] if known else []
        behaviour = self._behaviours[key].get(metric["name"], Measured())
        running = bool(measurements) and measurements[-1]["phase"] == "Running"
        terminating = bool(run["spec"].get("terminate"))
        due = self._due_at(metric, status, measurements, behaviour)
        if terminating and not running:
            return known
        if due > now and not terminating:
            self._look_after(key, due - now)
            return known
        known = known or {"name": metric["name"], "phase": "Running", "measurements": measurements}
        if not running:
            seconds = draw(self._kernel.random, behaviour.seconds)
            measurements.append({"phase": "Running", "startedAt": stamp(now)})
            if seconds > 0.0:
                measurements[-1]["resumeAt"] = stamp(now + seconds)
                self._look_after(key, seconds + 1.0)
                return known
        self._finish(known, measurements[-1], behaviour)
        count = measuring.wanted_count(metric)
        if count is None or known.get("count", 0) < count:
            self._look_after(key, self._due_at(metric, status, measurements, behaviour) - now)
        return known

    def _due_at(
        self, metric: Object, status: Object, measurements: list[Object], behaviour: Measured
    ) -> float:
        """When the next measurement is to be taken, or the present one is over."""
        del behaviour
        if not measurements:
            delay = spec.seconds(metric["initialDelay"]) if metric.get("initialDelay") else 0.0
            return unix(status["startedAt"]) + delay
        last = measurements[-1]
        if last["phase"] == "Running":
            return unix(last["resumeAt"])
        return unix(last["finishedAt"]) + measuring.interval_of(metric, last["phase"])

    def _finish(self, result: Object, measurement: Object, behaviour: Measured) -> None:
        taken = sum(result.get(f, 0) for f in ("successful", "failed", "inconclusive", "error"))
        phase = behaviour.results[min(taken, len(behaviour.results) - 1)]
        measurement.pop("resumeAt", None)
        measurement |= {"phase": phase, "finishedAt": stamp(self._kernel.now)}
        if phase == "Error":
            measurement["message"] = behaviour.error
        else:
            measurement["value"] = _VALUES[phase]
        measuring.add(result, phase)
        del result["measurements"][:-10]

    def _assess(self, run: Object, status: Object) -> None:
        """Sets the phases of the metrics and of the run, and ends it when all are over."""
        terminating = bool(run["spec"].get("terminate"))
        dry = {each["metricName"] for each in run["spec"].get("dryRun") or ()}
        summaries = {True: {"count": 0}, False: {"count": 0}}
        phases, message = [], ""
        done = True
        for metric in run["spec"]["metrics"]:
            is_dry = metric["name"] in dry
            summary = summaries[is_dry]
            summary["count"] += 1
            result = measuring.result_of(metric, status["metricResults"])
            phase = measuring.assess(metric, result or {}, terminating)
            if result is not None:
                self._end_metric(run, metric, result, phase, is_dry)
            if phase in ("Running", "Pending"):
                done = False
                continue
            field = phase.lower()
            summary[field] = summary.get(field, 0) + 1
            if is_dry:
                continue
            phases.append(phase)
            _, why = measuring.excess(metric, result or {})
            if why and phase == measuring.worst(phases):
                message = f'Metric "{metric["name"]}" assessed {phase} due to {why}'
                if result and result.get("message"):
                    message += f': "Error Message: {result["message"]}"'
        for name, summary in (("runSummary", summaries[False]), ("dryRunSummary", summaries[True])):
            status[name] = {key: count for key, count in summary.items() if count}
        now_failing = measuring.worst(phases) in ("Failed", "Error", "Inconclusive")
        status["phase"] = "Running"
        if done or now_failing:
            self._end(run, status, measuring.worst(phases), message)

    def _end_metric(
        self, run: Object, metric: Object, result: Object, phase: str, dry: bool
    ) -> None:
        if result["phase"] == phase:
            return
        result["phase"] = phase
        if phase in ("Running", "Pending"):
            return
        _, why = measuring.excess(metric, result)
        if dry:
            result["dryRun"] = True
        if dry and why:
            result["message"] = f"Metric assessed {phase} due to {why}"
        elif result["measurements"] and result["measurements"][-1].get("message"):
            result["message"] = result["measurements"][-1]["message"]
        self._event(run, f"Metric{phase}", f"Metric '{metric['name']}' Completed. Result: {phase}")

    def _end(self, run: Object, status: Object, phase: str, message: str) -> None:
        kernel = self._kernel
        status["phase"], status["completedAt"] = phase, stamp(kernel.now)
        if message:
            status["message"] = message
        elif run["spec"].get("terminate"):
            status["message"] = "Run Terminated"
        self._event(run, f"AnalysisRun{phase}", f"Analysis Completed. Result: {phase}")
        meta = run["metadata"]
        owners = meta.get("ownerReferences") or ()
        kernel.truth.tell(
            "analysis_run",
            namespace=meta.get("namespace", ""),
            name=meta["name"],
            rollout=next((o["name"] for o in owners if o["kind"] == "Rollout"), ""),
            phase=phase,
            seconds=round(kernel.now - unix(status["startedAt"]), 3),
        )

    def _event(self, run: Object, reason: str, message: str) -> None:
        self._recorder.event(
            "AnalysisRun",
            run,
            reason,
            message,
            component=COMPONENT,
            warning=reason.endswith(("Failed", "Error")),
            api_version="argoproj.io/v1alpha1",
        )


def _state(status: Object) -> tuple[str, list[tuple[str, int, str]]]:
    """What of a status a look can change."""
    results = status.get("metricResults") or ()
    return phase_of({"status": status}), [
        (r["phase"], sum(r.get(f, 0) for f in ("count", "error")), r["measurements"][-1]["phase"])
        for r in results
        if r["measurements"]
    ]
