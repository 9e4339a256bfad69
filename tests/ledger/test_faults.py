"""Damage, newer versions, full and read-only disks, two daemons: said clearly, never guessed."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from argoscope.ledger.database import Database
from argoscope.ledger.errors import LedgerError
from argoscope.ledger.ledger import Ledger
from argoscope.ledger.schema import MIGRATIONS
from support.ledgers import (
    ETL,
    PLACE,
    contents,
    files,
    registry_at,
    run_record,
    subprocess_environment,
)
from support.scrape import DURATION, RUNS

SEED = int(os.environ.get("ARGOSCOPE_SEED") or 4)
ROUNDS = 60
KILLS = 12


def filled(folder: Path) -> Ledger:
    """A ledger of a few hundred rows in every table but one, on several pages."""
    registry = registry_at()
    ledger = Ledger.open(folder)
    ledger.restore(registry)
    for number in range(200):
        registry.count(RUNS, ETL, number)
        registry.observe(DURATION, (f"p{number}",), number)
        ledger.record(run_record(number))
    ledger.note("fact", "1")
    ledger.commit(registry.hold(), [("workflows", f"u{n}", bytes([n]) * 90) for n in range(200)])
    return ledger


def refused(path: Path) -> LedgerError:
    with pytest.raises(LedgerError) as caught:
        Ledger.open(path).close()
    return caught.value


def test_bytes_changed_at_random_are_found_or_harmless(tmp_path: Path) -> None:
    """Wherever they are: what is read is what was written, or it is called damaged."""
    print(f"ARGOSCOPE_SEED={SEED}")
    ledger = filled(tmp_path / "whole")
    truth = contents(ledger)
    ledger.close()
    whole = (tmp_path / "whole" / "argoscope.db").read_bytes()
    found = 0
    for number in range(ROUNDS):
        seeded = random.Random(f"{SEED}/{number}")
        broken = bytearray(whole)
        for _ in range(seeded.choice((1, 3, 50))):
            broken[seeded.randrange(len(broken))] = seeded.randrange(256)
        file = tmp_path / f"{number}.db"
        file.write_bytes(broken)
        try:
            ledger = Ledger.open(file)
        except LedgerError as error:
            assert error.reason in ("corrupt", "foreign", "newer", "io", "denied"), number
            found += 1
            continue
        try:
            assert contents(ledger) == truth, f"round {number}: damage went unseen"
        except LedgerError as error:
            assert error.reason == "corrupt", number
            found += 1
        finally:
            ledger.close()
    assert found > ROUNDS / 2


@pytest.mark.parametrize("table", ["series", "value", "object", "run", "meta", "metric"])
def test_a_changed_value_is_found_though_the_file_is_sound(tmp_path: Path, table: str) -> None:
    ledger = filled(tmp_path)
    ledger.close()
    columns = {"series": "start", "value": "value", "object": "record", "run": "body"}
    column = columns.get(table, "crc")
    connection = sqlite3.connect(tmp_path / "argoscope.db")
    connection.execute(f"UPDATE {table} SET {column} = 'x'")
    connection.commit()
    connection.close()
    with pytest.raises(LedgerError, match="damaged: put a backup in its place") as caught:
        ledger = Ledger.open(tmp_path)
        try:
            contents(ledger)
        finally:
            ledger.close()
    assert caught.value.reason == "corrupt"


def test_a_newer_ledger_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    filled(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "argoscope.db")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    before = files(tmp_path)
    error = refused(tmp_path)
    assert error.reason == "newer"
    assert "a newer argoscope has written it: run that version" in str(error)
    assert files(tmp_path) == before


def test_the_database_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE people (name TEXT)")
    connection.close()
    before = files(tmp_path)
    assert refused(tmp_path / "other.db").reason == "foreign"
    (tmp_path / "notes.txt").write_text("not a database, and long enough to be looked at\n" * 50)
    assert refused(tmp_path / "notes.txt").reason == "corrupt"
    assert files(tmp_path) == before | {"notes.txt": (tmp_path / "notes.txt").read_bytes()}


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert refused(tmp_path / "no" / "such" / "ledger.db").reason == "missing"


def test_a_second_daemon_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    script = "import sys; from argoscope.ledger.ledger import Ledger; Ledger.open(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        env=subprocess_environment(),
    )
    assert done.returncode == 1
    assert "another process holds it" in done.stderr
    assert f"process {os.getpid()} on" in done.stderr
    ledger.commit(registry_at().hold())
    ledger.close()
    Ledger.open(tmp_path).close()


def test_a_lock_that_a_dead_process_left_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "argoscope.db.lock").write_text("process 1 on elsewhere\nboot 7\n")
    Ledger.open(tmp_path).close()


def test_a_link_to_a_ledger_in_use_is_that_ledger(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "argoscope.db")
    assert refused(link).reason == "locked"
    folder = tmp_path / "folder"
    folder.symlink_to(tmp_path, target_is_directory=True)
    assert refused(folder).reason == "locked"
    ledger.close()


def test_a_ledger_behind_a_link_survives_a_kill(tmp_path: Path) -> None:
    """Its log, with all that was committed, lies beside the file and not beside the link."""
    (tmp_path / "disk").mkdir()
    filled(tmp_path / "disk").close()
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "disk" / "argoscope.db")
    script = """
