"""The simulated API server at full size: memory, a list of everything, and 1,000 events a second.

The server runs in a process of its own, which also writes: what is measured is that whole process,
as it stands beside the daemon. The client reads and throws away, in this process.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

import cluster as synthetic
import msgspec
import psutil
import yaml
from aiohttp import ClientSession, ClientTimeout

from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.kubeconfig import kubeconfig

RATE = 1000  # events a second
STEP = 0.02  # seconds between two batches of events
WATCHERS = 4  # as many as the daemon and a dashboard have of pods and workflows
NODES = 100
POD_SHARE = 20  # of 21 events; the other one is a Workflow of 100 nodes
PODS, WORKFLOWS = "/api/v1/pods", "/apis/argoproj.io/v1alpha1/workflows"


def run(quick: bool) -> list[dict[str, Any]]:
    workflows, pods = (1_000, 5_000) if quick else (10_000, 50_000)
    found = asyncio.run(_measure(workflows, pods, 3.0 if quick else 15.0))
    size = f"{workflows:,} Workflows of {NODES} nodes, {pods:,} pods"
    return [
        {
            "name": f"simulator: memory of {size}",
            "value": found["resident"] / 2**20,
            "unit": "MiB",
            "peer": "their JSON",
            "peer_value": found["json"] / 2**20,
            "ratio": found["resident"] / found["json"],
        },
        {"name": "simulator: list all of them", "value": found["list"], "unit": "s"},
        {
            "name": f"simulator: share of a core at {found['rate']:,.0f} events/s,"
            f" {WATCHERS} watchers",
            "value": 100 * found["cpu"],
            "unit": "%",
            "bar": 100.0,
            "met": found["cpu"] <= 1.0 and found["seen"] >= 0.95 * RATE,
        },
    ]


async def _measure(workflows: int, pods: int, seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "kubeconfig"
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, __file__, str(config), str(workflows), str(pods)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            async with asyncio.timeout(300):
                held = int(await server.stdout.readline())
            process = psutil.Process(server.pid)
            address = yaml.safe_load(config.read_text())["clusters"][0]["cluster"]["server"]
            async with ClientSession(address, timeout=ClientTimeout(total=300)) as session:
                begin = time.perf_counter()
                versions = [await _list(session, path) for path in (PODS, WORKFLOWS)]
                listed = time.perf_counter() - begin
                resident = float(process.memory_info().rss)
                followed = await _follow(session, server.stdin, process, versions, seconds)
                return {"json": float(held), "list": listed, "resident": resident, **followed}
        finally:
            server.kill()
            await server.wait()


async def _list(session: ClientSession, path: str) -> str:
    query, meta = {"limit": "500"}, {}
    while True:
        async with session.get(path, params={**query, **meta}) as response:
            body = await response.read()
        page = msgspec.json.decode(body, type=_Page)
        if not page.metadata.get("continue"):
            return str(page.metadata["resourceVersion"])
        meta = {"continue": str(page.metadata["continue"])}


class _Page(msgspec.Struct):
    metadata: dict[str, Any]


async def _follow(
    session: ClientSession,
    stdin: asyncio.StreamWriter,
    process: psutil.Process,
    versions: list[str],
    seconds: float,
) -> dict[str, float]:
    seen = [0]
    watches = [
        asyncio.create_task(_watch(session, path, version, seen))
        for path, version in zip((PODS, WORKFLOWS), versions, strict=True)
        for _ in range(WATCHERS // 2)
    ]
    stdin.write(b"go\n")
    await asyncio.sleep(1.0)
    begin, cpu, before = time.perf_counter(), sum(process.cpu_times()[:2]), seen[0]
    await asyncio.sleep(seconds)
    took = time.perf_counter() - begin
    cpu = (sum(process.cpu_times()[:2]) - cpu) / took
    rate = (seen[0] - before) / took / (WATCHERS // 2)
    for watch in watches:
        watch.cancel()
    await asyncio.gather(*watches, return_exceptions=True)
    return {"cpu": cpu, "rate": RATE, "seen": rate}


async def _watch(session: ClientSession, path: str, version: str, seen: list[int]) -> None:
    query = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
    async with session.get(path, params=query) as response:
        async for chunk in response.content.iter_any():
            seen[0] += chunk.count(b"}\n")


async def _serve(config: Path, workflows: int, pods: int) -> None:
    """The other process: fills a cluster, says how much it holds, and writes when it is told to."""
    async with ApiServer() as server:
        live = _fill(server, workflows, pods)
        collections = server.cluster.collections.values()
        held = sum(len(s.json) for c in collections for s in c.objects.values())
        config.write_text(kubeconfig(server.address))  # noqa: ASYNC240 - nobody waits yet
        print(held, flush=True)
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await reader.readline()
        begin, sent = time.perf_counter(), 0
        while True:
            while sent < (time.perf_counter() - begin) * RATE:
                kind = "pods" if sent % (POD_SHARE + 1) else "workflows"
                server.cluster.put(kind, live[kind][sent % len(live[kind])])
                sent += 1
            await asyncio.sleep(STEP)


def _fill(server: ApiServer, workflows: int, pods: int) -> dict[str, list[dict[str, Any]]]:
    random, live = Random(4), {"workflows": [], "pods": []}
    for index in range(workflows):
        found = synthetic.workflow(index, NODES, random, running=index % 2 == 0)
        server.cluster.put("workflows", found)
        made = list(synthetic.pods_of(found, pods // workflows, random))
        for pod in made:
            server.cluster.put("pods", pod)
        if index < 100:  # those that go on changing
            live["workflows"].append(found)
            live["pods"].extend(made)
    server.compact()
    return live


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
