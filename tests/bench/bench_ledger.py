"""What a commit costs at 1,000 events a second, how large a million runs are, how long a start."""

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from argoscope.catalogue import catalogue
from argoscope.ledger.keeper import Keeper
from argoscope.ledger.ledger import Change, Ledger
from argoscope.ledger.rows import Batch
from argoscope.metrics.held import Held
from argoscope.metrics.registry import Registry
from argoscope.pipeline import Pipeline
from argoscope.resources import workflow
from argoscope.resources._base import RunRecord
from argoscope.resources._load import load

EVENTS = 1_000
"""A second: one commit."""
COMMITS = 200
PACE = 0.2
"""Seconds between commits here: the daemon leaves one."""
LIVE = 60_000
"""Objects: 10,000 Workflows with records of 1 KB, 50,000 pods of 200 bytes."""
PIPELINES = 1_000
RUNS = 1_000_000
DAY = 86_400.0
CORE_BAR = 10.0
P99_BAR = 100.0
SIZE_BAR = 300.0
START_BAR = 5.0
BUSY = 0.3
"""Part of the time that the event loop is busy beside the commits."""


class Timed(Ledger):
    """A ledger that notes how long each commit took, as argoscope_ledger_commit_seconds does."""

    seconds: ClassVar[list[float]] = []

    def write(self, batch: Batch) -> None:
        begin = time.perf_counter()
        super().write(batch)
        self.seconds.append(time.perf_counter() - begin)


def run(quick: bool = False) -> list[dict[str, Any]]:
    scale = 10 if quick else 1
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger.open(folder)
        fill(ledger, RUNS // scale)
        size = (Path(folder) / "argoscope.db").stat().st_size / (RUNS // scale)
        begin = time.perf_counter()
        ledger.close()
        start(folder)
        seconds = (time.perf_counter() - begin) * scale
        ledger = Timed.open(folder)
        live(ledger)
        rows = asyncio.run(commits(ledger, Registry(catalogue()), COMMITS // scale))
        rows.append(row("ledger, 1 million run records", size, "MB", SIZE_BAR))
    what = "start with 1 million run records of 30 days"
    return [*rows, row(what, seconds, "s", START_BAR)]


def row(name: str, value: float, unit: str, bar: float | None) -> dict[str, Any]:
    met = bar is None or value <= bar
    return {"name": name, "value": value, "unit": unit, "bar": bar, "met": met}


def fill(ledger: Ledger, runs: int) -> None:
    """Runs of the last 30 days, which is how long they are kept."""
    seeded = random.Random(4)
    for at in range(0, runs, 20_000):
        for number in range(at, min(at + 20_000, runs)):
            ledger.record(record(seeded, number, time.time() - 30 * DAY * (1 - number / runs)))
        ledger.commit(Held())
        ledger.database.checkpoint()


def live(ledger: Ledger) -> None:
    for at in range(0, LIVE, 5_000):
        ledger.commit(Held(), [change(n) for n in range(at, at + 5_000)])
        ledger.database.checkpoint()


def record(seeded: random.Random, number: int, finished: float) -> RunRecord:
    pipeline = f"nightly-report-{number % PIPELINES}"
    failed = number % 9 == 0
    return RunRecord(
        uid=str(UUID(int=seeded.getrandbits(128), version=4)),
        namespace=f"team-{number % 40}",
        pipeline=pipeline,
        name=f"{pipeline}-{number}",
        cron=pipeline if number % 2 else "",
        phase="Failed" if failed else "Succeeded",
        cause="exit_code" if failed else "",
        created=float(int(finished) - 130),
        started=float(int(finished) - 120),
        finished=float(int(finished)),
        resources={"cpu": 120.0, "memory": 4096.0},
    )


def change(number: int, version: int = 0) -> Change:
    """A record that is not as it was: SQLite does not write a page anew that stays the same."""
    uid = str(UUID(int=number * 7919 << 64 | number, version=4))
    changed = version.to_bytes(8, "little")
    if number < LIVE // 6:
        return "large", uid, changed + b"\1" * 1016
    return "small", uid, changed + b"\1" * 192


async def commits(ledger: Ledger, registry: Registry, count: int) -> list[dict[str, Any]]:
    """Commits one after the other, beside an event loop that is busy as at that rate."""
    seeded = random.Random(4)
    for number in range(PIPELINES):
        for phase in ("Succeeded", "Failed", "Error"):
            registry.declare(workflow.metrics.RUNS, (f"team-{number % 40}", str(number), phase))
    keeper = Keeper(ledger, registry, lambda: changes(seeded))
    await keeper.commit(60.0)
    load = asyncio.create_task(busy(), name="load")
    spent, took = 0.0, []
    Timed.seconds.clear()
    for number in range(count):
        for event in range(EVENTS):
            count_one(registry, seeded)
            if event % 20 == 0:
                ledger.record(record(seeded, number * EVENTS + event, time.time()))
        # As long as a checkpoint takes, which at the real pace is over before the next commit.
        await asyncio.sleep(PACE)
        cpu, begin, loaded = time.process_time(), time.perf_counter(), _loaded[0]
        assert await keeper.commit(60.0)
        took.append(time.perf_counter() - begin)
        spent += time.process_time() - cpu - (_loaded[0] - loaded)
    load.cancel()
    assert await keeper.close(60.0)
    return [
        row(f"commits at {EVENTS:,} events a second", spent / count * 100, "% of a core", CORE_BAR),
        row("commit, p99, beside a busy event loop", p99(Timed.seconds), "ms", P99_BAR),
        row("commit and publication, p99, beside the same", p99(took), "ms", None),
    ]


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)] * 1e3


def changes(seeded: random.Random) -> Iterator[Change]:
    return (change(seeded.randrange(LIVE), seeded.getrandbits(63)) for _ in range(EVENTS))


def count_one(registry: Registry, seeded: random.Random) -> None:
    number = seeded.randrange(PIPELINES)
    key = (f"team-{number % 40}", str(number))
    registry.count(workflow.metrics.RUNS, (*key, "Succeeded"))
    registry.observe(workflow.metrics.RUN_DURATION, (*key, "Succeeded"), seeded.random() * 600)
    registry.observe(workflow.metrics.RUN_PENDING, key, seeded.random() * 30)


_loaded = [0.0]
"""CPU seconds that ``busy`` has used."""


async def busy() -> None:
    while True:
        begin = time.thread_time()
        while time.thread_time() - begin < 0.005 * BUSY:
            pass
        _loaded[0] += time.thread_time() - begin
        await asyncio.sleep(0.005 * (1 - BUSY))


def start(folder: str) -> None:
    ledger = Ledger.open(folder)
    registry = Registry(catalogue())
    pipeline = Pipeline(load(), registry, memory=ledger)
    ledger.restore(registry)
    pipeline.restore(time.time())
    registry.publish()
    ledger.close()
