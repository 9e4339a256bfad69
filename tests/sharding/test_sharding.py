"""Several daemons on one simulated cluster: together they say what a single one says."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argoscope.catalogue import catalogue
from argoscope.export.prometheus import Exposition
from argoscope.kube.errors import ConfigError
from argoscope.ledger.ledger import Ledger
from argoscope.metrics.registry import Registry
from argoscope.monitor import Monitor
from argoscope.resources.workflow.attribution import PATIENCE
from argoscope.sharding import Shard, configured, owner
from argoscope.simulator.api_server import ApiServer
from support.api_server import virtual_clock
from support.scrape import Key, parse, values
from support.serving import Site, daemon, ready, workflow

Samples = dict[Key, float]
PIPELINES = [f"build{number}" for number in range(24)]


async def samples(found: Site) -> Samples:
    """What is about the cluster; how the daemon itself fares is each one's own."""
    _, body, response = await found.get("/metrics")
    every = values(parse(body.encode(), response.headers["Content-Type"]))
    shown = {key: value for key, value in every.items() if key[0].startswith("argo_")}
    return {key: value for key, value in shown.items() if not key[0].endswith("_created")}


@asynccontextmanager
async def sharded(
    api: ApiServer, folder: Path, shards: int, numbers: int
) -> AsyncIterator[list[Site]]:
    """So many daemons, each with its own ledger; those beyond the shards are spares."""
    async with AsyncExitStack() as stack:
        sites = []
        for number in range(numbers):
            path = folder / f"shard-{number}.db"
            ledger = Ledger.open(str(path), now=virtual_clock)
            shard = Shard(number, shards)
            sites.append(await stack.enter_async_context(daemon(api, ledger=ledger, shard=shard)))
        for found in sites:
            await ready(found)
        yield sites


@asynccontextmanager
async def single(api: ApiServer, folder: Path) -> AsyncIterator[Site]:
    ledger = Ledger.open(str(folder / "single.db"), now=virtual_clock)
    async with daemon(api, ledger=ledger) as found:
        await ready(found)
        yield found


async def settle() -> None:
    """Time in which events arrive, runs have waited for pods that never come, all is committed and
    published, new series after their 0."""
    await asyncio.sleep(PATIENCE + 25.0)


def run(api: ApiServer, pipeline: str, number: int, phase: str) -> None:
    name = f"{pipeline}-{number:05}"
    seen = virtual_clock()
    api.cluster.put("workflows", workflow(name, phase=phase, begin=seen - 40.0, seconds=39.0))


def round_of_runs(api: ApiServer, number: int) -> None:
    for position, pipeline in enumerate(PIPELINES):
        run(api, pipeline, number, "Failed" if position % 3 == 0 else "Succeeded")


def union(parts: list[Samples]) -> Samples:
    together: Samples = {}
    for part in parts:
        doubled = set(part) & set(together)
        assert not doubled, f"produced twice: {sorted(doubled)[:5]}"
        together |= part
    return together


def counters(found: Samples) -> Samples:
    return {
        key: value
        for key, value in found.items()
        if key[0].endswith(("_total", "_count", "_bucket", "_sum"))
    }


def added(first: Samples, second: Samples) -> Samples:
    return {key: first.get(key, 0.0) + second.get(key, 0.0) for key in first.keys() | second.keys()}


@pytest.mark.looptime
async def test_three_shards_say_together_what_a_single_daemon_says(tmp_path: Path) -> None:
    async with (
        ApiServer() as api,
        single(api, tmp_path) as whole,
        sharded(api, tmp_path, 3, 3) as sites,
    ):
        for number in range(3):
            round_of_runs(api, number)
            await settle()
        for found in (whole, *sites):
            await samples(found)
        await settle()
        expected = await samples(whole)
        parts = [await samples(found) for found in sites]
        assert union(parts) == expected
        assert len(counters(expected)) > 24 * 3
        assert all(len(part) > len(expected) / 10 for part in parts), "divided about evenly"
        assert "ok shard 1 of 3" in (await sites[1].get("/readyz"))[1]


