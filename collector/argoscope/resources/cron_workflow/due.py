"""Which runs were due, and why one that never came did not.

A due time is noted with what held when it passed, and judged when it is certain that no run will
be made for it any more.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from argoscope.cron_schedule import Every, Schedule
from argoscope.resources.cron_workflow.objects import Definition
from argoscope.resources.cron_workflow.runs import CronRuns

GRACE = 60.0
"""Seconds after its time until a run counts as missed. The controller starts runs within a second
of the minute (0.1 s; 0.5 s on a node with a load of 90); the rest is for our own watch to catch up
after a cut."""


@dataclass(frozen=True, slots=True)
class Due:
    """A time at which a run was due, with what held then."""

    at: float
    decide_at: float
    suspended: bool
    stopped: bool
    active: frozenset[str]
    """Uids in ``status.active``: what the controller took for running."""


@dataclass(slots=True)
class Calendar:
    """The due times of one CronWorkflow, from the moment it is watched."""

    schedules: tuple[Schedule, ...] = ()
    cursors: list[float] = field(default_factory=list)
    """Next due time of each schedule, 0 for none."""
    pending: list[Due] = field(default_factory=list)
    """Due, and not yet known whether a run was made; a handful."""
    reported: set[float] = field(default_factory=set)
    """Values that ``status.lastScheduledTime`` had: runs that may never have been seen."""

    def restart(self, now: float) -> None:
        """Only what is due after ``now`` counts."""
        self.cursors = [schedule.next(now) for schedule in self.schedules]

    def reregistered(self, now: float) -> None:
        """Every change of the object makes the controller schedule it anew: ``@every`` counts
        from then on."""
        for index, schedule in enumerate(self.schedules):
            if isinstance(schedule, Every):
                self.cursors[index] = schedule.next(now)

    def next(self) -> float:
        return min((at for at in self.cursors if at), default=0.0)

    def after(self, moment: float) -> float:
        """The first due time later than ``moment``, whatever has been noted; 0 for none."""
        times = (schedule.next(moment) for schedule in self.schedules)
        return min((at for at in times if at), default=0.0)

    def wake(self) -> float:
        """When there is something to do; 0 for never."""
        times = [due.decide_at for due in self.pending]
        times += [at for at in self.cursors if at]
        return min(times, default=0.0)

    def walk(self, now: float, spec: Definition, stopped: bool, active: frozenset[str]) -> None:
        """Note what became due until ``now``, with the state that held until then."""
        for index, schedule in enumerate(self.schedules):
            at = self.cursors[index]
            while at and at <= now:
                following = schedule.next(at)
                # Nobody outside the controller knows from when it counts "@every".
                if not isinstance(schedule, Every) and all(due.at != at for due in self.pending):
                    decide_at = _decide_at(at, following, spec.deadline)
                    self.pending.append(Due(at, decide_at, spec.suspended, stopped, active))
                at = following
            self.cursors[index] = at

    def excuse(self, since: float, until: float) -> None:
        """What was due after ``since``, up to ``until``, is not judged."""
        self.pending = [due for due in self.pending if not since < due.at <= until]

    def missed(self, now: float, runs: CronRuns) -> Iterator[Due]:
        """Take off what can be judged, and give what was missed."""
        ripe = [due for due in self.pending if due.decide_at <= now]
        self.pending = [due for due in self.pending if due.decide_at > now]
        yield from (d for d in ripe if d.at not in self.reported and not runs.has(d.at))
        oldest = min((due.at for due in self.pending), default=now)
        self.reported = {at for at in self.reported if at >= oldest - GRACE}


def _decide_at(due: float, following: float, deadline: int) -> float:
    """When it is known whether the run due at ``due`` will ever be made.

    Without ``startingDeadlineSeconds`` the controller never makes up for one. With it, a run can
    be made until the deadline has passed, but only the latest that was missed (also one that was
    forbidden or suspended): not once its schedule's ``following`` time has come.
    """
    if deadline <= 0:
        return due + GRACE
    late = due + deadline
    return (min(late, following) if following else late) + GRACE


def missed_reason(
    due: Due, runs: CronRuns, spec: Definition, *, stopped: bool, broken: bool
) -> str:
    """Why no run was made.

    The policies are asked in the controller's order, but for ``when``: its expression cannot be
    evaluated here, so it is believed to be the cause when no other is known. ``stopped`` is the
    state when this is asked: the condition may have been met by the very run that was due.
    """
    if due.stopped or stopped:
        return "stopped"
    if due.suspended:
        return "suspended"
    if spec.policy == "Forbid":
        before = [child for child in runs.children.values() if child.at[0] < due.at]
        if any(child.active_at(due.at) for child in before):
            return "forbidden"
        if due.active:
            known = due.active <= runs.children.keys()
            return "forbidden_stale" if known else "forbidden"
    if spec.conditional:
        return "when_false"
    if spec.deadline > 0 and not broken:
        return "deadline"
    return "controller"
