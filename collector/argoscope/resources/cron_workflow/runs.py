"""The child runs of one CronWorkflow, and what follows from them.

The controller's own counters (``status.succeeded``, ``failed``, ``active``) go backwards and stay
behind, so everything here comes from the child Workflows.
"""

import re

import msgspec

from argoscope.resources.world import Run

KEEP_DELETED = 32
"""Deleted children kept per cron; what older ones say is summed up. Living ones are all kept."""

_UNIX_NAME = re.compile(r"-(\d{9,})\Z", re.ASCII)
_OVER = frozenset({"Succeeded", "Failed", "Error"})

Moment = tuple[float, float]
"""(scheduled time, creation time): children are ordered by it. A resubmitted run keeps the
scheduled time of its original."""


class Child(msgspec.Struct, gc=False, array_like=True, tag=1):
    """One child Workflow. Times are Unix seconds, 0 for none. The ledger keeps it by position."""

    uid: str
    name: str
    at: Moment
    planned: bool
    """It has a scheduled time; runs that were submitted by hand have none."""
    regular: bool
    """The schedule made it: named ``<cron>-<unix second>``; a resubmitted one is not."""
    was_over: bool
    """It was over when it was first seen."""
    created: float = 0.0
    started: float = 0.0
    finished: float = 0.0
    """When it ended or was deleted; 0 while it lives, also after ``argo retry``."""
    succeeded: bool | None = None
    """Result of the latest finished attempt; None when there is none, or people or the
    concurrency policy ended it."""
    result_at: float = 0.0
    terminated: bool = False
    """Shut down by Terminate, and not by a person."""
    gone: bool = False
    delay_seen: bool = False
    replace_seen: bool = False

    def active_at(self, moment: float) -> bool:
        return self.created <= moment and (not self.finished or self.finished > moment)


def _due(run: Run) -> tuple[float, bool]:
    """When a run was due (0 if the schedule did not make it), and whether its name says so too."""
    named = scheduled(run.name, run.cron)
    due = run.scheduled or named
    return due, bool(due) and named == due


def scheduled(name: str, cron: str) -> float:
    """When a run was due by its name, ``<cron>-<unix second>``; 0 for another name."""
    match = _UNIX_NAME.search(name)
    return float(match[1]) if match and name[: match.start()] == cron else 0.0


class Dropped(msgspec.Struct, gc=False, array_like=True):
    """What children say that were dropped."""

    success: tuple[Moment, float] = ((0.0, 0.0), 0.0)
    """The latest success and when it finished."""
    failure: tuple[Moment, float] = ((0.0, 0.0), 0.0)
    failures: int = 0
    """How many are later than that success."""
    upto: Moment = (0.0, 0.0)
    recalled: Moment = (0.0, 0.0)
    """As ``upto``, of failures that only the ledger's run records tell."""


class CronRuns:
    """Children by uid. Duplicated and skipped notifications change nothing."""

    __slots__ = ("changed", "children", "dropped", "newest")

    def __init__(self, dropped: Dropped | None = None) -> None:
        self.children: dict[str, Child] = {}
        self.changed: set[str] = set()
        """Uids of children that are not as a ledger last took them."""
        self.newest = 0.0
        """Latest scheduled time of a regular child."""
        self.dropped = dropped or Dropped()

    def update(self, run: Run, now: float) -> Child:
        """Take a run's state; ``now`` is when a run ended that was deleted before it finished."""
        self.changed.add(run.uid)
        child = self.children.get(run.uid)
        over = run.phase in _OVER
        if child is None:
            child = self._new(run, over)
        child.started = run.started
        child.terminated = run.shutdown == "Terminate" and not run.by_user
        if over:
            child.finished = run.finished or child.finished or now
            child.result_at = child.finished
            child.succeeded = None if run.shutdown else run.phase == "Succeeded"
        elif run.gone:
            child.finished = child.finished or now
        else:
            child.finished = 0.0
        if run.gone and not child.gone:
            child.gone = True
            self._drop_old()
        return child

    def _new(self, run: Run, over: bool) -> Child:
        due, regular = _due(run)
        child = Child(
            uid=run.uid,
            name=run.name,
            at=(due or run.created, run.created),
            planned=bool(due),
            regular=regular,
            was_over=over,
            created=run.created,
        )
        if child.at <= self.dropped.upto:  # as old as what was dropped: it was counted before
            child.delay_seen = child.replace_seen = True
            if run.gone:
                return child
        self.children[run.uid] = child
        if regular:
            self.newest = max(self.newest, due)
        return child

    def active(self) -> int:
        return sum(not child.finished for child in self.children.values())

    def has(self, due: float) -> bool:
        """Was a run made for the minute of ``due``? Old controllers scheduled some seconds off."""
        minute = due // 60
        return any(c.planned and c.at[0] // 60 == minute for c in self.children.values())

    def successor(self, child: Child) -> Child | None:
        """The first run that became due while ``child`` was running."""
        ended = child.finished or float("inf")
        due = (
            other
            for other in self.children.values()
            if other.regular and child.at < other.at and other.at[0] <= ended
        )
        return min(due, key=lambda other: other.at, default=None)

    def last_success(self) -> float:
        """When the latest scheduled run that succeeded had finished; 0 for none."""
        return self.latest_success()[1]

    def latest_success(self) -> tuple[Moment, float]:
        """Which run that was, and when it finished."""
        return self._latest(True, self.dropped.success)

    def last_failure(self) -> float:
        return self._latest(False, self.dropped.failure)[1]

    def consecutive_failures(self) -> int:
        since, _ = self.latest_success()
        failed = sum(
            child.succeeded is False and child.at > since for child in self.children.values()
        )
        return failed + (self.dropped.failures if since <= self._upto() else 0)

    def _upto(self) -> Moment:
        return max(self.dropped.upto, self.dropped.recalled)

    def _latest(self, succeeded: bool, dropped: tuple[Moment, float]) -> tuple[Moment, float]:
        best = dropped
        for child in self.children.values():
            if child.succeeded is succeeded and child.at > best[0]:
                best = (child.at, child.result_at)
        return best

    def _drop_old(self) -> None:
        gone = [(child.at, uid) for uid, child in self.children.items() if child.gone]
        if len(gone) <= KEEP_DELETED:
            return
        at, uid = min(gone)
        child = self.children.pop(uid)
        self.changed.add(uid)
        if child.succeeded and at > self.dropped.success[0]:
            self.dropped.success = (at, child.result_at)
            if at > self._upto():
                self.dropped.failures = 0
        elif child.succeeded is False:
            self.dropped.failure = max(self.dropped.failure, (at, child.result_at))
            self.dropped.failures += at > self.dropped.success[0]
        self.dropped.upto = max(self.dropped.upto, at)

    def forget_deleted(self) -> None:
        """Drop what was deleted: there is no CronWorkflow (any more) to report it for."""
        for uid in [uid for uid, child in self.children.items() if child.gone]:
            del self.children[uid]
            self.changed.add(uid)
