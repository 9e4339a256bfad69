"""Older files are brought forward in one piece, or left alone."""

import sqlite3
from pathlib import Path

import pytest

from argoscope.ledger.database import Database
from argoscope.ledger.errors import LedgerError
from argoscope.ledger.ledger import Ledger
from argoscope.ledger.schema import MIGRATIONS
from support.ledgers import contents, registry_at, run_record

NEXT = "CREATE TABLE extra (name TEXT) WITHOUT ROWID;"


def written(folder: Path) -> Path:
    ledger = Ledger.open(folder)
    ledger.record(run_record())
    ledger.commit(registry_at().hold(), [("workflows", "u", b"1")])
    ledger.close()
    return ledger.database.path


def test_a_step_is_taken_once_and_keeps_what_is_there(tmp_path: Path) -> None:
    path = written(tmp_path)
    step = "ALTER TABLE run RENAME COLUMN actor TO who; CREATE INDEX by_name ON run (name);"
    for _ in range(2):
        database = Database.open(path, (*MIGRATIONS, step))
        assert database.scalar("PRAGMA user_version") == len(MIGRATIONS) + 1
        assert database.scalar("SELECT who FROM run") == ""
        assert database.runs == 1
        database.close()
    with pytest.raises(LedgerError) as caught:
        Ledger.open(path)
    assert caught.value.reason == "newer"


def test_a_step_that_fails_leaves_the_old_version_whole(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(LedgerError):
        Database.open(path, (*MIGRATIONS, "DROP TABLE object; CREATE NONSENSE;"))
    ledger = Ledger.open(path)
    assert contents(ledger)["objects"] == {"u": b"1"}
    ledger.close()


def test_reading_does_not_migrate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path)
    later = (*MIGRATIONS, "CREATE TABLE extra (name TEXT);")
    monkeypatch.setattr("argoscope.ledger.database.MIGRATIONS", later)
    monkeypatch.setattr("argoscope.ledger.schema.check_version.__defaults__", (len(later),))
    with pytest.raises(LedgerError, match="an older argoscope has written it"):
        Database.read(path)
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
