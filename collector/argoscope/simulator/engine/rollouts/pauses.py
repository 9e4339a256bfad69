"""What one reconciliation decides about pauses and aborts, and what that makes of the status."""

from argoscope.simulator.engine.kernel import Object, stamp, unix
from argoscope.simulator.engine.rollouts import spec


def pause_condition(status: Object, reason: str) -> Object | None:
    found = status.get("pauseConditions") or ()
    return next((pause for pause in found if pause["reason"] == reason), None)


class Pauses:
    """Collects decisions; ``write`` puts them into the new status."""

    def __init__(self, rollout: Object) -> None:
        self._rollout = rollout
        self._added: list[str] = []
        self._removed: set[str] = set()
        self._cleared = False
        self._abort = False
        self._unabort = False
        self.abort_message = ""
        self.abort_cause = "user"

    def add(self, reason: str) -> None:
        self._added.append(reason)

    def remove(self, reason: str) -> None:
        self._removed.add(reason)

    def clear(self) -> None:
        self._cleared = True

    def abort(self, message: str, cause: str) -> None:
        self._abort, self.abort_message, self.abort_cause = True, message, cause

    def remove_abort(self) -> None:
        self._unabort = True

    @property
    def adds(self) -> bool:
        return bool(self._added)

    @property
    def aborted(self) -> bool:
        if self._unabort:
            return False
        return self._abort or bool(self._rollout["status"].get("abort"))

    @property
    def lasting(self) -> bool:
        """Whether there are pauses after this reconciliation."""
        if self.aborted or self._cleared:
            return False
        before = self._rollout["status"].get("pauseConditions") or ()
        return self.adds or any(pause["reason"] not in self._removed for pause in before)

    def write(self, status: Object, now: float) -> None:
        """Sets abort, abortedAt, controllerPause and pauseConditions of a new status."""
        before = self._rollout["status"]
        if self._abort or (not self._unabort and before.get("abort")):
            status["abort"] = True
            status["abortedAt"] = before.get("abortedAt") or stamp(now)
            return
        if self._cleared:
            return
        kept = [p for p in before.get("pauseConditions") or () if p["reason"] not in self._removed]
        controller = bool(before.get("controllerPause"))
        for reason in self._added:
            if pause_condition(before, reason) is None:
                kept.append({"reason": reason, "startTime": stamp(now)})
                controller = True
        if kept:
            status["pauseConditions"] = kept
            status["controllerPause"] = controller

    def step_is_over(self, pause: Object, now: float) -> bool:
        """Whether a canary's pause step has been waited out, or a person went on."""
        status = self._rollout["status"]
        found = pause_condition(status, "CanaryPauseStep")
        if found is None:
            return bool(status.get("controllerPause"))
        duration = (pause or {}).get("duration")
        return duration is not None and unix(found["startTime"]) + spec.seconds(duration) <= now

    def cutover_is_free(self, now: float) -> bool:
        """Whether the pause before a blue-green cutover is over, or there is none."""
        strategy, status = spec.blue_green(self._rollout) or {}, self._rollout["status"]
        if self.adds:
            return False
        checkpoint = (status.get("blueGreen") or {}).get("scaleUpPreviewCheckPoint")
        if checkpoint or not spec.pauses_before_cutover(strategy):
            return True
        found = pause_condition(status, "BlueGreenPause")
        if strategy.get("autoPromotionEnabled") is False:
            return bool(status.get("controllerPause")) and found is None
        wait = float(strategy.get("autoPromotionSeconds") or 0)
        return found is not None and unix(found["startTime"]) + wait <= now
