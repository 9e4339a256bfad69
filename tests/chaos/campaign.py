"""A campaign: the cluster goes on, the daemon is killed again and again, everything is compared.

The API server of the simulator runs in this process, the daemon in its own, in real time: the
timestamps of the objects are those of the wall clock.
"""

import asyncio
import json
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from chaos import ghosts, verdict
from chaos.crons import Cron
from chaos.ghosts import GHOSTS, Ghost
from chaos.grounds import Ground, Simulated
from chaos.pipelines import Burst, Line
from chaos.receiver import Receiver
from chaos.releases import Releases, Waiting
from chaos.scraper import Scraper
from chaos.stage import Actor, Shown, Stage
from chaos.victim import Victim

QUIET = 60.0
"""Seconds that the daemon may take in the end until it shows the truth."""
_STEP = 0.04
_LINES, _BURSTS, _EACH_GHOST, _RELEASES, _WAITING = 12, 2, 2, 3, 2
_FEWER_LINES = 4
_MOMENTS = ("random", "random", "commit", "commit", "blocked", "blocked", "export", "start")
"""Drawn like cards: as many kills as this has, and each of them was one."""


@dataclass
class Report:
    """What happened, and what was wrong: as JSON the summary of a campaign."""

    seed: int
    kills: int = 0
    moments: Counter[str] = field(default_factory=Counter)
    """Kills by the moment that was chosen; "torn": of those in a commit, the ones that have left
    a half written transaction. "blocked": while a commit waited for a lock."""
    scrapes: int = 0
    exports: int = 0
    runs: int = 0
    """Run attempts there ever were."""
    counted: int = 0
    unobserved: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems

    def to_json(self) -> str:
        return json.dumps({"ok": self.ok, **vars(self)}, indent=2)


