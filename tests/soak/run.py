"""The daemon as a process beside a cluster of full size and 1,000 events a second.

    make soak                             10,000 Workflows of 100 nodes, 50,000 pods, 10 minutes
    make soak ARGS="--seconds 60 --workflows 1000"

Writes out/soak.json and out/soak.svg; exits with 1 if a bar does not hold.
"""

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
from aiohttp import ClientSession, ClientTimeout
from isal import igzip
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
OUT = HERE.parents[1] / "out"
sys.path[:0] = [str(HERE.parent)]

from argoscope.demo.processes import child, free_address  # noqa: E402
from argoscope.simulator import kubeconfig as kubeconfigs  # noqa: E402
from soak.plot import svg  # noqa: E402
from soak.verdict import Facts, Samples, failed, rows  # noqa: E402

SCRAPE_EVERY = 0.25
SAMPLE_EVERY = 1.0
FILL = 600.0  # seconds that making the cluster may take
SYNC = 240.0
QUIET = 20  # scrapes whose CPU is measured
DRAIN = 5.0  # seconds after the load until everything is to be visible
IMAGE = HERE.parents[1] / "deploy" / "Dockerfile"


class Load:
    """The process that has the API server; what it said last."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.address = ""
        self.sent = self.ended = 0
        self.marks: dict[int, float] = {}
        """Marks that no scrape has shown yet: slot -> when it was made (monotonic)."""
        self.made = 0
        self.over = asyncio.Event()

    async def read(self) -> None:
        """Everything that it says, until its end."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            self.address = said.get("address", self.address)
            self.sent = said.get("sent", self.sent)
            self.ended = said.get("ended", self.ended)
            if "mark" in said:
                self.marks[said["mark"]] = said["at"]
                self.made += 1
            if said.get("over"):
                self.over.set()

    def tell(self) -> None:
        """Begin, and the second time: end."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")


@asynccontextmanager
async def loaded(workflows: int, rate: float) -> AsyncIterator[Load]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(HERE / "load.py"), "--workflows", str(workflows)),
        *("--rate", str(rate)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    load = Load(process)
    reading = asyncio.create_task(load.read())
    try:
        async with asyncio.timeout(FILL):
            while not load.address:
                assert process.returncode is None, "the load's process has ended: see above"
                await asyncio.sleep(0.1)
        yield load
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


def _cpu_of(process: psutil.Process) -> float:
    return float(sum(process.cpu_times()[:2]))


class Watch:
    """Scrapes and samples the daemon while it is under load."""

    def __init__(self, session: ClientSession, address: str, pid: int, load: Load) -> None:
        self.samples = Samples()
        self.body = b""
        self._session, self._address, self._load = session, address, load
        self._process = psutil.Process(pid)
        self._began = time.monotonic()
        self._ours = [self._process, psutil.Process(load.pid), psutil.Process()]
        self._cpu = self.cpu()
        self._began_with = [_cpu_of(one) for one in self._ours]
        self._others = self._used_by_others()

    def _used_by_others(self) -> float:
        """Seconds of CPU since the machine's start, of all but the daemon, the load and us."""
        times = psutil.cpu_times()
        # The kernel has counted guests in user and nice already.
        busy = times.user + times.nice + times.system + times.irq + times.softirq + times.steal
        return float(busy - sum(map(_cpu_of, self._ours)))

    def cpu(self) -> float:
        return _cpu_of(self._process)

    def spent(self) -> list[float]:
        """Seconds of CPU since the beginning: the daemon's, the load's, and our own."""
        pairs = zip(self._ours, self._began_with, strict=True)
        return [_cpu_of(one) - before for one, before in pairs]

    async def scrape(self) -> float:
        """Fetches everything, and takes what it shows of the marks; the seconds it took."""
        begin = time.monotonic()
        async with self._session.get(f"{self._address}/metrics") as response:
            packed = await response.read()
        now = time.monotonic()
        self.body = igzip.decompress(packed)
        active = _family(self.body, b"argo_workflow_active")
        for slot, made in list(self._load.marks.items()):
            line = f'argo_workflow_active{{namespace="marks",pipeline="mark-{slot}",'
            if made < begin and line.encode() in active:
                del self._load.marks[slot]
                self.samples.latencies.append((made - self._began, now - made))
        return now - begin

    def sample(self, since: float) -> None:
        now, cpu = time.monotonic(), self.cpu()
        self.samples.at.append(now - self._began)
        self.samples.resident.append(float(self._process.memory_info().rss))
        self.samples.cpu.append((cpu - self._cpu) / since)
        self._cpu = cpu
        others = self._used_by_others()
        share = (others - self._others) / since / (psutil.cpu_count() or 1)
        self.samples.others.append(min(1.0, max(0.0, share)))
        self._others = others

    async def during(self, seconds: float, console: Console) -> None:
        sampled = told = time.monotonic()
        while (now := time.monotonic()) - self._began < seconds:
            self.samples.scrapes.append((now - self._began, await self.scrape()))
            if now - sampled >= SAMPLE_EVERY:
                self.sample(now - sampled)
                sampled = now
            if now - told >= 15.0:
                told = now
                resident = self.samples.resident[-1] / 2**20
                console.print(
                    f"[dim]{now - self._began:4.0f} s: {self._load.sent:,} events, "
                    f"{resident:.1f} MiB, {100 * self.samples.cpu[-1]:.0f} % of a core[/]"
                )
            await asyncio.sleep(max(0.0, SCRAPE_EVERY - (time.monotonic() - now)))


