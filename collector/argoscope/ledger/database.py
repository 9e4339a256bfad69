"""The SQLite file: opened by one process, written in one transaction a commit.

WAL with ``synchronous=NORMAL``: what was committed survives the death of the process at any moment
(kill -9, out of memory). When the machine loses power the last commits can be lost, all of them
together with what followed, and the file stays whole: what they held is derived again from the
cluster, as after a crash. ``FULL`` would cost a flush of the disk every second.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Self
from zlib import crc32

from argoscope.ledger.errors import FAULTS, LedgerError, explained
from argoscope.ledger.rows import Batch, Row, packed, sealed
from argoscope.ledger.schema import MIGRATIONS, check_version, migrate
from argoscope.ledger.wal import boot, check_log

FILE = "argoscope.db"
"""Name of the ledger in a folder."""
EXPIRED = 5_000
"""Run records that one commit deletes at most: some 20 ms."""
CHECKPOINT_ROWS = 5_000
"""Rows written after which the write-ahead log, by then at most 20 MB, is worked into the file.
The log's own size says little: it does not shrink, it is written again from its beginning."""
_STATEMENTS = 16  # kept prepared: those with all rows, up to 0.1 MB each
_BUSY = 5_000  # milliseconds that a checkpoint of a reading `argoscope ledger` may hold us up

_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = NORMAL",
    # Done between commits, so that no commit waits for the disk.
    "wal_autocheckpoint = 0",
    "journal_size_limit = 67108864",
    "cache_size = -8192",
    # A full cache would write in the middle of a transaction.
    "cache_spill = OFF",
    "cell_size_check = ON",
    "trusted_schema = OFF",
)
_COLUMNS = {"meta": 3, "metric": 3, "series": 6, "acknowledged": 5, "object": 4, "run": 16}
_COUNTED = 14  # place of the column in a row of run
_ROWS = 256  # of a statement: with more, preparing it costs what fewer turns would save


def locate(path: str | Path) -> Path:
    """The ledger's file: the path itself, or one in it if it is a folder, or has no suffix and is
    not there yet."""
    found = Path(path)
    if found.is_dir() or (not found.suffix and not found.exists()) or str(path).endswith("/"):
        return found / FILE
    return found


