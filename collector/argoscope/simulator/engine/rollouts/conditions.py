"""A Rollout's conditions, and the phase and message that the controller makes of its status."""

from argoscope.simulator.engine.kernel import Object, stamp, unix
from argoscope.simulator.engine.rollouts import spec

_DEGRADED = ("RolloutAborted", "ProgressDeadlineExceeded")


def find(status: Object, kind: str) -> Object | None:
    return next((found for found in status.get("conditions") or () if found["type"] == kind), None)


def reason(status: Object, kind: str = "Progressing") -> str:
    found = find(status, kind)
    return str(found["reason"]) if found else ""


def is_true(status: Object, kind: str) -> bool:
    found = find(status, kind)
    return found is not None and found["status"] == "True"


def put(status: Object, kind: str, value: str, why: str, message: str, now: float) -> bool:
    """Sets a condition; False if it has that status and reason already, and nothing changed.

    A changed condition goes to the end of the list, as the controller leaves it.
    """
    known = find(status, kind)
    if known is not None and known["status"] == value and known["reason"] == why:
        return False
    changed = known is None or known["status"] != value
    since = stamp(now) if known is None or changed else known["lastTransitionTime"]
    _append(status, kind, value, why, message, since, now)
    return True


def progress(status: Object, before: Object | None, why: str, message: str, now: float) -> None:
    """Sets Progressing to True with a fresh lastUpdateTime: what the deadline counts from."""
    since = stamp(now)
    if before is not None and before["status"] == "True":
        since = before["lastTransitionTime"]
    _append(status, "Progressing", "True", why, message, since, now)


def _append(
    status: Object, kind: str, value: str, why: str, message: str, since: str, now: float
) -> None:
    remove(status, kind)
    status["conditions"].append(
        {
            "lastTransitionTime": since,
            "lastUpdateTime": stamp(now),
            "message": message,
            "reason": why,
            "status": value,
            "type": kind,
        }
    )


def remove(status: Object, kind: str) -> None:
    status["conditions"] = [c for c in status.get("conditions") or () if c["type"] != kind]


def phase(rollout: Object, status: Object) -> tuple[str, str]:
    """(status.phase, status.message) for a status of that rollout."""
    for found in status.get("conditions") or ():
        if found["type"] == "InvalidSpec":
            return "Degraded", f"InvalidSpec: {found['message']}"
        if found["reason"] in _DEGRADED:
            return "Degraded", f"{found['reason']}: {found['message']}"
    if rollout["spec"].get("paused"):
        return "Paused", "manually paused"
    if status.get("pauseConditions"):
        return "Paused", str(status["pauseConditions"][0]["reason"])
    message = _unfinished(rollout, status)
    return ("Progressing", message) if message else ("Healthy", "")


def _unfinished(rollout: Object, status: Object) -> str:
    """What the rollout still waits for; empty if it is healthy."""
    updated = status.get("updatedReplicas", 0)
    promoted = bool(status.get("stableRS")) and is_promoted(status)
    restart = rollout["spec"].get("restartAt")
    if restart and restart != status.get("restartedAt"):
        return "rollout is restarting"
    if updated < spec.replicas(rollout):
        return "more replicas need to be updated"
    if status.get("availableReplicas", 0) < updated:
        return "updated replicas are still becoming available"
    strategy = spec.blue_green(rollout)
    if strategy is not None:
        colours = status.get("blueGreen") or {}
        if colours.get("activeSelector", "") != status.get("currentPodHash"):
            return "active service cutover pending"
        if promoted:
            return ""
        post = (colours.get("postPromotionAnalysisRunStatus") or {}).get("status", "")
        if strategy.get("postPromotionAnalysis") and post in ("", "Pending", "Running"):
            return "waiting for analysis to complete"
        return "waiting for post-promotion verification to complete"
    if not spec.routes_traffic(rollout) and status.get("replicas", 0) > updated:
        return "old replicas are pending termination"
    return "" if promoted else "waiting for all steps to complete"


def is_promoted(status: Object) -> bool:
    """Whether the current revision is the stable one."""
    return bool(status.get("stableRS", "") == status.get("currentPodHash", ""))


def is_healthy(rollout: Object, status: Object) -> bool:
    """Whether a new status makes the rollout complete; its spec must have been observed before."""
    meta = rollout["metadata"]
    replicas = spec.replicas(rollout)
    observed = rollout["status"].get("observedGeneration")
    if observed != str(meta.get("generation", 1)):
        return False
    if status.get("updatedReplicas", 0) != replicas:
        return False
    if status.get("availableReplicas", 0) != replicas:
        return False
    strategy = spec.blue_green(rollout)
    if strategy is not None:
        colours = status["blueGreen"]
        fields = [
            "activeSelector",
            *(["previewSelector"] if strategy.get("previewService") else []),
        ]
        return all(colours.get(field, "") == status["currentPodHash"] for field in fields)
    steps, index = len(spec.steps(rollout)), status.get("currentStepIndex")
    done = steps == 0 or index is None or index == steps
    promoted = bool(status.get("stableRS")) and is_promoted(status)
    return done and promoted and status.get("replicas", 0) == replicas


def has_progressed(rollout: Object, status: Object) -> bool:
    """Whether a new status is nearer to the end than the one that is written."""
    before = rollout["status"]
    if spec.blue_green(rollout) is not None:
        old, new = before.get("blueGreen") or {}, status["blueGreen"]
        fields: tuple[str, ...] = ("activeSelector", "previewSelector")
        moved = any(old.get(field, "") != new.get(field, "") for field in fields)
    else:
        fields = ("stableRS", "currentStepHash")
        moved = any(before.get(field, "") != status.get(field, "") for field in fields)
        indices = before.get("currentStepIndex"), status.get("currentStepIndex")
        moved = moved or (None not in indices and indices[0] != indices[1])

    def count(of: Object, field: str) -> int:
        return int(of.get(field, 0))

    old_before = count(before, "replicas") - count(before, "updatedReplicas")
    old_now = count(status, "replicas") - count(status, "updatedReplicas")
    return (
        moved
        or count(status, "updatedReplicas") != count(before, "updatedReplicas")
        or old_now < old_before
        or count(status, "readyReplicas") > count(before, "readyReplicas")
        or count(status, "availableReplicas") > count(before, "availableReplicas")
    )


def has_timed_out(rollout: Object, status: Object, now: float) -> bool:
    """Whether the progress deadline has passed since Progressing was last updated."""
    found = find(status, "Progressing")
    if found is None or found["reason"] == "RolloutAborted":
        return False
    if found["reason"] == "ProgressDeadlineExceeded":
        return True
    return unix(found["lastUpdateTime"]) + spec.progress_deadline(rollout) < now
