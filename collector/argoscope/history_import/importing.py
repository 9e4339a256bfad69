"""From a source into the ledger: each run once, committed as it goes."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from argoscope.history_import.deriving import MALFORMED, History
from argoscope.history_import.selector import matches
from argoscope.history_import.source import Archive, Key, Unreadable, Wanted
from argoscope.ledger.database import Database
from argoscope.ledger.ledger import Ledger
from argoscope.ledger.runs import run_key
from argoscope.metrics.held import Held
from argoscope.resources._base import RunRecord

COMMIT_RUNS = 1_000
"""Run records after which they are committed: some 10 ms, and what a cut import does again."""
COMMIT_SECONDS = 2.0

Advance = Callable[[int], None]
"""Told how many more objects were looked at."""


@dataclass(slots=True)
class Summary:
    """What came of an import."""

    phases: Counter[str] = field(default_factory=Counter)
    """Runs that were imported, by phase."""
    pipelines: set[tuple[str, str]] = field(default_factory=set)
    oldest: float = 0.0
    """Unix seconds at which imported runs ended; 0 for none."""
    newest: float = 0.0
    known: int = 0
    """Runs that the ledger had already."""
    unwanted: int = 0
    """Ended earlier than asked for, or in another namespace, or not selected."""
    skipped: Counter[str] = field(default_factory=Counter)
    """What could not be imported, by reason."""

    @property
    def imported(self) -> int:
        return self.phases.total()

    def add(self, run: RunRecord) -> None:
        self.phases[run.phase] += 1
        self.pipelines.add((run.namespace, run.pipeline))
        self.oldest = min(self.oldest or run.finished, run.finished)
        self.newest = max(self.newest, run.finished)


class Importer:
    """Puts the runs of archived workflows into a ledger that no daemon holds.

    Without a ledger (a dry run) it only finds out what would come of it; ``known`` is then the
    ledger to compare with, if there is one.
    """

    def __init__(
        self,
        history: History,
        wanted: Wanted,
        *,
        ledger: Ledger | None = None,
        known: Database | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.summary = Summary()
        self._history = history
        self._wanted = wanted
        self._ledger = ledger
        self._known = ledger.database if ledger is not None else known
        self._clock = clock
        self._taken: set[tuple[str, float]] = set()
        self._waiting = 0
        self._committed_at = time.monotonic()

    async def archive(
        self, archive: Archive, listed: Advance, started: Advance, advance: Advance
    ) -> None:
        """Import all that is wanted. Raises SourceError, LedgerError; then what was committed
        stays, and another import goes on from there.

        ``started`` is told how many objects there are to look at.
        """
        todo: dict[str, Key] = {}
        async for page in archive.keys(self._wanted):
            todo.update((key.uid, key) for key in self._unknown(page, todo))
            listed(len(page))
        if archive.unreadable:
            self.summary.skipped[MALFORMED] += archive.unreadable
        started(len(todo))
        async for key, got in archive.fetch(list(todo.values())):
            if isinstance(got, Unreadable):
                self.summary.skipped[got.reason] += 1
                self._history.complain(key.where, "Workflow", f"{got.reason}: {got.detail}")
            else:
                self.take(got, key.where)
            advance(1)

    def objects(self, objects: Iterable[tuple[bytes, str]], advance: Advance) -> None:
        """Import (object, where it comes from). Raises LedgerError."""
        for raw, where in objects:
            self.take(raw, where)
            advance(1)

    def _unknown(self, page: list[Key], todo: dict[str, Key]) -> list[Key]:
        """Keys that are to be read; that a page brings one again is no news."""
        found = []
        for key in page:
            if self._is_known(key.uid, key.finished):
                self.summary.known += 1
            elif key.uid not in todo:
                found.append(key)
        return found

    def take(self, raw: bytes, where: str) -> None:
        """One Workflow object. Raises LedgerError."""
        found = self._history.derive(raw, where, self._clock())
        if isinstance(found, str):
            self.summary.skipped[found] += 1
            return
        workflow, run = found
        wanted = self._wanted
        selected = matches(wanted.selector, workflow.metadata.labels or {})
        if run.finished < wanted.since or not wanted.in_namespaces(run.namespace) or not selected:
            self.summary.unwanted += 1
            return
        attempt = (run.uid, run.finished)
        if attempt in self._taken or self._is_known(*attempt):
            self.summary.known += 1
            return
        self._taken.add(attempt)
        self.summary.add(run)
        if self._ledger is not None:
            self._ledger.record(run)
            self._waiting += 1
            late = time.monotonic() - self._committed_at >= COMMIT_SECONDS
            if late or self._waiting >= COMMIT_RUNS:
                self.commit()

    def commit(self) -> None:
        """Raises LedgerError."""
        if self._ledger is not None and self._waiting:
            self._waiting = 0
            self._ledger.commit(Held())
            self._committed_at = time.monotonic()

    def _is_known(self, uid: str, finished: float) -> bool:
        if self._known is None:
            return False
        key = run_key(finished, uid)
        return any(True for _ in self._known.run_rows(key, key))
