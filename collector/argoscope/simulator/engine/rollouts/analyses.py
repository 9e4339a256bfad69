"""A rollout's AnalysisRuns: made, watched, cancelled and dropped by the Rollouts controller."""

from typing import Any

import msgspec

from argoscope.simulator.engine.kernel import Kernel, Object
from argoscope.simulator.engine.rollouts import spec
from argoscope.simulator.engine.rollouts.measuring import ANNOTATION
from argoscope.simulator.engine.rollouts.pauses import Pauses, pause_condition
from argoscope.simulator.engine.rollouts.replicas import owner
from argoscope.simulator.engine.rollouts.telling import Telling

COMPLETED = ("Successful", "Failed", "Error", "Inconclusive")
KEPT = 5
"""Finished runs that are kept, of the successful and of the others (the controller's default)."""

_TYPES = {
    "currentStepAnalysisRunStatus": "Step",
    "currentBackgroundAnalysisRunStatus": "Background",
    "prePromotionAnalysisRunStatus": "PrePromotion",
    "postPromotionAnalysisRunStatus": "PostPromotion",
}


def phase_of(run: Object | None) -> str:
    return str(run.get("status", {}).get("phase", "")) if run else ""


def is_over(run: Object | None) -> bool:
    return phase_of(run) in COMPLETED