def _family(body: bytes, name: bytes) -> bytes:
    """The part of an exposition that has the lines of one family."""
    _, _, rest = body.partition(b"# HELP %b " % name)
    return rest.partition(b"# HELP ")[0]


async def ready(session: ClientSession, address: str) -> None:
    async with asyncio.timeout(SYNC):
        while True:
            try:
                async with session.get(f"{address}/readyz") as response:
                    if response.status == 200:
                        return
            except OSError:
                pass
            await asyncio.sleep(0.2)


def total(body: bytes, family: str) -> float:
    lines = (line for line in body.decode().splitlines() if line.startswith(family + "{"))
    return sum(float(line.rpartition("} ")[2].split(" ")[0]) for line in lines)


async def soak(options: argparse.Namespace, console: Console) -> tuple[Samples, Facts]:
    environ = {
        k: v for k, v in os.environ.items() if not k.startswith(("ARGOSCOPE_", "OTEL_", "KUBE"))
    }
    # Memory depends on it: as in a pod.
    environ |= dict(re.findall(r"(MALLOC_\w+)=(\d+)", IMAGE.read_text()))
    console.print(
        f"[dim]making {options.workflows:,} Workflows and {5 * options.workflows:,} pods[/]"
    )
    with tempfile.TemporaryDirectory(prefix="argoscope-soak-") as name:
        folder = Path(name)
        async with (
            loaded(options.workflows, options.rate) as load,
            # What we spend on unpacking is not the daemon's: as little as can be.
            ClientSession(timeout=ClientTimeout(total=60), auto_decompress=False) as session,
        ):
            file, listen = folder / "kubeconfig", free_address("127.0.0.1:0")
            kubeconfigs.write(file, kubeconfigs.kubeconfig(load.address))
            async with child(
                *(sys.executable, "-m", "argoscope", "run", "--kubeconfig", str(file)),
                *("--listen", listen, "--ledger", str(folder), "--log-level", "error"),
                env=environ,
            ) as daemon:
                return await _measure(options, console, load, session, listen, daemon.pid)


async def _measure(
    options: argparse.Namespace,
    console: Console,
    load: Load,
    session: ClientSession,
    listen: str,
    pid: int,
) -> tuple[Samples, Facts]:
    address = f"http://{listen}"
    await ready(session, address)
    sync_cpu = _cpu_of(psutil.Process(pid))
    console.print(
        f"[dim]synced with {sync_cpu:.1f} s of CPU; {options.rate:.0f} events a second[/]"
    )
    load.tell()
    watch = Watch(session, address, pid, load)
    await watch.during(options.seconds, console)
    daemon_cpu, load_cpu, our_cpu = watch.spent()
    load.tell()
    await asyncio.wait_for(load.over.wait(), 30)
    await _settled(watch)
    before = watch.cpu()
    for _ in range(QUIET):
        await watch.scrape()
    watch.samples.scrape_cpu = (watch.cpu() - before) / QUIET
    facts = Facts(
        workflows=options.workflows,
        seconds=options.seconds,
        asked=options.rate * options.seconds,
        sent=load.sent,
        sync_cpu=sync_cpu,
        daemon_cpu=daemon_cpu,
        load_cpu=load_cpu,
        scraper_cpu=our_cpu,
        series=sum(not line.startswith(b"#") for line in watch.body.splitlines()),
        ended=load.ended,
        counted=total(watch.body, "argo_workflow_runs_total"),
        marks=load.made,
    )
    return watch.samples, facts


async def _settled(watch: Watch) -> None:
    """Everything that has happened is visible, or never will be."""
    for _ in range(int(DRAIN / SCRAPE_EVERY)):
        await watch.scrape()
        await asyncio.sleep(SCRAPE_EVERY)


def report(options: argparse.Namespace, samples: Samples, facts: Facts, console: Console) -> int:
    found = rows(samples, facts)
    title = (
        f"{options.workflows:,} Workflows of 100 nodes, {5 * options.workflows:,} pods, "
        f"{options.rate:,.0f} events a second, {options.seconds:.0f} s"
    )
    table = Table(title=title)
    for column in ("figure", "value", "bar", ""):
        table.add_column(column)
    for row in found:
        bar = "" if row["bar"] is None else f"{row['bar']:g} {row['unit']}"
        met = {None: "", True: "[green]met[/]", False: "[red]NOT MET[/]"}[row["met"]]
        table.add_row(row["name"], f"{row['value']:,.4g} {row['unit']}", bar, met)
    console.print(table)
    OUT.mkdir(exist_ok=True)
    (OUT / "soak.svg").write_text(svg(samples, title))
    document: dict[str, Any] = {"title": title, "rows": found, "samples": vars(samples)}
    (OUT / "soak.json").write_text(json.dumps(document) + "\n")
    console.print("Written to out/soak.json and out/soak.svg")
    missed = failed(found, shared=options.shared)
    if missed:
        console.print(f"[red]Bars that do not hold: {', '.join(missed)}[/]")
    return 1 if missed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--workflows", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=1000.0, help="events a second")
    parser.add_argument(
        "--shared",
        action="store_true",
        help="others work on this machine: bars of wall time are shown, and do not decide",
    )
    options = parser.parse_args()
    console = Console(width=130)
    samples, facts = asyncio.run(soak(options, console))
    return report(options, samples, facts, console)


if __name__ == "__main__":
    sys.exit(main())
