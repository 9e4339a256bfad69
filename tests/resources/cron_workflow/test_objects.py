"""CronWorkflow objects that come, go, or are wrong."""

from typing import Any

import pytest

from argoscope.resources.cron_workflow.metrics import (
    INVALID,
    LAST_SUCCESS,
    NEXT_SCHEDULE,
    START_DELAY,
)
from support.crons import KEY, at, clock, cron, play, run


def test_gauges_go_with_the_cron_and_counters_stay() -> None:
    crons = play(
        at("10:01:00", cron()),
        at("10:12:00", run("10:00:00", "Succeeded", finished="10:02:00")),
        at("10:15:00", cron(), "DELETED"),
        until="10:40:00",
    )
    assert crons.missed(*KEY) == {"controller": 1}
    assert crons.value(LAST_SUCCESS, *KEY) is None
    assert crons.value(NEXT_SCHEDULE, *KEY) is None
    assert KEY not in crons.world.cron_policies
    assert crons.value(START_DELAY, *KEY) == 1


def test_a_cron_made_anew_starts_anew() -> None:
    anew = cron({"concurrencyPolicy": "Forbid"}, uid="cron-2", created="10:15:00")
    crons = play(at("10:01:00", cron()), at("10:15:00", anew), until="10:16:00")
    crons.take(*at("10:16:00", cron(), "DELETED"))  # of the old one, late
    crons.tick_until(clock("10:22:00"))
    assert crons.missed(*KEY) == {"controller": 2}
    assert crons.value(NEXT_SCHEDULE, *KEY) == clock("10:30:00")
    assert crons.world.cron_policies[KEY] == "Forbid"


@pytest.mark.parametrize(
    "spec",
    [
        {"suspend": True},
        {"schedules": ["* * * * *", "61 * * * *"]},
        {"timezone": "Mars/Olympus"},
        {"schedules": ["0 0 30 2 *"]},
    ],
)
def test_there_is_no_next_run_where_there_will_be_none(spec: dict[str, Any]) -> None:
    assert play(at("10:01:00", cron(spec)), until="10:02:00").value(NEXT_SCHEDULE, *KEY) is None


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"schedules": []}, "schedule"),
        ({"schedules": ["* * * * *", "61 * * * *"]}, "schedule"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"schedules": ["* * * * *", "0 0 30 2 *"]}, "never_fires"),
        ({"concurrencyPolicy": "Never"}, "spec"),
        ({"startingDeadlineSeconds": -1}, "spec"),
        ({"workflowSpec": {"entrypoint": "main", "templates": [{"name": "other"}]}}, "spec"),
        ({"workflowSpec": {"templates": [{"name": "other"}]}}, "spec"),
        (
            {
                "workflowSpec": {
                    "entrypoint": "d",
                    "templates": [{"name": "d", "dag": {"tasks": [{"template": "nope"}]}}],
                }
            },
            "spec",
        ),
    ],
)
def test_a_finding_is_shown_reported_once_and_withdrawn(spec: dict[str, Any], reason: str) -> None:
    crons = play(
        at("10:01:00", cron(spec)),
        at("10:01:10", cron(spec)),
        until="10:02:00",
    )
    shown = {labels[2] for labels, value in crons.registry.samples(INVALID) if value}
    assert shown == {reason}
    assert crons.registry.problems == {("CronWorkflow", f"invalid_{reason}"): 1}
    crons.take(*at("10:03:00", cron()))
    crons.tick()
    assert not any(value for _, value in crons.registry.samples(INVALID))


@pytest.mark.parametrize(
    "workflow",
    [
        {"workflowTemplateRef": {"name": "etl"}},
        {"entrypoint": "any", "workflowTemplateRef": {"name": "etl"}},
        {
            "entrypoint": "s",
            "templates": [
                {
                    "name": "s",
                    "steps": [
                        [{"name": "a", "templateRef": {"name": "etl", "template": "x"}}],
                        [{"name": "b", "inline": {"container": {}}}],
                        [{"name": "c", "template": "{{item}}"}, {"name": "d", "template": "s"}],
                    ],
                }
            ],
        },
    ],
)
def test_references_that_cannot_be_checked_here_are_no_finding(workflow: dict[str, Any]) -> None:
    crons = play(at("10:01:00", cron({"workflowSpec": workflow})), until="10:02:00")
    assert not crons.registry.problems
