"""The log that a killed daemon leaves: what was cut off is no damage, and damage is no end."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from argoscope.ledger.database import Database
from argoscope.ledger.errors import LedgerError
from argoscope.ledger.ledger import Ledger
from argoscope.ledger.lock import Lock
from support.ledgers import ETL, PLACE, contents, files, subprocess_environment

SEED = int(os.environ.get("ARGOSCOPE_SEED") or 5)
ROUNDS = 60
COMMITS = 40
FRAME = 24 + 4096  # bytes of one page in the log

_KILLED = """
import os, sys
from argoscope.ledger.ledger import Ledger
from support.ledgers import ETL, PLACE, registry_at, run_record
from support.scrape import DURATION, RUNS
ledger, registry = Ledger.open(sys.argv[1]), registry_at()
ledger.restore(registry)
for number in range(1, int(sys.argv[2]) + 1):
    registry.count(RUNS, ETL)
    registry.observe(DURATION, PLACE, 1.0)
    ledger.record(run_record(number))
    ledger.note("fact", str(number))
    changes = [("workflows", f"u{n}", str(number).encode() * 50) for n in range(number)]
    ledger.commit(registry.hold(), changes)
os._exit(0)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a ledger whose process ended without a word; commits are in its log."""
    print(f"ARGOSCOPE_SEED={SEED}")
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-c", _KILLED, str(folder), str(COMMITS)]
    subprocess.run(command, env=subprocess_environment(), check=True)
    return folder


def committed(folder: Path) -> int:
    """How many commits are there: values, records, runs and facts of one and the same."""
    ledger = Ledger.open(folder)
    try:
        found = contents(ledger)
    finally:
        ledger.close()
    count = int(found["noted"] or 0)
    if count:
        assert found["counters"][ETL][0] == count
        assert sum(found["histograms"][PLACE][0]) == count
    assert len(found["runs"]) == count
    return count


def copy(killed: Path, folder: Path) -> Path:
    """Returns the copy's log."""
    shutil.copytree(killed, folder)
    return folder / "argoscope.db-wal"


def told(folder: Path, commits: int, *, boot: str = "") -> None:
    """As if the process had died when it had told of so many commits, under that start of the
    machine (default: this one). Opening the ledger is a commit too."""
    lock = Lock.take(folder / "argoscope.db")
    with pytest.MonkeyPatch.context() as patch:
        if boot:
            patch.setattr("argoscope.ledger.lock.boot", lambda: boot)
        lock.sign(commits)
    lock.close()


def refused(folder: Path) -> str:
    """What is said instead of opening it; nothing is changed, so it is said again."""
    before = files(folder)
    said = []
    for _ in range(2):
        with pytest.raises(LedgerError) as caught:
            Ledger.open(folder)
        assert caught.value.reason == "corrupt"
        said.append(str(caught.value))
    after = files(folder)
    assert {name: after[name] for name in before if not name.endswith("-shm")} == {
        name: content for name, content in before.items() if not name.endswith("-shm")
    }
    assert said[0] == said[1]
    return said[0]


def changed(log: Path, seeded: random.Random, begin: int = 0) -> None:
    """One byte of it, behind the first ``begin``."""
    content = bytearray(log.read_bytes())
    content[seeded.randrange(begin, len(content))] ^= seeded.randrange(1, 256)
    log.write_bytes(content)


def test_everything_that_was_committed_is_in_the_log(killed: Path, tmp_path: Path) -> None:
    copy(killed, tmp_path / "copy")
    assert committed(tmp_path / "copy") == COMMITS


def test_damage_anywhere_in_the_log_is_refused_and_takes_no_commit_back(
    killed: Path, tmp_path: Path
) -> None:
    for number in range(ROUNDS):
        log = copy(killed, tmp_path / str(number))
        changed(log, random.Random(f"{SEED}/{number}"))
        assert f"of {COMMITS + 1}. Move the file" in refused(log.parent), f"round {number}"


