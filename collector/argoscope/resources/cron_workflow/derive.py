"""Measurements of CronWorkflows, from the objects and their child runs.

A run is *missed* when its time passed and no child Workflow was made for it. Only times that the
daemon lived through are judged: none before it first saw the CronWorkflow, unless that was told
late, and none within a gap of its own clock. After a restart within ``MAX_GAP`` the lists tell what
was made meanwhile; of times before the latest that was kept they don't, since its runs may have
been deleted again.
"""

import heapq
from collections.abc import Iterable, Iterator

from argoscope.resources._base import Contribution, Options, PastCronRun, PastRun, Seen, Sink
from argoscope.resources._limits import AnnotatedLimits
from argoscope.resources._time import unix
from argoscope.resources.cron_workflow.due import GRACE, missed_reason
from argoscope.resources.cron_workflow.metrics import (
    ACTIVE,
    CONSECUTIVE_FAILURES,
    INFO,
    INTERVAL,
    INVALID,
    INVALID_REASONS,
    LAST_FAILURE,
    LAST_SCHEDULE,
    LAST_SUCCESS,
    MISSED_REASONS,
    MISSED_RUNS,
    NEXT_SCHEDULE,
    REPLACED_RUNS,
    START_DELAY,
    SUCCESS_DUE,
    SUSPENDED,
)
from argoscope.resources.cron_workflow.objects import (
    LIMITS_OF,
    CronWorkflow,
    definition,
    limits_elsewhere,
    read_schedules,
    spec_findings,
)
from argoscope.resources.cron_workflow.past import Past, recall
from argoscope.resources.cron_workflow.record import Cron
from argoscope.resources.cron_workflow.runs import Child
from argoscope.resources.cron_workflow.stored import Keeper
from argoscope.resources.world import Key, Run, World

MAX_GAP = 300.0
"""Seconds without any call after which the daemon was not watching: it was stopped, or its clock
was set. What was due in between is not judged."""
PROMPT = 10.0
"""Seconds after its time until a run that is made at all is also seen."""
LIFE = 15.0
"""Seconds that a run needs at least to be made, end, be noticed and be deleted."""


