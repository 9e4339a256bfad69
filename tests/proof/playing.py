"""Plays one scenario in virtual time beside the daemon's own code, scraped into a Prometheus."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from argoscope.export.prometheus import Exposition
from argoscope.monitor import Monitor
from argoscope.resources._load import load
from argoscope.simulator.engine.argo.expand import seconds
from argoscope.simulator.engine.controller_metrics.serving import JOBS, metrics
from argoscope.simulator.engine.playing import begin
from argoscope.simulator.engine.world import World
from argoscope.simulator.scenarios import read
from argoscope.simulator.scenarios.model import Scenario
from argoscope.watch.status import ReflectorStatus, State
from proof.remote_write import Writer
from proof.scraping import Target
from support.virtual_daemon import VirtualDaemon

SCENARIOS = Path(__file__).parent / "scenarios"
DAEMON = "argoscope"
EVERY = 30.0
"""Seconds between two scrapes."""
_LOOK = 5.0  # seconds between two looks of the daemon at what has changed
_SEND = 40  # scrapes between two requests
_HISTORY_EVERY = 300.0
_HISTORY_LOOK = 100.0
_HISTORY = ("argo_workflow_run_duration_seconds",)  # of the weeks before; else it is only work


@dataclass(frozen=True, kw_only=True)
class Play:
    """One scenario that is played as a cluster of that name."""

    name: str
    scenario: str = ""
    """Name or file, where it is another."""
    shown: float = 6.5 * 3600.0
    """Seconds at the end that are scraped whole; before, only durations are, now and then."""
    fault: Callable[["Stage"], None] | None = None
    """What happens to the daemon or the cluster that no scenario file can say."""
    injected: str = ""
    """What the fault makes up, for the report."""

    def read(self) -> Scenario:
        own = SCENARIOS / f"{self.scenario or self.name}.yaml"
        return read(str(own) if own.exists() else self.scenario or self.name)


@dataclass
class Stage:
    """What a fault may touch."""

    world: World
    daemon: VirtualDaemon
    statuses: dict[str, ReflectorStatus]
    start: float
    end: float
    ending: ExitStack
    """What has to be closed at the end."""
    more: dict[str, Callable[[], str]] = field(default_factory=dict)
    """What a page of the controllers' says beside its own, by its name."""
    reachable: bool = True
    """Whether the daemon can be scraped."""


@dataclass(frozen=True)
class Played:
    name: str
    virtual: float
    took: float
    scrapes: int
    problems: int


def play(job: Play, address: str, end: float, seed: int = 1) -> Played:
    """Plays until ``end`` (Unix seconds), all of it written to the Prometheus at ``address``."""
    began = time.perf_counter()
    scenario = job.read()
    lasts = _length(scenario)
    start = end - lasts
    world = begin(scenario, seed=seed, start=start)
    pages = metrics(world.kernel, workflows_run=lambda: world.workflows.running)
    daemon = VirtualDaemon(world.kernel)
    monitor = Monitor(daemon.registry)
    statuses = {one.plural: _synced(one.plural) for one in load()}
    targets = {name: Target(job.name, JOBS[name]) for name in pages}
    own = Target(job.name, DAEMON)
    writer = Writer(address)
    at, scrapes = start, 0
    with ExitStack() as ending:
        stage = Stage(world, daemon, statuses, start, end, ending)
        if job.fault is not None:
            job.fault(stage)
        exposition = Exposition(daemon.registry)
        while at < end:
            history = at < end - job.shown
            at += _HISTORY_EVERY if history else EVERY
            daemon.run_until(at, every=_HISTORY_LOOK if history else _LOOK)
            for status in statuses.values():
                status.last_bookmark = max(status.last_bookmark, at - at % 60.0)
            monitor.update([*statuses.values()])
            began_page = time.perf_counter()
            page = exposition.render("", "")[0] if stage.reachable else None
            rendered = time.perf_counter() - began_page
            shown = daemon.registry.newborns.publication
            own.scrape(at, page, rendered, only=_HISTORY if history else ())
            if page is not None:
                daemon.registry.newborns.scraped("prometheus", shown)
            for name, target in () if history else targets.items():
                text, more = pages[name](), stage.more.get(name)
                if text is not None and more is not None:
                    text = more() + text
                target.scrape(at, None if text is None else text.encode())
            scrapes += 1
            if scrapes % _SEND == 0:
                _send([own, *targets.values()], writer)
    _send([own, *targets.values()], writer)
    writer.close()
    took = time.perf_counter() - began
    return Played(job.name, lasts, took, scrapes, len(daemon.problems))


def _synced(plural: str) -> ReflectorStatus:
    return ReflectorStatus(plural, state=State.SYNCED, reason="", has_synced=True, up=True)


def _length(scenario: Scenario) -> float:
    lasts = scenario.lasts
    return seconds(lasts[1] if isinstance(lasts, tuple) else lasts)


def _send(targets: list[Target], writer: Writer) -> None:
    for target in targets:
        target.send(writer)
