"""What the ledger's run records say of a cron's runs: of those that the daemon never saw.

``argoscope import`` brings them. They are worked into what is kept of children that were dropped,
so the last results and the streak go on from there. All of it may be done again at each start.
"""

from collections.abc import Iterable

from argoscope.resources._base import PastCronRun
from argoscope.resources.cron_workflow.runs import CronRuns, Dropped, Moment, scheduled
from argoscope.resources.workflow.metrics import POLICY_CAUSES
from argoscope.resources.world import Key

_MANY = 8  # failures after which those before the latest success are thrown away
_NONE: Moment = (0.0, 0.0)
_End = tuple[Moment, float]
"""Of a run, and when it finished."""


class Past:
    """The runs of one cron, told in the order of their ends."""

    __slots__ = ("_failures", "_success")

    def __init__(self) -> None:
        self._success: _End = (_NONE, 0.0)
        self._failures: dict[str, _End] = {}
        """By uid: all after the latest success, and the latest ones before it."""

    def take(self, run: PastCronRun) -> None:
        at = (scheduled(run.name, run.cron) or run.created, run.created)
        # An attempt that argo retry has followed by another is no result.
        self._failures.pop(run.uid, None)
        if run.phase == "Succeeded":
            self._success = max(self._success, (at, run.finished))
            if len(self._failures) > _MANY:
                self._prune()
        elif run.cause not in POLICY_CAUSES:  # people or the concurrency policy ended those
            self._failures[run.uid] = (at, run.finished)

    def _prune(self) -> None:
        late = sorted(self._failures.items(), key=lambda item: item[1])
        kept = [item for item in late if item[1] > self._success]
        self._failures = dict(kept if len(kept) > _MANY else late[-_MANY:])

    def put_into(self, runs: CronRuns, since: float) -> None:
        """When all children are known that there are. Of the runs that were created since then:
        before, it was another cron of this name."""
        dropped, known = runs.dropped, runs.children
        success = self._success if self._success[0][1] >= since else (_NONE, 0.0)
        failures = {
            uid: end
            for uid, end in self._failures.items()
            if end[0][1] >= since and uid not in known
        }
        latest = max(runs.latest_success()[0], success[0])
        streak = {uid for uid, (at, _) in failures.items() if at > latest}
        # Of those that were dropped, the oldest may be in no record any more.
        before = dropped.failures if latest == dropped.success[0] else 0
        runs.dropped = Dropped(
            success=max(dropped.success, success),
            failure=max([dropped.failure, *failures.values()]),
            failures=max(before, len(streak)),
            upto=dropped.upto,
            recalled=max([dropped.recalled, *(failures[uid][0] for uid in streak)]),
        )


def recall(past: Iterable[PastCronRun]) -> dict[Key, Past]:
    """By namespace and name of the cron."""
    found: dict[Key, Past] = {}
    for run in past:
        key = (run.namespace, run.cron)
        of_cron = found.get(key)
        if of_cron is None:
            of_cron = found[key] = Past()
        of_cron.take(run)
    return found