class CronWorkflows:
    """Derives the metrics; an idle CronWorkflow costs nothing between its due times."""

    def __init__(self, world: World, sink: Sink, options: Options) -> None:
        self._world = world
        self._sink = sink
        self._limits = AnnotatedLimits("CronWorkflow", LIMITS_OF, sink, options)
        self._crons: dict[Key, Cron] = {}
        self._keys: dict[str, Key] = {}
        self._keeper = Keeper(sink, self._crons, self._keys)
        self._held = False
        """Restored, and what happened meanwhile has not been listed yet."""
        self._past: dict[Key, Past] = {}
        """Until everything has been listed, what the run records say."""
        self._dirty: set[Key] = set()
        self._wakes: list[tuple[float, Key]] = []
        world.on_run(self._run)

    # -- objects

    def upsert(self, obj: CronWorkflow, seen: Seen) -> None:
        self._clock(seen.at)
        key = (obj.metadata.namespace, obj.metadata.name)
        uid = obj.metadata.uid or "/".join(key)  # a manifest that was never in a cluster
        cron = self._crons.setdefault(key, Cron(*key))
        if cron.uid and cron.uid != uid:  # made anew, the deletion was not seen
            self._forget(cron)
            cron = self._crons.setdefault(key, Cron(*key))
        begin = seen.at
        if cron.uid:
            cron.walk(seen.at)  # what was due until now was so under the old state
        else:
            seen = self._keeper.journal.met(uid, seen)
            self._keeper.touch(cron)  # its row has been one without a uid
            cron.uid, cron.since, cron.going_since = uid, seen.at, seen.at
            begin = _told_since(obj, seen)
            cron.baseline = seen.history_until > 0.0
            cron.inherited = self._world.counted_until.get("workflows", 0.0)
            self._keys[cron.uid] = key
            self._declare(cron)
        was_idle = cron.idle
        cron.created = unix(obj.metadata.creation_timestamp)
        self._read_spec(cron, obj, begin)
        self._read_status(cron, obj)
        if was_idle and not cron.idle:
            cron.going_since = seen.at
        self._limits.read(obj.metadata, limits_elsewhere(obj))
        for child in list(cron.runs.children.values()):
            self._count(cron, child)
        self._touch(cron)
        self._queue(cron)

    def delete(self, uid: str, obj: CronWorkflow | None, seen: Seen) -> None:
        del obj
        self._clock(seen.at)
        key = self._keys.get(uid)
        if key is not None:
            self._forget(self._crons[key])
        else:
            self._keeper.journal.missed(uid)

    def tick(self, now: float) -> None:
        self._clock(now)
        if not self._is_held(now):
            self._wake_due(now)
        if self._past and {"workflows", "cronworkflows"} <= self._world.listed:
            self._apply_past()
        for key in self._dirty:
            cron = self._crons.get(key)
            if cron is not None and cron.uid:
                self._sink.own(cron.uid, tuple(self._gauges(cron)))
        self._dirty.clear()

    def _is_held(self, now: float) -> bool:
        """A run that was due is missed only when it is not in the lists after a restart either."""
        if self._held and {"workflows", "cronworkflows"} <= self._world.listed:
            self._held = False
            if now - self._keeper.left > LIFE:
                self._excuse_unseen(now)
            self._keeper.left = 0.0
        return self._held

    def _excuse_unseen(self, now: float) -> None:
        for cron in self._crons.values():
            cron.walk(now)
            last = max(cron.last_schedule, cron.runs.newest)
            made_by = max(PROMPT, cron.spec.deadline)
            cron.calendar.excuse(self._keeper.left - made_by, min(last, now))
            self._keeper.touch(cron)

    def _apply_past(self) -> None:
        for key, past in self._past.items():
            cron = self._crons.get(key)
            if cron is not None and cron.uid:
                past.put_into(cron.runs, cron.created)
                self._touch(cron)
        self._past.clear()

    def _wake_due(self, now: float) -> None:
        while self._wakes and self._wakes[0][0] <= now:
            wake, key = heapq.heappop(self._wakes)
            cron = self._crons.get(key)
            if cron is not None and cron.queued == wake:  # else an earlier one took its place
                self._wake(cron, now)

    def _touch(self, cron: Cron) -> None:
        self._dirty.add(cron.key)
        self._keeper.touch(cron)

    def _clock(self, now: float) -> None:
        """Notice that time jumped, in either direction: nobody was watching in between."""
        before, self._keeper.clock = self._keeper.clock, now
        if before is None or abs(now - before) <= MAX_GAP:
            return
        for cron in self._crons.values():
            cron.calendar.pending.clear()
            cron.calendar.restart(now)
            self._touch(cron)
            cron.queued = 0.0
            self._queue(cron)

    def _wake(self, cron: Cron, now: float) -> None:
        cron.queued = 0.0
        cron.walk(now)
        for due in cron.calendar.missed(now, cron.runs):
            reason = missed_reason(
                due, cron.runs, cron.spec, stopped=cron.stopped, broken=cron.broken
            )
            self._sink.count(MISSED_RUNS, (*cron.key, reason))
        self._touch(cron)
        self._queue(cron)

    def _queue(self, cron: Cron) -> None:
        wake = cron.calendar.wake()
        if wake and not 0 < cron.queued <= wake:
            cron.queued = wake
            heapq.heappush(self._wakes, (wake, cron.key))

    def _declare(self, cron: Cron) -> None:
        for reason in MISSED_REASONS:
            self._sink.declare(MISSED_RUNS, (*cron.key, reason))
        self._sink.declare(REPLACED_RUNS, cron.key)
        self._sink.declare(START_DELAY, cron.key)

    def _read_spec(self, cron: Cron, obj: CronWorkflow, now: float) -> None:
        old, cron.spec = cron.spec, definition(obj.spec)
        self._world.cron_policies[cron.key] = cron.spec.policy
        schedules, found = read_schedules(cron.spec, now)
        findings = (*found, *spec_findings(obj))
        if findings != cron.findings:
            cron.findings = findings
            for reason, detail in findings:
                where = f"{cron.namespace}/{cron.name}"
                self._sink.problem("CronWorkflow", f"invalid_{reason}", f"{where} {detail}")
        if (old.texts, old.timezone) != (cron.spec.texts, cron.spec.timezone):
            cron.calendar.schedules = schedules
            cron.calendar.restart(now)
            cron.success_due = (0.0, 0.0, 0.0)
            cron.going_since = now if old.texts else cron.going_since
        else:
            cron.calendar.reregistered(now)

    def _read_status(self, cron: Cron, obj: CronWorkflow) -> None:
        status = obj.status
        if status is None:
            cron.stopped, cron.active = False, frozenset()
            return
        cron.stopped = status.phase == "Stopped"
        cron.active = frozenset(ref.uid for ref in status.active or ())
        last = unix(status.last_scheduled_time)
        if last:  # it can go back
            cron.last_schedule = max(cron.last_schedule, last)
            cron.calendar.reported.add(last)

    def _forget(self, cron: Cron) -> None:
        """The object is gone. Its counters stay; its children go with their own deletion."""
        self._sink.own(cron.uid, ())
        self._limits.forget(cron.uid)
        self._world.cron_policies.pop(cron.key, None)
        del self._keys[cron.uid]
        del self._crons[cron.key]
        cron.runs.forget_deleted()
        self._touch(cron)
        if cron.runs.children:
            left = self._crons[cron.key] = Cron(cron.namespace, cron.name, runs=cron.runs)
            self._touch(left)

    # -- the ledger

    def changes(self) -> Iterator[tuple[str, bytes | None]]:
        return self._keeper.changes()

    def restore(self, records: Iterable[tuple[str, bytes]]) -> None:
        self._keeper.restore(records)
        self._held = True
        for cron in self._crons.values():
            if cron.uid:
                self._keys[cron.uid] = cron.key
                self._world.cron_policies[cron.key] = cron.spec.policy
                self._queue(cron)
                self._dirty.add(cron.key)

    def recall(self, runs: Iterable[PastRun]) -> None:
        """The crons' own records have all; of children whose record was lost it is not known
        what was counted, so they are known and count no more."""
        for run in self._world.runs.values():
            cron = self._crons.get((run.namespace, run.cron))
            if run.cron and (cron is None or run.uid not in cron.runs.children):
                if cron is None:
                    cron = self._crons[run.namespace, run.cron] = Cron(run.namespace, run.cron)
                child = cron.runs.update(run, self._keeper.clock or 0.0)
                child.delay_seen = child.replace_seen = True
                self._touch(cron)

    def recall_crons(self, runs: Iterable[PastCronRun]) -> None:
        """Take all recorded runs of crons, in the order of their ends; once, after ``restore``."""
        self._past = recall(runs)

    # -- children

    def _run(self, run: Run) -> None:
        """Take a notification about any run; it may come before its CronWorkflow."""
        if not run.cron:
            return
        key = (run.namespace, run.cron)
        cron = self._crons.get(key)
        if cron is None:
            if run.gone:
                return
            cron = self._crons[key] = Cron(*key)
        child = cron.runs.update(run, self._keeper.clock or 0.0)
        if cron.uid:
            self._count(cron, child)
        elif run.gone:
            cron.runs.forget_deleted()
            if not cron.runs.children:
                del self._crons[key]
        self._touch(cron)

    def _count(self, cron: Cron, child: Child) -> None:
        if child.regular and child.started and not child.delay_seen:
            cron.runs.changed.add(child.uid)
            child.delay_seen = True  # argo retry moves startedAt: only the first start counts
            if not _is_history(cron, child) and child.started > cron.inherited:
                delay = max(0.0, child.started - child.at[0])
                self._sink.observe(START_DELAY, cron.key, delay, exemplar=child.name)
        if cron.spec.policy == "Replace":
            for other in cron.runs.children.values():
                self._count_replaced(cron, other)

    def _count_replaced(self, cron: Cron, child: Child) -> None:
        if child.replace_seen or not child.terminated or _is_history(cron, child):
            return
        successor = cron.runs.successor(child)
        if successor is not None:
            child.replace_seen = True
            cron.runs.changed.add(child.uid)
            if successor.created > cron.inherited:
                self._sink.count(REPLACED_RUNS, cron.key, exemplar=child.name)

    # -- gauges

    def _gauges(self, cron: Cron) -> Iterator[Contribution]:
        key, runs = cron.key, cron.runs
        for metric, moment in (
            (LAST_SCHEDULE, max(cron.last_schedule, runs.newest)),
            (LAST_SUCCESS, runs.last_success()),
            (LAST_FAILURE, runs.last_failure()),
            (NEXT_SCHEDULE, 0.0 if cron.idle else cron.calendar.next()),
        ):
            if moment:
                yield metric, key, moment
        due, following = cron.due_after_success()
        if due:
            yield SUCCESS_DUE, key, due
        if following:
            yield INTERVAL, key, following - due
        yield CONSECUTIVE_FAILURES, key, float(runs.consecutive_failures())
        yield ACTIVE, key, float(runs.active())
        yield SUSPENDED, key, float(cron.spec.suspended)
        wrong = {reason for reason, _ in cron.findings}
        for reason in INVALID_REASONS:
            yield INVALID, (*key, reason), float(reason in wrong)
        schedule = ", ".join(cron.spec.texts)
        yield INFO, (*key, schedule, cron.spec.timezone, cron.spec.policy), 1.0


def _told_since(obj: CronWorkflow, seen: Seen) -> float:
    """From when on a CronWorkflow is judged that is first seen: its creation, if what told of that
    was late (a busy server, a cut). Runs that were made since, and are gone, are in its status."""
    created = unix(obj.metadata.creation_timestamp)
    is_news = not seen.history_until and 0.0 <= seen.at - created <= GRACE
    return created if is_news else seen.at


def _is_history(cron: Cron, child: Child) -> bool:
    """It ended before the daemon's very first list, or before an earlier daemon had ended."""
    until = cron.inherited or cron.since
    return cron.baseline and child.was_over and child.result_at <= until
