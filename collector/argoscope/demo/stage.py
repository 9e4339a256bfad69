"""The demo's parts, started one inside the other, so that they end in the opposite order."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from aiohttp import ClientError, ClientSession, ClientTimeout

from argoscope.demo import prometheus, telling
from argoscope.demo.processes import child, free_address
from argoscope.simulated_clock import VARIABLE, variable
from argoscope.simulator import kubeconfig as kubeconfigs
from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.api_server.control import ROOT
from argoscope.simulator.engine.controller_metrics.serving import JOBS, clock_page, metrics
from argoscope.simulator.engine.pace import Pace
from argoscope.simulator.engine.playing import begin
from argoscope.simulator.engine.truth import Truth
from argoscope.simulator.engine.world import World
from argoscope.simulator.scenarios.model import Scenario

READY = 20.0
"""Seconds that the daemon may take until it is ready."""
BOOKMARKS = 60.0
"""Seconds of the cluster's time between two bookmarks, as real API servers have them."""
TOLD = 10.0
"""Seconds between two lines of progress."""
LOOK = 0.25
PROMETHEUS = "127.0.0.1:9090"


class DemoError(Exception):
    """The demo can't go on: why."""


@dataclass(frozen=True, kw_only=True)
class Show:
    """What was asked for."""

    scenario: Scenario
    listen: str
    speed: float
    seed: int
    duration: float | None
    past: float
    """Seconds of the cluster's time that have passed when the daemon first looks."""
    alerts: bool
    """With a Prometheus, if one is installed."""


async def perform(show: Show) -> int:
    """Until the duration is over or a signal comes; the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    if show.duration is not None:
        loop.call_later(show.duration, stop.set)
    try:
        async with AsyncExitStack() as stack:
            await _play(show, stack, stop)
            click.echo("Ending")
    except (DemoError, OSError) as error:
        click.echo(f"argoscope: {error}", err=True)
        return 1
    return 0


async def _play(show: Show, stack: AsyncExitStack, stop: asyncio.Event) -> None:
    address = _free(show.listen)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="argoscope-demo-")))
    world = await _past(show, stop)
    if world is None:
        return
    pace, server = await stack.enter_async_context(_cluster(show, world))
    daemon = await stack.enter_async_context(_daemon(show, folder, server, pace, address))
    playing = asyncio.create_task(pace.run(), name="cluster")
    stack.callback(playing.cancel)
    session = await stack.enter_async_context(ClientSession(timeout=ClientTimeout(total=2)))
    url = f"http://{address}"
    if not await _ready(session, url, daemon, playing, stop):
        return
    scenario = show.scenario
    click.echo(
        telling.welcome(url, speed=show.speed, about=scenario.about, look_at=scenario.look_at)
    )
    click.echo()
    with_alerts = None
    if show.alerts:
        with_alerts = await _with_prometheus(show, stack, folder, server, address)
    click.echo("Ctrl-C ends everything.\n")
    told = time.monotonic()
    while not stop.is_set():
        _check(daemon, playing)
        if with_alerts is not None and with_alerts.returncode is not None:
            click.echo(telling.prometheus_ended(with_alerts.returncode, folder), err=True)
            with_alerts = None  # the demo goes on without it
        if time.monotonic() - told > TOLD:
            told = time.monotonic()
            minutes = (pace.now() - pace.virtual_start) / 60.0
            click.echo(await telling.standing(session, url, minutes))
        await _pause(stop)


def _free(listen: str) -> str:
    try:
        address = free_address(listen)
    except OSError as error:
        raise DemoError(f"can't listen on {listen}: {error.strerror}") from error
    if address != listen and not listen.endswith(":0"):
        click.echo(f"{listen} is in use: taking {address}", err=True)
    return address


async def _past(show: Show, stop: asyncio.Event) -> World | None:
    """The simulated cluster with a past; None if the demo was ended meanwhile."""
    if show.past:
        click.echo(f"Simulating the last {show.past / 60.0:.0f} minutes of a cluster …")
    now = time.time()
    # Nobody asks a demo what really happened, and it may run for days.
    untold = Truth(keep=False)
    world = begin(show.scenario, seed=show.seed, start=now - show.past, truth=untold)
    while world.kernel.now < now:
        world.run_until(min(now, world.kernel.now + 1.0))
        await asyncio.sleep(0)  # for signals
        if stop.is_set():
            return None
    return world


@asynccontextmanager
async def _cluster(show: Show, world: World) -> AsyncIterator[tuple[Pace, ApiServer]]:
    """It behind an API server; its time stands still as yet."""
    pace = Pace(world, show.speed)
    server = ApiServer(world.cluster)
    server.metrics.update(metrics(world.kernel, workflows_run=lambda: world.workflows.running))
    server.metrics["clock"] = clock_page(pace.now)
    server.bookmark_seconds = max(0.5, BOOKMARKS / show.speed)
    async with server:
        yield pace, server


@asynccontextmanager
async def _daemon(
    show: Show, folder: Path, server: ApiServer, pace: Pace, address: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    file = folder / "kubeconfig"
    kubeconfigs.write(file, kubeconfigs.kubeconfig(server.address))
    environ = {k: v for k, v in os.environ.items() if not k.startswith("ARGOSCOPE_")}
    environ[VARIABLE] = variable(pace.virtual_start, pace.real_start, show.speed)
    async with child(
        *(sys.executable, "-m", "argoscope", "run", "--kubeconfig", str(file)),
        *("--listen", address, "--cluster", "demo", "--log-level", "error"),
        env=environ,
    ) as process:
        yield process


async def _with_prometheus(
    show: Show, stack: AsyncExitStack, folder: Path, server: ApiServer, daemon: str
) -> asyncio.subprocess.Process | None:
    program = shutil.which("prometheus")
    if program is None:
        click.echo("  With prometheus on the PATH there would be one too, with the alert rules\n")
        return None
    target = server.address.removeprefix("http://")
    pages = {job: (target, f"{ROOT}metrics/{name}") for name, job in JOBS.items()}
    alerts = prometheus.write(folder, daemon, pages, show.speed)
    address = free_address(PROMETHEUS)
    process = await stack.enter_async_context(prometheus.running(program, folder, address))
    click.echo(telling.prometheus_at(f"http://{address}", alerts) + "\n")
    return process


async def _ready(
    session: ClientSession,
    address: str,
    daemon: asyncio.subprocess.Process,
    playing: "asyncio.Task[None]",
    stop: asyncio.Event,
) -> bool:
    """Waits for the daemon; False if the demo was ended meanwhile. Raises DemoError."""
    deadline = time.monotonic() + READY
    while not stop.is_set():
        _check(daemon, playing)
        try:
            async with session.get(f"{address}/readyz") as response:
                if response.status == 200:
                    return True
        except (ClientError, TimeoutError):
            pass
        if time.monotonic() > deadline:
            raise DemoError(f"the daemon is not ready after {READY:.0f} s")
        await _pause(stop)
    return False


def _check(daemon: asyncio.subprocess.Process, playing: "asyncio.Task[None]") -> None:
    if daemon.returncode is not None:
        raise DemoError(f"the daemon ended with {daemon.returncode}: see above")
    if playing.done() and (error := playing.exception()) is not None:
        raise DemoError(f"the simulated cluster has failed, which is a bug: {error!r}") from error


async def _pause(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), LOOK)
    except TimeoutError:
        pass
