"""A real Prometheus that scrapes what a test gives it, and is asked in PromQL."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from support.ports import free_port

_START_SECONDS = 20.0
_POLL_SECONDS = 0.2  # of a process in real time


class Prometheus:
    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self.address = address
        self._session = session

    async def query(self, expression: str) -> dict[frozenset[tuple[str, str]], float]:
        """Value by labels (``__name__`` left out) of an instant query, now."""
        answer = await self._get("/api/v1/query", {"query": expression})
        return {
            frozenset((k, v) for k, v in one["metric"].items() if k != "__name__"): float(
                one["value"][1]
            )
            for one in answer["data"]["result"]
        }

    async def total(self, expression: str) -> float:
        """The sum of all series of an instant query; 0 when there is none."""
        return sum((await self.query(expression)).values())

    async def targets(self) -> dict[str, dict[str, Any]]:
        """Health and last error of each target, by its job."""
        answer = await self._get("/api/v1/targets", {})
        return {one["labels"]["job"]: one for one in answer["data"]["activeTargets"]}

    async def rules(self) -> list[dict[str, Any]]:
        """All rules of all groups, with health, last error and last evaluation."""
        groups = (await self._get("/api/v1/rules", {}))["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    async def until(self, expression: str, seconds: float) -> float:
        """Waits for the query to give more than 0, and returns that; 0 when it does not."""
        deadline = time.monotonic() + seconds
        while True:
            value = await self.total(expression)
            if value or time.monotonic() > deadline:
                return value
            await asyncio.sleep(_POLL_SECONDS)

    async def _get(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        async with self._session.get(self.address + path, params=params) as response:
            answer: dict[str, Any] = await response.json()
            assert answer["status"] == "success", answer
            return answer


@asynccontextmanager
async def prometheus(
    targets: Mapping[str, str], rules: Iterable[Path] = ()
) -> AsyncIterator[Prometheus]:
    """Runs Prometheus; it scrapes ``targets`` (job to http address) every second.

    ``rules`` are rule files, which are evaluated as often as they say.

    Skips, saying why, where it is not installed.
    """
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("needs Prometheus: the Debian package prometheus")
    with tempfile.TemporaryDirectory(prefix="argoscope-prometheus-") as name:
        folder = Path(name)
        config = folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(_config(targets, rules)))
        address = f"127.0.0.1:{free_port()}"
        log = folder / "log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
                stdout=output,
                stderr=output,
            )
        try:
            async with aiohttp.ClientSession() as session:
                server = Prometheus(f"http://{address}", session)
                await _ready(server, session, log)
                yield server
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def _config(targets: Mapping[str, str], rules: Iterable[Path]) -> dict[str, Any]:
    jobs = [
        {
            "job_name": job,
            "static_configs": [{"targets": [address.removeprefix("http://")]}],
        }
        for job, address in targets.items()
    ]
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "rule_files": [str(path) for path in rules],
        "scrape_configs": jobs,
    }


async def _ready(server: Prometheus, session: aiohttp.ClientSession, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            async with session.get(f"{server.address}/-/ready") as response:
                if response.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        assert time.monotonic() < deadline, _text(log)
        await asyncio.sleep(_POLL_SECONDS)


def _text(log: Path) -> str:
    return log.read_text(errors="replace")
