"""The daemon as a process: a trace leaves it at its end, and outlives kill -9 in its ledger."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from argoscope.server import bind
from argoscope.simulator.api_server import ApiServer
from support.serving import workflow
from test_app_process import HOUR, running


class Receiver:
    """Takes traces over HTTP, or refuses with ``status``."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.status = 200
        self.asked = asyncio.Event()
        self.address = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.asked.set()
        if self.status == 200:
            (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
            self.spans += resource.scope_spans[0].spans
        return web.Response(status=self.status)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/v1/traces", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.01, access_log=None)
    await runner.setup()
    with bind("127.0.0.1", 0) as listener:
        await web.SockSite(runner, listener).start()
        receiver.address = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/traces"
        yield receiver
        await runner.cleanup()


def run(phase: str, begin: float) -> Any:
    """Without pods, so that nothing is waited for."""
    found = workflow("build-1", phase=phase, begin=begin)
    found["status"].pop("nodes", None)
    return found


async def metric(address: str, line: str) -> None:
    """Wait until the exposition has the line."""
    async with ClientSession() as session, asyncio.timeout(30):
        while True:
            async with session.get(f"{address}/metrics") as response:
                if f"{line}\n" in await response.text():
                    return
            await asyncio.sleep(0.05)


async def test_the_end_sends_what_waits(tmp_path: Path) -> None:
    begin = time.time() - 40
    async with ApiServer() as api, receiving() as receiver:
        api.cluster.put("workflows", run("Running", begin))
        otel = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": receiver.address,
            "OTEL_BSP_SCHEDULE_DELAY": HOUR,
        }
        async with running(tmp_path, api, **otel) as (process, address):
            api.cluster.put("workflows", run("Failed", begin))
            await metric(address, "argoscope_traces_queued 1")
            assert receiver.spans == []
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 5.0) == 0
    assert [span.name for span in receiver.spans if not span.parent_span_id] == ["RUN build"]


async def test_killed_while_the_receiver_is_down_a_trace_arrives_from_the_next_life(
    tmp_path: Path,
) -> None:
    begin = time.time() - 40
    async with ApiServer() as api, receiving() as receiver:
        receiver.status = 503
        api.cluster.put("workflows", run("Running", begin))
        env = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": receiver.address,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "ARGOSCOPE_LEDGER": str(tmp_path / "argoscope.db"),
        }
        async with running(tmp_path, api, **env) as (process, address):
            failed = run("Failed", begin)
            api.cluster.put("workflows", failed)
            await asyncio.wait_for(receiver.asked.wait(), 30)
            process.kill()
            await process.wait()
        assert receiver.spans == []
        receiver.status = 200
        api.cluster.remove("workflows", failed)
        async with running(tmp_path, api, **env) as (_, address):
            await metric(address, "argoscope_traces_sent_total 1")
            await metric(address, "argoscope_traces_queued 0")
    assert [span.name for span in receiver.spans if not span.parent_span_id] == ["RUN build"]
    assert len({span.span_id for span in receiver.spans}) == len(receiver.spans)
