"""Any interleaving and duplication of the same watch events gives the same counters.

The API server orders the events of one stream and nothing else: streams drift apart, and each
comes again in part after a cut. What a daemon counts must not depend on it.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from argoscope.metrics.model import Labels, Metric
from argoscope.resources import pod
from argoscope.resources.rollout import metrics as rollout
from argoscope.resources.workflow import metrics as workflow
from argoscope.resources.workflow.attribution import PATIENCE
from support.box import Counters, Event, Life, Tick, kept
from support.stories import BEGIN, made_up, recorded

STORIES = ("argo-4.1", "argo-4.1-loaded", "argo-3.6", "made up")
DRIFT = 20.0
"""Seconds; what waits for another stream waits for longer."""
CAUSES = {workflow.FAILURES.prometheus, workflow.TEMPLATE_FAILURES.prometheus}
BY_ARRIVAL: tuple[Metric, ...] = (
    # Argo writes no time for these: they end when the daemon is told.
    workflow.LOCK_WAIT,
    workflow.CRITICAL_SHARE,
    pod.EPISODES,
    pod.PENDING_SECONDS,
    rollout.STEP_SECONDS,
    rollout.DURATION,
    rollout.PAUSED,
    rollout.CONVERGENCE,
)
TIMED = {metric.prometheus for metric in kept()} - {m.prometheus for m in BY_ARRIVAL}


def story(name: str) -> tuple[Event, ...]:
    if name == "made up":
        return tuple(event for event in made_up(51) if event.at > BEGIN + 0.9)
    return recorded(name)


def interleaved(told: Sequence[Event], chance: random.Random) -> list[Event]:
    """Each kind's stream, in its order, is late by up to ``DRIFT`` seconds, now more and now less;
    some events come twice, and now and then a stream begins again some way back."""
    lags: dict[str, float] = {}
    last: dict[str, float] = {}
    late: list[Event] = []
    for event in told:
        kind = event.kind
        if chance.random() < 0.05:
            lags[kind] = chance.uniform(0.0, DRIFT)
        at = last[kind] = max(last.get(kind, 0.0), event.at + lags.get(kind, 0.0))
        late.append(replace(event, at=at))
        if chance.random() < 0.2:
            late.append(late[-1])
        if chance.random() < 0.02:
            past = [other for other in late if other.kind == kind]
            late.extend(replace(other, at=at) for other in past[-chance.randint(1, 30) :])
    return sorted(late, key=lambda event: event.at)


def counted(told: Sequence[Event], until: float) -> Counters:
    """What all of it comes to by ``until``, without what has no time of its own."""
    life = Life(told[0].at)
    for event in told:
        if event.at > life.now:
            life.do(Tick(event.at))
        life.do(event)
    while life.now < until:
        life.do(Tick(min(until, life.now + 1.0)))
    assert not [problem for problem in life.problems if problem[1] == "bug"]
    return comparable(life.counters())


def comparable(counters: Counters) -> Counters:
    """Of failures only how many: a cause that only the pod tells (an image that can't be pulled)
    counts if it was told before the run's end. Of stages those of all pipelines together: for a
    pod whose Workflow was gone before the pod was seen, the Workflow's name stands in. Of the
    critical path gaps and approvals together: when somebody suspended a whole workflow is written
    nowhere."""
    result: Counters = {}
    numbers: dict[tuple[str, Labels], float] = defaultdict(float)
    for (name, labels), value in counters.items():
        if name in CAUSES and isinstance(value, float):
            numbers[name, labels[:-1]] += value
        elif name == pod.STAGE_SECONDS.prometheus and isinstance(value, tuple):
            for bucket, count in enumerate(value[0]):
                numbers[f"{name} {bucket}", (labels[0], *labels[2:])] += count
            numbers[f"{name} sum", (labels[0], *labels[2:])] += value[1]
        elif name == workflow.CRITICAL_PATH.prometheus and labels[-1] in ("gap", "approval"):
            assert isinstance(value, float)
            numbers[f"{name} idle", labels[:-1]] += value
        elif name in TIMED and (any(value[0]) if isinstance(value, tuple) else value):
            result[name, labels] = value
    return result | {series: round(value, 6) for series, value in numbers.items() if value}


def end_of(name: str) -> float:
    """When nothing is on its way any more, nor waits for anything."""
    return story(name)[-1].at + DRIFT + PATIENCE + 60.0


@cache
def in_order(name: str) -> Counters:
    return counted(story(name), end_of(name))


@pytest.mark.parametrize("name", STORIES)
@settings(max_examples=5, derandomize=True, deadline=None, database=None)
@given(seed=st.integers(0, 2**32))
@example(seed=1001)  # pods that are told after their run is deleted, and very late
@example(seed=1002)  # pods of a retry that are told before the end of the attempt before
@example(seed=1006)  # a CronWorkflow that is told after its first run was due
@example(seed=1007)
def test_the_order_of_streams_and_doubled_events_change_no_counter(name: str, seed: int) -> None:
    print("seed", seed)
    assert counted(interleaved(story(name), random.Random(seed)), end_of(name)) == in_order(name)


@pytest.mark.parametrize("name", STORIES)
def test_every_event_twice_in_order_changes_no_counter(name: str) -> None:
    assert counted([event for event in story(name) for _ in range(2)], end_of(name)) == in_order(
        name
    )
    assert sum(1 for metric, _ in in_order(name) if metric == workflow.RUNS.prometheus) > 5
