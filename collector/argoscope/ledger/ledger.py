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
    path_row,
    sealed,
    shape_of,
    state_bytes,
    state_of,
    values_of,
)
from argoscope.ledger.runs import HISTORY, cron_of, moment, past_of, run_of, run_row
from argoscope.metrics.held import Held
from argoscope.metrics.model import Instrument, Labels, Metric
from argoscope.metrics.registry import Registry
from argoscope.metrics.series import Series
from argoscope.resources._base import PastCronRun, PastRun, RunCauses, RunRecord

RETENTION = 30 * 86400.0
"""Seconds for which run records are kept."""
PENDING_RUNS = 100_000
"""Run records, 1 KB each, that wait in memory while commits fail."""
_EXPIRE_EVERY = 60.0  # seconds
_CROWDED = 0.8  # part of a metric's series budget from which unused series give way

Change = tuple[str, str, bytes | None]
"""Kind, uid and record of an object; None when it is gone."""

Has = Callable[[Metric, Labels], bool]

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
        self._paths: list[Row] = []
        self._acknowledged: dict[int, Row] = {}
        self._rows: int = database.scalar("SELECT ifnull(max(id), 0) FROM series")
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

    def attribute(self, found: RunCauses) -> None:
        """Keep with the next commit where the time of a run attempt went."""
        if len(self._paths) >= PENDING_RUNS:
            # Not counted apart: the run records that they belong to are given up, and counted.
            del self._paths[: PENDING_RUNS // 10]
        self._paths.append(path_row(found))

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
        count, begin = 0, moment(since)
        for rows in self.database.run_rows():
            count += len(rows)
            if rows[-1][0] >= begin:
                yield from (past_of(row) for row in rows if row[0] >= begin)
        self.database.check_count(count)

    def past_cron_runs(self) -> Iterator[PastCronRun]:
        """All recorded runs of those crons of which there is history: of others, the daemon's own
        records have all. Oldest end first. Raises LedgerError.

        Their CRCs are not looked at again: ``past_runs`` does.
        """
        everything = "SELECT key, body FROM run"
        history = f"{everything} WHERE substr(body, 1, 1) = ?"
        stream = self.database.stream
        crons = {cron for cron in map(cron_of, stream(history, (HISTORY,))) if cron[1]}
        for row in stream(f"{everything} ORDER BY key") if crons else ():
            if cron_of(row) in crons:
                run = run_of(row)
                yield PastCronRun(
                    run.namespace,
                    run.cron,
                    run.uid,
                    run.name,
                    run.phase,
                    run.cause,
                    run.created,
                    run.finished,
                )

    # -- at the start

    def restore(self, registry: Registry, has: Has | None = None) -> int:
        """Put the cumulative series back and publish them; returns how many. Those that ``has``
        denies are another daemon's at present, and stay as they are.

        Raises LedgerError for damaged ones: a counter that is not what it was is worse than none.
        """
        metrics = self._known_metrics(registry)
        self._make_room(registry)
        count = 0
        for (row, name, text, start, _), (_, _, raw, _) in self.database.series():
            metric = metrics.get(name)
            if metric is None:
                continue
            labels = labels_of(text)
            if has is not None and not has(metric, labels):
                continue
            series = registry.restore(metric, labels, start, state_of(raw, metric))
            if series.row not in (0, row):
                twice = f"{name} {text} is there twice"
                raise LedgerError(self.database.path, "corrupt", twice)
            series.row = row
            count += 1
        return count

    def acknowledged(self, registry: Registry) -> Iterator[tuple[Series, State, int]]:
        """What a receiver of deltas has: series, state, and of what time (Unix nanoseconds)."""
        known = {
            series.row: series
            for metric in registry.metrics.values()
            for series in registry.cumulative(metric).values()
        }
        for row, at, raw, _ in self.database.rows("SELECT * FROM acknowledged"):
            if series := known.get(row):
                yield series, state_of(raw, series.shard.metric), at

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
        counts: dict[str, int] = dict(
            self.database.query("SELECT metric, count(*) FROM series GROUP BY metric")
        )
        for family in registry.families:
            name = family.metric.prometheus
            if counts.get(name, 0) <= family.budget * _CROWDED:
                continue
            newest = "SELECT max(changed) FROM value JOIN series USING (id) WHERE metric = ?"
            unused = min(self._now(), self.database.scalar(newest, (name,))) - self._retention
            if dropped := self.database.forget_series(name, unused):
                log.info("unused series forgotten", metric=name, series=dropped)

    # -- once a second

    def take(self, held: Held, changes: Iterable[Change] = ()) -> Batch:
        """The next commit: ``held`` of the registry, and everything that came since the last."""
        now = self._now()
        batch = Batch(held=held, now=now)
        for series, raw in values_of(held):
            if not series.row:
                batch.series.append(self._row_for(series))
            batch.values.append(sealed(series.row, now, raw))
        objects = {(kind, uid): record for kind, uid, record in changes}
        for (kind, uid), record in objects.items():
            if record is None:
                batch.gone.append((kind, uid))
            else:
                batch.objects.append(sealed(kind, uid, record))
        batch.shapes, self._shapes = self._shapes, []
        batch.runs, self._runs = self._runs, []
        batch.paths, self._paths = self._paths, []
        batch.notes, self._notes = self._notes, {}
        batch.acknowledged.extend(self._acknowledged.values())
        self._acknowledged.clear()
        if now >= self._expire_at or self.database.expiring:
            self._expire_at = now + _EXPIRE_EVERY
            batch.retention = self._retention
        return batch

    def _row_for(self, series: Series) -> Row:
        self._rows += 1
        series.row = self._rows
        name = series.shard.metric.prometheus
        return sealed(series.row, name, labels_text(series.labels), series.start)

    def acknowledge(self, series: Series, state: State, at: int) -> None:
        """Keep with the next commit what a receiver of deltas has (``at``: Unix nanoseconds)."""
        if series.row:  # others are volatile, and begin at 0 with the next process
            self._acknowledged[series.row] = sealed(series.row, at, state_bytes(state))

    def write(self, batch: Batch) -> None:
        """Commit. Raises LedgerError; then the same batch is to be written again, and first."""
        self.database.write(batch)

    def commit(self, held: Held, changes: Iterable[Change] = ()) -> None:
        """``take`` and ``write`` at once, for whoever has no event loop. Raises LedgerError."""
        self.write(self.take(held, changes))

    def close(self) -> None:
        self.database.close()
