"""``argoscope simulate``: a cluster in memory, for kubectl and every other client."""

import asyncio
import contextlib
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import BinaryIO

import click

from argoscope._options import Seconds
from argoscope.simulator import kubeconfig as kubeconfigs
from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.engine.controller_metrics.serving import clock_page, metrics
from argoscope.simulator.engine.pace import Pace
from argoscope.simulator.engine.playing import begin
from argoscope.simulator.engine.truth import Truth
from argoscope.simulator.engine.world import World
from argoscope.simulator.scenarios import ScenarioError, read, shipped
from argoscope.simulator.scenarios.model import Scenario

KUBECONFIG = "argoscope-simulator.kubeconfig"
EMPTY = Scenario(name="empty", about="One node, and nothing happens by itself.")
_WRONG = 2  # exit code, as of the other commands: nothing was started
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command("simulate")
@click.option(
    "--listen",
    default="127.0.0.1:0",
    show_default=True,
    metavar="HOST:PORT",
    help="Address of the API server; port 0 takes a free one.",
)
@click.option(
    "--kubeconfig",
    "path",
    default=KUBECONFIG,
    show_default=True,
    metavar="FILE",
    help="Where to write how to reach it; overwrites only what it wrote itself.",
)
@click.option(
    "--token",
    default="",
    metavar="TOKEN",
    help="Bearer token that clients have to send; without it everybody may come.",
)
@click.option(
    "--scenario",
    default="",
    metavar="NAME|FILE",
    help="What happens in it; see --list. Without one, only what you create.",
)
@click.option(
    "--speed",
    type=click.FloatRange(0.01, 10_000),
    default=1.0,
    show_default=True,
    help="How much faster than life its time goes.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of what happens.")
@click.option(
    "--truth",
    type=click.File("wb", lazy=True),
    metavar="FILE",
    help="Write down what really happened, as JSON lines.",
)
@click.option(
    "--still",
    is_flag=True,
    help="Only the API server: no controllers, nothing that is created runs.",
)
@click.option("--duration", type=Seconds(min=0.0), metavar="SECONDS", help="End after that time.")
@click.option("--list", "lists", is_flag=True, help="Name the scenarios, and end.")
def simulate_command(
    listen: str,
    path: str,
    token: str,
    scenario: str,
    speed: float,
    seed: int,
    truth: BinaryIO | None,
    still: bool,
    duration: float | None,
    lists: bool,
) -> None:
    """Serve a cluster that exists only in memory, until Ctrl-C.

    It speaks enough of the Kubernetes API for kubectl, client libraries and argoscope. Argo's
    controllers, a scheduler and kubelets are at work in it: what you create runs.
    """
    if lists:
        for found in shipped():
            click.echo(f"{found.name:20} {found.about.strip()}")
        return
    for option, given in (("--scenario", scenario), ("--truth", truth)):
        if still and given:
            _refuse(f"--still and {option} exclude each other: leave one out")
    try:
        played = read(scenario) if scenario else EMPTY
    except ScenarioError as error:
        _refuse(str(error))
    host, port = _address(listen)
    file = Path(path)
    if host not in _LOOPBACK and not token:
        _refuse(f"{listen} can be reached from other machines: set --token, or listen on 127.0.0.1")
    if not kubeconfigs.is_ours(file):
        _refuse(
            f"{path} is there already, and is not a simulator's: name another with --kubeconfig"
        )
    with contextlib.suppress(KeyboardInterrupt):
        world = None
        if not still:
            # A cluster that runs for days must not gather what nobody asked for.
            told = Truth(truth, keep=False)
            world = begin(played, seed=seed, start=time.time(), truth=told)
            world.kernel.failed = _Complaints().tell
        asyncio.run(_serve(world, speed, host, port, file, token, duration))


class _Complaints:
    """Says what went wrong in the simulation, once a place: all else in it goes on."""

    def __init__(self) -> None:
        self._told: set[tuple[str, int | None]] = set()

    def tell(self, error: Exception) -> None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = (last.filename, last.lineno)
        if place not in self._told:
            self._told.add(place)
            lines = "".join(traceback.format_exception(error))
            click.echo(
                f"argoscope: something in the simulated cluster went wrong, the rest goes on; "
                f"please report it:\n{lines}",
                err=True,
            )


async def _serve(
    world: World | None,
    speed: float,
    host: str,
    port: int,
    file: Path,
    token: str,
    duration: float | None,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    if duration is not None:
        loop.call_later(duration, stop.set)
    server = ApiServer(world.cluster if world else None, host=host, port=port)
    server.tokens = {token} if token else None
    pace = Pace(world, speed) if world is not None else None
    if world is not None and pace is not None:
        offered = metrics(world.kernel, workflows_run=lambda: world.workflows.running)
        server.metrics.update(offered)
        server.metrics["clock"] = clock_page(pace.now)
    try:
        await server.start()
    except OSError as error:
        _refuse(f"can't listen on {host}:{port}: {error.strerror or error}")
    try:
        try:
            kubeconfigs.write(file, kubeconfigs.kubeconfig(server.address, token))
        except OSError as error:
            _refuse(f"can't write {file}: {error.strerror or error}; name another place")
        _welcome(server.address, file, pace)
        if pace is None:
            await stop.wait()
        else:
            await _play(pace, stop)
        click.echo("Ending")
    finally:
        await server.stop()
        kubeconfigs.remove(file)


async def _play(pace: Pace, stop: asyncio.Event) -> None:
    """Lets things happen until it is to stop. Raises what went wrong in the simulation."""
    playing = asyncio.create_task(pace.run(), name="simulated cluster")
    ended = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({playing, ended}, return_when=asyncio.FIRST_COMPLETED)
    for task in (playing, ended):
        if not task.done():
            task.cancel()
        elif task is playing:
            task.result()


def _welcome(address: str, file: Path, pace: Pace | None) -> None:
    kubectl = f"kubectl --kubeconfig {file}"
    clock = ""
    if (
        pace is not None and pace.speed != 1.0
    ):  # else who watches would take its timestamps for the future
        shown = f"{pace.virtual_start:.3f}@{pace.real_start:.3f}x{pace.speed:g}"
        clock = f"ARGOSCOPE_SIMULATED_CLOCK={shown} \\\n    "
    click.echo(
        f"""A cluster that exists only in memory, at {address}

  {kubectl} get workflows -A            what there is
  {kubectl} create -f workflow.yaml     anything of Argo's
  {clock}argoscope run --kubeconfig {file}     watch it

Faults: curl -X POST {address}/_simulator/faults -d '{{"verb": "list", "status": 503}}'
Ctrl-C ends it, and nothing is kept."""
    )


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        _refuse(f"--listen {listen} is not HOST:PORT, such as 127.0.0.1:8001")
    return host.strip("[]"), int(port)


def _refuse(problem: str) -> None:
    click.echo(f"argoscope: {problem}", err=True)
    sys.exit(_WRONG)
