"""Counters equal the truth although the daemon is killed again and again.

Made-up clusters, killed at random moments: between events, between commit and publish, in the
middle of the lists. Three opinions must agree: the daemon's; that of a witness which was told the
same and never died; and for Workflows a recount in which no code of argoscope takes part. After
each commit the box itself asserts that no exposed counter has gone back, across all its lives.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from argoscope.resources import pod
from argoscope.resources.cron_workflow.metrics import MISSED_RUNS, REPLACED_RUNS, START_DELAY
from argoscope.resources.rollout import metrics as rollout
from argoscope.resources.workflow import metrics as workflow
from support.box import Box, Event, Life
from support.counted import assert_workflows_are_counted_as, sums, unobserved
from support.killed import Plan, Story, differences
from support.stories import BEGIN, made_up
from support.workflow_recount import OVER, recount

OFTEN = Plan(crashes=120, away=(0.0, 8.0))
"""Never away for as long as what it would miss takes to come and go."""
LONG = Plan(crashes=40, away=(20.0, 240.0))
"""Away until much has come and gone unseen."""


def without_history(told: Iterable[Event]) -> list[dict[str, Any]]:
    """States of workflows, but for those that had ended before the first list."""
    history: set[str] = set()
    states = []
    for event in told:
        if event.kind != "workflows":
            continue
        if event.at < BEGIN + 1.0 and event.object["status"].get("phase") in OVER:
            history.add(event.uid)
        if event.uid not in history:
            states.append(event.object)
    return states


def told_to(path: Path, seed: int, plan: Plan, *, meddled: bool = True) -> tuple[Box, Life]:
    print("seed", seed)
    box = Story(made_up(seed, meddled=meddled), path, seed, BEGIN + 0.9).run(plan)
    assert box.life is not None
    assert not [problem for problem in box.life.problems if problem[1] == "bug"]
    return box, box.life


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_many_short_deaths_lose_and_double_nothing(seed: int, tmp_path: Path) -> None:
    box, life = told_to(tmp_path / "a.db", seed, OFTEN)
    assert box.crashes > 60
    assert sum(sums(life, workflow.RUNS)[0].values()) > 50
    assert_workflows_are_counted_as(life, recount(without_history(box.told())))
    assert unobserved(life) == box.unobserved()
    assert differences(life, box.witness()) == {}


@pytest.mark.parametrize("seed", [21, 22, 23])
def test_without_deletions_everything_is_counted_as_if_nothing_had_happened(
    seed: int, tmp_path: Path
) -> None:
    """All that a status tells to its end. What comes and goes is in no status: waits of pods, also
    as the causes of failures, and steps of releases; of those only the numbers are compared."""
    box, life = told_to(tmp_path / "a.db", seed, OFTEN, meddled=False)
    _, calm = told_to(tmp_path / "b.db", seed, Plan(crashes=0, away=(0.0, 0.0)), meddled=False)
    assert box.crashes > 60
    assert_workflows_are_counted_as(life, recount(without_history(made_up(seed, meddled=False))))
    assert not unobserved(life)
    for metric in (
        workflow.RUN_PENDING,
        workflow.WORKFLOW_ACTIONS,
        pod.STAGE_SECONDS,
        pod.RESTARTS,
        rollout.ATTEMPTS,
        rollout.ABORTS,
        START_DELAY,
        MISSED_RUNS,
        REPLACED_RUNS,
    ):
        assert sums(life, metric) == sums(calm, metric), metric.name
    for metric in (workflow.FAILURES, workflow.TEMPLATE_FAILURES, rollout.DURATION):
        both = [sum(sums(one, metric)[0].values()) for one in (life, calm)]
        assert both[0] == both[1] > 0, metric.name
    assert differences(life, box.witness()) == {}


@pytest.mark.parametrize("seed", range(31, 39))
def test_long_absences_hide_only_what_is_counted_as_unobserved(seed: int, tmp_path: Path) -> None:
    box, life = told_to(tmp_path / "a.db", seed, LONG)
    assert box.crashes >= 3
    assert_workflows_are_counted_as(life, recount(without_history(box.told())))
    assert unobserved(life) == box.unobserved()
    # A witness that never died judges what was due by its own watch, and not by the lists.
    assert differences(life, box.witness(), but_for=[MISSED_RUNS]) == {}


def test_some_long_absence_did_hide_something(tmp_path: Path) -> None:
    """The test above would say little otherwise."""
    hidden = sum(
        told_to(tmp_path / f"{seed}.db", seed, LONG)[0].unobserved()["deleted_unseen"]
        for seed in range(31, 39)
    )
    assert hidden > 5


@pytest.mark.parametrize("seed", [41, 42, 5003])
def test_runs_of_a_cron_that_came_and_went_unseen_were_not_missed(
    seed: int, tmp_path: Path
) -> None:
    _, life = told_to(tmp_path / "a.db", seed, LONG, meddled=False)
    assert not {labels: n for labels, n in sums(life, MISSED_RUNS)[0].items() if n}
