"""The daemon as a process: how it starts, refuses to start, and ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml
from aiohttp import ClientSession, web
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from argoscope.server import bind
from argoscope.simulator.api_server import ApiServer
from support.serving import workflow

HOUR = "3600000"  # milliseconds: no export but the last one


class Receiver:
    """Takes OTLP over HTTP, after ``delay`` seconds."""

    def __init__(self, delay: float = 0.0) -> None:
        self.exports: list[ExportMetricsServiceRequest] = []
        self.asked = asyncio.Event()
        self.address = ""
        self._delay = delay

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.asked.set()
        await asyncio.sleep(self._delay)
        self.exports.append(ExportMetricsServiceRequest.FromString(body))
        return web.Response(
            body=ExportMetricsServiceResponse().SerializeToString(),
            content_type="application/x-protobuf",
        )

    def values(self, name: str) -> dict[str, float]:
        """Of a metric in the last export, by its label values."""
        found = {}
        for resource in self.exports[-1].resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == name:
                        for point in metric.sum.data_points:
                            labels = [item.value.string_value for item in point.attributes]
                            found["/".join(labels)] = point.as_double or float(point.as_int)
        return found

    def resource(self) -> dict[str, str]:
        attributes = self.exports[-1].resource_metrics[0].resource.attributes
        return {item.key: item.value.string_value for item in attributes}


@asynccontextmanager
async def receiving(delay: float = 0.0) -> AsyncIterator[Receiver]:
    receiver = Receiver(delay)
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/v1/metrics", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.01, access_log=None)
    await runner.setup()
    with bind("127.0.0.1", 0) as listener:
        await web.SockSite(runner, listener).start()
        receiver.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield receiver
        await runner.cleanup()


def kubeconfig(folder: Path, server: str, **user: object) -> str:
    path = folder / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": server}}
    context = {"name": "c", "context": {"cluster": "c", "user": "c"}}
    document: dict[str, object]
    document = {"clusters": [cluster], "contexts": [context], "current-context": "c"}
    path.write_text(
        yaml.safe_dump({**document, "users": [{"name": "c", "user": user or {"token": "t"}}]})
    )
    return str(path)


async def start(*args: str, **env: str) -> asyncio.subprocess.Process:
    clean = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("ARGOSCOPE_", "OTEL_", "KUBE"))
    }
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "argoscope", "run", "--log-format", "json", *args),
        env={**clean, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def event(process: asyncio.subprocess.Process, name: str) -> dict[str, object]:
    """The log line of that event, the ones before it read away."""
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while line := await process.stderr.readline():
            found: dict[str, object] = json.loads(line)
            if found["event"] == name:
                return found
    raise AssertionError(f"it ended with {await process.wait()} before it said {name!r}")


@asynccontextmanager
async def running(
    tmp_path: Path, api: ApiServer, **env: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A daemon that is ready, and its address."""
    args = ("--listen", "127.0.0.1:0", "--kubeconfig", kubeconfig(tmp_path, api.address))
    process = await start(*args, "--cluster", "prod-eu", **env)
    try:
        address = (await event(process, "listening"))["address"]
        await event(process, "ready")
        yield process, str(address)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_exports_what_was_counted_last_and_ends_with_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with ApiServer() as api, receiving() as receiver:
        api.cluster.put("workflows", workflow("build-1", phase="Running", begin=time.time() - 40))
        otel = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address,
            "OTEL_METRIC_EXPORT_INTERVAL": HOUR,
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=prod",
        }
        async with running(tmp_path, api, **otel) as (process, address):
            api.cluster.put(
                "workflows", workflow("build-1", phase="Succeeded", begin=time.time() - 40)
            )
            async with ClientSession() as session, asyncio.timeout(20):
                while True:
                    async with session.get(f"{address}/metrics") as response:
                        if 'phase="Succeeded"} 1\n' in await response.text():
                            break
            assert not receiver.exports
            begin = time.monotonic()
            process.send_signal(number)
            assert await asyncio.wait_for(process.wait(), 5.0) == 0
            assert time.monotonic() - begin < 5.0
            assert process.stdout is not None
            assert await process.stdout.read() == b""
            assert process.stderr is not None
            assert b"Traceback" not in await process.stderr.read()
    assert receiver.values("argo.workflow.runs")["ci/build/Succeeded"] == 1
    attributes = receiver.resource()
    assert attributes["k8s.cluster.name"] == "prod-eu"
    assert attributes["service.name"] == "argoscope"
    assert attributes["deployment.environment.name"] == "prod"


