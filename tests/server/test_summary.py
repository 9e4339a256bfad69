"""The numbers behind the page, and that they are made for everybody at once."""

import asyncio

import pytest

from argoscope.catalogue import catalogue
from argoscope.metrics.registry import Registry
from argoscope.page.model import Summary
from argoscope.page.summary import quantile, summarize
from argoscope.resources.cron_workflow import metrics as cron
from argoscope.resources.rollout import metrics as rollout
from argoscope.resources.workflow import metrics as workflow
from support.api_server import EPOCH
from support.serving import site, watching


async def summed(registry: Registry) -> Summary:
    registry.publish()
    return await summarize(registry, [])


@pytest.fixture
def registry() -> Registry:
    return Registry(catalogue(), now=lambda: EPOCH)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([0, 0, 100, 0], 4.9),  # 95 of 100 in the bucket from 3 to 5
        ([95, 5, 0, 0], 1.0),
        ([90, 0, 10, 0], 4.0),
        ([0, 0, 0, 8], 5.0),  # beyond the last bound: at least that
        ([20, 0, 0, 0], 0.95),
    ],
)
def test_a_quantile_lies_within_its_bucket(counts: list[int], expected: float) -> None:
    assert quantile(0.95, (1.0, 3.0, 5.0), counts) == pytest.approx(expected)


async def test_a_template_is_one_row_over_phases_and_node_types(registry: Registry) -> None:
    for phase, seconds in (("Succeeded", 10.0), ("Succeeded", 20.0), ("Failed", 90.0)):
        labels = ("ci", "build", "compile", "Pod", phase)
        registry.observe(workflow.TEMPLATE_DURATION, labels, seconds)
    registry.observe(workflow.TEMPLATE_DURATION, ("ci", "build", "notify", "HTTP", "Error"), 1.0)
    summary = await summed(registry)
    slowest, other = summary.templates.rows
    assert (slowest.template, slowest.count, slowest.mean) == ("compile", 3, 40.0)
    assert (other.template, other.count, other.mean) == ("notify", 1, 1.0)


async def test_only_what_is_published_is_shown(registry: Registry) -> None:
    registry.own("w", [(workflow.ACTIVE, ("ci", "build", "running"), 1.0)])
    assert (await summarize(registry, [])).workflows["running"] == 0
    assert (await summed(registry)).workflows["running"] == 1
    registry.own("w", ())
    assert (await summarize(registry, [])).workflows["running"] == 1


async def test_series_may_come_and_go_while_it_is_made(registry: Registry) -> None:
    for number in range(5000):
        gauge = (workflow.ACTIVE, ("ci", f"p{number}", "running"), 1.0)
        registry.own(str(number), [gauge])
    registry.publish()
    making = asyncio.create_task(summarize(registry, []))
    await asyncio.sleep(0)
    for number in range(5000):
        registry.own(str(number), ())
        gauge = (workflow.ACTIVE, ("ci", f"q{number}", "running"), 1.0)
        registry.own(f"q{number}", [gauge])
    registry.publish()
    assert not making.done()
    assert (await making).workflows["running"] == 5000


async def test_reading_a_summary_changes_no_series(registry: Registry) -> None:
    for phase in ("Succeeded", "Failed"):
        labels = ("ci", "build", "compile", "Pod", phase)
        registry.observe(workflow.TEMPLATE_DURATION, labels, 10.0)
    before = sorted(registry.samples(workflow.TEMPLATE_DURATION))
    first = await summed(registry)
    assert await summed(registry) == first
    assert sorted(registry.samples(workflow.TEMPLATE_DURATION)) == before


async def test_what_policies_did_is_no_main_cause(registry: Registry) -> None:
    gauges = [
        (workflow.FAILED_7D, ("ci", "build"), 1.0),
        (workflow.COMPLETED_7D, ("ci", "build"), 9.0),
    ]
    registry.own("week", gauges)
    registry.count(workflow.FAILURES, ("ci", "build", "terminated"), 8)
    assert (await summed(registry)).failures.rows[0].cause == ""
    registry.count(workflow.FAILURES, ("ci", "build", "exit_code"), 1)
    assert (await summed(registry)).failures.rows[0].cause == "exit_code"


async def test_crons_that_need_somebody_come_first_then_those_due_next(registry: Registry) -> None:
    def own(name: str, due: float, failures: float = 0.0, invalid: float = 0.0) -> None:
        key = ("ci", name)
        gauges = [
            (cron.INFO, (*key, "* * * * *", "", "Allow"), 1.0),
            (cron.CONSECUTIVE_FAILURES, key, failures),
            (cron.INVALID, (*key, "schedule"), invalid),
        ]
        registry.own(name, gauges + ([(cron.NEXT_SCHEDULE, key, EPOCH + due)] if due else []))

    own("later", 900)
    own("soon", 60)
    own("failing", 3600, failures=2)
    own("broken", 0, invalid=1)
    own("suspended", 0)
    rows = (await summed(registry)).cron.rows
    assert [row.name for row in rows] == ["broken", "failing", "soon", "later", "suspended"]
    assert rows[0].invalid == ["schedule"]


async def test_only_rollouts_that_are_not_healthy_are_in_progress(registry: Registry) -> None:
    for name, phase in (("a", "Healthy"), ("b", "Progressing"), ("c", "Degraded")):
        gauges = [
            (rollout.PHASE, ("shop", name, each), float(each == phase)) for each in rollout.PHASES
        ]
        registry.own(name, gauges)
    summary = await summed(registry)
    assert [(row.name, row.phase) for row in summary.rollouts.rows] == [
        ("c", "Degraded"),
        ("b", "Progressing"),
    ]
    assert summary.releases == 2
    assert summary.rollouts.rows[0].weight == -1, "no canary weight is known"


async def test_kinds_that_are_switched_off_leave_their_tables_empty() -> None:
    registry = Registry([])
    summary = await summarize(registry, [watching("workflows")])
    assert (summary.active.total, summary.cron.total, summary.rollouts.total) == (0, 0, 0)
    assert summary.workflows == dict.fromkeys(workflow.STATES, 0)


@pytest.mark.looptime
async def test_everybody_who_looks_within_a_second_gets_the_same() -> None:
    async with site() as served:
        _, first, _ = await served.get("/api/summary")
        gauge = (workflow.ACTIVE, ("ci", "build", "running"), 1.0)
        served.registry.own("w", [gauge])
        served.registry.publish()
        _, second, _ = await served.get("/api/summary")
        assert second == first
        await asyncio.sleep(1.1)
        _, third, _ = await served.get("/api/summary")
    assert '"running":1' in third


async def test_advice_is_told_with_what_it_says(registry: Registry) -> None:
    registry.own("a", [(workflow.FINDINGS, ("ci", "build", "no-ttl"), 1.0)])
    registry.own(
        "b",
        [
            (workflow.FINDINGS, ("ci", "etl", "slow-image-pulls"), 1.0),
            (workflow.FINDINGS, ("ci", "etl", "no-ttl"), 1.0),
        ],
    )
    most, least = (await summed(registry)).advice.rows
    assert (most.pipeline, most.rules) == ("etl", ["no-ttl", "slow-image-pulls"])
    assert most.titles[1] == "Have the images on the nodes"
    assert least.pipeline == "build"
