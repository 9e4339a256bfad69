"""From version 1 of the tables to version 2, which costs half as much to write and to read.

* What a series is called and what it has are apart, so that a commit writes numbers only.
* A run is two columns of bytes: a start reads a million of them, and makes few objects.
* Objects lie in the order in which they came, with an index beside them: their records overflowed
  the leaves of an index.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from struct import calcsize, unpack
from zlib import crc32

import msgspec

from argoscope.ledger.errors import LedgerError
from argoscope.ledger.rows import Row, packed, sealed
from argoscope.ledger.runs import run_row
from argoscope.resources._base import RunRecord

_TABLES = """
-- labels: JSON array. start: Unix seconds, as OTLP tells it.
CREATE TABLE series (
  id INTEGER NOT NULL PRIMARY KEY, metric TEXT NOT NULL, labels TEXT NOT NULL,
  start REAL NOT NULL, crc INTEGER NOT NULL
);
-- Of the series of the same id. changed: Unix seconds of the commit. value: msgpack; a number, or
-- counts of single buckets and sum.
CREATE TABLE value (
  id INTEGER NOT NULL PRIMARY KEY, changed REAL NOT NULL, value BLOB NOT NULL,
  crc INTEGER NOT NULL
);
-- With delta temporality: what the receiver has, and of what time (Unix nanoseconds).
CREATE TABLE acknowledged (
  id INTEGER NOT NULL PRIMARY KEY, at INTEGER NOT NULL, value BLOB NOT NULL, crc INTEGER NOT NULL
);
CREATE TABLE object (
  kind TEXT NOT NULL, uid TEXT NOT NULL, record BLOB NOT NULL, crc INTEGER NOT NULL,
  PRIMARY KEY (kind, uid)
);
-- In the order of time: new rows go to the end, retention deletes at the front, and a week is one
-- piece. What is in key and body: runs.py.
CREATE TABLE run (key BLOB NOT NULL PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
"""
_CHANGED = ("series", "acknowledged", "object", "run")
_RUN = (
    *("finished", "uid", "namespace", "pipeline", "name", "cron", "phase", "cause", "created"),
    *("started", "retries", "resources", "actor", "action", "counted"),
)
_seconds = msgspec.json.Decoder(dict[str, float]).decode


def to_second(connection: sqlite3.Connection, path: Path) -> None:
    """Write all rows anew, in the caller's transaction. Raises LedgerError for a row that is not
    intact; sqlite3.Error."""

    def old(table: str) -> Iterator[Row]:
        for row in connection.execute(f"SELECT * FROM first_{table}"):  # noqa: S608 - our names
            if crc32(packed(row[:-1])) != row[-1]:
                raise LedgerError(path, "corrupt", f"a row is not what was written: {row}")
            yield row

    def fill(table: str, columns: int, rows: Iterable[Row]) -> None:
        marks = ",".join("?" * columns)
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608

    for table in _CHANGED:
        connection.execute(f"ALTER TABLE {table} RENAME TO first_{table}")
    for statement in statements(_TABLES):
        connection.execute(statement)
    ids: dict[Row, int] = {}
    for number, (metric, labels, start, changed, value, _) in enumerate(old("series"), 1):
        ids[metric, labels] = number
        fill("series", 5, [sealed(number, metric, labels, start)])
        fill("value", 4, [sealed(number, changed, _state(value))])
    acknowledged = (row for row in old("acknowledged") if row[:2] in ids)
    states = (sealed(ids[row[:2]], row[2], _state(row[3])) for row in acknowledged)
    fill("acknowledged", 4, states)
    fill("object", 4, old("object"))
    fill("run", 2, map(_run, old("run")))
    for table in _CHANGED:
        connection.execute(f"DROP TABLE first_{table}")


def _state(value: bytes) -> bytes:
    """Little-endian: a double; of histograms another 64 bits for each bucket."""
    total, *counts = unpack(f"<d{len(value) // calcsize('<Q') - 1}Q", value)
    return packed((counts, total) if counts else total)


def _run(row: Row) -> Row:
    fields = dict(zip(_RUN, row, strict=False))
    return run_row(RunRecord(**{**fields, "resources": _seconds(fields["resources"])}))


def statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: as a whole it would end the transaction."""
    rest = ""
    for piece in script.split(";")[:-1]:
        rest += piece + ";"
        if sqlite3.complete_statement(rest):
            yield rest
            rest = ""
