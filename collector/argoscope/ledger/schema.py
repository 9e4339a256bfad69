"""The tables, and the steps that bring an older file to them.

Every row carries the CRC-32 of its other columns: SQLite finds damage to its own structure, not a
changed digit in a value.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from argoscope.ledger.errors import LedgerError
from argoscope.ledger.second import statements, to_second

APPLICATION_ID = 0x4172676F
"""PRAGMA application_id: this file is argoscope's."""

_FIRST = """
CREATE TABLE meta (
  key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL
) WITHOUT ROWID;
-- What a metric's values mean: one that has changed since can't take them back.
CREATE TABLE metric (
  name TEXT NOT NULL PRIMARY KEY, shape TEXT NOT NULL, crc INTEGER NOT NULL
) WITHOUT ROWID;
-- labels: JSON array. start: Unix seconds, as OTLP tells it. changed: Unix seconds of the commit.
-- value: little-endian doubles and 64-bit integers; value, or sum and counts of single buckets.
CREATE TABLE series (
  metric TEXT NOT NULL, labels TEXT NOT NULL, start REAL NOT NULL, changed REAL NOT NULL,
  value BLOB NOT NULL, crc INTEGER NOT NULL,
  PRIMARY KEY (metric, labels)
) WITHOUT ROWID;
-- With delta temporality: what the receiver has, and of what time (Unix nanoseconds).
CREATE TABLE acknowledged (
  metric TEXT NOT NULL, labels TEXT NOT NULL, at INTEGER NOT NULL, value BLOB NOT NULL,
  crc INTEGER NOT NULL,
  PRIMARY KEY (metric, labels)
) WITHOUT ROWID;
CREATE TABLE object (
  kind TEXT NOT NULL, uid TEXT NOT NULL, record BLOB NOT NULL, crc INTEGER NOT NULL,
  PRIMARY KEY (kind, uid)
) WITHOUT ROWID;
-- In the order of time: new rows go to the end, retention deletes at the front, and a week is one
-- piece. Times are Unix seconds, resources a JSON object of seconds.
CREATE TABLE run (
  finished REAL NOT NULL, uid TEXT NOT NULL,
  namespace TEXT NOT NULL, pipeline TEXT NOT NULL, name TEXT NOT NULL, cron TEXT NOT NULL,
  phase TEXT NOT NULL, cause TEXT NOT NULL, created REAL NOT NULL, started REAL NOT NULL,
  retries INTEGER NOT NULL, resources TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
  counted INTEGER NOT NULL, crc INTEGER NOT NULL,
  PRIMARY KEY (finished, uid)
) WITHOUT ROWID;
"""

_PATHS = """
-- Where the time of a run attempt went, a JSON object of seconds: a table of its own, since it is
-- told after the run, and since older rows keep their checksums.
CREATE TABLE path (
  finished REAL NOT NULL, uid TEXT NOT NULL, causes TEXT NOT NULL, crc INTEGER NOT NULL,
  PRIMARY KEY (finished, uid)
) WITHOUT ROWID;
"""

Step = str | Callable[[sqlite3.Connection, Path], None]
"""SQL, or a function that is given the connection, in a transaction, and the path for errors."""
MIGRATIONS: tuple[Step, ...] = (_FIRST, to_second, _PATHS)
"""Step n brings version n to n + 1. Steps are never changed, only added."""

log = structlog.get_logger()


def migrate(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[Step] = MIGRATIONS
) -> None:
    """Bring the file to the newest version, all steps in one transaction, or leave it alone.

    Raises LedgerError for a newer one, for a file that is not a ledger, and for rows that are not
    intact; sqlite3.Error.
    """
    version = check_version(connection, path, len(migrations))
    if version == len(migrations):
        return
    if version:
        log.info("ledger of an older version: rewriting it", path=str(path), version=version)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in migrations[version:]:
            if isinstance(step, str):
                for statement in statements(step):
                    connection.execute(statement)
            else:
                step(connection, path)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def check_version(connection: sqlite3.Connection, path: Path, known: int = len(MIGRATIONS)) -> int:
    """The file's version, 0 for a new one; raises as ``migrate`` does."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and (application or tables):
        advice = "it is the database of something else: name a file of its own"
        raise LedgerError(path, "foreign", f"application id {application:#x}", advice)
    if version > known:
        advice = (
            "a newer argoscope has written it: run that version, or restore the copy made before"
            " the upgrade; it was not touched"
        )
        raise LedgerError(path, "newer", f"version {version}, known up to {known}", advice)
    return int(version)
