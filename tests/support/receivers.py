"""Real OTLP receivers on this machine: VictoriaMetrics, and rotel in front of it for gRPC, or by
itself for traces."""

import asyncio
import importlib.util
import json
import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import aiohttp
import pytest
import zstandard

from argoscope.export.otlp_settings import Protocol
from argoscope.traces.span import Event, Link, Span
from support.ports import free_port
from support.recordings import require_shared
from support.scrape import Key

_START_SECONDS = 30.0  # on two busy cores
_POLL_SECONDS = 0.05  # of processes in real time
_SETTLED_SECONDS = 0.5  # without a further line


def _victoria_metrics() -> Path:
    """The binary, unpacked once a machine; concurrent test workers agree by rename."""
    packed = require_shared("envtest/bin/victoria-metrics.zst")
    name = f"argoscope-victoria-metrics-{packed.stat().st_size}-{os.getuid()}"
    target = Path(tempfile.gettempdir()) / name
    if not target.exists():
        scratch, part = tempfile.mkstemp(prefix=name)
        with packed.open("rb") as source, os.fdopen(scratch, "wb") as plain:
            zstandard.ZstdDecompressor().copy_stream(source, plain)
        Path(part).chmod(0o755)
        Path(part).rename(target)
    return target


def _rotel() -> Path:
    found = importlib.util.find_spec("rotel")
    agent = Path(found.origin).parent / "rotel-agent" if found and found.origin else None
    if agent is None or not agent.exists():
        pytest.skip("needs rotel from PyPI with a binary for this machine")
    return agent


@contextmanager
def _process(command: Sequence[str | Path], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=_START_SECONDS)


def _wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(_POLL_SECONDS)
        else:
            return
    pytest.fail(f"did not listen on its port: {log.read_text()[-2000:]}")


class VictoriaMetrics:
    """A running server that takes OTLP over HTTP and makes Prometheus names of it."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"
        self.endpoint = f"{self._address}/opentelemetry/v1/metrics"

    async def series(self) -> dict[Key, float]:
        """The last value of all series that it has."""
        found: dict[Key, float] = {}
        async with aiohttp.ClientSession(self._address) as session:
            await session.get("/internal/force_flush")
            query = {"match[]": '{__name__!=""}'}
            async with session.get("/api/v1/export", params=query) as response:
                async for line in response.content:
                    row = json.loads(line)
                    labels = row["metric"]
                    name = labels.pop("__name__")
                    found[name, frozenset(labels.items())] = float(row["values"][-1])
        return found

    async def series_after(self, count: int) -> dict[Key, float]:
        """The same once there are at least ``count``: one that relays sends a little later."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            found = await self.series()
            if len(found) >= count or time.monotonic() > deadline:
                return found
            await asyncio.sleep(_POLL_SECONDS)


@contextmanager
def victoria_metrics(folder: Path) -> Iterator[VictoriaMetrics]:
    port, log = free_port(), folder / "victoria-metrics.log"
    command = (
        _victoria_metrics(),
        f"-storageDataPath={folder / 'victoria-metrics'}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-opentelemetry.usePrometheusNaming",
        "-opentelemetry.promoteScopeMetadata=false",
    )
    with _process(command, log) as process:
        _wait_for_port(port, process, log)
        with urlopen(f"http://127.0.0.1:{port}/health") as response:
            assert response.status == 200
        yield VictoriaMetrics(port)


@contextmanager
def rotel(folder: Path, behind: VictoriaMetrics) -> Iterator[str]:
    """Endpoint of an OTLP/gRPC receiver that passes everything on to ``behind``."""
    port, log = free_port(), folder / "rotel.log"
    command = (
        _rotel(),
        "start",
        "--pid-file",
        folder / "rotel.pid",
        f"--otlp-grpc-endpoint=127.0.0.1:{port}",
        f"--otlp-http-endpoint=127.0.0.1:{free_port()}",
        "--exporter=otlp",
        "--otlp-exporter-protocol=http",
        f"--otlp-exporter-endpoint={behind.endpoint.removesuffix('/v1/metrics')}",
    )
    with _process(command, log) as process:
        _wait_for_port(port, process, log)
        yield f"http://127.0.0.1:{port}"


class TraceReceiver:
    """A running rotel that writes down each span that it gets."""

    def __init__(self, ports: Mapping[Protocol, int], log: Path) -> None:
        self._ports = ports
        self._log = log

    def endpoint(self, protocol: Protocol) -> str:
        path = "/v1/traces" if protocol is Protocol.HTTP else ""
        return f"http://127.0.0.1:{self._ports[protocol]}{path}"

    def traces(self) -> dict[str, list[Span]]:
        """By trace id, as it shows them, once nothing more is written."""
        deadline = time.monotonic() + _START_SECONDS
        before = ""
        while time.monotonic() < deadline:
            text = self._log.read_text()
            if text == before and "Span #" in text:
                return _shown_traces(text)
            before = text
            time.sleep(_SETTLED_SECONDS)
        pytest.fail(f"no trace arrived: {before[-2000:]}")


@contextmanager
def trace_receiver(folder: Path) -> Iterator[TraceReceiver]:
    ports = {Protocol.HTTP: free_port(), Protocol.GRPC: free_port()}
    log = folder / "rotel-traces.log"
    command = (
        _rotel(),
        "start",
        "--pid-file",
        folder / "rotel-traces.pid",
        f"--otlp-grpc-endpoint=127.0.0.1:{ports[Protocol.GRPC]}",
        f"--otlp-http-endpoint=127.0.0.1:{ports[Protocol.HTTP]}",
        "--exporter=blackhole",
        "--debug-log=traces",
        "--debug-log-verbosity=detailed",
    )
    with _process(command, log) as process:
        for port in ports.values():
            _wait_for_port(port, process, log)
        yield TraceReceiver(ports, log)


def _shown_traces(text: str) -> dict[str, list[Span]]:
    """Of what rotel prints of a span, line by line, what tells where it belongs."""
    found: dict[str, list[Span]] = {}
    for block in re.split(r"^Span #\d+\n", text, flags=re.MULTILINE)[1:]:
        head, _, rest = block.split("ResourceSpans #")[0].partition("Attributes:\n")
        fields = dict(re.findall(r"^ *([A-Z][\w ]*?) *: ?(.*)$", head, re.MULTILINE))
        rest, _, linked = rest.partition("\nLinks:\n")
        own, _, happened = rest.partition("\nEvents:\n")
        events = re.findall(r"-> Name: (.*)\n *-> Timestamp: (\d+)", happened)
        reasons = re.findall(r"-> argo.link.reason: Str\((.*)\)", linked)
        links = re.findall(r"-> Trace ID: (\w+)", linked)
        span = Span(
            id=bytes.fromhex(fields["ID"]),
            parent=bytes.fromhex(fields["Parent ID"]),
            name=fields["Name"],
            start=int(fields["Start time"]) // 10**6,
            end=int(fields["End time"]) // 10**6,
            attributes=dict(re.findall(r"-> ([\w.]+): \w+\((.*)\)", own)),
            error=fields["Status message"] if "ERROR" in fields.get("Status code", "") else None,
            events=tuple(Event(name, int(at) // 10**6, {}) for name, at in events),
            links=tuple(
                Link(to, {"argo.link.reason": why}) for to, why in zip(links, reasons, strict=True)
            ),
        )
        found.setdefault(fields["Trace ID"], []).append(span)
    return found