async def test_a_receiver_that_hangs_is_not_waited_for_longer_than_5_seconds(
    tmp_path: Path,
) -> None:
    async with ApiServer() as api, receiving(delay=60.0) as receiver:
        otel = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address,
            "OTEL_METRIC_EXPORT_INTERVAL": HOUR,
        }
        async with running(tmp_path, api, **otel) as (process, _):
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(receiver.asked.wait(), 5.0)
            assert await asyncio.wait_for(process.wait(), 5.0) == 0


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    async with ApiServer() as api, receiving(delay=60.0) as receiver:
        otel = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address,
            "OTEL_METRIC_EXPORT_INTERVAL": HOUR,
        }
        async with running(tmp_path, api, **otel) as (process, _):
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(receiver.asked.wait(), 5.0)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 1.0) == 128 + signal.SIGTERM


async def refused(*args: str, **env: str) -> str:
    """What it says on stderr when it does not start."""
    process = await start(*args, **env)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, out) == (2, b"")
    return err.decode()


async def test_without_a_cluster_it_says_how_to_name_one_and_ends_with_2(tmp_path: Path) -> None:
    said = await refused("--listen", "127.0.0.1:0", HOME=str(tmp_path))
    assert said.startswith("argoscope: no cluster: ")
    assert "--kubeconfig" in said


async def test_everything_that_is_in_the_way_is_said_at_once(tmp_path: Path) -> None:
    with bind("127.0.0.1", 0) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = await refused(
            *("--listen", address),
            HOME=str(tmp_path),
            OTEL_EXPORTER_OTLP_ENDPOINT="nonsense",
            OTEL_EXPORTER_OTLP_PROTOCOL="http/json",
        )
    lines = said.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("argoscope: OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json'")
    assert lines[1].startswith("argoscope: OTEL_EXPORTER_OTLP_ENDPOINT: 'nonsense'")
    assert lines[2].startswith("argoscope: no cluster")
    assert lines[3].startswith(f"argoscope: can't listen on {address}: something else listens")


async def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    said = await refused("--listen", "127.0.0.1:0", "--kubeconfig", str(missing))
    # On a slow machine it says before that it waits for credentials.
    assert said.splitlines()[-1].startswith(f"argoscope: kubeconfig {missing}: ")


async def test_a_plugin_that_hangs_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sleep",
        "args": ["20"],
        "interactiveMode": "Never",
    }
    path = kubeconfig(tmp_path, "http://127.0.0.1:1", exec=plugin)
    process = await start("--listen", "127.0.0.1:0", "--kubeconfig", path)
    await event(process, "waiting for credentials")
    process.send_signal(signal.SIGTERM)
    try:
        assert await asyncio.wait_for(process.wait(), 5.0) == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def test_a_daemon_does_not_load_what_only_other_commands_need() -> None:
    """20 MiB are the client library's, 4 are rich's with its highlighter, 3 are YAML's."""
    unneeded = ["kubernetes", "rich", "pygments", "yaml", "grpc", "grafanalib", "opentelemetry.sdk"]
    script = "import argoscope.start, sys; print(*set(sys.argv) & sys.modules.keys())"
    found = subprocess.run(
        [sys.executable, "-c", script, *unneeded], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == []
