"""What ended within the last 7 days, for the gauges that need no Prometheus history."""

from array import array
from bisect import bisect_right, insort

from argoscope.resources._base import Contribution, Sink
from argoscope.resources.workflow.metrics import COMPLETED_7D, FAILED_7D, POLICY_CAUSES
from argoscope.resources.world import Key

WINDOW = 7 * 86400.0


class WeekHistory:
    """Ends of run attempts by (namespace, pipeline): 8 bytes each, sorted, dropped after a week."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._completed: dict[Key, array[float]] = {}
        self._failed: dict[Key, array[float]] = {}
        self._dirty: set[Key] = set()

    def add(self, key: Key, finished: float, cause: str) -> None:
        """Note an attempt that ended at ``finished`` (Unix seconds), with ``cause`` if it failed.

        What people and policies ended is no failure.
        """
        insort(self._completed.setdefault(key, array("d")), finished)
        if cause and cause not in POLICY_CAUSES:
            insort(self._failed.setdefault(key, array("d")), finished)
        self._dirty.add(key)

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