import os, sys
from argoscope.ledger.ledger import Ledger
from argoscope.metrics.held import Held
ledger = Ledger.open(sys.argv[1])
ledger.note("fact", "2")
ledger.commit(Held())
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", script, link], env=subprocess_environment())
    ledger = Ledger.open(link)
    assert ledger.noted("fact") == "2"
    ledger.close()


def test_a_lock_that_was_deleted_lets_no_two_write(tmp_path: Path) -> None:
    """As one does who takes it for that of a dead process: the second has it then."""
    first = filled(tmp_path)
    (tmp_path / "argoscope.db.lock").unlink()
    second = Ledger.open(tmp_path)
    first.note("fact", "first")
    with pytest.raises(LedgerError, match="or the lock beside it, was moved") as caught:
        first.commit(registry_at().hold())
    assert caught.value.reason == "moved"
    second.note("fact", "second")
    second.commit(registry_at().hold())
    first.close()
    second.close()
    again = Ledger.open(tmp_path)
    assert again.noted("fact") == "second"
    again.close()


def test_a_full_disk_changes_nothing_and_the_same_commit_succeeds_when_there_is_room(
    tmp_path: Path,
) -> None:
    ledger = filled(tmp_path)
    truth = contents(ledger)
    registry = registry_at()
    ledger.restore(registry)
    pages = ledger.database.scalar("PRAGMA page_count")
    ledger.database.scalar(f"PRAGMA max_page_count = {pages}")
    registry.count(RUNS, ETL)
    ledger.note("fact", "2")
    batch = ledger.take(registry.hold(), [("workflows", f"new{n}", bytes(900)) for n in range(99)])
    for _ in range(3):
        with pytest.raises(LedgerError, match="the disk is full: make room") as caught:
            ledger.write(batch)
        assert caught.value.reason == "full"
    reader = Database.read(ledger.database.path)
    assert reader.meta()["fact"] == "1"
    assert reader.scalar("SELECT count(*) FROM object") == 200
    reader.close()
    ledger.database.scalar("PRAGMA max_page_count = 100000")
    ledger.write(batch)
    after = contents(ledger)
    assert len(after["objects"]) == 299
    assert after["counters"][ETL][0] == truth["counters"][ETL][0] + 1
    ledger.close()


_UNSHARE = ("unshare", "--mount", "--map-root-user", "sh", "-c")
_MOUNTED = """
import sys
from argoscope.ledger.errors import LedgerError
from argoscope.ledger.ledger import Ledger
from argoscope.metrics.held import Held
try:
    ledger = Ledger.open(sys.argv[1])
    for number in range(200):
        ledger.commit(Held(), [("workflows", f"u{number}", bytes(10_000))])
        print(number, flush=True)
except LedgerError as error:
    print(error.reason, flush=True)
"""


def mounted(folder: Path, options: str, before: str = ":", program: str = _MOUNTED) -> list[str]:
    """What a ledger says on a file system of its own that is mounted there."""
    script = (
        f'mount -t tmpfs -o size=600k tmpfs "$1" && {before} && {options} && exec "$2" -c "$3" "$1"'
    )
    done = subprocess.run(
        [*_UNSHARE, script, "sh", str(folder), sys.executable, program],
        capture_output=True,
        text=True,
        env=subprocess_environment(),
    )
    assert not done.stderr, done.stderr
    return done.stdout.split()