class Campaign:
    """``run`` once. ``say`` is told about the progress."""

    def __init__(
        self,
        seed: int,
        folder: Path,
        say: Callable[[str], None],
        ground: Ground | None = None,
    ) -> None:
        self.report = Report(seed)
        self._ground = ground or Simulated(seed + 2)
        self._folder = folder
        self._say = say
        self._random = Random(seed)
        self._cards: list[str] = []
        self.stage = Stage(self._ground, Random(seed + 1))
        self._actors: list[Actor] = []
        self._ghosts: list[Ghost] = []
        self._crons: list[Cron] = []
        self._receiver = Receiver(Random(seed + 3))

    async def run(self, kills: int) -> Report:
        began = time.monotonic()
        async with (
            self._ground.serving(self._folder) as kubeconfig,
            self._receiver.serving(),
        ):
            self.victim = Victim(self._folder, kubeconfig, self._folder / "argoscope.db")
            scraper = Scraper(self.victim.address, lambda: self.victim.life, self._saw)
            self._cast_first(self._now())
            async with _tasks(scraper.run()), self.victim.mortal():
                await self._first_life()
                self._cast(self._now())
                async with _tasks(self._play(), self._ground.disturb()):
                    while self.report.kills < kills:
                        await self._live_and_die()
                    await self._last_life()
            self._sum_up(scraper, time.monotonic() - began)
        return self.report

    def _saw(self, shown: Shown) -> None:
        self.stage.shown = shown

    # -- the cluster

    def _cast_first(self, now: float) -> None:
        """What is there before the daemon first looks, and is history until then."""
        self._crons = [Cron("every-minute", self.stage, now)]
        self._actors += self._crons
        if self._ground.whole:
            self._actors += [Releases(f"release-{n}", self.stage, now) for n in range(_RELEASES)]

    def _cast(self, now: float) -> None:
        stage, whole = self.stage, self._ground.whole
        each = _EACH_GHOST if whole else 1
        self._ghosts = [kind(n, stage) for kind in GHOSTS for n in range(each)]
        self._actors += [
            *(Line(f"line-{n}", stage) for n in range(_LINES if whole else _FEWER_LINES)),
            *(Burst(f"burst-{n}", stage) for n in range(_BURSTS)),
            *self._ghosts,
        ]
        if whole:
            self._actors += [Waiting(f"waiting-{n}", stage, now) for n in range(_WAITING)]

    def _now(self) -> float:
        return time.time() + self._ground.ahead

    async def _play(self) -> None:
        while True:
            for actor in self._random.sample(self._actors, len(self._actors)):
                actor.advance(self._now())
            await self._ground.written()
            await asyncio.sleep(_STEP)

    # -- the lives

    async def _first_life(self) -> None:
        """Until all kinds have been listed: from then on nothing is history."""
        self.stage.alive = True
        await self._ground.written()
        await self.victim.start()
        await self.victim.listening()
        name = "argoscope_ledger_last_commit_timestamp_seconds"
        await self._until(lambda: '"ready"' in self.victim.tail(), QUIET)
        ready = time.time()
        await self._until(lambda: self.stage.shown.get(name) > ready, QUIET)
        await self.victim.kill()
        self.stage.alive = False

    async def _live_and_die(self) -> None:
        if not self._cards:
            self._cards = self._random.sample(_MOMENTS, len(_MOMENTS))
        moment = self._cards.pop()
        exports = moment == "export" or self._random.random() < 0.3
        await self._be_alive(self._receiver.environ if exports else {}, moment)
        self.report.kills += 1
        self.report.moments[moment] += 1
        self.stage.alive = False
        if self.report.kills % 10 == 0:
            shown = self.stage.shown.total("argo_workflow_runs_total")
            self._say(f"{self.report.kills} kills, {shown:.0f} runs counted")
        await asyncio.sleep(self._random.uniform(0.0, 0.5))

    async def _be_alive(self, otlp: dict[str, str], moment: str) -> None:
        self.stage.alive = True
        await self._ground.written()
        await self.victim.start(otlp)
        if moment == "start":
            await asyncio.sleep(self._random.uniform(0.5, 1.2))
            await self.victim.kill()
            return
        await self.victim.listening()
        await self._until(lambda: self.stage.shown.life == self.victim.life, QUIET)
        await asyncio.sleep(self._random.uniform(0.0, 2.0))
        if moment == "commit":
            torn = await self.victim.kill_in_commit(3.0)
            self.report.moments["torn"] += torn
            return
        if moment == "blocked":
            await self.victim.kill_before_commit(self._random.uniform(1.0, 2.5))
            return
        if moment == "export":
            await self._wait_for_export()
        await self.victim.kill()

    async def _wait_for_export(self) -> None:
        """Until the receiver has a request that it does not answer."""
        self._receiver.hold = True
        self._receiver.held.clear()
        try:
            await asyncio.wait_for(self._receiver.held.wait(), 5.0)
        except TimeoutError:
            self.report.problems.append(f"life {self.victim.life} exported nothing")
        finally:
            self._receiver.hold = False

    async def _last_life(self) -> None:
        """Everything comes to rest; then what is shown is the truth, and so it is after a clean
        end and another start."""
        self.stage.draining = True
        self._ground.calm()
        await self._be_compared()
        code = await self.victim.stop()
        if code != 0:
            self.report.problems.append(f"SIGTERM: exit code {code}")
        await self._be_compared()
        await self.victim.stop()

    async def _be_compared(self) -> None:
        self.stage.alive = True
        await self.victim.start()
        await self.victim.listening()
        await self._until(lambda: all(actor.idle for actor in self._actors), QUIET, required=False)
        await self._until(lambda: not self._problems(), QUIET, required=False)
        # What is counted too often may come later than what is right.
        until = time.time() + 3.0
        await self._until(lambda: self.stage.shown.at > until, QUIET)
        self.report.problems += self._problems()

    def _problems(self) -> list[str]:
        found = [f"{type(one).__name__}: still going on" for one in self._actors if not one.idle]
        found += verdict.series(self.stage)
        found += ghosts.problems(self._ghosts, self.stage)
        found += [problem for cron in self._crons for problem in cron.problems(self._now())]
        return found

    async def _until(
        self, condition: Callable[[], object], seconds: float, *, required: bool = True
    ) -> None:
        """Polls, since what is waited for is another process."""
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        assert condition() or not required, f"did not come true:\n{self.victim.tail()}"

    # -- the end

    def _sum_up(self, scraper: Scraper, seconds: float) -> None:
        report, shown = self.report, self.stage.shown
        report.scrapes, report.exports = scraper.scrapes, self._receiver.exports
        report.seconds = round(seconds, 1)
        report.runs = len(self.stage.truth.attempts)
        report.counted = int(shown.total("argo_workflow_runs_total"))
        report.unobserved = int(shown.total("argoscope_runs_unobserved_total"))
        report.problems += [f"a scrape: {one}" for one in scraper.went_back]
        report.problems += [f"an export: {one}" for one in self._receiver.went_back]
        with sqlite3.connect(f"file:{self.victim.ledger}?mode=ro", uri=True) as ledger:
            report.problems += verdict.run_records(ledger, self.stage)
        report.problems += verdict.log_lines(self.victim.log)


@asynccontextmanager
async def _tasks(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs them beside the body; one that fails ends the body."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in coroutines]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
