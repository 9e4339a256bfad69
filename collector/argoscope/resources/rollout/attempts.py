"""From a Rollout's changes to attempts, steps and pauses that ended, each counted once.

An attempt to release is a ``currentPodHash``, from when it appears (or from a retry after an
abort) to its end. Ends are read from where the status has got to and not from the way there,
because a watch may skip any state in between: stableRS equal to the hash is a promotion, another
hash with the old stableRS a supersession. An end that such a jump hides is not guessed.
"""

from collections.abc import Iterable, Iterator

import msgspec

from argoscope.metrics.model import Labels, Metric
from argoscope.resources._base import Options, PastRun, Seen, Sink
from argoscope.resources._limits import AnnotatedLimits
from argoscope.resources._records import Codec, Journal
from argoscope.resources._time import unix
from argoscope.resources.rollout import gauges, status
from argoscope.resources.rollout.causes import abort_cause, pause_cause, possible_abort_causes
from argoscope.resources.rollout.metrics import (
    ABORTS,
    ATTEMPTS,
    CONVERGENCE,
    DURATION,
    PAUSED,
    RESULTS,
    STEP_SECONDS,
)
from argoscope.resources.rollout.objects import Rollout
from argoscope.resources.world import World

# Kubernetes times are whole seconds and come from other clocks.
_CLOCK = 2.0
# A controller with a stale copy can write abortedAt again, a little later; a retry takes longer.
_SAME_ABORT = 5.0


class _Record(msgspec.Struct, gc=False, array_like=True):
    """What is known of a live Rollout. Times are Unix seconds, 0 when not known.

    The ledger keeps it as it is, by position: a change of the fields changes ``_CODEC``.
    """

    labels: Labels
    seen_at: float = 0.0
    """When it was last seen; 0 while it is looked at for the first time."""
    generation: int = -1
    phase: str = ""
    phase_since: float = 0.0
    hash: str = ""
    """currentPodHash of the latest attempt."""
    stable: str = ""
    """stableRS when that attempt began."""
    open: bool = False
    """The attempt has not ended."""
    creation: bool = False
    started: float = 0.0
    """0 also when it began unseen and the status does not say."""
    aborted: float = -1.0
    """abortedAt of the attempt; -1 unless it ended so."""
    converged: bool = True
    """Its convergence is counted, or is not to be."""
    step: int = -1
    step_since: float = 0.0
    pauses: tuple[tuple[str, float], ...] = ()
    """(cause, start) of the pauses that last."""


_CODEC: Codec[_Record] = Codec(1, _Record)


