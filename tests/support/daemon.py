"""The daemon as a process of its own, as users run it, and what it says about itself."""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from support.scrape import OPENMETRICS, Key, parse, values

Scrape = dict[Key, float]

START_SECONDS = 60.0
STOP_SECONDS = 30.0
"""After SIGTERM the daemon ends itself within 5 s of its own; a busy machine makes them longer."""
_POLL_SECONDS = 0.1  # of a process in real time


class Daemon:
    """A running ``argoscope run``."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log
        self.address = ""
        self.session: aiohttp.ClientSession
        self.counters: Scrape = {}
        """The latest value of everything that may only grow."""
        self.went_back: list[str] = []
        """What was once less than in the scrape before, or gone."""

    def log(self, lines: int = 30) -> str:
        """The end of its log, for the message of a failure."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    async def get(self, path: str, accept: str = "") -> tuple[int, str, str]:
        """Status, body and content type."""
        headers = {"Accept": accept} if accept else {}
        async with self.session.get(self.address + path, headers=headers) as response:
            return response.status, await response.text(), response.headers["Content-Type"]

    async def scrape(self) -> Scrape:
        """All samples by name and labels; notes what went back since the last time."""
        status, body, content_type = await self.get("/metrics", OPENMETRICS)
        assert status == 200, body
        families = parse(body.encode(), content_type)
        growing = [family for family in families if family.type in ("counter", "histogram")]
        now = {
            key: value
            for key, value in values(growing).items()
            if not key[0].endswith(("_created", "_sum"))
        }
        for key, value in self.counters.items():
            if now.get(key, -1.0) < value:
                self.went_back.append(f"{key}: {value} to {now.get(key)}")
        self.counters = now
        return values(families)

    async def ready(self, seconds: float) -> None:
        """Waits for /readyz; raises AssertionError, with what it says, when it takes longer."""
        deadline = time.monotonic() + seconds
        while True:
            status, body, _ = await self.get("/readyz")
            if status == 200:
                return
            assert time.monotonic() < deadline, f"not ready: {body}\n{self.log()}"
            await asyncio.sleep(_POLL_SECONDS)

    async def stop(self) -> int:
        """Asks it to end; the exit code. Raises TimeoutError when it does not."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._process.wait(), STOP_SECONDS)

    async def listening(self) -> None:
        """Waits until it has said where."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            for line in self._log.read_text().splitlines():
                if '"listening"' in line:
                    self.address = json.loads(line)["address"]
                    return
            ended = self._process.returncode is not None
            assert not ended and time.monotonic() < deadline, f"does not listen:\n{self.log()}"
            await asyncio.sleep(_POLL_SECONDS)


@asynccontextmanager
async def daemon(
    kubeconfig: Path, *args: str, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Daemon]:
    """Runs the daemon on that cluster, on a free port, with no settings but these."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ARGOSCOPE_", "OTEL_", "KUBE"))
    }
    with tempfile.TemporaryDirectory(prefix="argoscope-daemon-") as folder:
        log = Path(folder) / "log"
        command = ["-m", "argoscope", "run", "--kubeconfig", str(kubeconfig)]
        command += ["--listen", "127.0.0.1:0", "--log-format", "json", *args]
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *command,
                env={**variables, **(environ or {})},
                stdout=file,
                stderr=file,
            )
        running = Daemon(process, log)
        try:
            await running.listening()
            async with aiohttp.ClientSession() as running.session:
                yield running
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
