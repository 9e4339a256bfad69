"""``argoscope demo``: a scripted cluster in memory, and the real daemon watching it.

The API server runs in this process, the daemon is a child: what the demo shows is what
``argoscope run`` does with any cluster.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

import click
import yaml
from aiohttp import ClientError, ClientSession, ClientTimeout

from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.workload import Workload

STEP = 0.5  # seconds between two moves of the scripted cluster
READY = 20.0  # seconds that the daemon may take until it is ready
DRAIN = 6.0  # seconds that it may take to end


@click.command("demo")
@click.option(
    "--listen",
    default="127.0.0.1:9464",
    show_default=True,
    metavar="HOST:PORT",
    help="Address of the daemon; another port is taken when it is in use.",
)
@click.option("--duration", type=float, metavar="SECONDS", help="End after that time.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of what happens.")
def demo_command(listen: str, duration: float | None, seed: int) -> None:
    """Show the daemon at work on a scripted cluster, without Kubernetes and without network."""
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(asyncio.run(_demo(_free(listen), duration, seed)))


def _free(listen: str) -> str:
    """``listen``, or the same host with a free port when its port is in use."""
    host, _, port = listen.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            probe.bind((host, 0))
            click.echo(f"{listen} is in use: taking another port", err=True)
        return f"{host}:{probe.getsockname()[1]}"


async def _demo(listen: str, duration: float | None, seed: int) -> int:
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    if duration is not None:
        asyncio.get_running_loop().call_later(duration, stop.set)
    with tempfile.TemporaryDirectory(prefix="argoscope-demo-") as folder:
        async with ApiServer() as server:
            workload = Workload(seed, server.cluster.put, server.cluster.remove, time.time())
            kubeconfig = Path(folder) / "kubeconfig"
            kubeconfig.write_text(_kubeconfig(server.address))
            click.echo(
                "A cluster that exists only in memory: four pipelines, a cron, three rollouts"
            )
            daemon = await _start_daemon(listen, kubeconfig)
            try:
                return await _play(workload, daemon, f"http://{listen}", stop)
            finally:
                await _end_daemon(daemon)


def _kubeconfig(server: str) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "demo", "cluster": {"server": server}}],
            "users": [{"name": "demo", "user": {"token": "demo"}}],
            "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": "demo"}}],
            "current-context": "demo",
        }
    )


async def _start_daemon(listen: str, kubeconfig: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "argoscope", "run"),
        *("--listen", listen, "--kubeconfig", str(kubeconfig), "--cluster", "demo"),
        *("--log-level", "warning"),
        env={k: v for k, v in os.environ.items() if not k.startswith("ARGOSCOPE_")},
        start_new_session=True,  # Ctrl-C is ours: the daemon is told to end, and waited for
    )


async def _end_daemon(daemon: asyncio.subprocess.Process) -> None:
    if daemon.returncode is None:
        daemon.terminate()
        try:
            await asyncio.wait_for(daemon.wait(), DRAIN)
        except TimeoutError:
            daemon.kill()
            await daemon.wait()


async def _play(
    workload: Workload,
    daemon: asyncio.subprocess.Process,
    address: str,
    stop: asyncio.Event,
) -> int:
    begin = time.time()
    shown, told = False, begin
    async with ClientSession(timeout=ClientTimeout(total=2)) as session:
        while not stop.is_set():
            now = time.time()
            workload.advance(now)
            if daemon.returncode is not None:
                click.echo(f"The daemon ended with {daemon.returncode}: see above", err=True)
                return 1
            if not shown and await _is_ready(session, address):
                shown = True
                _welcome(address)
            elif not shown and now - begin > READY:
                click.echo(f"The daemon is not ready after {READY:.0f} s", err=True)
                return 1
            elif shown and now - told > 10.0:
                told = now
                await _tell(session, address, now - begin)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), STEP)
    click.echo("Ending")
    return 0


async def _is_ready(session: ClientSession, address: str) -> bool:
    try:
        async with session.get(f"{address}/readyz") as response:
            return response.status == 200
    except (ClientError, TimeoutError):
        return False


def _welcome(address: str) -> None:
    click.echo(
        f"""
  {address}/          the questions, answered live
  {address}/metrics   what Prometheus scrapes
  {address}/readyz    what is watched

Worth a look: train-model is short of CPU and memory and is OOM-killed now and then; build-and-test
sometimes cannot pull its image; billing-report is a cron of every minute; payments aborts releases.
Ctrl-C ends everything.
"""
    )


async def _tell(session: ClientSession, address: str, seconds: float) -> None:
    """One line of progress, read from the daemon like everybody else would."""
    try:
        async with session.get(f"{address}/metrics") as response:
            text = await response.text()
    except (ClientError, TimeoutError) as error:
        click.echo(f"The daemon does not answer: {error!r}", err=True)
        return
    click.echo(
        f"{seconds:4.0f} s: {_sum(text, 'argo_workflow_active'):.0f} workflows at work, "
        f"{_sum(text, 'argo_workflow_runs_total'):.0f} runs ended since the start "
        f"({_sum(text, 'argo_workflow_completed_runs_7d'):.0f} in 7 days), "
        f"{_sum(text, 'argo_workflow_failures_total'):.0f} failed, "
        f"{_sum(text, 'argo_pods_pending'):.0f} pods pending, "
        f"{_sum(text, 'argo_rollouts_total'):.0f} releases"
    )


def _sum(exposition: str, family: str) -> float:
    lines = (line for line in exposition.splitlines() if line.startswith(family + "{"))
    return sum(float(line.rpartition("} ")[2].split(" ")[0]) for line in lines)
