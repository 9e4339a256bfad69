"""What ended within the last 7 days, for the gauges that need no Prometheus history."""

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable

from argoscope.resources._base import Contribution, PastRun, Sink
from argoscope.resources.workflow.metrics import COMPLETED_7D, FAILED_7D, POLICY_CAUSES
from argoscope.resources.world import Key

WINDOW = 7 * 86400.0


class WeekHistory:
    """Ends of run attempts by (namespace, pipeline): 8 bytes each, sorted, dropped after a week.

    Each attempt is to be added once. What a first list shows may be known of an earlier life, in
    which the daemon watched other namespaces, or lost a record: so until everything was listed
    another 8 bytes are kept of each recalled attempt.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._recalled = array("Q")
        self._completed: dict[Key, array[float]] = {}
        self._failed: dict[Key, array[float]] = {}
        self._dirty: set[Key] = set()

    def add(self, key: Key, finished: float, cause: str) -> None:
        """Note an attempt that ended at ``finished`` (Unix seconds), with ``cause`` if it failed.

        What people and policies ended is no failure.
        """
        _insert(self._completed, key, finished)
        if cause and cause not in POLICY_CAUSES:
            _insert(self._failed, key, finished)
        self._dirty.add(key)

    def recall(self, runs: Iterable[PastRun]) -> None:
        """Take the run records of the last week, oldest first; once."""
        recalled = array("Q")
        for run in runs:
            key, finished = (run.namespace, run.pipeline), run.finished
            self.add(key, finished, run.cause)
            recalled.append(_digest(run.uid, finished))
        self._recalled = array("Q", sorted(recalled))

    def is_recalled(self, uid: str, finished: float) -> bool:
        digest = _digest(uid, finished)
        place = bisect_left(self._recalled, digest)
        return place < len(self._recalled) and self._recalled[place] == digest

    def forget_recalled(self) -> None:
        """Everything has been listed: no more history will come."""
        self._recalled = array("Q")

    def expire(self, now: float) -> None:
        """Drop what ended more than a week before ``now``."""
        for ends in (self._completed, self._failed):
            for key, times in list(ends.items()):
                old = bisect_right(times, now - WINDOW)
                if old:
                    del times[:old]
                    self._dirty.add(key)
                if not times:
                    del ends[key]

    def expose(self) -> None:
        """Set the gauges of the pipelines whose numbers have changed."""
        for key in self._dirty:
            self._expose(key)
        self._dirty.clear()

    def _expose(self, key: Key) -> None:
        completed = self._completed.get(key)
        gauges: tuple[Contribution, ...] = ()
        if completed:
            gauges = (
                (COMPLETED_7D, key, float(len(completed))),
                (FAILED_7D, key, float(len(self._failed.get(key, ())))),
            )
        self._sink.own(f"week/{key[0]}/{key[1]}", gauges)


def _insert(ends: "dict[Key, array[float]]", key: Key, finished: float) -> None:
    times = ends.get(key)
    if times is None:
        ends[key] = array("d", (finished,))
    elif finished >= times[-1]:
        times.append(finished)
    else:
        insort(times, finished)


def _digest(uid: str, finished: float) -> int:
    return hash((uid, finished)) & 0xFFFFFFFFFFFFFFFF
