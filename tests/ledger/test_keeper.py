"""Commit before expose, on a real event loop and a real file, also while commits fail."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from argoscope.ledger import metrics
from argoscope.ledger.errors import REASONS
from argoscope.ledger.keeper import Keeper
from argoscope.ledger.ledger import Change, Ledger
from argoscope.metrics.model import Metric
from support.ledgers import ETL, NOW, PLACE, contents, registry_at
from support.scrape import ACTIVE, DURATION, RUNS

ROOM = "PRAGMA max_page_count = 1000000"


class Kept:
    """A keeper with what it keeps."""

    def __init__(self, folder: Path) -> None:
        self.registry = registry_at()
        self.ledger = Ledger.open(folder, now=lambda: NOW)
        self.ledger.restore(self.registry)
        self.changes: list[Change] = []
        self.keeper = Keeper(self.ledger, self.registry, self._take)

    def _take(self) -> list[Change]:
        taken, self.changes = self.changes, []
        return taken

    def count(self, amount: float = 1.0) -> None:
        self.registry.count(RUNS, ETL, amount)
        self.registry.observe(DURATION, PLACE, amount)
        self.registry.own("owner", [(ACTIVE, PLACE, self.registry.value(RUNS, ETL) or 0.0)])

    def published(self) -> tuple[object, object, object]:
        """Counter, count of the histogram and gauge, as a scrape shows them."""
        (gauges,) = [family for family in self.registry.families if family.metric is ACTIVE]
        counter = self.registry.cumulative(RUNS)[ETL].published
        histogram = self.registry.cumulative(DURATION)[PLACE].published
        return counter, histogram and sum(histogram[0]), gauges.series[PLACE].published

    def fill_the_disk(self) -> None:
        pages = self.ledger.database.scalar("PRAGMA page_count")
        self.ledger.database.scalar(f"PRAGMA max_page_count = {pages}")
        self.changes = [("workflows", f"u{n}", bytes(900)) for n in range(99)]

    def value(self, metric: Metric) -> float:
        return self.registry.value(metric, ()) or 0.0


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    found = Kept(tmp_path)
    yield found
    found.ledger.database.scalar(ROOM)
    assert await found.keeper.close(10.0)


def committed(kept: Kept) -> float | None:
    """What a restart at this moment would find."""
    copy = sqlite3.connect(f"{kept.ledger.database.path.as_uri()}?mode=ro", uri=True)
    query = "SELECT value FROM value JOIN series USING (id) WHERE metric = ?"
    rows = copy.execute(query, (RUNS.prometheus,)).fetchall()
    copy.close()
    return float(msgspec.msgpack.decode(rows[0][0])) if rows else None


async def test_what_is_published_is_committed(kept: Kept) -> None:
    for number in range(1, 6):
        kept.count()
        assert committed(kept) == (number - 1 or None)
        await kept.keeper.step(10.0)
        assert kept.published() == (number, number, number)
        assert committed(kept) == number
    assert kept.value(metrics.UP) == 1
    assert kept.value(metrics.COMMIT_DURATION) == 5
    assert kept.value(metrics.BYTES) > 4096


@contextmanager
def held_up(kept: Kept) -> Iterator[None]:
    """Another process locks the file: commits wait."""
    other = sqlite3.connect(kept.ledger.database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


async def test_what_is_counted_while_a_commit_is_under_way_waits_for_the_next(kept: Kept) -> None:
    kept.count()
    with held_up(kept):
        await kept.keeper.step(0.01)
        kept.count()
    await kept.keeper.step(10.0)
    assert kept.published()[:2] == (1, 1)
    await kept.keeper.step(10.0)
    assert kept.published()[:2] == (2, 2)


async def test_a_slow_disk_holds_up_counters_and_nothing_else(kept: Kept) -> None:
    kept.count()
    await kept.keeper.step(10.0)
    with held_up(kept):
        for _ in range(2):
            kept.count()
            await kept.keeper.step(0.01)
        assert kept.published() == (1, 1, 3)
    assert await kept.keeper.commit(10.0)
    assert kept.published() == (3, 3, 3)


async def test_on_a_full_disk_counters_stand_still_and_watching_goes_on(
    kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    kept.count()
    await kept.keeper.step(10.0)
    kept.fill_the_disk()
    for _ in range(3):
        kept.count()
        await kept.keeper.step(10.0)
    assert kept.published() == (1, 1, 4)
    assert kept.value(metrics.UP) == 0
    assert kept.keeper.failing == "full"
    assert not await kept.keeper.commit(0.1)
    errors = dict(kept.registry.samples(metrics.ERRORS))
    assert errors[("full",)] >= 1
    assert set(errors) == {(reason,) for reason in REASONS}

    kept.ledger.database.scalar(ROOM)
    async with asyncio.timeout(30):
        while kept.keeper.failing:
            await asyncio.sleep(0.05)
            await kept.keeper.step(10.0)
    await kept.keeper.step(10.0)
    assert kept.published() == (4, 4, 4)
    assert committed(kept) == 4
    assert kept.value(metrics.UP) == 1
    assert len(dict(kept.ledger.objects("workflows"))) == 99
    said = capsys.readouterr().out
    assert said.count("ledger failing: counters stand still, watching goes on") == 1
    assert said.count("ledger works again") == 1


async def test_a_batch_that_failed_is_committed_before_what_came_after_it(kept: Kept) -> None:
    kept.fill_the_disk()
    kept.count()
    await kept.keeper.step(10.0)
    kept.changes = [("workflows", "u0", None)]
    kept.count()
    await kept.keeper.step(10.0)
    assert kept.changes, "not taken: one batch waits, and no more"
    kept.ledger.database.scalar(ROOM)
    assert await eventually(kept, lambda: not kept.changes)
    assert await kept.keeper.commit(10.0)
    assert "u0" not in dict(kept.ledger.objects("workflows"))
    assert len(dict(kept.ledger.objects("workflows"))) == 98


async def eventually(kept: Kept, condition: Callable[[], bool]) -> bool:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.05)
            await kept.keeper.step(10.0)
    return True


async def test_nothing_is_written_when_nothing_happened(kept: Kept) -> None:
    kept.count()
    await kept.keeper.step(10.0)
    before = kept.value(metrics.COMMIT_DURATION)
    for _ in range(5):
        await kept.keeper.step(10.0)
    assert kept.value(metrics.COMMIT_DURATION) == before
    assert kept.value(metrics.LAST_COMMIT) == NOW


async def test_the_end_commits_what_came_last(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.count()
    await kept.keeper.step(0.0)
    kept.count()
    kept.changes = [("workflows", "u", b"1")]
    assert await kept.keeper.close(10.0)
    ledger = Ledger.open(tmp_path)
    found = contents(ledger)
    ledger.close()
    assert found["counters"][ETL][0] == 2
    assert found["objects"] == {"u": b"1"}


async def test_the_end_on_a_full_disk_says_that_not_everything_is_kept(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.count()
    await kept.keeper.step(10.0)
    kept.fill_the_disk()
    kept.count()
    assert not await kept.keeper.close(5.0)
    ledger = Ledger.open(tmp_path)
    assert contents(ledger)["counters"][ETL][0] == 1
    ledger.close()