def test_damage_in_the_last_commit_is_refused_like_any_other(killed: Path, tmp_path: Path) -> None:
    for number in range(ROUNDS):
        log = copy(killed, tmp_path / str(number))
        changed(log, random.Random(f"{SEED}/{number}"), log.stat().st_size - FRAME)
        assert f"ends with commit {COMMITS} of {COMMITS + 1}" in refused(log.parent)


def test_a_log_that_is_gone_or_cut_off_is_refused(killed: Path, tmp_path: Path) -> None:
    for number in range(ROUNDS):
        log = copy(killed, tmp_path / str(number))
        os.truncate(log, random.Random(f"{SEED}/{number}").randrange(log.stat().st_size))
        refused(log.parent)
    log = copy(killed, tmp_path / "gone")
    log.unlink()
    refused(log.parent)


def test_an_emptied_ledger_is_not_taken_for_a_new_one(killed: Path, tmp_path: Path) -> None:
    log = copy(killed, tmp_path / "copy")
    log.unlink()
    os.truncate(log.parent / "argoscope.db", 0)
    assert f"ends with commit 0 of {COMMITS + 1}" in refused(log.parent)


def test_a_commit_that_nobody_was_told_of_may_be_cut_off(killed: Path, tmp_path: Path) -> None:
    """A kill in its middle leaves that, or one between it and what is told of it: all of it is
    there, or nothing."""
    seen = set()
    for number in range(ROUNDS):
        log = copy(killed, tmp_path / str(number))
        told(log.parent, COMMITS)
        cut = random.Random(f"{SEED}/{number}").randrange(FRAME)
        os.truncate(log, log.stat().st_size - cut)
        seen.add(committed(log.parent))
    assert seen == {COMMITS - 1}
    log = copy(killed, tmp_path / "whole")
    told(log.parent, COMMITS)
    assert committed(log.parent) == COMMITS


def test_after_a_power_failure_the_log_ends_where_it_is_not_whole(
    killed: Path, tmp_path: Path
) -> None:
    """The disk may have written later parts and not earlier ones, or the file that tells of the
    last commit and not the commit."""
    seen = set()
    for number in range(ROUNDS):
        seeded = random.Random(f"{SEED}/{number}")
        log = copy(killed, tmp_path / str(number))
        told(log.parent, COMMITS + 1, boot="another")
        if seeded.random() < 0.5:
            changed(log, seeded)
        else:
            os.truncate(log, seeded.randrange(log.stat().st_size))
        before = committed(log.parent)
        assert committed(log.parent) == before
        seen.add(before)
    assert len(seen) > ROUNDS / 4
    assert max(seen) < COMMITS


def test_damage_to_what_tells_of_the_last_commit_is_said(killed: Path, tmp_path: Path) -> None:
    for number in range(ROUNDS):
        log = copy(killed, tmp_path / str(number))
        changed(log.parent / "argoscope.db.lock", random.Random(f"{SEED}/{number}"))
        assert "the file beside it is damaged" in refused(log.parent), f"round {number}"


def test_a_backup_is_taken_when_what_tells_of_later_commits_is_deleted_as_advised(
    killed: Path, tmp_path: Path
) -> None:
    log = copy(killed, tmp_path / "copy")
    backup = (log.parent / "argoscope.db").read_bytes()
    Ledger.open(log.parent).close()
    (log.parent / "argoscope.db").write_bytes(backup)
    lock = log.parent / "argoscope.db.lock"
    assert f"delete {lock} and start again" in refused(log.parent)
    lock.unlink()
    Ledger.open(log.parent).close()


def test_who_only_looks_is_told_of_missing_commits_too(killed: Path, tmp_path: Path) -> None:
    log = copy(killed, tmp_path / "copy")
    reader = Database.read(log.parent / "argoscope.db")
    reader.check()
    reader.close()
    log = copy(killed, tmp_path / "cut")
    os.truncate(log, log.stat().st_size - FRAME)
    reader = Database.read(log.parent / "argoscope.db")
    with pytest.raises(LedgerError, match=f"ends with commit {COMMITS} of {COMMITS + 1}"):
        reader.check()
    reader.close()
