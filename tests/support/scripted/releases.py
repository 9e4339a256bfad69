"""Rollouts of the scripted cluster: canary releases that pause, promote or abort."""

from random import Random

from support.scripted import objects as make
from support.scripted.objects import Object
from support.scripted.runs import Put

STEPS: tuple[Object, ...] = (
    {"setWeight": 25},
    {"pause": {"duration": "5s"}},
    {"setWeight": 50},
    {"pause": {"duration": "5s"}},
)
STEP_SECONDS = 4.0
REPLICAS = 4


class Release:
    """One Rollout object; a new revision starts some time after the last one ended."""

    def __init__(
        self,
        name: str,
        namespace: str,
        random: Random,
        put: Put,
        now: float,
        *,
        fails: float,
    ) -> None:
        self._random, self._put, self._fails = random, put, fails
        self._revision = 1
        self._stable = self._hash()
        self._step = len(STEPS)
        self._next = now + random.uniform(4.0, 15.0)
        self._aborts_at = -1
        self._object: Object = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Rollout",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": make.uid(random),
                "creationTimestamp": make.stamp(now - 86400),
                "generation": 1,
                "annotations": {"rollout.argoproj.io/revision": "1"},
            },
            "spec": {
                "replicas": REPLICAS,
                "strategy": {"canary": {"steps": [dict(step) for step in STEPS]}},
            },
            "status": {
                "phase": "Healthy",
                "observedGeneration": "1",
                "currentPodHash": self._stable,
                "stableRS": self._stable,
                "currentStepIndex": len(STEPS),
                "replicas": REPLICAS,
                "updatedReplicas": REPLICAS,
                "readyReplicas": REPLICAS,
                "availableReplicas": REPLICAS,
                "conditions": [make.condition("Completed", "True", now)],
            },
        }
        self._write()

    def _hash(self) -> str:
        return f"{self._random.getrandbits(36):x}"

    def _write(self) -> None:
        self._put("rollouts", self._object)

    def advance(self, now: float) -> None:
        if now < self._next:
            return
        self._next = now + STEP_SECONDS
        if self._step >= len(STEPS):
            self._begin(now)
        elif self._step == self._aborts_at:
            self._abort(now)
        else:
            self._move(now)
        self._write()

    def _begin(self, now: float) -> None:
        meta, status = self._object["metadata"], self._object["status"]
        self._revision += 1
        self._step = 0
        self._aborts_at = 3 if self._random.random() < self._fails else -1
        meta["generation"] += 1
        meta["annotations"]["rollout.argoproj.io/revision"] = str(self._revision)
        for key in ("abort", "abortedAt", "message"):
            status.pop(key, None)
        status |= {
            "phase": "Progressing",
            "message": "more replicas need to be updated",
            "observedGeneration": str(meta["generation"]),
            "currentPodHash": self._hash(),
            "currentStepIndex": 0,
            "updatedReplicas": 1,
            "conditions": [make.condition("Completed", "False", now)],
        }

    def _move(self, now: float) -> None:
        status = self._object["status"]
        self._step += 1
        status |= {"currentStepIndex": self._step, "updatedReplicas": min(self._step, REPLICAS)}
        status.pop("pauseConditions", None)
        if self._step >= len(STEPS):
            self._stable = status["currentPodHash"]
            status.pop("message", None)
            status |= {
                "phase": "Healthy",
                "stableRS": self._stable,
                "updatedReplicas": REPLICAS,
                "conditions": [make.condition("Completed", "True", now)],
            }
            self._next = now + self._random.uniform(10.0, 30.0)
        elif "pause" in STEPS[self._step]:
            status |= {
                "phase": "Paused",
                "message": "CanaryPauseStep",
                "pauseConditions": [
                    {"reason": "CanaryPauseStep", "startTime": make.stamp(now)},
                ],
            }
        else:
            status |= {"phase": "Progressing", "message": "more replicas need to be updated"}

    def _abort(self, now: float) -> None:
        status = self._object["status"]
        self._step = len(STEPS)
        status.pop("pauseConditions", None)
        status |= {
            "phase": "Degraded",
            "abort": True,
            "abortedAt": make.stamp(now),
            "currentStepIndex": 0,
            "updatedReplicas": 0,
            "message": (
                f"RolloutAborted: Rollout aborted update to revision {self._revision}: "
                'Step-based analysis phase error/failed: Metric "error-rate" assessed Failed '
                "due to failed (2) > failureLimit (1)"
            ),
        }
        self._next = now + self._random.uniform(15.0, 30.0)
