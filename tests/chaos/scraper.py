"""Polls /metrics without end, and keeps an eye on everything that may only grow."""

import asyncio
import time
from collections.abc import Callable

import aiohttp

from argoscope.catalogue import catalogue
from argoscope.metrics.internal import INTERNAL
from chaos.stage import Shown

EVERY = 0.1
"""Seconds between two scrapes."""
_TIMEOUT = aiohttp.ClientTimeout(total=5.0)


class Scraper:
    """``shown`` is called with every complete scrape; a daemon that is away is no answer."""

    def __init__(self, address: str, life: Callable[[], int], shown: Callable[[Shown], None]):
        self.went_back: list[str] = []
        """Each counter that was once less than before, or gone: with life and values."""
        self.scrapes = 0
        self._address = address
        self._life = life
        self._shown = shown
        self._highest: dict[str, float] = {}
        # What a process says about its own luck starts anew with it.
        self._volatile = {m.prometheus for m in (*catalogue(), *INTERNAL) if m.volatile}

    async def run(self) -> None:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            while True:
                await self._scrape(session)
                await asyncio.sleep(EVERY)

    async def _scrape(self, session: aiohttp.ClientSession) -> None:
        life = self._life()
        try:
            async with session.get(f"{self._address}/metrics") as response:
                text = await response.text()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return
        if response.status != 200 or life != self._life():
            return
        self.scrapes += 1
        values, growing = parse(text)
        self._compare({line: values[line] for line in growing if self._is_kept(line)}, life)
        self._shown(Shown(values, life, time.time()))

    def _is_kept(self, line: str) -> bool:
        name = line.partition("{")[0]
        for suffix in ("_bucket", "_sum", "_count"):
            if name.removesuffix(suffix) in self._volatile:
                return False
        return name.startswith("argo")

    def _compare(self, counters: dict[str, float], life: int) -> None:
        for line, before in self._highest.items():
            now = counters.get(line)
            if now is None or now < before:
                self.went_back.append(f"life {life}: {line} from {before} to {now}")
        self._highest = counters


def parse(text: str) -> tuple[dict[str, float], list[str]]:
    """Series to value, and the series of counters and histograms."""
    values: dict[str, float] = {}
    growing: list[str] = []
    grows = False
    for line in text.splitlines():
        if line.startswith("#"):
            if line.startswith("# TYPE "):
                grows = line.endswith((" counter", " histogram"))
            continue
        series, _, value = line.rpartition(" ")
        values[series] = float(value)
        if grows:
            growing.append(series)
    return values, growing
