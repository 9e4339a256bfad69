"""The SQLite file: opened by one process, written in one transaction a commit.

WAL with ``synchronous=NORMAL``: what was committed survives the death of the process at any moment
(kill -9, out of memory). When the machine loses power the last commits can be lost, all of them
together with what followed, and the file stays whole: what they held is derived again from the
cluster, as after a crash. ``FULL`` would cost a flush of the disk every second.
"""

import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from argoscope.ledger.errors import FAULTS, LedgerError, explained
from argoscope.ledger.lock import Lock
from argoscope.ledger.reading import BUSY, COMMITS, Reader, log_size, look
from argoscope.ledger.rows import Batch, Row, sealed
from argoscope.ledger.runs import ended, is_counted, moment
from argoscope.ledger.schema import MIGRATIONS, Step, check_version, migrate

FILE = "argoscope.db"
"""Name of the ledger in a folder."""
EXPIRED = 5_000
"""Run records that one commit deletes at most: some 20 ms."""
CHECKPOINT_ROWS = 5_000
"""Rows written after which the write-ahead log, by then at most 20 MB, is worked into the file.
The log's own size says little: it does not shrink, it is written again from its beginning."""
_STATEMENTS = 16  # kept prepared: those with all rows, up to 0.1 MB each

_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = NORMAL",
    # Done between commits, so that no commit waits for the disk.
    "wal_autocheckpoint = 0",
    "journal_size_limit = 67108864",
    "cache_size = -4096",
    "cell_size_check = ON",
    "trusted_schema = OFF",
)
_COLUMNS = {
    "meta": 3,
    "metric": 3,
    "series": 5,
    "value": 4,
    "acknowledged": 4,
    "object": 4,
    "run": 2,
    "path": 4,
}
_OVERWRITE = "ON CONFLICT (kind, uid) DO UPDATE SET record = excluded.record, crc = excluded.crc"
_ROWS = 256  # of a statement: with more, preparing it costs what fewer turns would save


def locate(path: str | Path) -> Path:
    """The ledger's file: the path itself, or one in it if it is a folder, or has no suffix and is
    not there yet. Of a link the file that it leads to: the lock and SQLite's log lie beside that
    one, whatever it is called by."""
    found = Path(path)
    if found.is_dir() or (not found.suffix and not found.exists()) or str(path).endswith("/"):
        found /= FILE
    return found.resolve() if found.is_symlink() else found


