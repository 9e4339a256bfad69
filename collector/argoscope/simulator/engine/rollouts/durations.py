"""``status.duration``, which Rollouts 1.10 writes: its own record of an attempt's times."""

from argoscope.simulator.engine.kernel import Object, stamp, unix
from argoscope.simulator.engine.rollouts import spec
from argoscope.simulator.engine.rollouts.telling import Attempt


def timed(
    rollout: Object, before: Object, status: Object, attempt: Attempt | None, now: float
) -> Object:
    """The duration of a new status whose phase is known: ends other than promotions, pauses."""
    times = dict(status.get("duration") or {})
    if status.get("abort") and not before.get("abortedAt") and attempt is not None:
        times |= {"completionStatus": "Aborted", "finishedAt": stamp(now)}
    if status["phase"] == "Healthy" and times and not times.get("finishedAt"):
        times |= {"completionStatus": "Promoted", "finishedAt": stamp(now)}
    waits = waits_for_person(rollout, status)
    if waits and "manualPauseStartedAt" not in times and not times.get("finishedAt"):
        times["manualPauseStartedAt"] = stamp(now)
    elif not waits and "manualPauseStartedAt" in times:
        lasted = int(now) - int(unix(times.pop("manualPauseStartedAt")))
        known = times.get("totalManualPauseDurationSeconds", 0)
        times["totalManualPauseDurationSeconds"] = known + lasted
    if not times and attempt is not None:
        times = {"rolloutStartedAt": stamp(attempt.begun)}
    return times


def waits_for_person(rollout: Object, status: Object) -> bool:
    """Whether the rollout is paused, and only a person goes on with it."""
    if rollout["spec"].get("paused"):
        return True
    return any(_is_indefinite(rollout, status, p) for p in status.get("pauseConditions") or ())


def _is_indefinite(rollout: Object, status: Object, pause: Object) -> bool:
    if pause["reason"] == "CanaryPauseStep":
        step = spec.current_step({**rollout, "status": status}) or {}
        return (step.get("pause") or {}).get("duration") is None
    if pause["reason"] == "BlueGreenPause":
        return not (spec.blue_green(rollout) or {}).get("autoPromotionSeconds")
    return True