class RolloutDeriver:
    def __init__(self, world: World, sink: Sink, options: Options) -> None:
        del world  # nothing is joined: the status has all
        self._sink = sink
        self._limits = AnnotatedLimits("Rollout", frozenset({"rollout"}), sink, options)
        self._records: dict[str, _Record] = {}
        self._journal: Journal[_Record] = Journal("Rollout", sink, _CODEC)

    def upsert(self, obj: Rollout, seen: Seen) -> None:
        meta = obj.metadata
        record = self._records.get(meta.uid)
        if record is None:
            seen = self._journal.met(meta.uid, seen)
            record = _Record((meta.namespace, meta.name))
            self._records[meta.uid] = record
        self._journal.changed.add(meta.uid)
        self._declare(record, obj)
        for what in obj.skipped:
            self._sink.problem("Rollout", "malformed_field", f"{meta.namespace}/{meta.name} {what}")
        self._follow(record, obj, seen)
        self._follow_pauses(record, obj, seen)
        shown = status.phase(obj)
        self._follow_phase(record, obj, shown, seen)
        record.seen_at = seen.at
        self._limits.read(meta)
        self._sink.own(
            meta.uid, gauges.contributions(obj, record.labels, shown, record.phase_since)
        )

    def delete(self, uid: str, obj: Rollout | None, seen: Seen) -> None:
        if uid not in self._records:
            self._journal.missed(uid)
            return  # a second deletion must not count the last state again
        if obj is not None:
            self.upsert(obj, seen)
        record = self._records.pop(uid)
        self._journal.changed.add(uid)
        if obj is None and record.open:
            self._hidden(record, record.hash)
        self._limits.forget(uid)
        self._sink.own(uid, ())

    def tick(self, now: float) -> None:
        """Nothing here changes with time: ages are computed from their start."""

    def changes(self) -> Iterator[tuple[str, bytes | None]]:
        return self._journal.changes(self._records.get)

    def restore(self, records: Iterable[tuple[str, bytes]]) -> None:
        """The gauges need the objects: they come with the list."""
        self._records.update(self._journal.read(records))

    def recall(self, runs: Iterable[PastRun]) -> None:
        """Not needed: runs are those of Workflows."""

    def _follow_phase(self, record: _Record, obj: Rollout, shown: str, seen: Seen) -> None:
        since = status.phase_since(obj, shown)
        if shown == record.phase:
            # Another pause, and what was between the two was not seen.
            if shown == "Paused" and since > record.phase_since:
                record.phase_since = since
            return
        record.phase, record.phase_since = shown, _when(record, since, seen)
        if shown == "Unknown" and obj.status.phase:
            detail = f"{'/'.join(record.labels)} {obj.status.phase}"
            self._sink.problem("Rollout", "unknown_phase", detail)

    def _declare(self, record: _Record, obj: Rollout) -> None:
        if record.generation == obj.metadata.generation and record.seen_at:
            return
        record.generation = obj.metadata.generation
        for result in RESULTS:
            self._sink.declare(ATTEMPTS, (*record.labels, result))
        for cause in possible_abort_causes(obj):
            self._sink.declare(ABORTS, (*record.labels, cause))

    def _follow(self, record: _Record, obj: Rollout, seen: Seen) -> None:
        """Bring the record's attempt to where the status is."""
        current = obj.status.current_pod_hash
        if not current:
            return  # not reconciled yet, or its spec was never valid
        live = current == record.hash
        if not record.hash:
            self._begin(record, obj, seen)
            if _has_ended(record, obj) and (
                _is_between(record, obj) or seen.is_history(status.ended_at(obj, seen))
            ):
                _rest(record, obj)
        elif not live:
            self._switch(record, obj, seen)
        elif record.aborted >= 0 and _is_retried(record, obj):
            live = False
            self._begin(record, obj, seen)
        if live and record.open:
            self._follow_steps(record, obj, seen)
        self._converge(record, obj, seen, live)
        if record.open and _has_ended(record, obj):
            self._conclude(record, obj, seen, live)

    def _begin(self, record: _Record, obj: Rollout, seen: Seen) -> None:
        first_sight = not record.hash
        record.hash = obj.status.current_pod_hash
        record.stable = obj.status.stable_rs
        record.open, record.aborted = True, -1.0
        record.creation = status.is_first_revision(obj)
        record.started = _start(record, obj, seen, first_sight)
        record.converged = record.creation or (first_sight and _has_converged(record, obj, seen))
        record.step = obj.status.current_step_index or 0
        record.step_since = record.started if record.step == 0 else 0.0

    def _switch(self, record: _Record, obj: Rollout, seen: Seen) -> None:
        """Another pod template: the open attempt has ended, and mostly a new one begins."""
        stable = obj.status.stable_rs
        back = (
            status.is_stable(obj)
            and stable == record.stable
            and not record.creation
            and not _is_another(record, obj)
        )
        if back and record.open:
            end = _valid(record, status.promoted_at(obj)) or seen.at
            self._count(record.labels, "rolled_back", record.started, end)
        if back and (record.open or record.aborted >= 0):
            # Back to what was stable all along: no release, whether it undoes or tidies up.
            record.hash = record.stable
            _rest(record, obj)
            return
        before, started = record.hash, record.started
        result = _result_before(record, obj) if record.open else ""
        self._begin(record, obj, seen)
        if result == "hidden":
            self._hidden(record, before)
        elif result:
            # A promotion that was not seen has no time any more: the status is about the next.
            end = record.started if result == "superseded" else 0.0
            self._count(record.labels, result, started, end)

    def _conclude(self, record: _Record, obj: Rollout, seen: Seen, live: bool) -> None:
        """Count the end of the open attempt; ``live`` if it was open when last seen."""
        fallback = seen.at if live else 0.0
        record.open = False
        if status.is_aborted(obj):
            record.aborted = status.aborted_at(obj)
            step = obj.steps[record.step].type if record.step < len(obj.steps) else ""
            self._sink.count(ABORTS, (*record.labels, abort_cause(obj, step)))
            result, end = "aborted", record.aborted
        elif record.creation:
            result, end = "created", _valid(record, status.attempt_finished(obj))
            # Later changes of the condition, as of a restart, are not the end of the creation.
            if not end and live:
                end = status.transition(obj, "Healthy", "True")
            if obj.status.phase != "Healthy":
                fallback = 0.0
        else:
            result = "rolled_back" if status.is_rollback(obj) else "promoted"
            end = _valid(record, status.promoted_at(obj))
        self._count(record.labels, result, record.started, end or fallback)

    def _hidden(self, record: _Record, revision: str) -> None:
        detail = f"{'/'.join(record.labels)}: how {revision} ended"
        self._sink.problem("Rollout", "attempt_end_unseen", detail)

    def _count(self, labels: Labels, result: str, start: float, end: float) -> None:
        self._sink.count(ATTEMPTS, (*labels, result))
        self._observe(DURATION, (*labels, result), start, end)

    def _converge(self, record: _Record, obj: Rollout, seen: Seen, live: bool) -> None:
        """Count how long the attempt took to its first conclusive phase."""
        if record.converged:
            return
        phase = obj.status.phase
        if phase == "Healthy" and status.is_stable(obj):
            at = status.healthy_at(obj) if live else status.promoted_at(obj)
        elif phase == "Degraded":
            at = status.degraded_at(obj)
        elif phase == "Paused" and status.waits_for_person(obj):
            at = status.paused_at(obj)
        else:
            return
        record.converged = True
        end = _valid(record, at) or (seen.at if live else 0.0)
        self._observe(CONVERGENCE, (*record.labels, phase), record.started, end)

    def _follow_steps(self, record: _Record, obj: Rollout, seen: Seen) -> None:
        """Count the step before when the index went up by one; a jump hides who took how long."""
        index = obj.status.current_step_index
        if record.creation or index is None or index == record.step or status.is_aborted(obj):
            return
        if index == record.step + 1 and record.step < len(obj.steps):
            labels = (*record.labels, obj.steps[record.step].type)
            self._observe(STEP_SECONDS, labels, record.step_since, seen.at)
        record.step, record.step_since = index, seen.at

    def _follow_pauses(self, record: _Record, obj: Rollout, seen: Seen) -> None:
        known = dict(record.pauses)
        lasting = self._lasting_pauses(record, obj, known, seen)
        for cause, start in record.pauses:
            if cause not in lasting:
                self._observe(PAUSED, (*record.labels, cause), start, _resumed(obj, start, seen))
        record.pauses = tuple(lasting.items())

    def _lasting_pauses(
        self, record: _Record, obj: Rollout, known: dict[str, float], seen: Seen
    ) -> dict[str, float]:
        """Cause -> start of the present pauses; a start of 0 is unknown."""
        lasting = {}
        for pause in obj.status.pause_conditions or ():
            cause = pause_cause(pause.reason)
            lasting[cause] = unix(pause.start_time)
            if not lasting[cause] and cause not in known:
                detail = f"{'/'.join(record.labels)} pauseConditions: {pause.start_time}"
                self._sink.problem("Rollout", "malformed_time", detail)
        # spec.paused has no time of its own, and the condition is shared with the other pauses.
        if obj.spec.paused and "user" in known:
            lasting["user"] = known["user"]
        elif obj.spec.paused and obj.status.phase == "Paused":
            paused = status.transition(obj, "Paused", "True")
            lasting["user"] = _when(record, paused, seen) if record.seen_at else paused
        return lasting

    def _observe(self, metric: Metric, labels: Labels, start: float, end: float) -> None:
        """Put the time from ``start`` to ``end`` into a histogram, if both are known."""
        if not start or not end:
            return
        if end < start - _CLOCK:
            detail = f"{metric.prometheus} of {'/'.join(labels)}"
            self._sink.problem("Rollout", "end_before_start", detail)
            return
        self._sink.observe(metric, labels, max(0.0, end - start))