class Analyses:
    """Those of one rollout during one reconciliation.

    A run is current when the rollout's status names it; the rest is cancelled.
    """

    def __init__(
        self,
        kernel: Kernel,
        telling: Telling,
        rollout: Object,
        pauses: Pauses,
        runs: list[Object],
    ) -> None:
        self._kernel = kernel
        self._telling = telling
        self._rollout = rollout
        self._pauses = pauses
        self._runs = {run["metadata"]["name"]: run for run in runs}
        self._current: dict[str, Object] = {}

    def known(self, field: str) -> Object | None:
        """The run that the rollout's status names there."""
        part = "blueGreen" if "Promotion" in field else "canary"
        named = (self._rollout["status"].get(part) or {}).get(field) or {}
        return self._runs.get(named.get("name", ""))

    def current(self, field: str) -> Object | None:
        """The run of this reconciliation."""
        return self._current.get(field)

    # Decisions

    def keep(self, field: str, run: Object | None) -> None:
        if run is not None:
            self._current[field] = run

    def cancel_all(self) -> None:
        """Analysis is skipped: what runs is cancelled."""
        self._cancel(self._runs.values())

    def ensure(self, field: str, analysis: Object, infix: str, digest: str) -> Object:
        """The current run, a new one when there is none or the last one is not wanted again."""
        run = self.known(field)
        if run is None or self._is_spent(run):
            run = self._create(field, analysis, infix, digest)
        self.keep(field, run)
        return run

    def _is_spent(self, run: Object) -> bool:
        """Whether a person went on after an inconclusive run, or after an abort."""
        status = self._rollout["status"]
        waiting = any(pause_condition(status, r) for r in ("CanaryPauseStep", "BlueGreenPause"))
        if status.get("controllerPause") and not waiting:
            return phase_of(run) == "Inconclusive"
        return bool(status.get("abortedAt"))

    def act_on(self, run: Object | None, said: str = "") -> None:
        """Pauses or aborts the rollout because of how a run ended."""
        phase = phase_of(run)
        if phase == "Inconclusive":
            self._pauses.add("InconclusiveAnalysisRun")
        elif run is not None and phase in ("Failed", "Error"):
            cause = "analysis_failed" if phase == "Failed" else "analysis_error"
            message = run["status"].get("message", "")
            self._pauses.abort(f"{said}{message}", cause)

    def finish(self, status: Object) -> None:
        """Cancels what is not current, names the current ones in the new status, tells changes."""
        names = {run["metadata"]["name"] for run in self._current.values()}
        others = [run for name, run in self._runs.items() if name not in names]
        self._cancel(others)
        self._trim(others)
        self.name(status)

    def name(self, status: Object) -> None:
        for field, run in self._current.items():
            part = "blueGreen" if "Promotion" in field else "canary"
            named = {"name": run["metadata"]["name"], "status": phase_of(run)}
            message = run.get("status", {}).get("message")
            if message:
                named["message"] = message
            status[part][field] = named
            self._announce(part, field, run)

    def drop(self, hashes: list[str]) -> None:
        """Deletes the runs of ReplicaSets that are gone."""
        for run in list(self._runs.values()):
            if run["metadata"]["labels"].get(spec.HASH) in hashes:
                self._kernel.remove("analysisruns", run)
                del self._runs[run["metadata"]["name"]]

    # Objects

    def _announce(self, part: str, field: str, run: Object) -> None:
        before = (self._rollout["status"].get(part) or {}).get(field)
        phase, name = phase_of(run), run["metadata"]["name"]
        if not phase or (before and before["name"] == name and before["status"] == phase):
            return
        was = before["status"] if before else "NoPreviousStatus"
        self._telling.event(
            f"AnalysisRun{phase}",
            f"{_TYPES[field]} Analysis Run '{name}' Status New: '{phase}' Previous: '{was}'",
            warning=phase in ("Failed", "Error"),
        )

    def _cancel(self, runs: Any) -> None:
        for run in runs:
            if not is_over(run) and not run["spec"].get("terminate"):
                run["spec"]["terminate"] = True
                self._kernel.put("analysisruns", run)

    def _trim(self, runs: list[Object]) -> None:
        kept = {True: 0, False: 0}
        made = sorted(runs, key=lambda run: str(run["metadata"]["creationTimestamp"]), reverse=True)
        for run in made:
            good = phase_of(run) == "Successful"
            kept[good] += is_over(run)
            if is_over(run) and kept[good] > KEPT:
                self._kernel.remove("analysisruns", run)
                del self._runs[run["metadata"]["name"]]

    def _create(self, field: str, analysis: Object, infix: str, digest: str) -> Object:
        meta = self._rollout["metadata"]
        revision = (meta.get("annotations") or {}).get(spec.REVISION, "1")
        name = "-".join(part for part in (meta["name"], digest, revision, infix) if part)
        base, count = name, 0
        while name in self._runs:
            count += 1
            name = f"{base}.{count}"
        labels = {**((self._rollout["spec"].get("selector") or {}).get("matchLabels") or {})}
        labels |= {spec.HASH: digest, "rollout-type": _TYPES[field]}
        if _TYPES[field] == "Step":
            labels["step-index"] = infix
        metrics, behaviour = self._metrics(analysis)
        annotations = {spec.REVISION: revision}
        if behaviour:
            annotations[ANNOTATION] = msgspec.json.encode(behaviour).decode()
        wanted: Object = {"metrics": metrics}
        for option in ("args", "dryRun", "measurementRetention"):
            if analysis.get(option):
                wanted[option] = analysis[option]
        run: Object = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AnalysisRun",
            "metadata": {
                "name": name,
                "namespace": meta.get("namespace", ""),
                "annotations": annotations,
                "labels": labels,
                "ownerReferences": [owner(self._rollout)],
            },
            "spec": wanted,
        }
        self._kernel.put("analysisruns", run)
        self._runs[name] = run
        return run

    def _metrics(self, analysis: Object) -> tuple[list[Object], Object]:
        """(the templates' metrics, what each of them measures in the simulation).

        The pod template's annotation goes before the Rollout's, and that before the templates'.
        """
        metrics: list[Object] = []
        behaviour: Object = {}
        mine = self._rollout["metadata"].get("annotations") or {}
        pods = (self._rollout["spec"].get("template") or {}).get("metadata") or {}
        asked = (pods.get("annotations") or {}).get(ANNOTATION) or mine.get(ANNOTATION)
        namespace = self._rollout["metadata"].get("namespace", "")
        for reference in analysis.get("templates") or ():
            name = reference["templateName"]
            if reference.get("clusterScope"):
                template = self._kernel.get("clusteranalysistemplates", "", name)
            else:
                template = self._kernel.get("analysistemplates", namespace, name)
            if template is None:
                continue
            found = template["spec"].get("metrics") or []
            metrics += found
            own = (template["metadata"].get("annotations") or {}).get(ANNOTATION)
            says = asked or own
            if says:
                chosen = msgspec.json.decode(says.encode())
                behaviour |= {metric["name"]: chosen for metric in found}
        return metrics, behaviour
