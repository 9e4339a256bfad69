"""Since when live Workflows make no progress, and whose turn it is."""

from typing import Any

import pytest

from argoscope.resources.workflow import metrics as m
from support.workflow_objects import BASE, node, workflow
from support.workflows import Feed

LOCK = "Waiting for ci/Mutex/db lock. Lock status: 0/1"


def live(*nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return workflow(*nodes, **({"phase": "Running", "end": None, "generateName": "etl-"} | more))


def idle(feed: Feed) -> dict[str, float]:
    return {labels[2]: value for labels, value in feed.registry.samples(m.IDLE_OLDEST)}


DONE = node("a", start=10, end=40)
RUNNING = node("b", phase="Running", start=60, end=None)
PENDING = node("c", phase="Pending", start=50, end=None)
GATE = node("gate", "Suspend", "Running", 20, None)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (live(DONE, RUNNING), {"running_nodes": 40}),
        (live(DONE, PENDING, RUNNING), {"running_nodes": 40}),
        (live(DONE, PENDING), {"pending_nodes": 50}),
        (live(DONE, PENDING, GATE), {"pending_nodes": 50}),
        (live(DONE), {"controller": 60}),
        (live(start=30), {"controller": 70}),
        (live(DONE, GATE), {}),  # waits for a person
        (live(DONE, RUNNING, spec={"suspend": True}), {}),
        (live(node("l", phase="Pending", end=None, message=LOCK)), {}),
        (live(phase="Pending", start=None), {}),
        (live(status={"offloadNodeStatusVersion": "fnv:1"}), {}),  # nobody sees its nodes
        (workflow(DONE), {}),
    ],
)
def test_idle_since_the_last_start_or_end_of_a_node(
    state: dict[str, Any], expected: dict[str, float]
) -> None:
    feed = Feed()
    feed.upsert(state, at=BASE + 100)
    assert idle(feed) == expected


def test_the_backoff_of_a_retry_is_no_standstill() -> None:
    feed = Feed()
    retry = node("r", "Retry", "Running", 0, None, message="Backoff for 5 minutes 0 seconds")
    feed.upsert(live(retry, node("r(0)", phase="Failed", end=5)), at=BASE + 100)
    assert idle(feed) == {}
    stale = node("r(1)", phase="Pending", start=60, end=None)
    feed.upsert(live(retry, node("r(0)", phase="Failed", end=5), stale), at=BASE + 100)
    assert idle(feed) == {"pending_nodes": 40}


def test_a_retried_run_is_idle_since_its_retry() -> None:
    feed = Feed()
    feed.upsert(live(node("a", start=0, end=10), start=80), at=BASE + 100)
    assert idle(feed) == {"controller": 20}


def test_the_oldest_of_a_pipeline_counts_and_goes_with_it() -> None:
    feed = Feed()
    feed.upsert(live(RUNNING, name="x"), at=BASE + 100)
    feed.upsert(live(node("n", phase="Running", start=90, end=None), name="y"))
    assert idle(feed) == {"running_nodes": 40}
    feed.upsert(workflow(node("b", start=60, end=99), name="x", generateName="etl-"))
    assert idle(feed) == {"running_nodes": 10}
    feed.now = BASE + 400
    assert idle(feed) == {"running_nodes": 310}


def test_pending_since_the_creation() -> None:
    feed = Feed()
    feed.upsert(live(phase=None, start=None, created=-30), at=BASE + 100)
    assert feed.value(m.PENDING_OLDEST, "ci", "etl") == 130
    feed.upsert(live(created=-30))
    assert feed.value(m.PENDING_OLDEST, "ci", "etl") is None


QUOTA = 'pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2'


def blocked(feed: Feed) -> dict[str, float]:
    return {labels[2]: value for labels, value in feed.registry.samples(m.BLOCKED_OLDEST)}


def test_held_back_since_the_creation_of_workflow_or_node() -> None:
    feed = Feed()
    queued = live(phase="Pending", start=None, created=20, status={"message": LOCK})
    feed.upsert(queued, at=BASE + 100)
    assert blocked(feed) == {"lock": 80}
    assert feed.value(m.PENDING_OLDEST, "ci", "etl") is None
    nodes = [
        node("n", phase="Pending", start=70, end=None, message=LOCK),
        node("o", phase="Pending", start=80, end=None, message=LOCK),
        node("p", phase="Pending", start=90, end=None, message=QUOTA),
    ]
    feed.upsert(live(RUNNING, *nodes))
    assert blocked(feed) == {"lock": 30, "quota": 10}
    feed.upsert(live(RUNNING))
    assert blocked(feed) == {}