def _when(record: _Record, at: float, seen: Seen) -> float:
    """``at`` if it can be the time of a change since the object was last seen, else seen.at."""
    return at if at and record.seen_at - _CLOCK <= at <= seen.at + _CLOCK else seen.at


def _valid(record: _Record, at: float) -> float:
    """``at`` if it can be an end of the attempt, else 0: a status keeps times of those before."""
    return at if at >= record.started - _CLOCK else 0.0


def _start(record: _Record, obj: Rollout, seen: Seen, first_sight: bool) -> float:
    """When the attempt that is seen for the first time began; 0 when nothing says it."""
    ended = _has_ended(record, obj)
    started = status.attempt_started(obj)
    # Until the controller rewrites it, status.duration is about the attempt before.
    if started and (ended or not status.attempt_finished(obj)):
        return started
    if record.creation:
        return unix(obj.metadata.creation_timestamp)
    if ended and status.is_stable(obj):
        return 0.0
    unhealthy = status.transition(obj, "Healthy", "False")
    if first_sight:
        # An attempt that follows an abort or supersedes another looks as long as both together.
        return unhealthy
    if ended:
        return unhealthy if unhealthy >= record.seen_at - _CLOCK else 0.0
    return _when(record, unhealthy, seen)


def _has_ended(record: _Record, obj: Rollout) -> bool:
    if status.is_aborted(obj):
        return True
    return status.is_stable(obj) and (not record.creation or status.was_healthy(obj))


