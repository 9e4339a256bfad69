"""The ledger: what was counted, and from what it was counted, committed together.

A crash loses what came after the last commit from the ledger and from memory alike: values,
records of objects and run records. So what is derived again from the cluster after a restart is
counted exactly once.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Self

import structlog

from argoscope.ledger.database import Database, locate
from argoscope.ledger.errors import LedgerError
from argoscope.ledger.rows import (
    Batch,
    Row,
    State,
    labels_of,
    labels_text,
    run_row,
    sealed,
    series_rows,
    shape_of,
    state_bytes,
    state_of,
)
from argoscope.metrics.held import Held
from argoscope.metrics.model import Instrument, Metric
from argoscope.metrics.registry import Registry
from argoscope.metrics.series import Series
from argoscope.resources._base import PastRun, RunRecord

RETENTION = 30 * 86400.0
"""Seconds for which run records are kept."""
PENDING_RUNS = 100_000
"""Run records, 1 KB each, that wait in memory while commits fail."""
_EXPIRE_EVERY = 60.0  # seconds
_CROWDED = 0.8  # part of a metric's series budget from which unused series give way

Change = tuple[str, str, bytes | None]
"""Kind, uid and record of an object; None when it is gone."""

log = structlog.get_logger()


class Ledger:
    """One open ledger. ``restore`` it, then ``take`` and ``write`` in turn.

    All but ``write`` belong to the thread of the event loop; ``take`` and the methods that read
    must not be called while a ``write`` is going on.
    """

    def __init__(
        self,
        database: Database,
        *,
        retention: float = RETENTION,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.database = database
        self.dropped = 0
        """Run records given up because commits failed for too long."""
        self._retention = retention
        self._now = now
        self._meta = database.meta()
        self._notes: dict[str, str] = {}
        self._shapes: list[Row] = []
        self._runs: list[Row] = []
        self._acknowledged: dict[tuple[str, str], Row] = {}
        self._expire_at = 0.0

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        retention: float = RETENTION,
        now: Callable[[], float] = time.time,
    ) -> Self:
        """The ledger of a file or in a folder; a new one if there is none.

        Raises LedgerError if it is in use, damaged, newer, or can't be written.
        """
        database = Database.open(locate(path))
        try:
            return cls(database, retention=retention, now=now)
        except LedgerError:
            database.close()
            raise

    # -- what derivations keep (pipeline.Memory)

    def record(self, run: RunRecord) -> None:
        """Keep a run attempt with the next commit."""
        if len(self._runs) >= PENDING_RUNS:
            del self._runs[: PENDING_RUNS // 10]
            self.dropped += PENDING_RUNS // 10
        self._runs.append(run_row(run))

    def note(self, key: str, value: str) -> None:
        """Keep a fact with the next commit; an empty value forgets it."""
        if self.noted(key) != value:
            self._meta[key] = self._notes[key] = value

    def noted(self, key: str) -> str:
        return self._meta.get(key, "")

    def objects(self, kind: str) -> Iterator[tuple[str, bytes]]:
        """(uid, record) of a kind. Raises LedgerError for a damaged one."""
        for row in self.database.rows("SELECT * FROM object WHERE kind = ?", (kind,)):
            yield row[1], row[2]

    def past_runs(self, since: float) -> Iterator[PastRun]:
        """Runs that ended at ``since`` (Unix seconds) or later, oldest first.

        Looks at every run, 2 s for a million: a damaged key would hide a run from a search.
        """
        count = 0
        for row in self.database.rows("SELECT * FROM run ORDER BY finished, uid"):
            count += 1
            if row[0] >= since:
                yield PastRun(row[2], row[3], row[5], row[6], row[7], row[0], row[1])
        if count != self.database.runs:
            missing = f"{count} run records instead of {self.database.runs}"
            raise LedgerError(self.database.path, "corrupt", missing)

    # -- at the start

    def restore(self, registry: Registry) -> int:
        """Put all cumulative series back and publish them; returns how many.

        Raises LedgerError for damaged ones: a counter that is not what it was is worse than none.
        """
        metrics = self._known_metrics(registry)
        self._make_room(registry)
        count = 0
        for row in self.database.rows("SELECT * FROM series"):
            metric = metrics.get(row[0])
            if metric is not None:
                registry.restore(metric, labels_of(row[1]), row[2], state_of(row[4], metric))
                count += 1
        return count

    def acknowledged(self, registry: Registry) -> Iterator[tuple[Series, State, int]]:
        """What a receiver of deltas has: series, state, and of what time (Unix nanoseconds)."""
        for row in self.database.rows("SELECT * FROM acknowledged"):
            metric = registry.metrics.get(row[0])
            series = registry.cumulative(metric).get(labels_of(row[1])) if metric else None
            if metric is not None and series is not None:
                yield series, state_of(row[3], metric), row[2]

    def forget_acknowledged(self) -> None:
        """Deltas begin anew: at a start, when no receiver of deltas is configured."""
        self.database.forget_acknowledged()

    def _known_metrics(self, registry: Registry) -> dict[str, Metric]:
        """The metrics that can take their values back; of those that changed, values go."""
        stored = {row[0]: row[1] for row in self.database.rows("SELECT * FROM metric")}
        known = {
            name: metric
            for name, metric in registry.metrics.items()
            if metric.instrument is not Instrument.GAUGE and not metric.volatile
        }
        for name, metric in known.items():
            shape = shape_of(metric)
            if stored.get(name) == shape:
                continue
            if name in stored:
                dropped = self.database.forget_series(name, float("inf"))
                log.warning("metric has changed and begins anew", metric=name, series=dropped)
            self._shapes.append(sealed(name, shape))
        return known

    def _make_room(self, registry: Registry) -> None:
        """Forget series that nothing was added to for as long as runs are kept, but only of
        metrics that have little room left: what is over the budget goes to ``_other``."""
        for family in registry.families:
            name = family.metric.prometheus
            of_metric = "FROM series WHERE metric = ?"
            count = self.database.scalar(f"SELECT count(*) {of_metric}", (name,))
            if count <= family.budget * _CROWDED:
                continue
            newest = self.database.scalar(f"SELECT max(changed) {of_metric}", (name,))
            unused = min(self._now(), newest) - self._retention
            if dropped := self.database.forget_series(name, unused):
                log.info("unused series forgotten", metric=name, series=dropped)

    # -- once a second

    def take(self, held: Held, changes: Iterable[Change] = ()) -> Batch:
        """The next commit: ``held`` of the registry, and everything that came since the last."""
        now = self._now()
        batch = Batch(held=held, now=now)
        batch.series.extend(series_rows(held, now))
        objects = {(kind, uid): record for kind, uid, record in changes}
        for (kind, uid), record in objects.items():
            if record is None:
                batch.gone.append((kind, uid))
            else:
                batch.objects.append(sealed(kind, uid, record))
        batch.shapes, self._shapes = self._shapes, []
        batch.runs, self._runs = self._runs, []
        batch.notes, self._notes = self._notes, {}
        batch.acknowledged.extend(self._acknowledged.values())
        self._acknowledged.clear()
        if now >= self._expire_at or self.database.expiring:
            self._expire_at = now + _EXPIRE_EVERY
            batch.retention = self._retention
        return batch

    def acknowledge(self, series: Series, state: State, at: int) -> None:
        """Keep with the next commit what a receiver of deltas has (``at``: Unix nanoseconds)."""
        metric = series.shard.metric
        if metric.volatile:
            return  # begins at 0 with the next process
        name, labels = metric.prometheus, labels_text(series.labels)
        self._acknowledged[name, labels] = sealed(name, labels, at, state_bytes(state))

    def write(self, batch: Batch) -> None:
        """Commit. Raises LedgerError; then the same batch is to be written again, and first."""
        self.database.write(batch)

    def commit(self, held: Held, changes: Iterable[Change] = ()) -> None:
        """``take`` and ``write`` at once, for whoever has no event loop. Raises LedgerError."""
        self.write(self.take(held, changes))

    def close(self) -> None:
        self.database.close()
