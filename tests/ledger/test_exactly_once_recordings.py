"""Recorded clusters, with a daemon that is killed while it watches them.

Everything that Argo's controllers do is in them: retries by people, deadlines, evictions, podGC and
TTL, crons of all policies, releases that abort. As in test_exactly_once.py the daemon's numbers
must be those of a witness that never died, and for Workflows those of an independent recount.
"""

from pathlib import Path

import pytest

from argoscope.resources.cron_workflow.metrics import MISSED_RUNS
from argoscope.resources.rollout.metrics import PHASE_AGE
from argoscope.resources.workflow import metrics as workflow
from support.box import Box, Life
from support.counted import assert_workflows_are_counted_as, sums, unobserved
from support.killed import Plan, Story, differences
from support.stories import recorded
from support.workflow_recount import recount

RECORDINGS = ("argo-4.1", "argo-4.1-loaded", "argo-3.6")
NEWER = (PHASE_AGE,)
"""A restart looks again at what has not changed, so it knows better until when it was so."""


def told_to(recording: str, seed: int, plan: Plan, path: Path) -> tuple[Box, Life]:
    print("seed", seed)
    box = Story(recorded(recording), path / "a.db", seed).run(plan)
    life = box.life
    assert life is not None
    assert not [problem for problem in life.problems if problem[1] == "bug"]
    assert_workflows_are_counted_as(
        life, recount(event.object for event in box.told() if event.kind == "workflows")
    )
    assert unobserved(life) == box.unobserved()
    return box, life


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize("seed", [1])
def test_a_daemon_that_dies_a_hundred_times_counts_what_one_counts_that_never_died(
    recording: str, seed: int, tmp_path: Path
) -> None:
    plan = Plan(crashes=300, away=(0.0, 3.0), tick=2.0)
    box, life = told_to(recording, seed, plan, tmp_path)
    assert box.crashes > 80
    assert sum(sums(life, workflow.RUNS)[0].values()) > 80
    assert differences(life, box.witness(), but_for=NEWER) == {}


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize("seed", [3, 4])
def test_what_went_unseen_while_it_was_dead_is_counted_as_unobserved(
    recording: str, seed: int, tmp_path: Path
) -> None:
    plan = Plan(crashes=60, away=(10.0, 200.0), tick=2.0)
    box, life = told_to(recording, seed, plan, tmp_path)
    assert box.crashes >= 3
    assert differences(life, box.witness(), but_for=[*NEWER, MISSED_RUNS]) == {}
