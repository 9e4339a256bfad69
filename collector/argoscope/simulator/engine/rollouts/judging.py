"""Which conditions a new status gets: healthy, progressing, timed out, aborted, completed."""

from dataclasses import dataclass

from argoscope.simulator.engine.kernel import Object
from argoscope.simulator.engine.rollouts import conditions, spec
from argoscope.simulator.engine.rollouts.pauses import Pauses
from argoscope.simulator.engine.rollouts.telling import Telling


@dataclass(frozen=True, slots=True)
class Judge:
    """Of one reconciliation; ``before`` is the status as it is written, ``status`` the new one."""

    rollout: Object
    before: Object
    status: Object
    pauses: Pauses
    telling: Telling
    now: float
    revision: int

    def judge(self, *, available: bool) -> None:
        """Sets all conditions but Paused, which is written by itself."""
        paused = self.pauses.lasting or bool(self.rollout["spec"].get("paused"))
        healthy = conditions.is_healthy(self.rollout, self.status)
        unhealthy = self._judge_health(healthy and not paused)
        if self.pauses.aborted:
            self._judge_abort()
        elif healthy:
            if not (paused and conditions.reason(self.status) == "RolloutPaused"):
                message = f"{self._new()} has successfully progressed."
                self._put("Progressing", "True", "NewReplicaSetAvailable", message)
        elif conditions.has_progressed(self.rollout, self.status) or unhealthy:
            self._judge_progress(unhealthy)
        elif not spec.is_indefinite(spec.current_step(self.rollout)) and conditions.has_timed_out(
            self.rollout, self.status, self.now
        ):
            self._judge_timeout()
        message = f"Rollout {'has' if available else 'does not have'} minimum availability"
        self._put("Available", "True" if available else "False", "AvailableReason", message)
        self._judge_completed()

    def _put(self, kind: str, value: str, reason: str, message: str) -> bool:
        return conditions.put(self.status, kind, value, reason, message, self.now)

    def _new(self) -> str:
        name = f"{self.rollout['metadata']['name']}-{self.status['currentPodHash']}"
        return f'ReplicaSet "{name}"'

    def _judge_health(self, healthy: bool) -> bool:
        """True if the rollout was healthy until now."""
        if healthy:
            self._put("Healthy", "True", "RolloutHealthy", "Rollout is healthy")
            return False
        if conditions.find(self.before, "Healthy") is None:
            return False
        return self._put("Healthy", "False", "RolloutHealthy", "Rollout is not healthy")

    def _judge_abort(self) -> None:
        message = f"Rollout aborted update to revision {self.revision}"
        if self.pauses.abort_message:
            message = f"{message}: {self.pauses.abort_message}"
        if self._put("Progressing", "False", "RolloutAborted", message):
            self.telling.event("RolloutAborted", message, warning=True)

    def _judge_progress(self, unhealthy: bool) -> None:
        why, message = "ReplicaSetUpdated", f"{self._new()} is progressing."
        if unhealthy and conditions.is_promoted(self.status):
            why = "ReplicaSetNotAvailable"
            message = "Rollout does not have minimum availability"
        known = conditions.find(self.before, "Progressing")
        conditions.progress(self.status, known, why, message, self.now)

    def _judge_timeout(self) -> None:
        message = f"{self._new()} has timed out progressing."
        if self.rollout["spec"].get("progressDeadlineAbort"):
            self.pauses.abort(message, "progress_deadline")
            self.telling.event("RolloutAborted", message, warning=True)
            self._judge_abort()
        else:
            self._put("Progressing", "False", "ProgressDeadlineExceeded", message)

    def _judge_completed(self) -> None:
        done = bool(self.status.get("stableRS")) and conditions.is_promoted(self.status)
        why = "RolloutCompleted"
        if self._put("Completed", "True" if done else "False", why, why) and not done:
            started = f"{self.revision} ({self.status['currentPodHash']})"
            message = f"Rollout not completed, started update to revision {started}"
            self.telling.event("RolloutNotCompleted", message)