class Database:
    """One ledger file. Not thread-safe: one thread at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: IO[str] | None) -> None:
        self.path = path
        self.runs = 0
        """Run records in it."""
        self.expiring = False
        """There are more run records to delete than one commit may."""
        self._connection = connection
        self._checkpointed = 0
        self._lock = lock
        self._inode = _inode(path)

    @classmethod
    def open(cls, path: Path, migrations: Sequence[str] = MIGRATIONS) -> Self:
        """Open for writing, create or migrate. Raises LedgerError; then nothing was changed."""
        try:
            lock = _locked(path)
        except OSError as error:
            raise explained(path, error) from error
        connection = None
        try:
            powered = _was_powered(lock)
            _look(path, len(migrations), powered=powered)
            connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS
            )
            connection.execute(f"PRAGMA busy_timeout = {_BUSY}")
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            migrate(connection, path, migrations)
            if not powered:
                # What lies behind the end of the log may look whole: it must not be found later.
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            _sign(lock)
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
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            connection.isolation_level = None
            connection.execute(f"PRAGMA busy_timeout = {_BUSY}")
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
        self.runs = int(self.meta().get("runs", "0"))
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
            if _inode(self.path) != self._inode:
                raise LedgerError(self.path, "moved", "")
            execute("BEGIN IMMEDIATE")
            self._put("metric", batch.shapes)
            self._put("series", batch.series)
            self._put("acknowledged", batch.acknowledged)
            self._put("object", batch.objects)
            self._remove(batch.gone)
            runs += self._add_runs(batch.runs)
            if batch.retention:
                runs -= self._expire(batch.now, batch.retention)
            notes = batch.notes if runs == self.runs else {**batch.notes, "runs": str(runs)}
            self._note(notes)
            execute("COMMIT")
        except FAULTS as error:
            raise explained(self.path, error) from error
        finally:
            if self._connection.in_transaction:
                self._roll_back()
        self.runs = runs

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # SQLite has done so itself

    def _put(self, table: str, rows: list[Row], conflict: str = "REPLACE") -> int:
        """Insert rows; returns how many were changed."""
        before = self._connection.total_changes
        one = f"({','.join('?' * _COLUMNS[table])})"
        for chunk in _chunks(rows):
            values = ",".join([one] * len(chunk))
            self._connection.execute(
                f"INSERT OR {conflict} INTO {table} VALUES {values}",  # noqa: S608 - our names
                [column for row in chunk for column in row],
            )
        return self._connection.total_changes - before

    def _add_runs(self, rows: list[Row]) -> int:
        """Insert run records that are new; returns how many were. What was imported as history
        and is counted now becomes a counted one."""
        added = self._put("run", rows, "IGNORE")
        if added < len(rows):
            self._put("run", [row for row in rows if row[_COUNTED]])
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
        (newest,) = execute("SELECT max(finished) FROM run").fetchone()
        cutoff = min(now, newest or now) - retention
        found = execute(
            "SELECT finished, uid FROM run WHERE finished < ? ORDER BY finished, uid LIMIT ?",
            (cutoff, EXPIRED),
        ).fetchall()
        self.expiring = len(found) == EXPIRED
        if found:
            execute("DELETE FROM run WHERE (finished, uid) <= (?, ?)", found[-1])
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
        """Drop a metric's series that did not change since then; returns how many there were."""
        changed = self._connection.execute(
            "DELETE FROM series WHERE metric = ? AND changed < ?", (metric, unchanged_since)
        ).rowcount
        self._connection.execute(
            "DELETE FROM acknowledged WHERE metric = ?1 AND labels NOT IN"
            " (SELECT labels FROM series WHERE metric = ?1)",
            (metric,),
        )
        return changed

    def forget_acknowledged(self) -> None:
        """Raises LedgerError."""
        try:
            self._connection.execute("DELETE FROM acknowledged")
        except FAULTS as error:
            raise explained(self.path, error) from error

    # -- reading

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> Iterator[Row]:
        """Rows whose last column is their CRC; raises LedgerError for one that is not intact."""
        try:
            for row in self._connection.execute(query, parameters):
                if crc32(packed(row[:-1])) != row[-1]:
                    raise LedgerError(self.path, "corrupt", f"a row is not what was written: {row}")
                yield row
        except FAULTS as error:
            raise explained(self.path, error) from error

    def meta(self) -> dict[str, str]:
        return {row[0]: row[1] for row in self.rows("SELECT * FROM meta")}

    def scalar(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        """The one value of a query. Raises LedgerError."""
        try:
            (value,) = self._connection.execute(query, parameters).fetchone()
        except FAULTS as error:
            raise explained(self.path, error) from error
        return value

    def query(self, query: str) -> list[Row]:
        """All rows of a query. Raises LedgerError."""
        try:
            return self._connection.execute(query).fetchall()
        except FAULTS as error:
            raise explained(self.path, error) from error

    def log_bytes(self) -> int:
        return _size(self.path.with_name(self.path.name + "-wal"))

    def bytes(self) -> int:
        """Size of the file and its write-ahead log."""
        return _size(self.path) + self.log_bytes()

    def check(self) -> None:
        """Look at every page and every row. Raises LedgerError for the first damage."""
        _check(self._connection, self.path)
        for table in _COLUMNS:
            for _ in self.rows(f"SELECT * FROM {table}"):  # noqa: S608 - our names
                pass

    def close(self) -> None:
        """Work the log into the file and give up the lock."""
        try:
            self._connection.close()
        finally:
            if self._lock is not None:
                self._lock.close()


def _locked(path: Path) -> IO[str]:
    """The open lock file, for as long as the process lives. Raises LedgerError, OSError.

    A file of its own: SQLite's locks are dropped when any descriptor of its file is closed, and
    readers must get in.
    """
    if not path.parent.is_dir():
        path.parent.mkdir()
    lock = path.with_name(path.name + ".lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        holder = lock.readline().strip()
        lock.close()
        if isinstance(error, BlockingIOError):
            raise LedgerError(path, "locked", holder) from error
        raise
    return lock


def _check(connection: sqlite3.Connection, path: Path) -> None:
    problems = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
    if problems != ["ok"]:
        raise LedgerError(path, "corrupt", " ".join("; ".join(problems).split()))


def _look(path: Path, known: int, *, powered: bool) -> None:
    """Refuse a file that is not ours, newer or damaged, and leave it as it is: a connection that
    may write works the log into the file when it is closed, up to the damage, and deletes it.

    Raises LedgerError, sqlite3.Error.
    """
    if not path.exists():
        return
    # Without a log there is none to be made either.
    logged = _size(path.with_name(path.name + "-wal")) > 0
    how = "mode=ro" if logged else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)
    try:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY}")
        check_version(connection, path, known)
        _check(connection, path)
        if logged and powered:
            check_log(path)
    finally:
        connection.close()


def _was_powered(lock: IO[str]) -> bool:
    """Whether the machine has not been started anew since the ledger was opened last."""
    lock.seek(0)
    now = boot()
    return bool(now) and now in lock.read(200)


def _sign(lock: IO[str]) -> None:
    """Say who holds it, and under which start of the machine."""
    lock.truncate(0)
    lock.write(f"process {os.getpid()} on {os.uname().nodename}\nboot {boot()}\n")
    lock.flush()


def _chunks(rows: list[Row]) -> Iterable[list[Row]]:
    return (rows[at : at + _ROWS] for at in range(0, len(rows), _ROWS))


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
