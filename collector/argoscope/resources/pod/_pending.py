"""What a pod waits for, and the episodes of waiting.

An episode is one contiguous time under one trouble (``_reasons.family``) before main starts.
Within a trouble the reason may change (an image error and its back-off, a scheduler message that
names another shortage): the episode counts under the reason that lasted longest.

It starts and ends at times of the status where there are any (the transition of PodScheduled,
the creation, a container's start, the deletion request), else when the daemon saw the change.
The states that every healthy pod passes (``PASSING``) are an episode only from ``PATIENCE`` on;
what an event tells about a container that is being created (volume, sandbox) takes over the
whole time since it began, because that was the cause from the start.
"""

from argoscope.resources import _reasons
from argoscope.resources._reasons import (
    BACKOFF,
    CREATING,
    CREATING_PULL,
    GATED,
    INITIALIZING,
    PASSING,
    SCHEDULING,
)
from argoscope.resources._time import unix
from argoscope.resources.pod._object import Condition, ContainerStatus, Pod
from argoscope.resources.pod._timeline import Episode, Record, initialized

PATIENCE = 30.0
"""Seconds that normal start-up may take without being an episode."""

HINTED = frozenset(
    {
        CREATING,
        INITIALIZING,
        CREATING_PULL,
        _reasons.CREATING_VOLUME,
        _reasons.CREATING_SANDBOX,
    }
)
"""Normal start-up, of which events may tell more."""

_NO_TROUBLE = ("", "ContainerCreating", "PodInitializing")


def waiting_for(
    record: Record, pod: Pod, unscheduled: Condition | None, at: float
) -> tuple[str, float]:
    """(reason, since) of a pod whose main container has not started; ("", 0) for nothing."""
    if unscheduled is not None:
        reason = _reasons.scheduling(unscheduled.reason or "", unscheduled.message or "")
        return reason, unix(unscheduled.last_transition_time) or at
    if not record.scheduled and not pod.spec.node_name:
        return SCHEDULING, record.created or at
    status = pod.status
    trouble = _trouble(status.init_container_statuses) or _trouble(status.container_statuses)
    episode = record.episode
    hint = record.hint
    if trouble == BACKOFF and _reasons.is_image(hint):
        trouble = hint  # an event has told the error that it backs off from
    if trouble:
        record.hint = ""
        return _specific(trouble, episode), at
    if episode and _reasons.is_crash(episode.reason) and not initialized(status):
        # A crashing init container between two tries: terminated, or running once more.
        return episode.reason, at
    if record.init_start:
        return hint if hint == CREATING_PULL else INITIALIZING, record.init_start
    told = hint if hint.startswith(CREATING) else CREATING
    return told, record.scheduled or record.created or at


def _trouble(statuses: list[ContainerStatus] | None) -> str:
    for container in statuses or ():
        waits = container.state.waiting if container.state else None
        if waits and waits.reason and waits.reason not in _NO_TROUBLE:
            return _reasons.waiting(waits.reason, waits.message or "")
    return ""


def _specific(reason: str, episode: Episode | None) -> str:
    """A back-off keeps the error that it backs off from."""
    if (
        reason in _reasons.VAGUE
        and episode
        and _reasons.family(reason) == _reasons.family(episode.reason)
    ):
        return episode.reason
    return reason


def is_coarser(reason: str, known: str) -> bool:
    """The status still says only ContainerCreating, of what an event had told more."""
    return reason == CREATING and known.startswith(CREATING)


def takes_over(old: str, new: str) -> bool:
    """``new`` refines what ``old`` could not tell: it was so from the start."""
    return (old == CREATING and new.startswith(CREATING)) or (
        old == BACKOFF and _reasons.is_image(new)
    )


def is_same_trouble(old: str, new: str) -> bool:
    return _reasons.family(old) == _reasons.family(new) or takes_over(old, new)


def change_reason(episode: Episode, reason: str, at: float) -> None:
    """Another reason of the same trouble."""
    if not takes_over(episode.reason, reason):
        spent = episode.spent = episode.spent or {}
        spent[episode.reason] = spent.get(episode.reason, 0.0) + max(0.0, at - episode.changed)
        episode.changed = at
    episode.reason = reason


def end_of(record: Record, episode: Episode, end: float) -> float:
    """``end``, or the earlier time in the status at which this wait was over: states in between
    may not have been seen."""
    reason = episode.reason
    over = 0.0
    if reason in (SCHEDULING, GATED) or reason.startswith("Unschedulable"):
        over = record.scheduled
    elif reason.startswith(CREATING):
        over = record.init_start or record.main_start
        if over == episode.since:  # main's image, of which an event told in the second of init
            return end
    return min(end, over) if over >= episode.since else end


def conclude(episode: Episode, end: float) -> tuple[str, float] | None:
    """(reason, seconds) of an episode that ended; None if it was only normal start-up."""
    seconds = max(0.0, end - episode.since)
    reason = episode.reason
    if episode.spent:
        spent = dict(episode.spent)
        spent[reason] = spent.get(reason, 0.0) + max(0.0, end - episode.changed)
        reason = max(spent, key=lambda known: spent[known])
    if reason in PASSING and seconds < PATIENCE:
        return None
    return reason, seconds


def blame(record: Record, reason: str) -> None:
    """Note on the pod why it waited: for a node, or for its containers."""
    if reason in (SCHEDULING, GATED) or reason.startswith("Unschedulable"):
        record.schedule_reason = reason
    else:
        record.startup_reason = reason


def deletion_request(pod: Pod) -> float:
    """When somebody asked for the deletion: ``deletionTimestamp`` is later by the grace period."""
    meta = pod.metadata
    return max(0.0, unix(meta.deletion_timestamp) - (meta.deletion_grace_period_seconds or 0))
