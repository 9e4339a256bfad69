"""/metrics: formats by negotiation, compressed or not, and how much is served at a time."""

import asyncio
import gzip

import aiohttp
import pytest

from argoscope.resources.workflow.metrics import RUNS, TEMPLATE_DURATION
from support.scrape import OPENMETRICS, key, parse, values
from support.serving import Site, site


def count_runs(served: Site) -> None:
    served.registry.count(RUNS, ("ci", "build", "Succeeded"), 3, exemplar="build-x7k2p")
    served.registry.publish()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0"),
    ],
    ids=["text", "openmetrics"],
)
async def test_both_formats_read_back_to_the_value(accept: str, content_type: str) -> None:
    async with site() as served:
        count_runs(served)
        status, text, response = await served.get("/metrics", Accept=accept)
    assert status == 200
    assert response.headers["Content-Type"].startswith(content_type)
    runs = key("argo_workflow_runs_total", namespace="ci", pipeline="build", phase="Succeeded")
    assert values(parse(text.encode(), content_type))[runs] == 3
    assert ("build-x7k2p" in text) is bool(accept), "exemplars are OpenMetrics' alone"


async def test_gzip_when_it_is_accepted_and_only_then() -> None:
    async with site() as served, aiohttp.ClientSession(auto_decompress=False) as raw:
        count_runs(served)
        async with raw.get(
            f"{served.address}/metrics", headers={"Accept-Encoding": "gzip"}
        ) as response:
            packed, encoding = await response.read(), response.headers["Content-Encoding"]
        async with raw.get(
            f"{served.address}/metrics", headers={"Accept-Encoding": "identity"}
        ) as response:
            assert "Content-Encoding" not in response.headers
            plain = await response.read()
    assert encoding == "gzip"
    line = b'argo_workflow_runs_total{namespace="ci",pipeline="build",phase="Succeeded"} 3\n'
    assert line in gzip.decompress(packed)
    assert line in plain


async def test_head_has_the_headers_and_no_body() -> None:
    async with site() as served:
        count_runs(served)
        status, text, response = await served.get("/metrics", method="HEAD")
    assert (status, text) == (200, "")
    assert int(response.headers["Content-Length"]) > 100


async def test_a_ninth_scrape_at_a_time_is_asked_to_come_again() -> None:
    async with site() as served:
        for number in range(5000):
            labels = ("ci", f"pipeline-{number}", "main", "Pod", "Succeeded")
            served.registry.observe(TEMPLATE_DURATION, labels, 3.0)
        served.registry.publish()
        host, _, port = served.address.removeprefix("http://").rpartition(":")
        lazy = []
        for _ in range(8):  # ask, and never read
            reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readexactly(10)
            lazy.append(writer)
        status, text, response = await served.get("/metrics")
        assert (status, response.headers["Retry-After"]) == (503, "5")
        assert "8 scrapes" in text
        assert (await served.get("/livez"))[0] == 200
        for writer in lazy:
            writer.transport.abort()
        while (await served.get("/metrics"))[0] == 503:  # noqa: ASYNC110 - over the network
            await asyncio.sleep(0)