def _may_mount() -> bool:
    command = [*_UNSHARE, "mount -t tmpfs x /mnt"]
    return bool(shutil.which("unshare")) and not subprocess.run(command, stderr=-3).returncode


needs_mount = pytest.mark.skipif("not _may_mount()", reason="no file system may be mounted here")


@needs_mount
def test_a_real_disk_that_fills_up_is_called_full(tmp_path: Path) -> None:
    said = mounted(tmp_path, ":")
    assert said[-1] == "full"
    assert len(said) > 10, "and until then commits succeed"


@needs_mount
def test_a_real_disk_that_is_full_from_the_start_is_called_full(tmp_path: Path) -> None:
    fill = 'head -c 600000 /dev/zero > "$1/other" 2>/dev/null; true'
    assert mounted(tmp_path, f"{{ {fill}; }}") == ["full"]


@needs_mount
def test_a_read_only_disk_is_called_read_only(tmp_path: Path) -> None:
    assert mounted(tmp_path, 'mount -o remount,ro "$1"') == ["readonly"]


@needs_mount
def test_a_snapshot_on_a_read_only_disk_can_be_read(tmp_path: Path) -> None:
    script = """
import sys
from argoscope.cli import main
main(["ledger", "info", sys.argv[1], "--check", "--format", "json"])
"""
    filled(tmp_path / "whole").close()
    copied = f'cp {tmp_path}/whole/argoscope.db "$1"'
    options = 'mount -o remount,ro "$1"'
    (tmp_path / "disk").mkdir()
    said = mounted(tmp_path / "disk", options, copied, script)
    assert '"runs_counted":200' in said[0]


def test_a_file_that_was_deleted_under_it_is_not_written_on(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    (tmp_path / "argoscope.db").unlink()
    ledger.note("fact", "2")
    with pytest.raises(LedgerError, match="moved or deleted while it was in use") as caught:
        ledger.commit(registry_at().hold())
    assert caught.value.reason == "moved"
    ledger.close()


_WRITER = """
import sys, time
from argoscope.ledger.ledger import Ledger
from support.ledgers import ETL, PLACE, registry_at, run_record
from support.scrape import DURATION, RUNS
registry, ledger = registry_at(), Ledger.open(sys.argv[1])
ledger.restore(registry)
begin = int(registry.value(RUNS, ETL) or 0)
for number in range(begin + 1, begin + 100_000):
    registry.count(RUNS, ETL)
    registry.observe(DURATION, PLACE, 1.0)
    ledger.record(run_record(number))
    ledger.note("fact", str(number))
    changes = [("workflows", f"u{n}", str(number).encode()) for n in range(number % 50 + 1)]
    ledger.commit(registry.hold(), changes)
    print(number, flush=True)
    if number % 7 == 0:
        ledger.database.checkpoint()
"""


def test_kill_at_any_moment_leaves_one_commit_whole_and_loses_none_that_was_told(
    tmp_path: Path,
) -> None:
    print(f"ARGOSCOPE_SEED={SEED}")
    seeded = random.Random(SEED)
    for number in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path)],
            stdout=subprocess.PIPE,
            env=subprocess_environment(),
        )
        assert process.stdout is not None
        told = 0
        for _ in range(seeded.randrange(1, 60)):
            told = int(process.stdout.readline())
        spin = seeded.randrange(3000)
        while spin:
            spin -= 1
        process.send_signal(signal.SIGKILL)
        process.wait()
        rest = process.stdout.read().split(b"\n")
        process.stdout.close()
        told = max([told, *(int(line) for line in rest[:-1])])
        ledger = Ledger.open(tmp_path)
        found = contents(ledger)
        ledger.close()
        count = int(found["noted"])
        assert count in (told, told + 1), f"kill {number}"
        assert found["counters"][ETL][0] == count
        assert sum(found["histograms"][PLACE][0]) == count
        assert len(found["runs"]) == count
        assert found["objects"]["u0"] == str(count).encode()
