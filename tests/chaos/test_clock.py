"""The daemon's clock jumps, the cluster's does not: in process, on the clock that it is given."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import aiohttp
import pytest

from argoscope.app import Daemon
from argoscope.kube.config import Access, Static
from argoscope.ledger.ledger import Ledger
from argoscope.server import bind
from argoscope.settings import Settings
from argoscope.simulator.api_server import ApiServer
from chaos.pipelines import begin, end
from chaos.scraper import parse
from chaos.stage import NAMESPACE
from chaos.truth import series

pytestmark = pytest.mark.e2e  # slow: in real time

RUNS = series("argo_workflow_runs_total", namespace=NAMESPACE, pipeline="build", phase="Succeeded")
WEEK = series("argo_workflow_completed_runs_7d", namespace=NAMESPACE, pipeline="build")
DAY = 86400.0
PATIENCE = 30.0


class Clock:
    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        return time.time() + self.offset


class Shown:
    """What a daemon in this process shows."""

    def __init__(self, address: str, session: aiohttp.ClientSession, least: float) -> None:
        self._address = address
        self._session = session
        self._highest = least

    async def becomes(self, name: str, value: float) -> None:
        """Waits for that value, in real time, since the ledger's thread is in it; a counter must
        not have been less, or more, on the way."""
        deadline = time.monotonic() + PATIENCE
        while (now := await self._get(name)) != value:
            if name == RUNS:
                assert self._highest <= now <= value
                self._highest = now
            assert time.monotonic() < deadline, f"{name}: {now}, not {value}"
            await asyncio.sleep(0.1)

    async def _get(self, name: str) -> float:
        async with self._session.get(f"{self._address}/metrics") as response:
            values, _ = parse(await response.text())
        return values.get(name, 0.0)


@asynccontextmanager
async def living(
    api: ApiServer, folder: Path, clock: Clock, least: float = 0.0
) -> AsyncIterator[Shown]:
    """A daemon that has listed everything; ``least``: the runs that were shown before."""
    ledger = Ledger.open(folder, now=clock)
    access = Static(Access(server=api.address))
    daemon = Daemon(Settings(), access, bind("127.0.0.1", 0), ledger=ledger, clock=clock)
    thresholds, stop = gc.get_threshold(), asyncio.Event()
    task = asyncio.create_task(daemon.run(stop))
    try:
        while not all(status.has_synced for status in daemon.statuses()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        async with aiohttp.ClientSession() as session:
            yield Shown(daemon.address, session, least)
    finally:
        stop.set()
        await task
        gc.unfreeze()
        gc.set_threshold(*thresholds)


@pytest.mark.parametrize(
    ("jump", "week"),
    [
        pytest.param(400 * DAY, 14, id="year-ahead"),
        # Ends that seem to lie in the future are taken to be at the moment when they were seen.
        pytest.param(-400 * DAY, 7, id="year-behind"),
        pytest.param(8 * DAY, 14, id="week-ahead"),
        pytest.param(3 * 3600.0, 14, id="hours-ahead"),
        pytest.param(-3 * 3600.0, 14, id="hours-behind"),
        pytest.param(-20.0, 14, id="seconds-back"),
    ],
)
async def test_a_clock_that_jumps_and_comes_back_counts_nothing_twice_and_forgets_nothing(
    jump: float, week: int, tmp_path: Path
) -> None:
    clock, random = Clock(), Random(1)
    async with ApiServer() as api:

        def finish(count: int) -> None:
            for _ in range(count):
                workflow = begin("build", random, time.time() - 1.0)
                api.cluster.put("workflows", workflow)
                end(workflow, time.time(), "Succeeded")
                api.cluster.put("workflows", workflow)

        async with living(api, tmp_path, clock) as shown:
            finish(3)
            await shown.becomes(RUNS, 3)
            clock.offset = jump
            finish(3)
            await shown.becomes(RUNS, 6)
            await api.stop()
            finish(1)
            api.compact()
            await api.start()  # and everything is listed again
            await shown.becomes(RUNS, 7)
        async with living(api, tmp_path, clock, 7) as shown:
            finish(3)
            await shown.becomes(RUNS, 10)
            clock.offset = 0.0
            finish(3)
            await shown.becomes(RUNS, 13)
        async with living(api, tmp_path, clock, 13) as shown:
            finish(1)
            await shown.becomes(RUNS, 14)
            await shown.becomes(WEEK, week)
