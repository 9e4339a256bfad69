"""Rollouts and waiting pods whose every conclusion must be counted."""

from chaos.pipelines import begin, end, end_pod
from chaos.stage import NAMESPACE, Stage
from chaos.truth import Object, series
from support.scripted import objects as make

_STEPS = 4
_ABORTED = (
    "RolloutAborted: Rollout aborted update to revision {}: Step-based analysis phase error/failed:"
    ' Metric "error-rate" assessed Failed due to failed (2) > failureLimit (1)'
)


class Releases:
    """A canary Rollout: each release ends, promoted or aborted, before the next begins."""

    def __init__(self, name: str, stage: Stage, now: float) -> None:
        self._name = name
        self._stage = stage
        self._next = now
        self._step = _STEPS
        self._revision = 1
        meta = {"name": name, "namespace": NAMESPACE, "uid": make.uid(stage.random)}
        meta |= {"creationTimestamp": make.stamp(now - 86400.0)}
        stable = self._hash()
        self._status: Object = {"currentPodHash": stable, "stableRS": stable}
        steps = [{"setWeight": 20 * (step + 1)} for step in range(_STEPS)]
        spec = {"replicas": 4, "strategy": {"canary": {"steps": steps}}}
        self._object: Object = {"metadata": meta, "spec": spec, "status": self._status}
        self._rest("Healthy", now)

    @property
    def idle(self) -> bool:
        return self._step >= _STEPS

    def advance(self, now: float) -> None:
        if now < self._next:
            return
        self._next = now + self._stage.random.uniform(0.05, 0.6)
        if self._step < _STEPS:
            self._move(now)
        elif not self._stage.draining and self._stage.settled(self._name):
            self._begin(now)

    def _hash(self) -> str:
        return f"{self._stage.random.getrandbits(36):x}"

    def _begin(self, now: float) -> None:
        self._step = 0
        self._revision += 1
        for name in ("abort", "abortedAt"):
            self._status.pop(name, None)
        self._status |= {
            "phase": "Progressing",
            "message": "more replicas need to be updated",
            "currentPodHash": self._hash(),
            "currentStepIndex": 0,
            "conditions": [make.condition("Completed", "False", now)],
        }
        self._write()

    def _move(self, now: float) -> None:
        if self._step and self._stage.chance(0.15):
            self._status |= {"abort": True, "abortedAt": make.stamp(now)}
            self._count("aborted")
            self._step = _STEPS
            self._rest("Degraded", now, _ABORTED.format(self._revision))
            return
        self._step += 1
        self._status["currentStepIndex"] = self._step
        if self._step < _STEPS:
            self._write()
            return
        self._status["stableRS"] = self._status["currentPodHash"]
        self._count("promoted")
        self._rest("Healthy", now)

    def _rest(self, phase: str, now: float, message: str = "") -> None:
        index = 0 if "abort" in self._status else _STEPS
        completed = make.condition("Completed", str(phase == "Healthy"), now)
        self._status |= {"phase": phase, "message": message, "currentStepIndex": index}
        self._status |= {"replicas": 4, "availableReplicas": 4, "conditions": [completed]}
        self._write()

    def _write(self) -> None:
        meta = self._object["metadata"]
        meta |= {"generation": self._revision}
        meta["annotations"] = {"rollout.argoproj.io/revision": str(self._revision)}
        self._status["observedGeneration"] = str(self._revision)
        self._stage.put("rollouts", self._object)

    def _count(self, result: str) -> None:
        labels = {"namespace": NAMESPACE, "rollout": self._name, "result": result}
        self._stage.truth.expected[self._name][series("argo_rollouts_total", **labels)] += 1


class Waiting:
    """Pods of a long run that find no room for a while: an episode of waiting each."""

    def __init__(self, name: str, stage: Stage, now: float) -> None:
        self._name = name
        self._stage = stage
        self._owner = begin(name, stage.random, now)
        self._pod: Object | None = None
        self._since = 0.0
        self._seen: tuple[int, float] | None = None
        self._ended = False
        self._next = 0.0
        stage.put("workflows", self._owner)

    @property
    def idle(self) -> bool:
        return bool(self._owner["status"]["phase"] != "Running")

    def advance(self, now: float) -> None:
        if now < self._next or self.idle:
            return
        self._next = now + self._stage.random.uniform(0.05, 0.3)
        if self._pod is None:
            if self._stage.draining:
                self._end_owner(now)
            else:
                self._begin(now)
        elif not self._ended:
            if self._is_committed() and now >= self._since + 1.0:
                self._end(self._pod, now)
        elif self._stage.settled(self._name):
            self._stage.remove("pods", self._pod)
            self._pod = None

    def _begin(self, now: float) -> None:
        (node,) = self._owner["status"]["nodes"].values()
        identity = f"{self._owner['metadata']['name']}-{self._stage.random.getrandbits(32)}"
        node = node | {"id": identity, "name": f"{node['name']}.step", "templateName": "step"}
        pod = make.pod(self._owner, node, now, self._stage.random)
        message = "0/12 nodes are available: 9 Insufficient cpu, 3 Insufficient memory."
        condition = make.condition("PodScheduled", "False", now, "Unschedulable", message)
        pod["status"]["conditions"] = [condition]
        self._pod, self._since, self._seen, self._ended = pod, now, None, False
        self._stage.put("pods", pod)

    def _end_owner(self, now: float) -> None:
        end(self._owner, now, "Succeeded")
        self._stage.put("workflows", self._owner)
        self._stage.truth.close(self._owner["metadata"]["uid"])

    def _is_committed(self) -> bool:
        """A gauge shows the pod waiting, and the same daemon has committed since."""
        shown = self._stage.shown
        if self._seen is None or self._seen[0] != shown.life:
            waits = shown.at > self._since and shown.total("argo_pods_pending", self._name)
            self._seen = (shown.life, shown.at) if waits else None
            return False
        return shown.get("argoscope_ledger_last_commit_timestamp_seconds") > self._seen[1]

    def _end(self, pod: Object, now: float) -> None:
        end_pod(pod, now, now)
        self._stage.put("pods", pod)
        self._ended = True
        labels = {"namespace": NAMESPACE, "pipeline": self._name}
        into = self._stage.truth.expected[self._name]
        reason = "Unschedulable: insufficient cpu"
        into[series("argo_pod_pending_episodes_total", **labels, reason=reason)] += 1
        for stage in ("schedule", "init", "prepare", "main", "wait"):
            staged = labels | {"template": "step", "stage": stage}
            into[series("argo_pod_stage_seconds_count", **staged)] += 1
