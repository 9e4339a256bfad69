"""The whole chain in real time: the simulated cluster and its controllers behind an HTTP server,
the daemon as a process with a ledger, killed by SIGKILL again and again.

In the end its counters equal what the engine says it did.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from argoscope.metrics.model import Instrument, Metric
from argoscope.resources.cron_workflow import metrics as crons
from argoscope.resources.pod import _metrics as pods
from argoscope.resources.workflow import metrics as workflows
from argoscope.simulated_clock import VARIABLE, variable
from argoscope.simulator import kubeconfig as kubeconfigs
from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.engine.argo import actions as argo
from argoscope.simulator.engine.kernel import Kernel
from argoscope.simulator.engine.pace import Pace
from argoscope.simulator.engine.playing import apply
from argoscope.simulator.engine.world import World
from chaos.scraper import Scraper
from chaos.stage import Shown
from chaos.truth import series
from chaos.victim import Victim
from support.compared import COUNTERS, HISTOGRAMS, Told
from support.recount import Lines

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SEED = 11
SPEED = 10.0
KILLS = 4
AWAY = (0.2, 2.0)
"""Seconds of real time for which the daemon is dead."""
BUSY = 200.0
"""Virtual seconds in which something new comes."""
PATIENCE = 60.0

WHOLE = (
    workflows.RUNS,
    workflows.FAILURES,
    workflows.RUN_DURATION,
    workflows.RUN_PENDING,
    workflows.TEMPLATE_DURATION,
    workflows.TEMPLATE_FAILURES,
    workflows.TEMPLATE_RETRIES,
    workflows.RESOURCE_SECONDS,
    workflows.STEP_GAP,
    workflows.WORKFLOW_ACTIONS,
    crons.START_DELAY,
    crons.REPLACED_RUNS,
    pods.STAGE_SECONDS,
)
"""What the objects still tell after an absence. What they don't (how long a pod waited for what
while nobody looked, who held a lock) can't be told by anybody."""


def _steps(name: str, behaviours: list[str], **spec: Any) -> dict[str, Any]:
    templates: list[dict[str, Any]] = [
        {
            "name": f"t{number}",
            "retryStrategy": {"limit": "1", "retryPolicy": "Always"},
            "metadata": {"annotations": {"simulator.argoscope.dev/behaviour": behaviour}},
            "container": {"image": "x:1", "resources": {"requests": {"cpu": "1"}}},
        }
        for number, behaviour in enumerate(behaviours)
    ]
    steps = [[{"name": t["name"], "template": t["name"]}] for t in templates]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": f"{name}-", "namespace": "ci"},
        "spec": {"entrypoint": "main", "templates": [{"name": "main", "steps": steps}, *templates]}
        | spec,
    }


FAILING = '{"seconds": [1, 6], "exit": 3, "fails": 0.7}'
KINDS = (
    _steps("build", ['{"seconds": [1, 12]}', '{"seconds": 2, "pull": [2, 5]}']),
    _steps("check", [FAILING]),
    _steps("big", ['{"seconds": 20, "oom": 0.5, "oom_after": 3}', FAILING]),
)
CRON = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "CronWorkflow",
    "metadata": {"name": "often", "namespace": "ci"},
    "spec": {
        "schedules": ["* * * * *"],
        "concurrencyPolicy": "Replace",
        "successfulJobsHistoryLimit": 100,
        "failedJobsHistoryLimit": 100,
        "workflowSpec": _steps("often", ['{"seconds": [50, 80]}'])["spec"],
    },
}


def _work(kernel: Kernel) -> None:
    """Everything that will happen; the daemon is there to see it begin."""
    chance = random.Random(SEED)
    begun = kernel.now
    apply(kernel, CRON)
    at = 2.0
    while at < BUSY:
        kernel.at(begun + at, partial(argo.submit, kernel, chance.choice(KINDS)))
        at += chance.uniform(2.0, 9.0)
    quiet = {**CRON, "spec": {**CRON["spec"], "suspend": True}}  # type: ignore[dict-item]
    kernel.at(begun + BUSY, partial(apply, kernel, quiet))


def _retry_one(kernel: Kernel) -> None:
    for key in kernel.cluster.collections["workflows"].objects:
        found = kernel.get("workflows", *key)
        if found is not None and (found.get("status") or {}).get("phase") == "Failed":
            argo.retry(kernel, *key)
            return


async def _die(
    victim: Victim, world: World, latest: list[Shown], chance: random.Random, *, early: bool
) -> None:
    """Killed ``early`` after it began to listen, perhaps in its lists; or when it has watched for
    a while, and has seen a run being retried: of one that was while nobody looked, the failure
    would never be known."""
    if early:
        await asyncio.sleep(chance.uniform(0.0, 1.0))
    else:
        await _until_it_watches(victim, latest)
        _retry_one(world.kernel)
        await asyncio.sleep(chance.uniform(1.0, 3.0))
    await victim.kill()
    await asyncio.sleep(chance.uniform(*AWAY))


