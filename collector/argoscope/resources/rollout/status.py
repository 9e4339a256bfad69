"""What a Rollout's status says: its phase, how its attempt stands, and when that happened."""

from argoscope.resources._base import Seen
from argoscope.resources._time import unix
from argoscope.resources.rollout.metrics import PHASES
from argoscope.resources.rollout.objects import REVISION, WORKLOAD_GENERATION, Rollout


def phase(rollout: Rollout) -> str:
    """The phase to show, one of ``PHASES``.

    Until the controller has observed the newest spec, or that a person resumed, status.phase is
    that of before: shown is Progressing, as the controller's own command line does.
    """
    status = rollout.status
    if not is_observed(rollout) or (status.controller_pause and not status.pause_conditions):
        return "Progressing"
    return status.phase if status.phase in PHASES else "Unknown"


def is_observed(rollout: Rollout) -> bool:
    """Whether status is about the newest spec and workload. observedGeneration is a string."""
    status, meta = rollout.status, rollout.metadata
    observed = status.observed_generation
    # A hash is of 0.9; a number above the generation is such a hash by chance.
    if observed.isdecimal() and int(observed) < meta.generation:
        return False
    workload = (meta.annotations or {}).get(WORKLOAD_GENERATION, "")
    seen = status.workload_observed_generation
    return not (workload.isdecimal() and seen.isdecimal() and int(workload) != int(seen))


def is_first_revision(rollout: Rollout) -> bool:
    """Whether the revision is the first: a creation, whose stableRS is set before a pod runs."""
    status = rollout.status
    if not status.stable_rs:
        return True
    revision = (rollout.metadata.annotations or {}).get(REVISION, "")
    return revision == "1" and status.stable_rs == status.current_pod_hash


def is_stable(rollout: Rollout) -> bool:
    """Whether the current revision is the stable one."""
    status = rollout.status
    return bool(status.stable_rs) and status.stable_rs == status.current_pod_hash


def is_aborted(rollout: Rollout) -> bool:
    """Whether the controller has aborted the current revision.

    A person's ``abort: true`` is not enough before the controller acted on it, and their
    ``abort: false`` (a retry) does not undo it before the controller did.
    """
    status = rollout.status
    # Without abortedAt the condition is what is left, for a moment, of an abort that is over.
    if is_stable(rollout) or not status.aborted_at:
        return False
    progressing = status.condition("Progressing")
    return status.abort or (progressing is not None and progressing.reason == "RolloutAborted")


def was_healthy(rollout: Rollout) -> bool:
    """Whether it was Healthy at least once: the condition appears with the first time."""
    return rollout.status.phase == "Healthy" or rollout.status.condition("Healthy") is not None


def is_rollback(rollout: Rollout) -> bool:
    """Whether the controller itself (1.10) calls the ended attempt a rollback."""
    times = rollout.status.duration
    return times is not None and times.completion_status.endswith("RolledBack")


def waits_for_person(rollout: Rollout) -> bool:
    """Whether the rollout is paused and nothing but a person will go on with it."""
    if rollout.spec.paused:
        return True
    return any(
        _is_indefinite(rollout, condition.reason)
        for condition in rollout.status.pause_conditions or ()
    )


def _is_indefinite(rollout: Rollout, reason: str) -> bool:
    if reason == "CanaryPauseStep":
        steps, index = rollout.steps, rollout.status.current_step_index or 0
        pause = steps[index].pause if index < len(steps) else None
        return pause is not None and pause.duration is None
    if reason == "BlueGreenPause":
        blue_green = rollout.blue_green
        return not (blue_green and blue_green.auto_promotion_seconds)
    return True


def transition(rollout: Rollout, condition: str, status: str) -> float:
    """Unix time at which a condition took ``status``; 0 when it has another one now."""
    found = rollout.status.condition(condition)
    if found is None or found.status != status:
        return 0.0
    return unix(found.last_transition_time)


def attempt_started(rollout: Rollout) -> float:
    """The controller's own start of the current attempt (status.duration, 1.10), or 0."""
    times = rollout.status.duration
    return unix(times.rollout_started_at) if times else 0.0


def attempt_finished(rollout: Rollout) -> float:
    """The controller's own end of the current attempt (status.duration, 1.10), or 0."""
    times = rollout.status.duration
    return unix(times.finished_at) if times else 0.0


def promoted_at(rollout: Rollout) -> float:
    """When the current revision became stable, or 0: status.duration, else Completed."""
    return attempt_finished(rollout) or transition(rollout, "Completed", "True")


def ended_at(rollout: Rollout, seen: Seen) -> float:
    """When the attempt ended that is seen for the first time; 0 when nothing says it for sure."""
    if is_aborted(rollout):
        return aborted_at(rollout)
    if not is_first_revision(rollout):
        return promoted_at(rollout)
    created = unix(rollout.metadata.creation_timestamp)  # Healthy moves when pods restart
    return attempt_finished(rollout) or (0.0 if seen.is_history(created) else created)


def aborted_at(rollout: Rollout) -> float:
    """When the attempt was aborted, or 0: status.abortedAt, else the condition's time."""
    return unix(rollout.status.aborted_at) or transition(rollout, "Progressing", "False")


def healthy_at(rollout: Rollout) -> float:
    """When the rollout became Healthy, or 0.

    The condition is True before the post-promotion analysis, and stays False for a moment after
    a promotion: the later of it and of the promotion.
    """
    return max(transition(rollout, "Healthy", "True"), promoted_at(rollout))


def degraded_at(rollout: Rollout) -> float:
    """When the rollout became Degraded, or 0: abort, progress deadline or a bad spec."""
    if is_aborted(rollout):
        return aborted_at(rollout)
    return transition(rollout, "InvalidSpec", "True") or transition(rollout, "Progressing", "False")


def paused_at(rollout: Rollout) -> float:
    """When the present pause began, or 0."""
    starts = [unix(pause.start_time) for pause in rollout.status.pause_conditions or ()]
    return min((start for start in starts if start), default=0.0) or transition(
        rollout, "Paused", "True"
    )


def phase_since(rollout: Rollout, shown: str) -> float:
    """When the rollout entered the shown phase as far as its status tells, or 0."""
    if not rollout.status.phase:
        return unix(rollout.metadata.creation_timestamp)  # no controller has looked at it
    if shown != rollout.status.phase:
        return 0.0
    if shown == "Healthy":
        return healthy_at(rollout)
    if shown == "Paused":
        return paused_at(rollout)
    if shown == "Degraded":
        return degraded_at(rollout)
    conditions = (rollout.status.condition(kind) for kind in ("Healthy", "Paused", "Progressing"))
    return max((unix(found.last_transition_time) for found in conditions if found), default=0.0)
