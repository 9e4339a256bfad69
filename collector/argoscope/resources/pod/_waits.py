"""Who waits now, and the times of waiting that have ended.

``_pending`` says what a pod waits for; here it is shown while it lasts and counted when it ends.
"""

from argoscope.resources import _reasons
from argoscope.resources._base import Sink
from argoscope.resources.pod import _joins, _pending
from argoscope.resources.pod._census import Census
from argoscope.resources.pod._joins import Joins
from argoscope.resources.pod._metrics import (
    EPISODES,
    PENDING,
    PENDING_BY_POOL,
    PENDING_SECONDS,
)
from argoscope.resources.pod._timeline import Episode, Record


class Waits:
    def __init__(self, sink: Sink, census: Census, joins: Joins) -> None:
        self._sink = sink
        self._census = census
        self._joins = joins

    def wait_for(self, record: Record, reason: str, since: float, at: float) -> None:
        """``record`` waits for ``reason``, since when; ``at``: now. All in Unix seconds."""
        episode = record.episode
        if episode is None:
            self._begin(record, reason, since)
            return
        if episode.reason == reason or _pending.is_coarser(reason, episode.reason):
            return
        if _pending.is_same_trouble(episode.reason, reason):
            self.show(record, episode, -1)
            _pending.change_reason(episode, reason, at)
            self.show(record, episode, 1)
            return
        if since < episode.since:
            since = at
        self.end(record, since)
        self._begin(record, reason, since, episode.pool)

    def wait_in(self, record: Record, pool: str) -> None:
        """Its pool is known, or another than before: it has a node now."""
        episode = record.episode
        if episode and episode.pool != pool:
            self.show(record, episode, -1)
            episode.pool = pool
            self.show(record, episode, 1)

    def give_up(self, record: Record, episode: Episode, end: float, *, timed: bool = True) -> None:
        """The pod ended, or is being deleted, before main could start."""
        if _reasons.is_image(episode.reason):
            # That a deadline passed says less than what was waited for until then.
            record.cause = "image" if record.cause in ("", "deadline") else record.cause
        self.end(record, end, timed=timed)

    def end(self, record: Record, end: float, *, timed: bool = True) -> None:
        """Count the episode that ``record`` is in."""
        episode = record.episode
        assert episode is not None
        record.episode = None
        self.show(record, episode, -1)
        concluded = _pending.conclude(episode, _pending.end_of(record, episode, end))
        if concluded is None:
            return
        reason, seconds = concluded
        _pending.blame(record, reason)
        labels = (record.namespace, _joins.PIPELINE, reason)
        self._joins.measure(record, EPISODES, labels, 1.0)
        if timed:
            self._joins.measure(record, PENDING_SECONDS, (record.namespace, reason), seconds)

    def show(self, record: Record, episode: Episode, change: int) -> None:
        """One more that waits, or one less: 1 or -1."""
        labels = (record.namespace, record.pipeline or "", episode.reason)
        self._census.add(PENDING, labels, change, episode.since)
        if episode.pool:
            in_pool = (record.namespace, episode.pool, episode.reason)
            self._census.add(PENDING_BY_POOL, in_pool, change)
        if change > 0 and record.pipeline is not None and episode.reason not in _reasons.PASSING:
            # Exposed at 0 before it can grow: increase() misses a series that is born at 1.
            self._sink.declare(EPISODES, labels)

    def _begin(self, record: Record, reason: str, since: float, pool: str = "") -> None:
        record.episode = Episode(reason=reason, since=since, changed=since, pool=pool)
        self.show(record, record.episode, 1)