@pytest.mark.looptime
async def test_a_restart_of_a_shard_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with ApiServer() as api, single(api, tmp_path) as whole:
        async with sharded(api, tmp_path, 3, 3):
            round_of_runs(api, 0)
            await settle()
        round_of_runs(api, 1)  # nobody watches
        async with sharded(api, tmp_path, 3, 3) as sites:
            round_of_runs(api, 2)
            await settle()
            for found in (whole, *sites):
                await samples(found)
            await settle()
            parts = [await samples(found) for found in sites]
            assert union(parts) == await samples(whole)


@pytest.mark.looptime
async def test_from_three_to_four_with_a_spare_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with ApiServer() as api, single(api, tmp_path) as whole:
        async with sharded(api, tmp_path, 3, 4) as sites:
            for number in range(2):
                round_of_runs(api, number)
                await settle()
            for found in sites:
                await samples(found)
            await settle()
            before = [await samples(found) for found in sites]
            assert before[3] == {}, "a spare has no series"
            assert "ok spare 3" in (await sites[3].get("/readyz"))[1]
        round_of_runs(api, 2)  # while all of them restart with another number
        async with sharded(api, tmp_path, 4, 4) as sites:
            round_of_runs(api, 3)
            await settle()
            for found in (whole, *sites):
                await samples(found)
            await settle()
            after = [await samples(found) for found in sites]
            expected = await samples(whole)
        together = union(after)
        assert set(together) <= set(expected)
        moved = {key for key in counters(together) if key in after[3]}
        assert moved, "the new shard has got something"
        stayed = {key: value for key, value in together.items() if key not in moved}
        assert stayed == {key: expected[key] for key in stayed}
        gauges = together.keys() - counters(together).keys()
        assert {key: together[key] for key in gauges} == {key: expected[key] for key in gauges}, (
            "also the 7-day gauges of what has moved"
        )
        # A counter that has moved begins anew, as in a new target of Prometheus: sums stay right.
        sums = added(union([counters(part) for part in before]), {})
        for key in counters(expected):
            past = sums.get(key, 0.0) if key in moved or key not in together else 0.0
            assert past + together.get(key, 0.0) == expected[key], key


@given(st.text(min_size=1), st.integers(1, 16))
def test_one_shard_more_moves_only_what_that_one_gets(scope: str, shards: int) -> None:
    before, after = owner(scope, shards), owner(scope, shards + 1)
    assert 0 <= before < shards
    assert after in (before, shards)


@given(
    st.integers(1, 8), st.lists(st.sampled_from(["a", "b", "ci", "x/y"]), min_size=6, max_size=6)
)
def test_every_series_has_exactly_one_owner(shards: int, labels: list[str]) -> None:
    every = [Shard(number, shards) for number in range(shards + 1)]
    for metric in catalogue():
        given_labels = tuple(labels[: len(metric.labels)])
        assert sum(shard.has(metric, given_labels) for shard in every) == 1


@pytest.mark.parametrize(
    ("shard", "said"),
    [(Shard(1, 3), [3.0]), (Shard(0, 1), [1.0]), (Shard(3, 3), []), (None, [])],
    ids=["one of three", "the only one", "a spare", "nothing is divided"],
)
def test_who_has_series_says_how_many_should(shard: Shard | None, said: list[float]) -> None:
    registry = Registry(catalogue())
    Monitor(registry, shard)
    registry.publish()
    text = Exposition(registry).render("", "")[0].decode()
    shown = re.findall(r"^argoscope_shards (\S+)$", text, re.MULTILINE)
    assert [float(value) for value in shown] == said


def test_which_shard_it_is_comes_from_the_pod() -> None:
    assert configured(3, "auto", "argoscope-2") == Shard(2, 3)
    assert configured(3, "1") == Shard(1, 3)
    assert configured(1, "") is None
    spare = configured(1, "auto", "argoscope-1")
    assert spare is not None and spare.is_spare
    with pytest.raises(ConfigError, match="needs a host name such as argoscope-0"):
        configured(3, "auto", "laptop")
    with pytest.raises(ConfigError, match="must be set"):
        configured(3, "")
