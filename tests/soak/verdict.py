"""From samples to figures, and from figures to whether the bars of guide and docs hold."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MIB = 2**20

MEMORY = 150.0  # MiB
SYNC_CPU = 15.0  # seconds for FULL_SIZE Workflows
START_CPU = 3.0  # seconds: what a start costs at any size
FULL_SIZE = 10_000
LATENCY = 2.0  # seconds, 99th percentile
SCRAPE = 20.0  # ms for 100,000 series, gzip as Prometheus asks for
GROWTH = 5.0  # percent over the measured time, by the fitted line
RATE = 0.95  # of the events that were asked for
WARM = 1 / 3
"""Share of the time that is left out of the fit: caches and pools fill."""


@dataclass
class Samples:
    """What was measured. Times in seconds since the load began."""

    at: list[float] = field(default_factory=list)
    resident: list[float] = field(default_factory=list)
    """Bytes of the daemon's process at each ``at``."""
    cpu: list[float] = field(default_factory=list)
    """Share of a core since the sample before."""
    others: list[float] = field(default_factory=list)
    """Share of all cores that neither the daemon nor the load used, since the sample before."""
    scrapes: list[tuple[float, float]] = field(default_factory=list)
    """(when, seconds from the request to the last byte)"""
    scrape_cpu: float = 0.0
    """Seconds of the daemon's CPU for a scrape, after the load: other work does not disturb it."""
    latencies: list[tuple[float, float]] = field(default_factory=list)
    """(when, seconds from an event to the scrape that showed it)"""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known beside the samples."""

    workflows: int
    seconds: float
    asked: float
    """Events that should have been sent."""
    sent: int
    sync_cpu: float
    daemon_cpu: float
    """Seconds of CPU under load: the daemon's, the simulated cluster's, the scraper's."""
    load_cpu: float
    scraper_cpu: float
    series: int
    ended: int
    """Runs that have ended, by who ended them."""
    counted: float
    """Runs that the daemon has counted."""
    marks: int
    """Events that were watched for."""


def percentile(values: Sequence[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * len(ordered)))] if ordered else 0.0


def slope(at: Sequence[float], values: Sequence[float]) -> float:
    """Of the line of least squares: units a second. 0 for fewer than two samples."""
    count = len(at)
    if count < 2:
        return 0.0
    middle, mean = sum(at) / count, sum(values) / count
    spread = sum((x - middle) ** 2 for x in at)
    both = sum((x - middle) * (y - mean) for x, y in zip(at, values, strict=True))
    return both / spread if spread else 0.0


def growth(samples: Samples) -> float:
    """Percent by which the fitted memory grows from the end of the warm-up to the end."""
    if not samples.at:
        return 0.0
    begin = samples.at[-1] * WARM
    kept = [(t, y) for t, y in zip(samples.at, samples.resident, strict=True) if t >= begin]
    at, values = [t for t, _ in kept], [y for _, y in kept]
    return 100.0 * slope(at, values) * (at[-1] - at[0]) / (sum(values) / len(values))


WALL = frozenset({"event to visible metric, p99", "events a second"})
"""Figures that depend on what else this machine does."""


def failed(found: list[dict[str, Any]], *, shared: bool) -> list[str]:
    """Names of the bars that do not hold; on a shared machine without those of ``WALL``."""
    return [
        row["name"] for row in found if row["met"] is False and not (shared and row["name"] in WALL)
    ]


def rows(samples: Samples, facts: Facts) -> list[dict[str, Any]]:
    """One row a figure, as the benchmarks have them: name, value, unit, bar, met."""
    scrapes = [1000 * took for _, took in samples.scrapes]
    latencies = [took for _, took in samples.latencies]
    larger = max(1.0, facts.series / 100_000)
    sync_bar = max(START_CPU, SYNC_CPU * facts.workflows / FULL_SIZE)
    resident = max(samples.resident, default=0.0) / MIB
    unseen = facts.marks - len(latencies)
    found = [
        _row("resident memory, most", resident, "MiB", MEMORY),
        _row("growth of memory after the warm-up", growth(samples), "%", GROWTH),
        _row("CPU of the first sync", facts.sync_cpu, "s", sync_bar),
        _row("event to visible metric, p99", percentile(latencies, 99), "s", LATENCY),
        _row("event to visible metric, median", percentile(latencies, 50), "s"),
        _row("events that never became visible", unseen, "", 0),
        _row("CPU of a scrape", 1000 * samples.scrape_cpu, "ms", SCRAPE * larger),
        _row("scrape under load, median", percentile(scrapes, 50), "ms"),
        _row("scrape under load, p99", percentile(scrapes, 99), "ms"),
        _row("CPU, mean share of a core", 100 * _mean(samples.cpu), "%"),
        _row("CPU of 1,000 events: the daemon", _each(facts.daemon_cpu, facts), "s"),
        _row("CPU of 1,000 events: the simulated cluster", _each(facts.load_cpu, facts), "s"),
        _row("CPU of the scraper, mean share of a core", _share(facts.scraper_cpu, facts), "%"),
        _row("CPU that others used, mean share of the machine", 100 * _mean(samples.others), "%"),
        _row("series", facts.series, ""),
        _row("runs counted too often or too seldom", abs(facts.ended - facts.counted), "", 0),
    ]
    rate = facts.sent / facts.seconds if facts.seconds else 0.0
    enough = facts.sent >= RATE * facts.asked
    found.append({**_row("events a second", rate, "1/s"), "met": enough})
    return found


def _row(name: str, value: float, unit: str, bar: float | None = None) -> dict[str, Any]:
    met = None if bar is None else value <= bar
    return {"name": name, "value": value, "unit": unit, "bar": bar, "met": met}


def _each(cpu: float, facts: Facts) -> float:
    """Of a thousand events: says what two cores can do, whatever else runs on them."""
    return 1000.0 * cpu / facts.sent if facts.sent else 0.0


def _share(cpu: float, facts: Facts) -> float:
    return 100.0 * cpu / facts.seconds if facts.seconds else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
