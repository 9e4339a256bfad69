"""The daemon with a ledger, in real time: it stops, runs end meanwhile, and it starts again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from argoscope.ledger.ledger import Ledger
from argoscope.settings import Ledger as LedgerSettings
from argoscope.settings import Settings
from argoscope.simulator.api_server import ApiServer
from argoscope.start import StartError, open_ledger
from support.api_server import EPOCH
from support.scrape import Key, key, parse, values
from support.serving import Site, daemon, ready, workflow

SUCCEEDED = key("argo_workflow_runs_total", namespace="ci", pipeline="build", phase="Succeeded")
WEEK = key("argo_workflow_completed_runs_7d", namespace="ci", pipeline="build")
UP = key("argoscope_ledger_up")


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    async with ApiServer() as running:
        yield running


async def scraped(found: Site, wanted: dict[Key, float]) -> dict[Key, float]:
    """The first scrape that has the wanted values, or the last one of ten seconds."""
    seen: dict[Key, float] = {}
    for _ in range(200):
        _, text, response = await found.get("/metrics")
        seen = values(parse(text.encode(), response.headers["Content-Type"]))
        if all(seen.get(series) == value for series, value in wanted.items()):
            break
        await asyncio.sleep(0.05)
    return {series: seen.get(series, -1.0) for series in wanted}


async def test_counters_go_on_and_what_ended_meanwhile_is_counted(
    api: ApiServer, tmp_path: Path
) -> None:
    api.cluster.put("workflows", workflow("build-0", phase="Succeeded", begin=EPOCH - 900))
    api.cluster.put("workflows", workflow("build-1", phase="Running"))
    api.cluster.put("workflows", workflow("build-2", phase="Running"))
    async with daemon(api, ledger=Ledger.open(tmp_path)) as found:
        await ready(found)
        api.cluster.put("workflows", workflow("build-1", phase="Succeeded"))
        wanted = {SUCCEEDED: 1.0, WEEK: 2.0, UP: 1.0}
        assert await scraped(found, wanted) == wanted

    api.cluster.put("workflows", workflow("build-2", phase="Succeeded"))
    api.cluster.put("workflows", workflow("build-3", phase="Succeeded"))
    async with daemon(api, ledger=Ledger.open(tmp_path)) as found:
        _, text, _ = await found.get("/metrics")
        assert 'argo_workflow_runs_total{namespace="ci",pipeline="build"' in text, "at once"
        await ready(found)
        wanted = {SUCCEEDED: 3.0, WEEK: 4.0}
        assert await scraped(found, wanted) == wanted

    ledger = Ledger.open(tmp_path)
    assert sorted(past.finished - EPOCH for past in ledger.past_runs(0.0)) == [-870, 30, 30, 30]
    ledger.close()


def test_a_ledger_that_can_not_be_opened_keeps_the_daemon_from_starting(tmp_path: Path) -> None:
    held = Ledger.open(tmp_path)
    with pytest.raises(StartError, match="another process holds it"):
        open_ledger(Settings(ledger=LedgerSettings(path=str(tmp_path))))
    held.close()


def test_without_a_path_there_is_no_ledger() -> None:
    assert open_ledger(Settings()) is None
