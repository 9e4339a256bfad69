"""What a pipeline's first failure looks like to those who scrape the daemon, in virtual time."""

import asyncio

import pytest

from argoscope.simulator.api_server import ApiServer
from support.scrape import Key, key, parse, values
from support.serving import Site, daemon, ready, workflow

pytestmark = pytest.mark.looptime

FAILED = key("argo_workflow_runs_total", namespace="ci", pipeline="build", phase="Failed")
INTERVAL = 15.0


async def scrape(found: Site) -> dict[Key, float]:
    _, text, response = await found.get("/metrics")
    return values(parse(text.encode(), response.headers["Content-Type"]))


async def test_a_pipeline_that_is_first_seen_failed_is_scraped_at_0_and_then_at_1() -> None:
    async with ApiServer() as api, daemon(api) as found:
        await ready(found)
        assert FAILED not in await scrape(found)
        api.cluster.put("workflows", workflow("build-1", phase="Failed"))
        await asyncio.sleep(INTERVAL)
        first = await scrape(found)
        await asyncio.sleep(INTERVAL)
        second = await scrape(found)
    assert (first[FAILED], second[FAILED]) == (0, 1)


async def test_a_look_at_the_page_is_no_scrape() -> None:
    async with ApiServer() as api, daemon(api) as found:
        await ready(found)
        for path in ("/", "/readyz", "/api/summary"):
            assert (await found.get(path))[0] == 200
        api.cluster.put("workflows", workflow("build-1", phase="Failed"))
        await asyncio.sleep(INTERVAL)
        assert (await scrape(found))[FAILED] == 1
