"""The ``argoscope demo`` command."""

import asyncio
import contextlib
import sys

import click

from argoscope._options import Seconds
from argoscope.demo.stage import Show, perform
from argoscope.simulator.scenarios import ScenarioError, read

SPEED = 60.0
PAST = 1800.0
SCENARIO = "company-day"


@click.command("demo")
@click.option(
    "--listen",
    default="127.0.0.1:9464",
    show_default=True,
    metavar="HOST:PORT",
    help="Address of the daemon; another port is taken when it is in use.",
)
@click.option("--duration", type=Seconds(min=0.0), metavar="SECONDS", help="End after that time.")
@click.option(
    "--speed",
    type=click.FloatRange(1.0, 600.0),
    default=SPEED,
    show_default=True,
    help="How many times as fast as life the cluster is.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of what happens.")
@click.option(
    "--scenario",
    default=SCENARIO,
    show_default=True,
    metavar="NAME",
    help="Another of those that are shipped, or a file.",
)
@click.option(
    "--past",
    type=click.FloatRange(0.0, 7 * 86400.0),
    default=PAST,
    show_default=True,
    metavar="SECONDS",
    help="How long the cluster has been there when the daemon first looks.",
)
@click.option(
    "--prometheus/--no-prometheus",
    "alerts",
    default=True,
    help="Start a Prometheus with the alert rules, if one is on the PATH.  [default: on]",
)
def demo_command(
    listen: str,
    duration: float | None,
    speed: float,
    seed: int,
    scenario: str,
    past: float,
    alerts: bool,
) -> None:
    """Show the daemon at work on a simulated cluster, without Kubernetes and without network."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter("is not HOST:PORT, such as 127.0.0.1:9464", param_hint="--listen")
    try:
        found = read(scenario)
    except ScenarioError as error:
        raise click.BadParameter(str(error), param_hint="--scenario") from error
    show = Show(
        scenario=found,
        listen=listen,
        speed=speed,
        seed=seed,
        duration=duration,
        past=past,
        alerts=alerts,
    )
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(asyncio.run(perform(show)))
