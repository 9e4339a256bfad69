"""For every scenario: each of the daemon's metrics is what the simulator says it did.

Counts are exact. Sums of durations are within a second a sample, which is what Kubernetes' and
Argo's timestamps resolve. Gauges are compared at many moments. ``support.compared`` says which
metric is compared with what, and has the list of those that are excused.
"""

from collections import Counter
from functools import cache

import pytest

from argoscope.catalogue import catalogue
from argoscope.metrics.internal import RUNS_UNOBSERVED
from argoscope.metrics.model import Labels, Metric
from argoscope.resources.pod import PENDING_BY_POOL
from argoscope.resources.workflow_template import TEMPLATE_INFO
from argoscope.simulator.engine.playing import begin
from argoscope.simulator.engine.world import World
from argoscope.simulator.scenarios import names, read
from support import compared, comparing
from support.recount import Lines
from support.release_gauges import differences
from support.virtual_daemon import VirtualDaemon
from support.waiting_by_pool import waiting_by_pool

BEGIN = 1_795_353_180.0
MINUTE = 60.0
LASTS = {"huge": 6 * MINUTE, "company-day": 20 * MINUTE, "ml-training": 150 * MINUTE}
USUAL = 75 * MINUTE
BETWEEN = 110.0
"""Seconds between the moments at which gauges are compared; none is in the second of a cron."""


class Moment:
    """What the daemon shows at one time."""

    def __init__(self, world: World, now: float, daemon: VirtualDaemon) -> None:
        self.now = now
        stored = world.cluster.collections["workflows"].objects
        self.sizes = {key: len(found.json) for key, found in stored.items()}
        self.pools = waiting_by_pool(world.kernel)
        self.gauges: dict[Metric, dict[Labels, float]] = {
            metric: daemon.gauges(metric) for metric in (*compared.ALL_GAUGES, PENDING_BY_POOL)
        }


class Played:
    """One scenario, with the daemon beside it."""

    def __init__(self, name: str) -> None:
        world = begin(read(name), seed=7, start=BEGIN)
        self.world = world
        self.daemon = VirtualDaemon(world.kernel)
        self.moments: list[Moment] = []
        end = BEGIN + LASTS.get(name, USUAL)
        at = BEGIN + 13.0005  # between two milliseconds, which is what the truth tells
        while at < end:
            self.daemon.run_until(at)
            self.moments.append(Moment(world, at, self.daemon))
            at += BETWEEN
        self.daemon.run_until(end)
        self.lines = Lines(list(world.truth.lines))
        self.unseen = self.lines.offloaded()

    def told(self, now: float, sizes: dict[tuple[str, str], int] | None = None) -> compared.Told:
        return compared.Told(self.lines.until(now), self.lines, now, sizes or {})


@cache
def played(name: str) -> Played:
    return Played(name)


@pytest.mark.parametrize("name", names())
def test_every_metric_equals_the_truth(name: str) -> None:
    found = played(name)
    # Nobody writes when a pod that was evicted ended; one cron is malformed on purpose.
    assert {reason for _, reason, _ in found.daemon.problems} <= {"no_finish", "invalid_schedule"}
    end = found.world.kernel.now
    told, before = found.told(end), found.told(end - compared.NOTICE)
    wrong = comparing.compare_totals(found.daemon, told, before, found.unseen)
    for moment in found.moments:
        told = found.told(moment.now, moment.sizes)
        here = comparing.compare_gauges(moment.gauges, told, found.unseen)
        here += comparing.compare_late(moment.gauges, told)
        here += _pools(moment)
        wrong += [f"after {moment.now - BEGIN:.0f} s: {each}" for each in here]
    wrong += _templates(found) + _releases(found)
    assert not wrong, "\n".join(wrong)


def _pools(moment: Moment) -> list[str]:
    shown: Counter[tuple[str, str]] = Counter()
    for (namespace, pool, _), value in moment.gauges[PENDING_BY_POOL].items():
        shown[namespace, pool] += int(value)
    wrong = +shown != moment.pools
    return [f"{PENDING_BY_POOL.prometheus}: {+shown}, in truth {moment.pools}"] if wrong else []


def _templates(found: Played) -> list[str]:
    there = set()
    for plural, scope in (
        ("workflowtemplates", "namespaced"),
        ("clusterworkflowtemplates", "cluster"),
    ):
        for namespace, name in found.world.cluster.collections[plural].objects:
            there.add((namespace, name, scope))
    shown = set(found.daemon.gauges(TEMPLATE_INFO))
    return [f"{TEMPLATE_INFO.prometheus}: {shown}, in truth {there}"] if shown != there else []


def _releases(found: Played) -> list[str]:
    """Of rollouts, when nothing is changing: all have the label app, by which their pods go."""
    kernel, wrong = found.world.kernel, []
    for namespace, name in found.world.cluster.collections["rollouts"].objects:
        wrong += differences(kernel, found.daemon, namespace, name, app=name)
    return wrong


def test_every_metric_of_the_catalogue_is_compared_or_excused() -> None:
    known = {metric.prometheus for metric in catalogue() if metric.name.startswith("argo.")}
    held = compared.compared()
    assert known - held - compared.EXCUSED.keys() == set(), "see tests/support/compared.py"
    assert not held & compared.EXCUSED.keys()
    assert compared.EXCUSED.keys() <= known


FEEDING = (
    "quiet",
    "ml-training",
    "blue-green",
    "approvals",
    "crons",
    "locks",
    "node-shortage",
)


def test_every_comparison_has_something_to_compare() -> None:
    """Few scenarios feed all, but for the offloaded runs of the costly one."""
    fed: set[str] = {RUNS_UNOBSERVED.prometheus}
    for name in FEEDING:
        found = played(name)
        for metric in (*compared.COUNTERS, *compared.HISTOGRAMS):
            if any(found.daemon.counts(metric).values()):
                fed.add(metric.prometheus)
        for moment in found.moments:
            fed |= {m.prometheus for m, values in moment.gauges.items() if any(values.values())}
    by_objects = {metric.prometheus for metric in compared.BY_OBJECTS}
    assert compared.compared() - fed - by_objects == set()
    assert PENDING_BY_POOL.prometheus in fed
