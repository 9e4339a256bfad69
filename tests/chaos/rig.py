"""A daemon with a ledger on a quiet cluster, for one fault at a time."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from chaos import verdict
from chaos.grounds import Simulated
from chaos.pipelines import begin, end
from chaos.scraper import Scraper
from chaos.stage import Shown, Stage
from chaos.truth import Object
from chaos.victim import Victim

PATIENCE = 60.0
"""Seconds in which what is waited for must come true, on two busy cores."""


@dataclass
class Rig:
    """One cluster, one ledger, one life after the other."""

    folder: Path
    kubeconfig: Path
    stage: Stage
    victim: Victim
    scraper: Scraper

    def finish_runs(self, count: int, pipeline: str = "shown") -> list[Object]:
        """Runs that have ended appear in the cluster, and must be counted."""
        made = []
        for number in range(count):
            now = time.time()
            workflow = begin(pipeline, self.stage.random, now - 1.0)
            end(workflow, now, "Failed" if number % 3 == 0 else "Succeeded")
            self.stage.put("workflows", workflow)
            self.stage.truth.close(workflow["metadata"]["uid"])
            made.append(workflow)
        return made

    async def live(self) -> None:
        """The next life, until it has answered."""
        await self.victim.start()
        await self.victim.listening()
        await self.until(lambda: self.stage.shown.life == self.victim.life)

    async def settle(self) -> None:
        """Returns when everything that is shown is the truth. Raises AssertionError."""
        await self.until(lambda: not verdict.series(self.stage), self.problems)
        assert not self.scraper.went_back

    def problems(self) -> str:
        return "\n".join(verdict.series(self.stage))

    async def until(
        self, condition: Callable[[], object], explain: Callable[[], str] = lambda: ""
    ) -> None:
        """Polls: what is waited for is another process."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            late = time.monotonic() > deadline
            assert not late, f"did not come true: {explain()}\n{self.victim.tail()}"
            await asyncio.sleep(0.05)

    async def refused(self, victim: Victim | None = None) -> str:
        """What it says instead of starting; it must end with the code for a wrong configuration."""
        victim = victim or self.victim
        await victim.start()
        assert victim.process is not None
        code = await asyncio.wait_for(victim.process.wait(), PATIENCE)
        said = victim.tail(3)
        assert code == 2, said
        assert "argoscope: ledger " in said
        assert "Traceback" not in victim.tail(50)
        return said


@asynccontextmanager
async def rig(folder: Path, ledger: Path, seed: int) -> AsyncIterator[Rig]:
    """In its first life, which has listed everything: from now on all is news."""
    ground = Simulated(seed)
    async with ground.serving(folder) as kubeconfig:
        stage = Stage(ground, Random(seed))
        victim = Victim(folder, kubeconfig, ledger)

        def saw(shown: Shown) -> None:
            stage.shown = shown

        scraper = Scraper(victim.address, lambda: victim.life, saw)
        scraping = asyncio.create_task(scraper.run())
        found = Rig(folder, kubeconfig, stage, victim, scraper)
        async with victim.mortal():
            try:
                await found.live()
                await found.until(lambda: '"ready"' in victim.tail())
                yield found
            finally:
                scraping.cancel()