def _has_converged(record: _Record, obj: Rollout, seen: Seen) -> bool:
    """Whether an attempt that is seen for the first time had a conclusive phase before."""
    concluded = obj.status.phase == "Degraded" or status.waits_for_person(obj)
    # It may have had one and left it again, where an earlier daemon looked.
    return (
        seen.is_history(record.started) if seen.inherited else concluded and seen.history_until > 0
    )


def _is_between(record: _Record, obj: Rollout) -> bool:
    """Whether the revision may already be the number of the next release, not of this hash."""
    return status.is_stable(obj) and not record.creation and not status.is_observed(obj)


def _rest(record: _Record, obj: Rollout) -> None:
    """Close the attempt without counting it."""
    record.open, record.converged = False, True
    record.aborted = status.aborted_at(obj) if status.is_aborted(obj) else -1.0


def _is_retried(record: _Record, obj: Rollout) -> bool:
    """Whether an aborted attempt was followed by another of the same revision."""
    if status.is_aborted(obj):
        return 0 < record.aborted < status.aborted_at(obj) - _SAME_ABORT
    return True


def _is_another(record: _Record, obj: Rollout) -> bool:
    """Whether status.duration is about a later attempt: going back to the stable revision is none.

    Without it (before 1.10) a release back to a revision that was replaced meanwhile, unseen,
    looks like a rollback.
    """
    return status.attempt_started(obj) > record.started + _CLOCK > _CLOCK


def _result_before(record: _Record, obj: Rollout) -> str:
    """How the open attempt ended, seen from the next revision; "hidden" if that does not tell."""
    stable = obj.status.stable_rs
    if stable == record.hash:
        if record.creation:
            # stableRS is set before a pod of the first revision runs.
            return "created" if status.was_healthy(obj) else "superseded"
        return "promoted"
    # What was stable and is released again, has been replaced in between.
    replaced = stable != record.stable or status.is_stable(obj)
    return "hidden" if replaced else "superseded"


def _resumed(obj: Rollout, start: float, seen: Seen) -> float:
    """When a pause that began at ``start`` and is gone ended: as the status says, else seen.at."""
    ends = [
        status.transition(obj, "Paused", "False"),
        status.transition(obj, "Progressing", "True"),
    ]
    if status.is_aborted(obj):
        ends.append(status.aborted_at(obj))
    return min((end for end in ends if start < end <= seen.at + _CLOCK), default=seen.at)
