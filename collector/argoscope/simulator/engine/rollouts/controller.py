"""The Argo Rollouts controller in virtual time: which rollout is looked at when, and what goes."""

from functools import partial

from argoscope.simulator.engine.kernel import Change, Due, Kernel, Key, Object, key_of
from argoscope.simulator.engine.recorder import Recorder
from argoscope.simulator.engine.rollouts import conditions, spec
from argoscope.simulator.engine.rollouts.analysis_controller import AnalysisController
from argoscope.simulator.engine.rollouts.blue_green import BlueGreen
from argoscope.simulator.engine.rollouts.canary import Canary
from argoscope.simulator.engine.rollouts.replica_set_controller import ReplicaSetController
from argoscope.simulator.engine.rollouts.telling import Telling

_DELAY = (0.06, 0.12)
"""Seconds from a change to the look at it, as on a controller that is not overloaded."""


class RolloutController:
    """Looks after every Rollout, its ReplicaSets and AnalysisRuns.

    ``durations``: it writes ``status.duration``, as Rollouts 1.10 does.
    """

    def __init__(self, kernel: Kernel, recorder: Recorder, *, durations: bool = True) -> None:
        self._kernel = kernel
        self._recorder = recorder
        self._durations = durations
        self._sets = ReplicaSetController(kernel, recorder)
        AnalysisController(kernel, recorder)
        self._tellings: dict[str, Telling] = {}
        self._looking: set[Key] = set()
        self._waking: dict[Key, Due] = {}
        self._owned: dict[str, dict[str, set[Key]]] = {"replicasets": {}, "analysisruns": {}}
        """By kind and uid of the rollout."""
        self._invalid: set[Key] = set()
        self._references: dict[Key, set[Key]] = {}
        """Deployment -> rollouts that take their pod template from it."""
        kernel.subscribe("rollouts", self._changed)
        for plural in self._owned:
            kernel.subscribe(plural, partial(self._owned_changed, plural))
        kernel.subscribe("deployments", self._workload_changed)
        for plural in ("services", "analysistemplates", "clusteranalysistemplates"):
            kernel.subscribe(plural, lambda _, __: self._look_at_invalid())

    # What a reconciliation asks for

    @property
    def kernel(self) -> Kernel:
        return self._kernel

    @property
    def durations(self) -> bool:
        return self._durations

    def replica_sets_of(self, rollout: Object) -> list[Object]:
        return self._of("replicasets", rollout)

    def runs_of(self, rollout: Object) -> list[Object]:
        return self._of("analysisruns", rollout)

    def pods_of(self, replica_sets: list[Object]) -> list[Object]:
        return [pod for found in replica_sets for pod in self._sets.pods_of(found)]

    def wake_after(self, rollout: Object, seconds: float) -> None:
        """Looks at the rollout then, unless a look is due sooner."""
        key, at = key_of(rollout), self._kernel.now + seconds
        waking = self._waking.get(key)
        if waking is not None and waking.waiting:
            if waking.at <= at:
                return
            waking.cancel()
        self._waking[key] = self._kernel.at(at, lambda: self._look_soon(key))

    def _of(self, plural: str, rollout: Object) -> list[Object]:
        keys = self._owned[plural].get(rollout["metadata"]["uid"], ())
        found = (self._kernel.get(plural, *key) for key in sorted(keys))
        return [obj for obj in found if obj is not None]

    # Changes

    def _changed(self, change: Change, rollout: Object) -> None:
        key, uid = key_of(rollout), rollout["metadata"]["uid"]
        if change == "DELETED":
            self._collect(key, rollout)
            return
        if uid not in self._tellings:
            telling = self._tellings[uid] = Telling(self._kernel, self._recorder, rollout)
            name = "/".join(key)
            message = f"Rollout resource added to informer: {name}"
            telling.event("RolloutAddedToInformer", message)
        workload = rollout["spec"].get("workloadRef")
        if workload:
            self._references.setdefault((key[0], workload["name"]), set()).add(key)
        self._look_soon(key)

    def _owned_changed(self, plural: str, change: Change, obj: Object) -> None:
        for owner in obj["metadata"].get("ownerReferences") or ():
            if owner["kind"] != "Rollout":
                continue
            keys = self._owned[plural].setdefault(owner["uid"], set())
            if change == "DELETED":
                keys.discard(key_of(obj))
            else:
                keys.add(key_of(obj))
            self._look_soon((obj["metadata"].get("namespace", ""), owner["name"]))

    def _workload_changed(self, change: Change, workload: Object) -> None:
        del change
        for key in sorted(self._references.get(key_of(workload), ())):
            self._look_soon(key)

    def _look_at_invalid(self) -> None:
        for key in sorted(self._invalid):
            self._look_soon(key)

    def _collect(self, key: Key, rollout: Object) -> None:
        """What a deleted rollout owned goes too."""
        uid = rollout["metadata"]["uid"]
        telling = self._tellings.pop(uid, None)
        if telling is not None:
            telling.event("RolloutDeleted", f"Rollout {key[1]}/{key[0]} is deleted.")
            telling.gone()
        waking = self._waking.pop(key, None)
        if waking is not None:
            waking.cancel()
        self._invalid.discard(key)
        for plural, owned in self._owned.items():
            for each in sorted(owned.pop(uid, ())):
                found = self._kernel.get(plural, *each)
                if found is not None:
                    self._kernel.remove(plural, found)

    # Looks

    def _look_soon(self, key: Key) -> None:
        if key not in self._looking:
            self._looking.add(key)
            self._kernel.after(self._kernel.between(*_DELAY), lambda: self._look(key))

    def _look(self, key: Key) -> None:
        self._looking.discard(key)
        waking = self._waking.pop(key, None)
        if waking is not None:
            waking.cancel()
        with self._kernel.work("Rollouts", key):
            self._reconcile(key)

    def _reconcile(self, key: Key) -> None:
        rollout = self._kernel.get("rollouts", *key)
        telling = self._tellings.get(rollout["metadata"]["uid"]) if rollout else None
        if rollout is None or telling is None:
            return
        telling.rollout = rollout
        if not isinstance(rollout.get("status"), dict):
            rollout["status"] = {}
        problem = spec.problem(rollout, lambda plural, name: self._exists(plural, key[0], name))
        if problem:
            self._refuse(key, rollout, telling, problem)
            return
        self._invalid.discard(key)
        workload = self._workload(rollout)
        strategy = Canary if spec.blue_green(rollout) is None else BlueGreen
        strategy(self, telling, rollout, workload).run()

    def _exists(self, plural: str, namespace: str, name: str) -> bool:
        where = "" if plural.startswith("cluster") else namespace
        return self._kernel.cluster.get(plural, name, where) is not None

    def _workload(self, rollout: Object) -> Object | None:
        """The Deployment that has the pod template; its generation goes into an annotation."""
        reference, meta = rollout["spec"].get("workloadRef"), rollout["metadata"]
        if not reference:
            return None
        workload = self._kernel.get("deployments", meta.get("namespace", ""), reference["name"])
        assert workload is not None  # else the spec is invalid
        generation = str(workload["metadata"].get("generation", 1))
        annotations = meta.get("annotations") or {}
        if annotations.get(spec.WORKLOAD_GENERATION) != generation:
            meta["annotations"] = {**annotations, spec.WORKLOAD_GENERATION: generation}
            self._kernel.put("rollouts", rollout)
        return workload

    def _refuse(self, key: Key, rollout: Object, telling: Telling, problem: str) -> None:
        """Writes that the spec is invalid; what runs goes on running."""
        self._invalid.add(key)
        status = dict(rollout["status"])
        status["conditions"] = list(status.get("conditions") or ())
        known = conditions.find(status, "InvalidSpec")
        if known is None or known["message"] != problem:
            conditions.remove(status, "InvalidSpec")
            now = self._kernel.now
            conditions.put(status, "InvalidSpec", "True", "InvalidSpec", problem, now)
        status["observedGeneration"] = str(rollout["metadata"].get("generation", 1))
        status["phase"], status["message"] = conditions.phase(rollout, status)
        if status != rollout["status"]:
            rollout["status"] = status
            self._kernel.put("rollouts", rollout)
        telling.is_in(status["phase"], status["message"], conclusive=True)
