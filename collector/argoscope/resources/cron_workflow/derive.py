"""Measurements of CronWorkflows, from the objects and their child runs.

A run is *missed* when its time passed and no child Workflow was made for it. Only times that the
daemon lived through are judged: none before it first saw the CronWorkflow, and none within a gap
of its own clock.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

from argoscope.resources._base import Contribution, Options, Seen, Sink, Unrecorded
from argoscope.resources._time import unix
from argoscope.resources.cron_workflow.due import Calendar, missed_reason
from argoscope.resources.cron_workflow.metrics import (
    ACTIVE,
    CONSECUTIVE_FAILURES,
    INFO,
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
    SUSPENDED,
)
from argoscope.resources.cron_workflow.objects import (
    CronWorkflow,
    Definition,
    Finding,
    definition,
    read_schedules,
    spec_findings,
)
from argoscope.resources.cron_workflow.runs import Child, CronRuns
from argoscope.resources.world import Key, Run, World

MAX_GAP = 300.0
"""Seconds without any call after which the daemon was not watching: it was stopped, or its clock
was set. What was due in between is not judged."""


@dataclass(slots=True)
class _Cron:
    """What is kept of one CronWorkflow. Without uid: children are known, the object is not."""

    namespace: str
    name: str
    uid: str = ""
    since: float = 0.0
    """When it was first seen."""
    baseline: bool = False
    spec: Definition = field(default_factory=Definition)
    stopped: bool = False
    active: frozenset[str] = frozenset()
    """Uids in ``status.active``."""
    findings: tuple[Finding, ...] = ()
    last_schedule: float = 0.0
    calendar: Calendar = field(default_factory=Calendar)
    runs: CronRuns = field(default_factory=CronRuns)
    queued: float = 0.0
    """Earliest wake-up that is in the queue; 0 for none."""

    @property
    def key(self) -> Key:
        return (self.namespace, self.name)

    @property
    def broken(self) -> bool:
        return any(reason != "never_fires" for reason, _ in self.findings)

    def walk(self, now: float) -> None:
        self.calendar.walk(now, self.spec, self.stopped, self.active)


class CronWorkflows(Unrecorded):
    """Derives the metrics; an idle CronWorkflow costs nothing between its due times."""

    def __init__(self, world: World, sink: Sink, options: Options) -> None:
        del options  # nothing of it is about CronWorkflows
        self._world = world
        self._sink = sink
        self._crons: dict[Key, _Cron] = {}
        self._keys: dict[str, Key] = {}
        self._now: float | None = None
        self._dirty: set[Key] = set()
        self._wakes: list[tuple[float, Key]] = []
        world.on_run(self._run)

    # -- objects

    def upsert(self, obj: CronWorkflow, seen: Seen) -> None:
        self._clock(seen.at)
        key = (obj.metadata.namespace, obj.metadata.name)
        uid = obj.metadata.uid or "/".join(key)  # a manifest that was never in a cluster
        cron = self._crons.setdefault(key, _Cron(*key))
        if cron.uid and cron.uid != uid:  # made anew, the deletion was not seen
            self._forget(cron)
            cron = self._crons.setdefault(key, _Cron(*key))
        if cron.uid:
            cron.walk(seen.at)  # what was due until now was so under the old state
        else:
            cron.uid, cron.since, cron.baseline = uid, seen.at, seen.baseline
            self._keys[cron.uid] = key
            self._declare(cron)
        self._read_spec(cron, obj, seen.at)
        self._read_status(cron, obj)
        for child in list(cron.runs.children.values()):
            self._count(cron, child)
        self._dirty.add(key)
        self._queue(cron)

    def delete(self, uid: str, obj: CronWorkflow | None, seen: Seen) -> None:
        del obj
        self._clock(seen.at)
        key = self._keys.get(uid)
        if key is not None:
            self._forget(self._crons[key])

    def tick(self, now: float) -> None:
        self._clock(now)
        while self._wakes and self._wakes[0][0] <= now:
            wake, key = heapq.heappop(self._wakes)
            cron = self._crons.get(key)
            if cron is not None and cron.queued == wake:  # else an earlier one took its place
                self._wake(cron, now)
        for key in self._dirty:
            cron = self._crons.get(key)
            if cron is not None and cron.uid:
                self._sink.own(cron.uid, tuple(self._gauges(cron)))
        self._dirty.clear()

    def _clock(self, now: float) -> None:
        """Notice that time jumped, in either direction: nobody was watching in between."""
        before, self._now = self._now, now
        if before is None or abs(now - before) <= MAX_GAP:
            return
        for cron in self._crons.values():
            cron.calendar.pending.clear()
            cron.calendar.restart(now)
            self._dirty.add(cron.key)
            cron.queued = 0.0
            self._queue(cron)

    def _wake(self, cron: _Cron, now: float) -> None:
        cron.queued = 0.0
        cron.walk(now)
        for due in cron.calendar.missed(now, cron.runs):
            reason = missed_reason(
                due, cron.runs, cron.spec, stopped=cron.stopped, broken=cron.broken
            )
            self._sink.count(MISSED_RUNS, (*cron.key, reason))
        self._dirty.add(cron.key)
        self._queue(cron)

    def _queue(self, cron: _Cron) -> None:
        wake = cron.calendar.wake()
        if wake and not 0 < cron.queued <= wake:
            cron.queued = wake
            heapq.heappush(self._wakes, (wake, cron.key))

    def _declare(self, cron: _Cron) -> None:
        for reason in MISSED_REASONS:
            self._sink.declare(MISSED_RUNS, (*cron.key, reason))
        self._sink.declare(REPLACED_RUNS, cron.key)
        self._sink.declare(START_DELAY, cron.key)

    def _read_spec(self, cron: _Cron, obj: CronWorkflow, now: float) -> None:
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
        else:
            cron.calendar.reregistered(now)

    def _read_status(self, cron: _Cron, obj: CronWorkflow) -> None:
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

    def _forget(self, cron: _Cron) -> None:
        """The object is gone. Its counters stay; its children go with their own deletion."""
        self._sink.own(cron.uid, ())
        self._world.cron_policies.pop(cron.key, None)
        del self._keys[cron.uid]
        del self._crons[cron.key]
        cron.runs.forget_deleted()
        if cron.runs.children:
            self._crons[cron.key] = _Cron(cron.namespace, cron.name, runs=cron.runs)

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
            cron = self._crons[key] = _Cron(*key)
        child = cron.runs.update(run, self._now or 0.0)
        if cron.uid:
            self._count(cron, child)
            self._dirty.add(key)
        elif run.gone:
            cron.runs.forget_deleted()
            if not cron.runs.children:
                del self._crons[key]

    def _count(self, cron: _Cron, child: Child) -> None:
        if child.regular and child.started and not child.delay_seen:
            child.delay_seen = True  # argo retry moves startedAt: only the first start counts
            if not _is_history(cron, child):
                delay = max(0.0, child.started - child.at[0])
                self._sink.observe(START_DELAY, cron.key, delay, exemplar=child.name)
        if cron.spec.policy == "Replace":
            for other in cron.runs.children.values():
                self._count_replaced(cron, other)

    def _count_replaced(self, cron: _Cron, child: Child) -> None:
        if child.replace_seen or not child.terminated or _is_history(cron, child):
            return
        if cron.runs.successor(child) is not None:
            child.replace_seen = True
            self._sink.count(REPLACED_RUNS, cron.key, exemplar=child.name)

    # -- gauges

    def _gauges(self, cron: _Cron) -> Iterator[Contribution]:
        key, runs = cron.key, cron.runs
        idle = cron.spec.suspended or cron.stopped or cron.broken
        for metric, moment in (
            (LAST_SCHEDULE, max(cron.last_schedule, runs.newest)),
            (LAST_SUCCESS, runs.last_success()),
            (LAST_FAILURE, runs.last_failure()),
            (NEXT_SCHEDULE, 0.0 if idle else cron.calendar.next()),
        ):
            if moment:
                yield metric, key, moment
        yield CONSECUTIVE_FAILURES, key, float(runs.consecutive_failures())
        yield ACTIVE, key, float(runs.active())
        yield SUSPENDED, key, float(cron.spec.suspended)
        wrong = {reason for reason, _ in cron.findings}
        for reason in INVALID_REASONS:
            yield INVALID, (*key, reason), float(reason in wrong)
        schedule = ", ".join(cron.spec.texts)
        yield INFO, (*key, schedule, cron.spec.timezone, cron.spec.policy), 1.0


def _is_history(cron: _Cron, child: Child) -> bool:
    """It ended before the daemon's very first list."""
    return cron.baseline and child.was_over and child.result_at <= cron.since
