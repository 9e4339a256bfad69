"""Older files are brought forward in one piece, or left alone."""

import sqlite3
from pathlib import Path
from struct import pack

import pytest

from argoscope.ledger.database import Database
from argoscope.ledger.errors import LedgerError
from argoscope.ledger.ledger import Ledger
from argoscope.ledger.rows import sealed, shape_of
from argoscope.ledger.runs import run_of
from argoscope.ledger.schema import MIGRATIONS, migrate
from argoscope.resources._base import RunRecord
from support.ledgers import ETL, NOW, PLACE, contents, files, registry_at, run_record
from support.scrape import DURATION, RUNS

NEXT = "CREATE TABLE extra (name TEXT) WITHOUT ROWID;"


def written(folder: Path) -> Path:
    ledger = Ledger.open(folder)
    ledger.record(run_record())
    ledger.commit(registry_at().hold(), [("workflows", "u", b"1")])
    ledger.close()
    return ledger.database.path


def test_a_step_is_taken_once_and_keeps_what_is_there(tmp_path: Path) -> None:
    path = written(tmp_path)
    step = "ALTER TABLE object RENAME COLUMN uid TO who; CREATE INDEX by_kind ON object (kind);"
    for _ in range(2):
        database = Database.open(path, (*MIGRATIONS, step))
        assert database.scalar("PRAGMA user_version") == len(MIGRATIONS) + 1
        assert database.scalar("SELECT who FROM object") == "u"
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


# -- a ledger of version 1, as argoscope wrote it


def first(folder: Path) -> Path:
    """One row of each kind, and two series: a counter and a histogram of three buckets."""
    path = folder / "argoscope.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    migrate(connection, path, MIGRATIONS[:1])
    counted, observed = '["team","etl","Failed"]', '["team"]'
    buckets = (0,) * len(DURATION.buckets)
    counts = pack(f"<d{len(buckets) + 1}Q", 7.5, 3, *buckets)
    run = ("ci", "etl", "etl-1", "nightly", "Failed", "oom", NOW - 9, NOW - 5, 2, '{"cpu":1.5}')
    rows = {
        "meta": [("fact", "so it is"), ("runs", "2")],
        "metric": [(metric.prometheus, shape_of(metric)) for metric in (RUNS, DURATION)],
        "series": [
            (RUNS.prometheus, counted, NOW, NOW + 1, pack("<d", 5.0)),
            (DURATION.prometheus, observed, NOW, NOW + 1, counts),
        ],
        "acknowledged": [
            (RUNS.prometheus, counted, 17, pack("<d", 4.0)),
            ("argo_gone_total", "[]", 17, pack("<d", 1.0)),
        ],
        "object": [("workflows", "u", b"1")],
        "run": [(NOW, "u", *run, "jane", "Stop", 1), (-1.5, "v", *run, "", "", 0)],
    }
    for table, found in rows.items():
        for row in map(sealed, *zip(*found, strict=True)):
            marks = ",".join("?" * len(row))
            connection.execute(f"INSERT INTO {table} VALUES ({marks})", row)
    connection.close()
    return path


def test_all_of_a_ledger_of_version_1_is_there_in_version_2(tmp_path: Path) -> None:
    path = first(tmp_path)
    for _ in range(2):
        ledger = Ledger.open(path)
        found = contents(ledger)
        assert found["counters"] == {ETL: (5.0, NOW)}
        assert found["histograms"] == {PLACE: ((3, *(0,) * len(DURATION.buckets)), 7.5, NOW)}
        assert (found["objects"], found["noted"]) == ({"u": b"1"}, "so it is")
        assert [past.finished for past in found["runs"]] == [NOW]
        registry = registry_at()
        ledger.restore(registry)
        (acknowledged,) = ledger.acknowledged(registry)
        assert (acknowledged[0].labels, *acknowledged[1:]) == (ETL, 4.0, 17)
        ((history, counted),) = (
            [run_of(row) for row in rows] for rows in ledger.database.run_rows()
        )
        assert (history.finished, history.uid, history.counted) == (-1.5, "v", False)
        assert counted == RunRecord(
            uid="u",
            namespace="ci",
            pipeline="etl",
            name="etl-1",
            cron="nightly",
            phase="Failed",
            cause="oom",
            created=NOW - 9,
            started=NOW - 5,
            finished=NOW,
            retries=2,
            resources={"cpu": 1.5},
            actor="jane",
            action="Stop",
        )
        ledger.database.check()
        ledger.close()


def test_a_damaged_ledger_of_version_1_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = first(tmp_path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE run SET cause = 'none'")
    connection.commit()
    connection.close()
    before = files(tmp_path)
    with pytest.raises(LedgerError, match="it is damaged"):
        Ledger.open(path)
    assert files(tmp_path) == before


def test_a_start_that_was_cut_off_before_there_were_tables_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "argoscope.db").touch()
    ledger = Ledger.open(tmp_path)
    assert not any(contents(ledger).values())
    ledger.close()
