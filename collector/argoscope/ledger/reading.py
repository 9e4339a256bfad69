"""Reading a ledger: every row is looked at for whether it is what was written."""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any
from zlib import crc32

from argoscope.ledger.errors import FAULTS, LedgerError, explained
from argoscope.ledger.lock import check_complete, told
from argoscope.ledger.rows import Row, causes_of, packed
from argoscope.ledger.runs import are_intact, ended
from argoscope.ledger.schema import check_version

COMMITS = "commits"
"""Key in ``meta``: how many there were."""
BUSY = 5_000
"""Milliseconds that a reading `argoscope ledger` may hold up the daemon's checkpoint, or it us."""
_SEALED = ("meta", "metric", "series", "value", "acknowledged", "object", "path")
"""Tables whose last column is the row's CRC."""
FIRST_RUN = "SELECT key, body FROM run ORDER BY key LIMIT 1"
LAST_RUN = "SELECT key, body FROM run ORDER BY key DESC LIMIT 1"
_READ = 1_000  # run records at once


class Reader:
    """One ledger file on a connection. Not thread-safe: one thread at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> Iterator[Row]:
        """Rows whose last column is their CRC; raises LedgerError for one that is not intact."""
        try:
            for row in self._connection.execute(query, parameters):
                if crc32(packed(row[:-1])) != row[-1]:
                    raise LedgerError(self.path, "corrupt", f"a row is not what was written: {row}")
                yield row
        except FAULTS as error:
            raise explained(self.path, error) from error

    def series(self) -> Iterator[tuple[Row, Row]]:
        """Each series with its value. Raises LedgerError if one of the two is damaged or absent."""
        of_series = self.rows("SELECT * FROM series ORDER BY id")
        of_value = self.rows("SELECT * FROM value ORDER BY id")
        for series, value in zip_longest(of_series, of_value):
            if series is None or value is None or series[0] != value[0]:
                raise LedgerError(self.path, "corrupt", "series and values are not of each other")
            yield series, value

    def run_rows(self, begin: bytes = b"", end: bytes = b"\xff" * 9) -> Iterator[list[Row]]:
        """Run records by their keys from ``begin`` up to and with ``end``, hundreds at once.
        Raises LedgerError if one is not intact."""
        query = "SELECT key, body FROM run WHERE key >= ? AND key <= ? ORDER BY key"
        try:
            found = self._connection.execute(query, (begin, end))
            while rows := found.fetchmany(_READ):
                if not are_intact(rows):
                    first = next(row for row in rows if not are_intact([row]))
                    detail = f"a run record is not what was written: {first}"
                    raise LedgerError(self.path, "corrupt", detail)
                yield rows
        except FAULTS as error:
            raise explained(self.path, error) from error

    def run_end(self, query: str) -> float | None:
        """Unix seconds of an end, FIRST_RUN's or LAST_RUN's; None without any. Raises LedgerError
        if that record is not intact."""
        rows = self.query(query)
        if rows and not are_intact(rows):
            raise LedgerError(self.path, "corrupt", f"a run record is not what was written: {rows}")
        return ended(rows[0][0]) if rows else None

    def causes(self, finished: float, uid: str) -> dict[str, float]:
        """Where the time of a run attempt went, in seconds; empty if nothing is known of it."""
        query = "SELECT * FROM path WHERE finished = ? AND uid = ?"
        return next((causes_of(row) for row in self.rows(query, (finished, uid))), {})

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

    def stream(self, query: str, parameters: Sequence[Any] = ()) -> Iterator[Row]:
        """The rows of a query one by one, as they are. Raises LedgerError."""
        try:
            yield from self._connection.execute(query, parameters)
        except FAULTS as error:
            raise explained(self.path, error) from error

    def bytes(self) -> int:
        """Size of the file and its write-ahead log."""
        return _size(self.path) + log_size(self.path)

    def check(self) -> None:
        """Look at every page and every row, and whether commits are missing. Raises LedgerError
        for the first damage."""
        try:
            least = told(self.path)  # first: a daemon may be writing
            self._connection.execute("BEGIN")  # one state of it, then
            _check(self._connection, self.path)
            for table in _SEALED:
                for _ in self.rows(f"SELECT * FROM {table}"):  # noqa: S608 - our names
                    pass
            for _ in self.series():
                pass
            self.check_count(sum(map(len, self.run_rows())))
            check_complete(self.path, int(self.meta().get(COMMITS, "0")), least)
        except FAULTS as error:
            raise explained(self.path, error) from error
        finally:
            self.roll_back()

    def check_count(self, runs: int) -> None:
        """Raises LedgerError unless that is how many run records there must be."""
        if runs != int(self.meta().get("runs", "0")):
            missing = f"{runs} run records instead of {self.meta().get('runs', 0)}"
            raise LedgerError(self.path, "corrupt", missing)

    def roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # SQLite has done so itself


def _check(connection: sqlite3.Connection, path: Path) -> None:
    # The second one compares a table with its index, by which rows are found to be overwritten.
    for pragma in ("quick_check(3)", "integrity_check(object)"):
        problems = [row[0] for row in connection.execute(f"PRAGMA {pragma}")]
        if problems != ["ok"]:
            raise LedgerError(path, "corrupt", " ".join("; ".join(problems).split()))


def look(path: Path, known: int, least: int) -> None:
    """Refuse a file that is not ours, newer or damaged, and leave it as it is: a connection that
    may write works the log into the file when it is closed, up to the damage, and deletes it.
    ``least``: the number of commits that must be in it.

    Raises LedgerError, sqlite3.Error.
    """
    if not path.exists():
        return
    # Without a log there is none to be made either.
    how = "mode=ro" if log_size(path) else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY}")
        version = check_version(connection, path, known)
        meta = {}
        if version:  # of a start that was cut off there may be nothing in it
            _check(connection, path)
            meta = Reader(path, connection).meta()
        check_complete(path, int(meta.get(COMMITS, "0")), least)
    finally:
        connection.close()


def log_size(path: Path) -> int:
    """Bytes of the write-ahead log beside the ledger."""
    return _size(path.with_name(path.name + "-wal"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
