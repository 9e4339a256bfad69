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


class Child(msgspec.Struct, gc=False):
    """One child Workflow. Times are Unix seconds, 0 for none."""

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
    match = _UNIX_NAME.search(run.name)
    named = float(match[1]) if match and run.name[: match.start()] == run.cron else 0.0
    due = run.scheduled or named
    return due, bool(due) and named == due


class CronRuns:
    """Children by uid. Duplicated and skipped notifications change nothing."""

    __slots__ = ("_dropped", "_failure", "_success", "_upto", "children", "newest")

    def __init__(self) -> None:
        self.children: dict[str, Child] = {}
        self.newest = 0.0
        """Latest scheduled time of a regular child."""
        self._success: tuple[Moment, float] = ((0.0, 0.0), 0.0)
        """Of the children that were dropped: the latest success and when it finished."""
        self._failure: tuple[Moment, float] = ((0.0, 0.0), 0.0)
        self._dropped = 0
        """Failures that were dropped and are later than that success."""
        self._upto: Moment = (0.0, 0.0)

    def update(self, run: Run, now: float) -> Child:
        """Take a run's state; ``now`` is when a run ended that was deleted before it finished."""
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
            name=run.name,
            at=(due or run.created, run.created),
            planned=bool(due),
            regular=regular,
            was_over=over,
            created=run.created,
        )
        if child.at <= self._upto:  # as old as what was dropped: it was counted before
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
        """A run that became due while ``child`` was running."""
        ended = child.finished or float("inf")
        for other in self.children.values():
            if other.regular and child.at < other.at and other.at[0] <= ended:
                return other
        return None

    def last_success(self) -> float:
        """When the latest scheduled run that succeeded had finished; 0 for none."""
        return self._latest(True, self._success)[1]

    def last_failure(self) -> float:
        return self._latest(False, self._failure)[1]

    def consecutive_failures(self) -> int:
        since, _ = self._latest(True, self._success)
        failed = sum(
            child.succeeded is False and child.at > since for child in self.children.values()
        )
        return failed + (self._dropped if since <= self._upto else 0)

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
        if child.succeeded and at > self._success[0]:
            self._success = (at, child.result_at)
            if at > self._upto:
                self._dropped = 0
        elif child.succeeded is False:
            self._failure = max(self._failure, (at, child.result_at))
            self._dropped += at > self._success[0]
        self._upto = max(self._upto, at)

    def forget_deleted(self) -> None:
        """Drop what was deleted: there is no CronWorkflow (any more) to report it for."""
        for uid in [uid for uid, child in self.children.items() if child.gone]:
            del self.children[uid]
