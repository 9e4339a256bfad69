"""Whatever people do to a rollout, in whatever order: it ends somewhere, and all is counted."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argoscope.resources.rollout import metrics as m
from argoscope.simulator.engine.rollouts import actions
from simulator.test_rollouts_truth import (
    BACKGROUND,
    BLUE_GREEN,
    BLUE_GREEN_ANALYSED,
    CANARY,
    ROUTED,
    Story,
)
from support.release_gauges import live
from support.rollout_scenarios import NAMESPACE, changes

STRATEGIES = {
    "canary": CANARY,
    "routed": ROUTED,
    "background": BACKGROUND,
    "plain": {},
    "blue-green": BLUE_GREEN,
    "analysed": BLUE_GREEN_ANALYSED,
}


def release(story: Story) -> None:
    story.versions += 1
    story.release(story.versions)


def undo(story: Story) -> None:
    try:
        story.act(actions.undo)
    except LookupError:  # there is one revision only, yet
        assert len(live(story.kernel, "replicasets")) < 2


ACTIONS: dict[str, Any] = {
    "promote": lambda story: story.act(actions.promote),
    "promote in full": lambda story: story.act(actions.promote, full=True),
    "abort": lambda story: story.act(actions.abort),
    "retry": lambda story: story.act(actions.retry),
    "pause": lambda story: story.act(actions.pause),
    "resume": lambda story: story.act(actions.resume),
    "restart": lambda story: story.act(actions.restart),
    "scale up": lambda story: story.act(actions.scale, 6),
    "scale down": lambda story: story.act(actions.scale, 1),
    "scale to none": lambda story: story.act(actions.scale, 0),
    "undo": undo,
    "release": release,
    "release again": release,
}

steps = st.lists(
    st.tuples(st.sampled_from(sorted(ACTIONS)), st.sampled_from([0.02, 0.3, 2.0, 8.0, 31.0, 75.0])),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(done=steps, seed=st.integers(0, 1000))
def test_any_sequence_of_actions_ends_and_is_counted(
    strategy: str, done: list[tuple[str, float]], seed: int
) -> None:
    story = Story(STRATEGIES[strategy], seed)
    for action, wait in done:
        ACTIONS[action](story)
        story.wait(wait)
    story.act(actions.resume)
    story.act(actions.scale, 3)
    story.wait(120)
    story.act(actions.promote, full=True)
    story.wait(240)
    assert_rests(story)
    assert_counted(story)


def assert_rests(story: Story) -> None:
    """It has a conclusive phase, the pods it wants, and nobody writes any more."""
    status = story.rollout["status"]
    assert status["phase"] in ("Healthy", "Degraded")
    if status["phase"] == "Degraded":
        assert status["abort"]
    else:
        assert status["stableRS"] == status["currentPodHash"]
    assert len([p for p in live(story.kernel, "pods") if p["status"]["phase"] == "Running"]) == 3
    before = len(changes(story.kernel, "rollouts"))
    story.wait(700)  # longer than any deadline
    assert len(changes(story.kernel, "rollouts")) == before


def assert_counted(story: Story) -> None:
    """The daemon's releases are the truth's, and what began has ended once."""
    truth, daemon = story.kernel.truth, story.daemon
    began, ended = truth.of("rollout_begun"), truth.of("rollout_ended")
    assert len(began) == len(ended)
    counted = {labels[2]: count for labels, count in daemon.counts(m.ATTEMPTS).items()}
    expected: dict[str, int] = {}
    for line in ended:
        assert (line["namespace"], line["rollout"]) == (NAMESPACE, "web")
        assert line["seconds"] >= 0
        expected[line["result"]] = expected.get(line["result"], 0) + 1
    assert counted == expected
    assert not daemon.problems
