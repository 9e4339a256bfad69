"""Deltas across restarts: nothing is lost or sent twice, and what may have been is counted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from argoscope.export.otlp import OtlpExporter
from argoscope.export.otlp_settings import OtlpSettings, Temporality
from argoscope.export.otlp_transport import Outcome
from argoscope.ledger.acknowledgements import LedgerAcknowledgements
from argoscope.ledger.keeper import Keeper
from argoscope.ledger.ledger import Ledger
from argoscope.metrics.internal import EXPORT_FAILURES, EXPORT_UNACKNOWLEDGED
from argoscope.metrics.registry import Registry
from support.ledgers import ETL, PLACE, registry_at
from support.otlp import points
from support.scrape import DURATION, RUNS


class Receiver:
    """Adds up the deltas that it accepts."""

    def __init__(self) -> None:
        self.runs = 0.0
        self.observed = 0
        self.hangs = False
        self.took_it = asyncio.Event()
        self.outcomes: list[Outcome] = []
        """Of the next requests, before it succeeds again."""

    async def send(self, body: bytes) -> Outcome:
        found = points([body])
        if (one := found.get(("argo.test.runs", ETL))) is not None:
            self.runs += one.as_double
        if (one := found.get(("argo.test.run.duration", PLACE))) is not None:
            self.observed += one.count
        self.took_it.set()
        if self.hangs:
            await asyncio.Event().wait()
        return self.outcomes.pop(0) if self.outcomes else Outcome()

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Life:
    """One life of a daemon."""

    registry: Registry
    ledger: Ledger
    keeper: Keeper
    exporter: OtlpExporter

    def count(self, amount: int) -> None:
        self.registry.count(RUNS, ETL, amount)
        for _ in range(amount):
            self.registry.observe(DURATION, PLACE, 1.0)

    def lost(self) -> float:
        return self.registry.value(EXPORT_UNACKNOWLEDGED, ("otlp",)) or 0.0


clock = [1_700_000_000.0]


@asynccontextmanager
async def life(folder: Path, receiver: Receiver, *, crash: bool = False) -> AsyncIterator[Life]:
    clock[0] += 60.0
    registry = registry_at(clock[0])
    ledger = Ledger.open(folder)
    ledger.restore(registry)
    keeper = Keeper(ledger, registry, lambda: ())
    exporter = OtlpExporter(
        registry,
        OtlpSettings(endpoint="http://c", temporality=Temporality.DELTA),
        resource={},
        version="1",
        carrier=receiver,  # type: ignore[arg-type]
        acknowledgements=LedgerAcknowledgements(keeper),
    )
    yield Life(registry, ledger, keeper, exporter)
    if crash:
        keeper._thread.shutdown()
        ledger.close()  # as the kernel does: without a commit
    else:
        assert await keeper.close(10.0)


async def test_a_restart_goes_on_from_what_was_acknowledged(tmp_path: Path) -> None:
    receiver = Receiver()
    for number in range(1, 4):
        async with life(tmp_path, receiver) as now:
            now.count(number)
            await now.keeper.step(10.0)
            assert await now.exporter.export()
            now.count(10)  # after the last export: committed, and sent in the next life
            assert now.lost() == 0
    async with life(tmp_path, receiver) as now:
        assert await now.exporter.export()
    assert receiver.runs == receiver.observed == 1 + 2 + 3 + 30


async def test_an_export_carries_committed_values_only(tmp_path: Path) -> None:
    receiver = Receiver()
    async with life(tmp_path, receiver, crash=True) as now:
        now.count(5)
        assert await now.exporter.export(), "commits before it sends"
        now.count(7)
    async with life(tmp_path, receiver, crash=True) as now:
        assert now.registry.value(RUNS, ETL) == receiver.runs == 5


async def test_a_crash_between_sending_and_the_acknowledgement_is_counted_once(
    tmp_path: Path,
) -> None:
    receiver = Receiver()
    receiver.hangs = True
    async with life(tmp_path, receiver, crash=True) as now:
        now.count(5)
        export = asyncio.create_task(now.exporter.export(), name="export")
        await asyncio.wait_for(receiver.took_it.wait(), 10.0)
        export.cancel()
        await asyncio.wait({export})
    receiver.hangs = False
    for expected in (1, 1):
        async with life(tmp_path, receiver) as now:
            assert now.lost() == expected
            assert await now.exporter.export()
    assert receiver.runs == 10, "what may have been lost is sent again: better twice than never"


async def test_a_crash_after_the_acknowledgement_and_before_its_commit_is_counted(
    tmp_path: Path,
) -> None:
    receiver = Receiver()
    async with life(tmp_path, receiver, crash=True) as now:
        now.count(5)
        assert await now.exporter.export()
    async with life(tmp_path, receiver) as now:
        assert now.lost() == 1


async def test_an_answer_that_was_lost_is_counted_though_the_next_attempt_succeeds(
    tmp_path: Path,
) -> None:
    receiver = Receiver()
    receiver.outcomes = [Outcome(reason="connection", retryable=True, unanswered=True)]
    receiver.outcomes += [Outcome(reason="unavailable", retryable=True)]
    async with life(tmp_path, receiver) as now:
        now.count(5)
        assert await now.exporter.export()
        assert now.lost() == 1
        assert await now.exporter.export()
        assert now.lost() == 1
    async with life(tmp_path, receiver, crash=True) as now:
        assert now.lost() == 1


async def test_an_export_that_the_end_of_the_daemon_cuts_off_is_counted_once(
    tmp_path: Path,
) -> None:
    receiver = Receiver()
    receiver.hangs = True
    async with life(tmp_path, receiver) as now:
        now.count(5)
        export = asyncio.create_task(now.exporter.export(), name="export")
        await asyncio.wait_for(receiver.took_it.wait(), 10.0)
        export.cancel()
        await asyncio.wait({export})
        receiver.hangs = False
        assert await now.exporter.flush()
    assert receiver.runs == 10
    async with life(tmp_path, receiver, crash=True) as now:
        assert now.lost() == 1


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "killed"])
async def test_an_acknowledgement_that_was_committed_is_not_lost(
    tmp_path: Path, crash: bool
) -> None:
    receiver = Receiver()
    async with life(tmp_path, receiver, crash=crash) as now:
        now.count(5)
        assert await now.exporter.export()
        await now.keeper.step(10.0)
    async with life(tmp_path, receiver) as now:
        assert now.lost() == 0
        assert await now.exporter.export()
    assert receiver.runs == receiver.observed == 5


async def test_without_room_for_the_note_nothing_is_sent(tmp_path: Path) -> None:
    receiver = Receiver()
    async with life(tmp_path, receiver, crash=True) as now:
        now.count(5)
        pages = now.ledger.database.scalar("PRAGMA page_count")
        now.ledger.database.scalar(f"PRAGMA max_page_count = {pages}")
        for number in range(300):
            now.ledger.note(f"fact/{number}", "x" * 100)
        assert not await now.exporter.export()
        assert receiver.runs == 0
        assert now.registry.value(EXPORT_FAILURES, ("otlp", "ledger")) == 1