class Database(Reader):
    """One ledger file. Not thread-safe: one thread at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: Lock | None) -> None:
        super().__init__(path, connection)
        self.runs = 0
        """Run records in it."""
        self.expiring = False
        """There are more run records to delete than one commit may."""
        self._commits = 0
        self._checkpointed = 0
        self._lock = lock
        self._inode = _inode(path)

    @classmethod
    def open(cls, path: Path, migrations: Sequence[Step] = MIGRATIONS) -> Self:
        """Open for writing, create or migrate. Raises LedgerError; then nothing was changed."""
        try:
            lock = Lock.take(path)
        except OSError as error:
            raise explained(path, error) from error
        connection = None
        try:
            look(path, len(migrations), lock.told())
            connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS
            )
            connection.execute(f"PRAGMA busy_timeout = {BUSY}")
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            migrate(connection, path, migrations)
            # A full cache would write in the middle of a transaction.
            connection.execute("PRAGMA cache_spill = OFF")
            database = cls(path, connection, lock)
            database._begin()
        except (*FAULTS, LedgerError) as error:
            if connection is not None:
                connection.close()
            lock.close()
            if isinstance(error, LedgerError):
                raise
            raise explained(path, error) from error
        return database

    @classmethod
    def read(cls, path: Path) -> Self:
        """Open for reading, also while a daemon writes. Raises LedgerError."""
        if not path.exists():
            raise LedgerError(path, "missing", "")
        try:
            # Beside a log SQLite shares memory, in a file. A snapshot of a volume can hold none.
            alone = not os.access(path.parent, os.W_OK) and not log_size(path)
            how = "mode=ro&immutable=1" if alone else "mode=ro"
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)
            connection.isolation_level = None
            connection.execute(f"PRAGMA busy_timeout = {BUSY}")
            if check_version(connection, path) < len(MIGRATIONS):
                advice = "an older argoscope has written it: start the daemon on it once"
                raise LedgerError(path, "older", "", advice)
            database = cls(path, connection, None)
            database.runs = int(database.meta().get("runs", "0"))
        except FAULTS as error:
            raise explained(path, error) from error
        return database

    def _begin(self) -> None:
        """Find out now, and not at the first commit, whether it can be written."""
        for table in ("metric", "acknowledged", "object"):
            for _ in self.rows(f"SELECT * FROM {table}"):  # noqa: S608 - our names
                pass  # a row whose key is damaged would not be found by a search
        meta = self.meta()
        self.runs = int(meta.get("runs", "0"))
        self._commits = int(meta.get(COMMITS, "0"))
        if self._lock is not None:
            self._lock.sign(self._commits)
        self.write(Batch(notes={"opened": f"{time.time():.3f}"}))

    # -- writing

    def write(self, batch: Batch) -> None:
        """One transaction with all of the batch. Raises LedgerError; then nothing of it is there.

        Hundreds of rows go in with one statement: after each one, Python's global lock has to be
        got back from the event loop, which may take milliseconds.
        """
        execute = self._connection.execute
        runs = self.runs
        try:
            if _inode(self.path) != self._inode or not self._is_locked():
                raise LedgerError(self.path, "moved", "")
            execute("BEGIN IMMEDIATE")
            self._put("metric", batch.shapes)
            self._put("series", batch.series, "INSERT")
            self._put("value", batch.values)
            self._put("acknowledged", batch.acknowledged)
            # In place: a row that was replaced would change the index too.
            self._put("object", batch.objects, "INSERT", _OVERWRITE)
            self._remove(batch.gone)
            runs += self._add_runs(batch.runs)
            self._put("path", batch.paths)
            if batch.retention:
                runs -= self._expire(batch.now, batch.retention)
            counts = {"runs": str(runs), COMMITS: str(self._commits + 1)}
            self._note({**batch.notes, **counts})
            execute("COMMIT")
        except FAULTS as error:
            raise explained(self.path, error) from error
        finally:
            if self._connection.in_transaction:
                self.roll_back()
        self.runs = runs
        self._commits += 1
        if self._lock is not None:
            self._lock.tell(self._commits)

    def _is_locked(self) -> bool:
        """Whether nobody else can have taken it: with a new lock file another process could."""
        return self._lock is None or self._lock.is_in_place()

    def _put(self, table: str, rows: list[Row], verb: str = "REPLACE", conflict: str = "") -> int:
        """Insert rows; returns how many were changed."""
        before = self._connection.total_changes
        one = f"({','.join('?' * _COLUMNS[table])})"
        for chunk in _chunks(rows):
            values = ",".join([one] * len(chunk))
            self._connection.execute(
                f"{verb} INTO {table} VALUES {values} {conflict}",
                [column for row in chunk for column in row],
            )
        return self._connection.total_changes - before

    def _add_runs(self, rows: list[Row]) -> int:
        """Insert run records that are new; returns how many were. What was imported as history
        and is counted now becomes a counted one."""
        added = self._put("run", rows, "INSERT OR IGNORE")
        if added < len(rows):
            self._put("run", [row for row in rows if is_counted(row)])
        return added

    def _remove(self, keys: list[Row]) -> None:
        for chunk in _chunks(keys):
            values = ",".join(["(?,?)"] * len(chunk))
            self._connection.execute(
                f"DELETE FROM object WHERE (kind, uid) IN (VALUES {values})",  # noqa: S608
                [column for key in chunk for column in key],
            )

    def _note(self, notes: dict[str, str]) -> None:
        self._put("meta", [sealed(key, value) for key, value in notes.items() if value])
        for key in [key for key, value in notes.items() if not value]:
            self._connection.execute("DELETE FROM meta WHERE key = ?", (key,))

    def _expire(self, now: float, retention: float) -> int:
        """Delete what ended too long before now, or before the newest: whichever is earlier, so
        that a clock that is years ahead for a moment deletes nothing."""
        execute = self._connection.execute
        (newest,) = execute("SELECT max(key) FROM run").fetchone()
        cutoff = min(now, ended(newest) if newest else now) - retention
        old = "SELECT key FROM run WHERE key < ? ORDER BY key LIMIT ?"
        found = execute(old, (moment(cutoff), EXPIRED)).fetchall()
        self.expiring = len(found) == EXPIRED
        if found:
            execute("DELETE FROM run WHERE key <= ?", found[-1])
            last = found[-1][0]
            uid = last[8:].decode()
            execute("DELETE FROM path WHERE (finished, uid) <= (?, ?)", (ended(last), uid))
        return len(found)

    def checkpoint(self) -> None:
        """Work the log into the file if it has grown; readers do not stop it. LedgerError."""
        try:
            if self._connection.total_changes - self._checkpointed >= CHECKPOINT_ROWS:
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                self._checkpointed = self._connection.total_changes
        except FAULTS as error:
            raise explained(self.path, error) from error

    def vacuum(self) -> None:
        """Give the room of what was deleted back to the disk. Raises LedgerError."""
        try:
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except FAULTS as error:
            raise explained(self.path, error) from error

    def forget_series(self, metric: str, unchanged_since: float) -> int:
        """Drop a metric's series that did not change since then; returns how many there were.
        Raises LedgerError."""
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            changed = execute(
                "DELETE FROM series WHERE metric = ? AND id IN"
                " (SELECT id FROM value WHERE changed < ?)",
                (metric, unchanged_since),
            ).rowcount
            for table in ("value", "acknowledged"):
                execute(f"DELETE FROM {table} WHERE id NOT IN (SELECT id FROM series)")  # noqa: S608
            execute("COMMIT")
        except FAULTS as error:
            raise explained(self.path, error) from error
        finally:
            if self._connection.in_transaction:
                self.roll_back()
        return changed

    def forget_acknowledged(self) -> None:
        """Raises LedgerError."""
        try:
            self._connection.execute("DELETE FROM acknowledged")
        except FAULTS as error:
            raise explained(self.path, error) from error

    def close(self) -> None:
        """Work the log into the file and give up the lock."""
        try:
            self._connection.close()
        finally:
            if self._lock is not None:
                self._lock.close()


def _chunks(rows: list[Row]) -> Iterable[list[Row]]:
    return (rows[at : at + _ROWS] for at in range(0, len(rows), _ROWS))


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
