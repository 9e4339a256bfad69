"""The daemon as a process on a ledger that is full, damaged, newer, read-only or in use."""

import os
import random
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from chaos.rig import Rig, rig
from chaos.victim import Victim

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

SEED = int(os.environ.get("ARGOSCOPE_SEED") or random.SystemRandom().randrange(1_000_000))
DAMAGES = 12
UP = "argoscope_ledger_up"
ERRORS = "argoscope_ledger_errors_total"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[Rig]:
    print(f"ARGOSCOPE_SEED={SEED}")
    async with rig(tmp_path, tmp_path / "argoscope.db", SEED) as running:
        yield running


def fill(folder: Path) -> Path:
    """Leaves no room on that disk; returns the file that takes it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                pass
    return filler


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


async def stands_still(found: Rig, reason: str) -> None:
    """Runs end and are not counted, but gauges show that the cluster is still watched."""
    stored = found.stage.shown.total("argo_workflow_stored")
    counted = found.stage.shown.total("argo_workflow_runs_total")
    found.finish_runs(60)
    errors = f'{ERRORS}{{reason="{reason}"}}'
    await found.until(lambda: found.stage.shown.get(UP) == 0 and found.stage.shown.get(errors) > 0)
    await found.until(
        lambda: found.stage.shown.total("argo_workflow_stored") == stored + 60,
        lambda: f"stored {found.stage.shown.total('argo_workflow_stored')}",
    )
    assert found.stage.shown.total("argo_workflow_runs_total") == counted


async def works_again(found: Rig) -> None:
    await found.until(lambda: found.stage.shown.get(UP) == 1)
    await found.settle()


async def test_on_a_full_disk_counters_stand_still_until_there_is_room(
    tmp_path: Path, disk: Path
) -> None:
    async with rig(tmp_path, disk / "argoscope.db", SEED) as found:
        found.finish_runs(10)
        await found.settle()
        filler = fill(disk)
        await stands_still(found, "full")
        filler.unlink()
        await works_again(found)


async def test_killed_on_a_full_disk_it_does_not_start_until_there_is_room_and_loses_nothing(
    tmp_path: Path, disk: Path
) -> None:
    async with rig(tmp_path, disk / "argoscope.db", SEED) as found:
        found.finish_runs(10)
        await found.settle()
        filler = fill(disk)
        await stands_still(found, "full")
        await found.victim.kill()
        assert "the disk is full: make room on it" in await found.refused()
        filler.unlink()
        await found.live()
        await works_again(found)


async def test_a_limit_on_the_size_of_files_is_a_disk_that_fails(one: Rig) -> None:
    """Works without privileges; SQLite calls it an I/O error."""
    one.finish_runs(10)
    await one.settle()
    assert one.victim.process is not None
    pid = one.victim.process.pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    try:
        await stands_still(one, "io")
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    await works_again(one)


async def test_on_a_read_only_disk_it_does_not_start(tmp_path: Path, disk: Path) -> None:
    async with rig(tmp_path, disk / "argoscope.db", SEED) as found:
        found.finish_runs(10)
        await found.settle()
        await found.victim.kill()
        remount(disk, "ro")
        assert "read-only" in await found.refused()
        remount(disk, "rw")
        found.finish_runs(5)
        await found.live()
        await found.settle()


async def test_a_second_daemon_on_the_same_ledger_is_refused_and_the_first_goes_on(
    one: Rig,
) -> None:
    one.finish_runs(10)
    await one.settle()
    assert one.victim.process is not None
    (one.folder / "second").mkdir()
    second = Victim(one.folder / "second", one.kubeconfig, one.victim.ledger)
    said = await one.refused(second)
    assert "another process holds it" in said
    assert f"process {one.victim.process.pid} on" in said
    one.finish_runs(10)
    await one.settle()
    await one.victim.kill()
    one.finish_runs(10)
    await one.live()
    await one.settle()


async def test_a_newer_ledger_is_refused_and_left_as_it_is(one: Rig) -> None:
    one.finish_runs(10)
    await one.settle()
    assert await one.victim.stop() == 0
    with sqlite3.connect(one.victim.ledger) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {version + 1}")
    connection.close()
    before = one.victim.ledger.read_bytes()
    said = await one.refused()
    assert "a newer argoscope has written it" in said
    assert one.victim.ledger.read_bytes() == before
    with sqlite3.connect(one.victim.ledger) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    await one.live()
    await one.settle()


async def test_random_damage_is_refused_or_harmless_and_never_a_wrong_number(one: Rig) -> None:
    """In the file and in the log that a kill leaves, at random places; some of the runs are gone
    from the cluster: what the ledger loses, nobody can count again."""
    one.finish_runs(60)
    await one.settle()
    assert await one.victim.stop() == 0  # works the log into the file
    one.finish_runs(60, "later")
    await one.live()
    await one.settle()
    for pipeline in ("gone", "gone-too"):
        gone = one.finish_runs(20, pipeline)
        await one.settle()
        for workflow in gone:
            one.stage.remove("workflows", workflow)
        stored = one.stage.shown.total("argo_workflow_stored") - len(gone)
        await one.until(lambda n=stored: one.stage.shown.total("argo_workflow_stored") == n)  # type: ignore[misc]
    await one.victim.kill()
    whole = {path: path.read_bytes() for path in parts(one.victim.ledger)}
    refusals = 0
    for number in range(DAMAGES):
        refusals += await is_refused(one, whole, random.Random(f"{SEED}/{number}"))
    assert refusals > 0


def parts(ledger: Path) -> list[Path]:
    return [ledger, ledger.with_name(ledger.name + "-wal")]


async def is_refused(one: Rig, whole: dict[Path, bytes], seeded: random.Random) -> bool:
    """Whether the daemon refuses a damaged copy; if it does not, what it shows is the truth."""
    for path, content in whole.items():
        path.write_bytes(content)
    damage(seeded.choice(list(whole)), seeded)
    await one.victim.start()
    try:
        await one.victim.listening()
    except AssertionError:
        assert one.victim.process is not None
        assert one.victim.process.returncode == 2, one.victim.tail()
        assert "argoscope: ledger " in one.victim.tail(1), one.victim.tail()
        return True
    await one.until(lambda: one.stage.shown.life == one.victim.life)
    await one.settle()
    await one.victim.kill()
    return False


def damage(path: Path, seeded: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(seeded.choice((1, 4, 40))):
        content[seeded.randrange(len(content))] ^= seeded.randrange(1, 256)
    path.write_bytes(content)
