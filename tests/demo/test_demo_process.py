"""The demo as people run it: what it shows, and that nothing of it is left however it ends."""

import asyncio
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from support.ports import free_port
from support.scrape import OPENMETRICS, parse, values

pytestmark = pytest.mark.timeout(180)

BEGIN_SECONDS = 90.0  # of three processes on a busy machine
END_SECONDS = 30.0


class Demo:
    """A running ``argoscope demo``; its temporary files are in ``folder``."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.said = ""

    async def says(self, pattern: str) -> re.Match[str]:
        """Reads on until it has said that; fails when it ends before."""
        assert self.process.stdout is not None
        async with asyncio.timeout(BEGIN_SECONDS):
            while (found := re.search(pattern, self.said)) is None:
                line = await self.process.stdout.readline()
                assert line, f"it ended before it said {pattern!r}:\n{self.said}"
                self.said += line.decode()
        return found

    async def ended(self) -> int:
        assert self.process.stdout is not None
        async with asyncio.timeout(END_SECONDS):
            self.said += (await self.process.stdout.read()).decode()
            return await self.process.wait()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@asynccontextmanager
async def demo(folder: Path, *args: str, path: str | None = None) -> AsyncIterator[Demo]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("ARGOSCOPE_")}
    environ |= {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    if path is not None:
        environ["PATH"] = path
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "argoscope", "demo", "--past", "60", *args),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    running = Demo(process, folder)
    try:
        yield running
    finally:
        if process.returncode is None:
            for child in running.children():
                child.kill()
            process.kill()
            await process.wait()


def left(folder: Path) -> list[str]:
    return os.listdir(folder)


async def get(address: str, accept: str = "") -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(address, headers={"Accept": accept} if accept else {}) as answer,
    ):
        return answer.status, await answer.text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_nothing_is_left_after_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    async with demo(tmp_path, "--listen", f"127.0.0.1:{free_port()}") as running:
        await running.says("Ctrl-C ends everything")
        children = running.children()
        assert children and left(tmp_path)
        running.process.send_signal(number)
        assert await running.ended() == 0
    assert not [child for child in children if child.is_running()]
    assert left(tmp_path) == []


async def test_nothing_is_left_of_a_demo_that_was_ended_before_it_began(tmp_path: Path) -> None:
    async with demo(tmp_path, "--listen", f"127.0.0.1:{free_port()}") as running:
        await running.says("Simulating the last 1 minutes")
        running.process.send_signal(signal.SIGTERM)
        assert await running.ended() == 0
    assert left(tmp_path) == []


async def test_a_long_past_can_be_interrupted(tmp_path: Path) -> None:
    week = ("--past", str(7 * 86400))
    async with demo(tmp_path, "--listen", f"127.0.0.1:{free_port()}", *week) as running:
        await running.says("Simulating the last 10080 minutes")
        running.process.send_signal(signal.SIGINT)
        assert await running.ended() == 0
    assert left(tmp_path) == []


async def test_the_landing_page_has_answers_and_the_demo_ends_by_itself(tmp_path: Path) -> None:
    port = free_port()
    listen = ("--listen", f"127.0.0.1:{port}", "--duration", "15")
    async with demo(tmp_path, *listen) as running:
        address = (await running.says(r"(http://\S+)/ +the questions"))[1]
        assert address.endswith(f":{port}")
        async with asyncio.timeout(14):
            while True:
                _, text = await get(f"{address}/metrics", OPENMETRICS)
                found = values(parse(text.encode(), OPENMETRICS))
                ended = [k for k, v in found.items() if k[0] == "argo_workflow_runs_total" and v]
                if ended:
                    break
                await asyncio.sleep(0.5)
        pipelines = {dict(labels)["pipeline"] for _, labels in ended}
        status, page = await get(f"{address}/")
        assert status == 200 and any(pipeline in page for pipeline in pipelines)
        assert await running.ended() == 0
    assert left(tmp_path) == []


async def test_a_taken_port_is_no_obstacle(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with demo(tmp_path, "--listen", f"127.0.0.1:{port}") as running:
            other = await running.says(rf"127.0.0.1:{port} is in use: taking (\S+)")
            await running.says(rf"http://{other[1]}/ +the questions")
            running.process.send_signal(signal.SIGINT)
            assert await running.ended() == 0


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs Prometheus")
async def test_prometheus_scrapes_the_daemon_and_the_controllers(tmp_path: Path) -> None:
    async with demo(tmp_path, "--listen", f"127.0.0.1:{free_port()}") as running:
        address = (await running.says(r"(http://\S+)/query +Prometheus"))[1]
        wanted = {
            "argoscope",
            "argo-rollouts-metrics",
            "argoscope-simulator",
            "workflow-controller-metrics",
        }
        up: set[str] = set()
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            while up != wanted:
                await asyncio.sleep(0.5)
                try:
                    query = f"{address}/api/v1/query?query=up==1"
                    async with session.get(query) as answer:
                        found = (await answer.json())["data"]["result"]
                except aiohttp.ClientError:
                    continue  # it is starting
                up = {one["metric"]["job"] for one in found}
        running.process.send_signal(signal.SIGINT)
        assert await running.ended() == 0
    assert left(tmp_path) == []


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs Prometheus")
async def test_a_prometheus_that_dies_is_told_and_the_demo_goes_on(tmp_path: Path) -> None:
    async with demo(tmp_path, "--listen", "127.0.0.1:0") as running:
        await running.says("Ctrl-C ends everything")
        assert "in use" not in running.said
        [server] = [child for child in running.children() if child.name() == "prometheus"]
        server.kill()
        await running.says("Prometheus has ended with -9: ")
        running.process.send_signal(signal.SIGINT)
        assert await running.ended() == 0
        assert running.said.count("has ended") == 1
    assert left(tmp_path) == []


async def test_without_prometheus_it_says_so_and_goes_on(tmp_path: Path) -> None:
    listen = ("--listen", f"127.0.0.1:{free_port()}")
    async with demo(tmp_path, *listen, path="/nowhere") as running:
        await running.says("With prometheus on the PATH")
        await running.says("Ctrl-C ends everything")
        running.process.send_signal(signal.SIGINT)
        assert await running.ended() == 0


async def test_a_daemon_that_dies_ends_the_demo(tmp_path: Path) -> None:
    listen = ("--listen", f"127.0.0.1:{free_port()}", "--no-prometheus")
    async with demo(tmp_path, *listen) as running:
        await running.says("Ctrl-C ends everything")
        [daemon] = running.children()
        daemon.kill()
        assert await running.ended() == 1
        assert "the daemon ended with -9" in running.said
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--scenario", "nonsense"), "shipped are"),
        (("--listen", "somewhere"), "is not HOST:PORT"),
        (("--listen", "192.0.2.7:9464"), "192.0.2.7"),
    ],
)
async def test_what_cant_be_played_is_refused(
    tmp_path: Path, args: tuple[str, ...], says: str
) -> None:
    async with demo(tmp_path, *args) as running:
        assert await running.ended() != 0
        assert says in running.said and "Traceback" not in running.said
    assert left(tmp_path) == []
