"""Scrape of 100,000 series, plain and gzip, beside prometheus_client; CPU time, medians."""

import asyncio
import time
from collections.abc import Callable
from gzip import compress
from statistics import median
from typing import Any

from exposed import DURATION, PHASE, RUNS, Load, mixed, only_counters, registry
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from argoscope.export.prometheus import Exposition
from argoscope.metrics.registry import Registry

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
PEER = "prometheus_client"
PLAIN_BAR, GZIP_BAR, BLOCKED_BAR = 20.0, 5.0, 20.0
ROUNDS = 9


def run(quick: bool) -> list[dict[str, Any]]:
    lines = 10_000 if quick else 100_000
    load = mixed(lines)
    ours = registry()
    load.fill(ours)
    exposition = Exposition(ours)
    theirs = _peer(load)
    peer_plain = _cpu(lambda: generate_latest(theirs), rounds=3)
    peer_gzip = _cpu(lambda: compress(generate_latest(theirs)), rounds=3)
    series = f"{lines:,} series"
    blocked = asyncio.run(_longest_pause(exposition))
    plain = _cpu(lambda: exposition.render(OPENMETRICS, ""))
    idle = _cpu(lambda: exposition.render(OPENMETRICS, "gzip"))
    changed = _after_changes(exposition, ours, load)
    scattered = only_counters(lines)
    counters = registry()
    scattered.fill(counters)
    worst = _after_changes(Exposition(counters), counters, scattered)
    return [
        _row(f"scrape of {series}, plain", plain, peer_plain, PLAIN_BAR),
        _row(f"scrape of {series}, gzip, 1 % changed", changed, peer_gzip, GZIP_BAR),
        _row(f"scrape of {series}, gzip, nothing changed", idle, peer_gzip, GZIP_BAR),
        _row(f"scrape of {series}, all counters, gzip, 1 % changed at random", worst, peer_gzip),
        _row("event loop blocked by the first gzip scrape", blocked, peer_gzip, BLOCKED_BAR),
    ]


def _row(name: str, value: float, peer: float, bar: float | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "value": value,
        "unit": "ms",
        "peer": PEER,
        "peer_value": peer,
        "ratio": peer / value,
        "bar": bar,
        "met": None if bar is None else value <= bar,
    }


def _cpu(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median CPU milliseconds."""
    taken = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        taken.append((time.process_time() - begin) * 1e3)
    return median(taken)


def _after_changes(exposition: Exposition, registry: Registry, load: Load) -> float:
    exposition.render(OPENMETRICS, "gzip")
    taken = []
    for _ in range(ROUNDS):
        load.change(registry)
        taken.append(_cpu(lambda: exposition.render(OPENMETRICS, "gzip"), rounds=1))
    return median(taken)


async def _longest_pause(exposition: Exposition) -> float:
    """Milliseconds of CPU between two turns of another task while everything is compressed."""
    pauses = []

    async def tick() -> None:
        while True:
            begin = time.process_time()
            await asyncio.sleep(0)
            pauses.append((time.process_time() - begin) * 1e3)

    task = asyncio.create_task(tick(), name="tick")
    await asyncio.sleep(0)
    await exposition.respond(OPENMETRICS, "gzip")
    await asyncio.sleep(0)
    task.cancel()
    return max(pauses)


def _peer(load: Load) -> CollectorRegistry:
    """The same series in prometheus_client's own instruments."""
    registry = CollectorRegistry()
    names = RUNS.label_names
    assert PHASE.name in names
    runs = Counter("argo_workflow_runs", RUNS.help, names, registry=registry)
    duration = Histogram(
        DURATION.prometheus, DURATION.help, names, buckets=DURATION.buckets, registry=registry
    )
    for labels in load.counters:
        runs.labels(*labels).inc(load.random.randrange(1000))
    for labels in load.histograms:
        duration.labels(*labels).observe(load.random.uniform(1, 9000))
    return registry
