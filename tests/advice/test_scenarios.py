"""What the daemon advises about the simulated clusters: what they are made to show, and no more."""

import pytest

from argoscope.explain.advice import advice
from argoscope.explain.asking import Question, explain
from argoscope.explain.objects import Collector
from argoscope.inspect.reading import Item
from argoscope.resources.workflow.metrics import FINDINGS
from argoscope.simulator.engine.playing import begin
from argoscope.simulator.engine.world import World
from argoscope.simulator.scenarios import read
from support.virtual_daemon import VirtualDaemon

BEGIN = 1_795_353_180.0
HOUR = 3600.0
KINDS = {
    "workflows": "Workflow",
    "pods": "Pod",
    "events": "Event",
    "nodes": "Node",
    "cronworkflows": "CronWorkflow",
}


def findings(name: str, seconds: float) -> tuple[World, set[str]]:
    """The cluster after that time, and the rules that fire in the daemon."""
    world = begin(read(name), seed=7, start=BEGIN)
    daemon = VirtualDaemon(world.kernel)
    seen: set[str] = set()
    at = BEGIN
    while at < BEGIN + seconds:
        at += 300.0
        daemon.run_until(at)
        seen |= {rule for _, _, rule in daemon.gauges(FINDINGS)}
    return world, seen


def explained(world: World) -> set[str]:
    """The rules that fire in `explain` for all that is stored."""
    told: list[object] = []
    collector = Collector(lambda *what: told.append(what))
    for plural, kind in KINDS.items():
        for found in world.cluster.collections[plural].objects.values():
            collector.add(Item("ADDED", kind, found.json, plural))
    runs = explain(collector.objects, Question(), lambda *_: (), 0.0, lambda *w: told.append(w))
    assert told == []
    return {
        each.rule
        for run in runs
        for each in advice(run, collector.objects, "", (), lambda *what: told.append(what))
    }


def test_no_rule_fires_where_everything_is_as_it_should_be() -> None:
    world, seen = findings("quiet", 2 * HOUR)
    assert seen == set()
    assert explained(world) == set()


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("slow-pulls", {"slow-image-pulls"}),
        ("registry-rate-limit", {"registry-rate-limit"}),
        ("evictions", {"spot-evictions"}),
    ],
)
def test_trouble_is_found_where_it_is_made(name: str, rules: set[str]) -> None:
    _, seen = findings(name, HOUR / 2)
    assert rules <= seen
