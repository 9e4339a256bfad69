"""The log that a killed daemon leaves: what was cut off is no damage, and damage is no end."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from argoscope.ledger.errors import LedgerError
from argoscope.ledger.ledger import Ledger
from support.ledgers import ETL, PLACE, contents, subprocess_environment

SEED = int(os.environ.get("ARGOSCOPE_SEED") or 5)
ROUNDS = 60
COMMITS = 40

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


def test_everything_that_was_committed_is_in_the_log(killed: Path, tmp_path: Path) -> None:
    copy(killed, tmp_path / "copy")
    assert committed(tmp_path / "copy") == COMMITS


def test_a_log_that_was_cut_off_anywhere_is_read_up_to_a_whole_commit(
    killed: Path, tmp_path: Path
) -> None:
    seen = set()
    for number in range(ROUNDS):
        log = copy(killed, tmp_path / str(number))
        os.truncate(log, random.Random(f"{SEED}/{number}").randrange(log.stat().st_size))
        seen.add(committed(log.parent))
    assert len(seen) > ROUNDS / 4
    assert max(seen) < COMMITS


def test_damage_in_the_log_is_refused_and_takes_no_commit_back(
    killed: Path, tmp_path: Path
) -> None:
    for number in range(ROUNDS):
        seeded = random.Random(f"{SEED}/{number}")
        log = copy(killed, tmp_path / str(number))
        content = bytearray(log.read_bytes())
        # Damage of the very last frame looks like a commit that was cut off.
        content[seeded.randrange(len(content) - 2 * 4120)] ^= seeded.randrange(1, 256)
        log.write_bytes(content)
        for _ in range(2):  # it is not made good by trying again
            with pytest.raises(LedgerError, match="write-ahead log is damaged") as caught:
                Ledger.open(log.parent)
            assert caught.value.reason == "corrupt"
        assert log.read_bytes() == content


def test_after_a_power_failure_the_log_ends_where_it_is_not_whole(
    killed: Path, tmp_path: Path
) -> None:
    """The disk may have written later parts and not earlier ones."""
    log = copy(killed, tmp_path / "copy")
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 1
    log.write_bytes(content)
    (log.parent / "argoscope.db.lock").write_text("process 7 on node-1\nboot another\n")
    before = committed(log.parent)
    assert 0 < before < COMMITS
    assert committed(log.parent) == before
