"""What a daemon shows on a ledger that was filled: each run once, from the first scrape on."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from argoscope.cli import main
from argoscope.history_import.deriving import History
from argoscope.history_import.importing import Importer
from argoscope.history_import.source import Wanted
from argoscope.ledger.database import Database
from argoscope.ledger.ledger import Ledger
from argoscope.ledger.runs import is_counted
from argoscope.resources._base import Options
from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.cluster import Object
from support.api_server import EPOCH
from support.archived import DAY, Truth, archive
from support.daemon import daemon as process
from support.scrape import Key, key, parse, values
from support.serving import Site, daemon, ready, workflow

SEED = 20260924


@pytest.fixture(autouse=True)
def _print_seed() -> None:
    print(f"seed {SEED}")


def imported(path: Path, runs: Iterable[Object]) -> Importer:
    ledger = Ledger.open(path)
    history = History(Options(), lambda *problem: pytest.fail(str(problem)))
    wanted = Wanted(since=EPOCH - 7 * DAY)
    importer = Importer(history, wanted, ledger=ledger, clock=lambda: EPOCH)
    importer.objects(((json.dumps(run).encode(), "here") for run in runs), lambda _: None)
    importer.commit()
    ledger.close()
    return importer


async def settled(found: Site) -> None:
    """Everything was listed, and published at a tick."""
    await ready(found)
    await asyncio.sleep(2.0)


async def scrape(found: Site) -> dict[Key, float]:
    status, text, response = await found.get("/metrics")
    assert status == 200
    return values(parse(text.encode(), response.headers["Content-Type"]))


def week(
    scraped: dict[Key, float],
) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]]:
    """(completed, failed) by namespace and pipeline."""
    found: list[dict[tuple[str, str], int]] = []
    for name in ("completed_runs_7d", "failed_runs_7d"):
        of_name = {k: v for k, v in scraped.items() if k[0] == f"argo_workflow_{name}"}
        labels = [(dict(labels), value) for (_, labels), value in of_name.items()]
        found.append({(by["namespace"], by["pipeline"]): int(v) for by, v in labels})
    return found[0], found[1]


def is_true(scraped: dict[Key, float], truth: Truth) -> None:
    completed, failed = week(scraped)
    assert completed == truth.completed
    assert failed == truth.failed


def counted(scraped: dict[Key, float]) -> float:
    return sum(value for (name, _), value in scraped.items() if name == "argo_workflow_runs_total")


@pytest.mark.looptime
async def test_what_the_first_list_shows_as_well_counts_once(tmp_path: Path) -> None:
    runs, truth = archive(SEED, 60, EPOCH)
    imported(tmp_path, runs)
    async with ApiServer() as api:
        for run in runs[40:]:  # what TTL has not deleted yet
            api.cluster.put("workflows", run)
        async with daemon(api, ledger=Ledger.open(tmp_path)) as found:
            is_true(await scrape(found), truth)
            await settled(found)
            scraped = await scrape(found)
    is_true(scraped, truth)
    assert counted(scraped) == 0
    assert _rows(tmp_path) == {0: 60}


@pytest.mark.looptime
async def test_a_run_that_ended_while_the_daemon_was_away_counts_once(tmp_path: Path) -> None:
    total = key("argo_workflow_runs_total", namespace="ci", pipeline="build", phase="Failed")
    running = workflow("build-1", phase="Running", begin=EPOCH - 600)
    ended = workflow("build-1", phase="Failed", begin=EPOCH - 600)
    new = workflow("build-2", phase="Failed", begin=EPOCH - 300)
    async with ApiServer() as api:
        api.cluster.put("workflows", running)
        async with daemon(api, ledger=Ledger.open(tmp_path)) as found:
            await ready(found)
        for run in (ended, new):
            api.cluster.put("workflows", run)
        assert imported(tmp_path, [ended, new]).summary.imported == 2
        async with daemon(api, ledger=Ledger.open(tmp_path)) as found:
            before = await scrape(found)
            await settled(found)
            after = await scrape(found)
    assert week(before) == week(after) == ({("ci", "build"): 2}, {("ci", "build"): 2})
    assert (before[total], after[total]) == (0, 2)
    assert _rows(tmp_path) == {1: 2}


@pytest.mark.looptime
async def test_what_the_daemon_has_recorded_is_not_imported_again(tmp_path: Path) -> None:
    ended = workflow("build-1", phase="Failed", begin=EPOCH - 60)
    async with ApiServer() as api:
        async with daemon(api, ledger=Ledger.open(tmp_path)) as found:
            await ready(found)
            api.cluster.put("workflows", ended)
            await settled(found)
        summary = imported(tmp_path, [ended]).summary
        assert (summary.imported, summary.known) == (0, 1)
        async with daemon(api, ledger=Ledger.open(tmp_path)) as found:
            await settled(found)
            assert week(await scrape(found)) == ({("ci", "build"): 1}, {("ci", "build"): 1})
    assert _rows(tmp_path) == {1: 1}


def _rows(path: Path) -> dict[int, int]:
    """How many run records there are, by whether they were counted; and that the sum is known."""
    database = Database.read(path / "argoscope.db")
    rows = Counter(is_counted(row) for rows in database.run_rows() for row in rows)
    assert database.runs == sum(rows.values())
    database.check()
    database.close()
    return rows


async def test_from_the_command_line_to_the_first_scrape_of_a_daemon(tmp_path: Path) -> None:
    runs, truth = archive(SEED, 400, time.time())
    (tmp_path / "runs.json").write_text(json.dumps({"kind": "List", "items": runs}))
    arguments = ["import", "files", str(tmp_path / "runs.json"), "--ledger", f"{tmp_path}/l/"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    async with ApiServer() as api:
        access = {"clusters": [{"name": "c", "cluster": {"server": api.address}}]}
        access["contexts"] = [{"name": "c", "context": {"cluster": "c", "user": "u"}}]
        access["users"] = [{"name": "u", "user": {"token": "t"}}]
        config = tmp_path / "kubeconfig"
        config.write_text(yaml.safe_dump({"current-context": "c", **access}))
        async with process(config, "--ledger", f"{tmp_path}/l/") as running:
            is_true(await running.scrape(), truth)
            refused = CliRunner().invoke(main, arguments)
            dry = CliRunner().invoke(main, [*arguments, "--dry-run"])
    assert refused.exit_code == 1
    assert "before the daemon's first start, or stop the daemon" in refused.output
    assert dry.exit_code == 0
    assert "known before      400" in dry.output