@asynccontextmanager
async def _served(world: World) -> AsyncIterator[tuple[ApiServer, Pace]]:
    async with ApiServer(world.cluster) as server:
        pace = Pace(world, SPEED)
        going = asyncio.create_task(pace.run())
        try:
            yield server, pace
        finally:
            going.cancel()


def _expected(world: World) -> dict[str, tuple[float, float]]:
    """(value, how far off it may be) of every series that is not 0."""
    lines = Lines(list(world.truth.lines))
    told = Told(lines, lines, world.kernel.now, {})
    found = {}
    for metric in WHOLE:
        if metric.instrument is Instrument.COUNTER:
            for labels, count in COUNTERS[metric](told).items():
                if count:
                    found[_series(metric, "", labels)] = (float(count), 0.0)
            continue
        timed = HISTOGRAMS[metric]
        samples = timed.samples(told)
        for labels, count in samples.counts.items():
            found[_series(metric, "_count", labels)] = (float(count), 0.0)
            limit = timed.limit(labels, count)
            found[_series(metric, "_sum", labels)] = (samples.sums[labels], limit)
    return found


def _series(metric: Metric, suffix: str, labels: tuple[str, ...]) -> str:
    return series(metric.prometheus + suffix, **dict(zip(metric.label_names, labels, strict=True)))


def _differences(world: World, shown: dict[str, float]) -> list[str]:
    expected = _expected(world)
    wrong = [
        f"{line}: {shown.get(line, 0.0)}, in truth {value} +- {limit}"
        for line, (value, limit) in expected.items()
        if abs(shown.get(line, 0.0) - value) > limit
    ]
    names = {metric.prometheus for metric in WHOLE}
    for line, value in shown.items():
        name = line.partition("{")[0].removesuffix("_count")
        if name in names and value and line not in expected:
            wrong.append(f"{line}: {value}, in truth nothing")
    return wrong


async def test_after_kills_the_counters_equal_what_the_engine_says_it_did(tmp_path: Path) -> None:
    world = World(seed=SEED, start=time.time() // 60.0 * 60.0)
    chance = random.Random(SEED)
    latest: list[Shown] = []
    async with _served(world) as (server, pace):
        config = tmp_path / "kubeconfig"
        kubeconfigs.write(config, kubeconfigs.kubeconfig(server.address))
        victim = Victim(tmp_path, config, tmp_path / "ledger")
        clock = {VARIABLE: variable(pace.virtual_start, pace.real_start, SPEED)}
        async with victim.mortal():
            await victim.start(clock)
            await victim.listening()
            scraper = Scraper(victim.address, lambda: victim.life, latest.append)
            watching = asyncio.create_task(scraper.run())
            try:
                await _until_it_watches(victim, latest)
                _work(world.kernel)
                end = world.kernel.now + BUSY
                for kill in range(KILLS):
                    await _die(victim, world, latest, chance, early=kill % 2 == 0)
                    await victim.start(clock)
                    await victim.listening()
                await _until_equal(victim, world, latest, end)
            finally:
                watching.cancel()
    wrong = _differences(world, dict(latest[-1].values))
    assert not wrong, "\n".join([*wrong, victim.tail()])
    assert not scraper.went_back
    assert len(world.truth.of("workflow_ended")) > 25
    assert world.truth.of("retried")
    assert world.truth.of("replaced")


async def _until_it_watches(victim: Victim, latest: list[Shown]) -> None:
    """Has listed everything, in this life."""
    deadline = time.monotonic() + PATIENCE
    while not (latest and latest[-1].life == victim.life and _watches(latest[-1])):
        assert time.monotonic() < deadline, victim.tail()
        await asyncio.sleep(0.1)


def _watches(shown: Shown) -> bool:
    kinds = [v for line, v in shown.values.items() if line.startswith("argoscope_watch_up{")]
    return bool(kinds) and all(kinds)


async def _until_equal(victim: Victim, world: World, latest: list[Shown], end: float) -> None:
    """Waits until nothing works any more, and then for the counters, but not for ever."""
    deadline = time.monotonic() + PATIENCE
    while world.kernel.now < end + 5.0 or _at_work(world):
        assert time.monotonic() < deadline, "the cluster does not come to rest"
        await asyncio.sleep(0.2)
    await _until_it_watches(victim, latest)
    for _ in range(100):
        if not _differences(world, dict(latest[-1].values)):
            return
        await asyncio.sleep(0.3)


def _at_work(world: World) -> int:
    made = len(world.truth.of("workflow_created")) + len(world.truth.of("retried"))
    return made - len(world.truth.of("workflow_ended"))
