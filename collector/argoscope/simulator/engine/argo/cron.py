"""The cron controller: makes a CronWorkflow's runs, skips and replaces them, and counts them late.

What it does not do is as telling as what it does: a run that Forbid skips leaves no trace, a
suspended cron says so once, a malformed one says nothing at all, and its counters are written from
a copy that can be old (``stale``).
"""

import copy
from dataclasses import dataclass, field

from argoscope.cron_schedule import Every, Schedule, ScheduleError, parse
from argoscope.simulator.engine.argo import expand
from argoscope.simulator.engine.kernel import Change, Due, Kernel, Key, Object, key_of, stamp, unix

LATE = (0.05, 0.25)
"""Seconds after the minute at which runs are made."""
CLEANUP = 10.0
"""Seconds between two looks at the runs that have ended."""
LABEL = "workflows.argoproj.io/cron-workflow"
SCHEDULED = "workflows.argoproj.io/scheduled-time"


@dataclass(slots=True)
class _Cron:
    """What is kept of a CronWorkflow."""

    schedules: tuple[tuple[str, Schedule], ...]
    since: float
    """When it was registered: ``@every`` counts from there."""
    due: Due | None = None
    active: list[str] = field(default_factory=list)
    """Names of the runs that the controller believes to be at work."""


class CronController:
    """Argo's cron controller. ``stale`` is the chance that a look writes an old copy's counts."""

    def __init__(self, kernel: Kernel, *, stale: float = 0.0) -> None:
        self._kernel = kernel
        self._crons: dict[Key, _Cron] = {}
        self._told: dict[Key, Object] = {}
        self._stale = stale
        self.running = True
        """False while the controller is down."""
        kernel.subscribe("cronworkflows", self._changed)
        kernel.after(CLEANUP, self._clean_up)

    def restart(self, seconds: float) -> None:
        """Down for a while; then the latest missed run is made up, where its deadline allows."""
        self.running = False
        kernel = self._kernel

        def back() -> None:
            self.running = True
            for key in self._crons:
                self._catch_up(key)

        kernel.after(seconds, back)

    # Schedules

    def _changed(self, change: Change, cron: Object) -> None:
        key = key_of(cron)
        known = self._crons.get(key)
        if change == "DELETED":
            if known is not None and known.due is not None:
                known.due.cancel()
            self._crons.pop(key, None)
            self._told.pop(key, None)
            self._kernel.truth.tell("cron_gone", namespace=key[0], cron=key[1])
            return
        schedules = self._read(cron["spec"])
        self._tell_state(key, cron, schedules)
        if known is None:
            known = self._crons[key] = _Cron(schedules, self._kernel.now)
        elif [text for text, _ in known.schedules] == [text for text, _ in schedules]:
            return
        known.schedules = schedules
        self._arm(key, known)

    def _read(self, spec: Object) -> tuple[tuple[str, Schedule], ...]:
        """The schedules; none if one is malformed: the controller then refuses the cron whole."""
        texts = list(spec.get("schedules") or ()) or [spec.get("schedule", "")]
        try:
            return tuple((text, parse(text, spec.get("timezone", ""))) for text in texts)
        except ScheduleError:
            return ()

    def _arm(self, key: Key, known: _Cron) -> None:
        if known.due is not None:
            known.due.cancel()
        coming = [(at, text) for text, s in known.schedules if (at := self._next(s, known))]
        if not coming:
            return
        at, text = min(coming)
        self._kernel.truth.tell("cron_due", namespace=key[0], cron=key[1], at=at)
        late = self._kernel.between(*LATE)
        known.due = self._kernel.at(at + late, lambda: self._fire(key, at, text))

    def _next(self, schedule: Schedule, known: _Cron) -> float | None:
        if isinstance(schedule, Every):
            passed = (self._kernel.now - known.since) // schedule.seconds
            return float(int(known.since + (passed + 1) * schedule.seconds))
        return schedule.next(self._kernel.now)

    # Runs

    def _fire(self, key: Key, at: float, text: str) -> None:
        known = self._crons.get(key)
        if known is None:
            return
        cron = self._kernel.get("cronworkflows", *key)
        try:
            if cron is not None and self.running:
                self._run(key, known, cron, at, text)
            elif cron is not None:
                self._tell(key, at, self._why_absent(key, known, cron))
        finally:  # one that goes wrong does not end those that come after
            self._arm(key, known)

    def _why_absent(self, key: Key, known: _Cron, cron: Object) -> str:
        """Why a run is missed while the controller is down: it may not have been made anyway."""
        spec = cron["spec"]
        held_back = self._held_back(spec, cron.get("status") or {})
        if held_back:
            return held_back
        going = any(not self._is_over(key[0], name) for name in known.active)
        if spec.get("concurrencyPolicy") == "Forbid" and going:
            return "forbidden"
        return "deadline" if spec.get("startingDeadlineSeconds") else "controller"

    def _run(self, key: Key, known: _Cron, cron: Object, at: float, text: str) -> None:
        spec = cron["spec"]
        status: Object = cron.setdefault("status", {}) or {}
        cron["status"] = status
        why = self._held_back(spec, status)
        if why:
            self._tell(key, at, why)
            if "succeeded" not in status:
                cron["metadata"].setdefault("annotations", {})[_LAST_USED] = text
                status |= {"phase": "", "failed": 0, "succeeded": 0}
                self._kernel.put("cronworkflows", cron)
            return
        policy = spec.get("concurrencyPolicy") or "Allow"
        if policy == "Forbid" and known.active:
            over = all(self._is_over(key[0], name) for name in known.active)
            self._tell(key, at, "forbidden_stale" if over else "forbidden")
            return
        if policy == "Replace":
            for name in known.active:
                self._terminate(key[0], name)
        self._make(key, known, cron, at, text)

    def _held_back(self, spec: Object, status: Object) -> str:
        if spec.get("suspend"):
            return "suspended"
        if spec.get("when") and not expand.holds(expand.substitute(spec["when"], {})):
            return "when_false"
        if status.get("phase") == "Stopped":
            return "stopped"
        return ""

    def _make(self, key: Key, known: _Cron, cron: Object, at: float, text: str) -> None:
        meta, spec, status = cron["metadata"], cron["spec"], cron["status"]
        if not isinstance(spec.get("workflowSpec"), dict):
            self._tell(key, at, "refused")  # the API server does not take such a Workflow
            return
        own = spec.get("workflowMetadata") or {}
        workflow: Object = {
            "metadata": {
                "name": f"{meta['name']}-{int(at)}",
                "namespace": key[0],
                "labels": {**(own.get("labels") or {}), LABEL: meta["name"]},
                "annotations": {**(own.get("annotations") or {}), SCHEDULED: stamp(at)},
                "ownerReferences": [
                    {
                        "apiVersion": "argoproj.io/v1alpha1",
                        "kind": "CronWorkflow",
                        "name": meta["name"],
                        "uid": meta["uid"],
                        "controller": True,
                        "blockOwnerDeletion": True,
                    }
                ],
            },
            "spec": copy.deepcopy(spec["workflowSpec"]),
            "status": {},
        }
        self._kernel.put("workflows", workflow)
        self._kernel.truth.tell(
            "cron_run",
            namespace=key[0],
            cron=key[1],
            workflow=workflow["metadata"]["name"],
            scheduled=at,
            created=unix(workflow["metadata"]["creationTimestamp"]),
        )
        known.active.append(workflow["metadata"]["name"])
        meta.setdefault("annotations", {})[_LAST_USED] = text
        status |= {
            "phase": "Active",
            "lastScheduledTime": stamp(at),
            "failed": status.get("failed", 0),
            "succeeded": status.get("succeeded", 0),
        }
        self._write_active(key, known, cron)

    def _terminate(self, namespace: str, name: str) -> None:
        workflow = self._kernel.get("workflows", namespace, name)
        if workflow is not None and not self._is_over(namespace, name):
            workflow["spec"]["shutdown"] = "Terminate"
            self._kernel.truth.tell("replaced", namespace=namespace, workflow=name)
            self._kernel.put("workflows", workflow)

    def _catch_up(self, key: Key) -> None:
        """After an absence: the latest run that was missed, within its deadline."""
        known, cron = self._crons[key], self._kernel.get("cronworkflows", *key)
        if cron is None:
            return
        deadline = cron["spec"].get("startingDeadlineSeconds")
        last = (cron.get("status") or {}).get("lastScheduledTime")
        if not deadline or not last:
            return
        missed = None
        for text, schedule in known.schedules:
            at = schedule.next(unix(last))
            while at and at <= self._kernel.now:
                missed = max(missed, (at, text)) if missed else (at, text)
                at = schedule.next(at)
        if missed and self._kernel.now - missed[0] <= float(deadline):
            self._kernel.truth.tell("made_up", namespace=key[0], cron=key[1], scheduled=missed[0])
            self._run(key, known, cron, *missed)

    # Clean-up

    def _clean_up(self) -> None:
        self._kernel.after(CLEANUP, self._clean_up)
        if not self.running:
            return
        for key, known in list(self._crons.items()):
            ended = [n for n in known.active if self._is_over(key[0], n)]
            if not ended:
                continue
            cron = self._kernel.get("cronworkflows", *key)
            if cron is None:
                continue
            self._count(key, known, cron, ended)
            self._keep_history(key, cron)

    def _count(self, key: Key, known: _Cron, cron: Object, ended: list[str]) -> None:
        status = cron["status"]
        before = (status.get("succeeded", 0), status.get("failed", 0))
        for name in ended:
            known.active.remove(name)
            workflow = self._kernel.get("workflows", key[0], name)
            phase = ((workflow or {}).get("status") or {}).get("phase")
            if workflow is not None:
                kind = "succeeded" if phase == "Succeeded" else "failed"
                status[kind] = status.get(kind, 0) + 1
        if self._stale and self._kernel.random.random() < self._stale:
            status["succeeded"], status["failed"] = max(0, before[0] - 1), before[1]
        stop = (cron["spec"].get("stopStrategy") or {}).get("expression", "")
        if stop and expand.holds(stop, lambda word: _count_of(status, word)):
            status["phase"] = "Stopped"
        self._write_active(key, known, cron)

    def _write_active(self, key: Key, known: _Cron, cron: Object) -> None:
        refs = []
        for name in known.active:
            workflow = self._kernel.get("workflows", key[0], name)
            if workflow is not None:
                meta = workflow["metadata"]
                ref = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}
                own = {k: meta[k] for k in ("name", "namespace", "resourceVersion", "uid")}
                refs.append({**ref, **own})
        cron["status"].pop("active", None)
        if refs:
            cron["status"]["active"] = refs
        self._kernel.put("cronworkflows", cron)

    def _keep_history(self, key: Key, cron: Object) -> None:
        """Deletes the oldest runs beyond the history limits."""
        spec = cron["spec"]
        good: list[tuple[str, Key]] = []
        bad: list[tuple[str, Key]] = []
        for plural, child in self._kernel.cluster.dependents(cron["metadata"]["uid"]):
            workflow = self._kernel.get(plural, *child) if plural == "workflows" else None
            status = (workflow or {}).get("status") or {}
            if status.get("finishedAt"):
                which = good if status["phase"] == "Succeeded" else bad
                which.append((status["finishedAt"], child))
        for found, limit in (
            (good, spec.get("successfulJobsHistoryLimit", 3)),
            (bad, spec.get("failedJobsHistoryLimit", 1)),
        ):
            for _, child in sorted(found)[: max(0, len(found) - int(limit))]:
                self._kernel.remove("workflows", self._kernel.get("workflows", *child) or {})

    def _is_over(self, namespace: str, name: str) -> bool:
        stored = self._kernel.cluster.get("workflows", name, namespace)
        return stored is None or stored.labels.get("workflows.argoproj.io/completed") == "true"

    def _tell_state(
        self, key: Key, cron: Object, schedules: tuple[tuple[str, Schedule], ...]
    ) -> None:
        """What the controller makes of a CronWorkflow, when that is news."""
        spec = cron["spec"]
        state = {
            "schedules": list(spec.get("schedules") or ()) or [spec.get("schedule", "")],
            "timezone": spec.get("timezone", ""),
            "policy": spec.get("concurrencyPolicy") or "Allow",
            "suspended": bool(spec.get("suspend")),
            "conditional": bool(spec.get("when")),
            "stopped": (cron.get("status") or {}).get("phase") == "Stopped",
            "readable": bool(schedules),
        }
        if self._told.get(key) != state:
            self._told[key] = state
            self._kernel.truth.tell("cron_is", namespace=key[0], cron=key[1], **state)

    def _tell(self, key: Key, at: float, why: str) -> None:
        self._kernel.truth.tell("cron_missed", namespace=key[0], cron=key[1], scheduled=at, why=why)


_LAST_USED = "cronworkflows.argoproj.io/last-used-schedule"


def _count_of(status: Object, word: str) -> str:
    known = {
        "cronworkflow.failed": status.get("failed", 0),
        "cronworkflow.succeeded": status.get("succeeded", 0),
        "failed": status.get("failed", 0),
        "succeeded": status.get("succeeded", 0),
    }
    return str(known.get(word, word))
