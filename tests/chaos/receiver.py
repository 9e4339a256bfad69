"""An OTLP receiver that takes its time, and can be caught with a request in its hands."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from aiohttp import web

from support.otlp import ExportRequest, data
from support.ports import free_port


class Receiver:
    """Accepts cumulative points; notes each that is less than one before of the same start."""

    def __init__(self, random: Random) -> None:
        self.exports = 0
        self.went_back: list[str] = []
        self.held = asyncio.Event()
        """A request has come and is not answered as long as ``hold`` is set."""
        self.hold = False
        self._random = random
        self._latest: dict[tuple[Any, ...], tuple[int, float]] = {}
        self.environ: dict[str, str] = {}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        port = free_port()
        app = web.Application(client_max_size=1 << 30)
        app.router.add_post("/v1/metrics", self._take)
        app.router.add_post("/v1/traces", self._take_traces)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_METRIC_EXPORT_INTERVAL": "300",
        }
        try:
            yield
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.exports += 1
        self._read(body)
        if self.hold:
            self.held.set()
            await asyncio.Event().wait()
        await asyncio.sleep(self._random.uniform(0.0, 0.2))
        return web.Response(content_type="application/x-protobuf")

    async def _take_traces(self, request: web.Request) -> web.Response:
        await request.read()
        return web.Response(content_type="application/x-protobuf")

    def _read(self, body: bytes) -> None:
        for resource in ExportRequest.FromString(body).resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.WhichOneof("data") != "gauge" and metric.name.startswith("argo"):
                        for point in data(metric).data_points:
                            self._compare(metric.name, point)

    def _compare(self, name: str, point: Any) -> None:
        labels = tuple(pair.value.string_value for pair in point.attributes)
        value = float(point.count if hasattr(point, "count") else point.as_double or point.as_int)
        start, before = self._latest.get((name, *labels), (0, 0.0))
        if start == point.start_time_unix_nano and value < before:
            self.went_back.append(f"{name}{labels} from {before} to {value}")
        if start > point.start_time_unix_nano:
            self.went_back.append(f"{name}{labels} began at {start}, now earlier")
        self._latest[name, *labels] = (point.start_time_unix_nano, value)
