"""What live Workflows contribute to gauges, and that it goes with them."""

from typing import Any

import pytest

from argoscope.metrics.model import Metric
from argoscope.resources.workflow import metrics as m
from support.compression import compressed
from support.workflow_objects import BASE, node, workflow
from support.workflows import Feed

LOCK = "Waiting for ci/Mutex/db lock. Lock status: 0/1"
BUSY = "Workflow processing has been postponed because too many workflows are already running"
QUOTA = 'pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2'


def live(*nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return workflow(*nodes, **({"phase": "Running", "end": None} | more))


def waiting(name: str, message: str = "", **more: Any) -> dict[str, Any]:
    return node(name, phase="Pending", end=None, message=message, **more)


def series(feed: Feed, metric: Metric) -> dict[tuple[str, ...], float]:
    return {labels[2:]: value for labels, value in feed.registry.samples(metric) if value}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (live(node("a", phase="Running", end=None)), "running"),
        (live(), "running"),
        (live(spec={"suspend": True}), "suspended"),
        (live(node("gate", "Suspend", "Running", end=None)), "suspended"),
        (
            live(
                node("gate", "Suspend", "Running", end=None), node("a", phase="Running", end=None)
            ),
            "running",
        ),
        (live(waiting("a", LOCK), waiting("b", LOCK)), "waiting_lock"),
        (live(waiting("a", LOCK), waiting("b")), "running"),
        (live(phase="Pending", start=None, status={"message": LOCK}), "waiting_lock"),
        (live(phase="Pending", start=None, status={"message": BUSY}), "pending"),
        (live(phase=None, start=None), "pending"),
    ],
)
def test_live_workflow_is_in_one_state(state: dict[str, Any], expected: str) -> None:
    feed = Feed()
    feed.upsert(state)
    assert series(feed, m.ACTIVE) == {(expected,): 1}
    all_states = {labels[2] for labels, _ in feed.registry.samples(m.ACTIVE)}
    assert all_states == set(m.STATES)  # the others are 0, not absent


def test_finished_workflow_is_in_no_state() -> None:
    feed = Feed()
    feed.upsert(workflow())
    assert series(feed, m.ACTIVE) == {}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (live(waiting("a", QUOTA), waiting("b", QUOTA), waiting("c")), {("quota",): 2}),
        (live(waiting("a", "resource creation rate-limit reached")), {("quota",): 1}),
        (live(waiting("a", 'pods "x" is forbidden: no')), {("forbidden",): 1}),
        (live(waiting("a", LOCK), waiting("b", QUOTA)), {("lock",): 1, ("quota",): 1}),
        (live(phase="Pending", start=None, status={"message": BUSY}), {("parallelism",): 1}),
        (live(waiting("a", "ImagePullBackOff: Back-off")), {}),
        (workflow(waiting("a", QUOTA)), {}),
    ],
)
def test_nodes_without_a_pod_are_blocked_by_reason(
    state: dict[str, Any], expected: dict[tuple[str, ...], float]
) -> None:
    feed = Feed()
    feed.upsert(state)
    assert series(feed, m.NODES_BLOCKED) == expected


def test_holders_and_waiters_of_locks() -> None:
    """``waiting`` still names the old holder once the lock is taken: who holds does not wait."""
    feed = Feed()
    held = {"mutex": "ci/Mutex/db", "holder": "ci/wf"}
    both = {"semaphore": "ci/ConfigMap/limits/gpu", "holders": ["ci/wf", "ci/other"]}
    state = {"mutex": {"holding": [held], "waiting": [held]}, "semaphore": {"holding": [both]}}
    feed.upsert(live(status={"synchronization": state}))
    queue = {"mutex": {"waiting": [held]}}
    queued = live(name="b", phase="Pending", start=None, status={"synchronization": queue})
    feed.upsert(queued)
    sync = {"waiting": "ci/Mutex/db"}
    feed.upsert(live(waiting("n", LOCK, synchronizationStatus=sync), name="c"))
    holders = {labels[1]: n for labels, n in feed.registry.samples(m.LOCK_HOLDERS)}
    waiters = {labels[1]: n for labels, n in feed.registry.samples(m.LOCK_WAITERS)}
    assert holders == {"Mutex/db": 1, "ConfigMap/limits/gpu": 2}
    assert waiters == {"Mutex/db": 2}


def test_oldest_approval_is_an_age() -> None:
    feed = Feed()
    gate = node("gate", "Suspend", "Running", 20, None)
    feed.upsert(live(gate, generateName="etl-"), at=BASE + 50)
    feed.upsert(live(spec={"suspend": True}, name="b", generateName="etl-"), at=BASE + 60)
    assert feed.value(m.SUSPENDED_OLDEST, "ci", "etl") == 40
    feed.now = BASE + 100
    assert feed.value(m.SUSPENDED_OLDEST, "ci", "etl") == 80


def test_sizes_are_those_of_the_largest_and_storage_is_counted() -> None:
    feed = Feed()
    feed.upsert(workflow(node("a"), name="a", generateName="etl-"))
    feed.upsert(workflow(*(node(f"n{i}") for i in range(9)), name="b", generateName="etl-"))
    packed = {"compressedNodes": compressed(node("x"), node("y"))}
    feed.upsert(workflow(name="c", generateName="etl-", status=packed))
    feed.upsert(workflow(name="d", status={"offloadNodeStatusVersion": "fnv:1"}))
    assert feed.value(m.NODES, "ci", "etl") == 9
    assert (feed.value(m.OBJECT_BYTES, "ci", "etl") or 0) > 9 * 100
    stored = {labels[1]: n for labels, n in feed.registry.samples(m.OBJECTS)}
    assert stored == {"inline": 2, "compressed": 1, "offloaded": 1}


@pytest.mark.parametrize(
    ("state", "labels"),
    [
        (workflow(), ("true", "false")),
        (workflow(spec={"ttlStrategy": {"secondsAfterCompletion": 5}}), ("true", "true")),
        (
            live(
                status={"storedWorkflowTemplateSpec": {"ttlStrategy": {"secondsAfterSuccess": 1}}}
            ),
            ("false", "true"),
        ),
        (live(), ("false", "false")),
    ],
)
def test_stored_workflows_by_completion_and_ttl(
    state: dict[str, Any], labels: tuple[str, ...]
) -> None:
    feed = Feed()
    feed.upsert(state)
    assert feed.value(m.STORED, "ci", *labels) == 1


def test_all_gauges_but_those_of_the_week_vanish_with_the_object() -> None:
    feed = Feed()
    states = [
        live(node("gate", "Suspend", "Running", end=None), waiting("b", QUOTA)),
        workflow(node("a"), name="b"),
        live(name="c", phase="Pending", start=None, status={"message": BUSY}),
    ]
    for state in states:
        feed.upsert(state)
    assert len(feed.gauges()) >= 8
    feed.delete(states[0])
    feed.delete(None, "uid-b")
    feed.delete(states[2])
    feed.deriver.tick(feed.now)
    assert set(feed.gauges()) == {"argo_workflow_completed_runs_7d", "argo_workflow_failed_runs_7d"}
    assert feed.world.runs == {}


# -- the last seven days

DAY = 86_400.0


def week(feed: Feed, second: float) -> tuple[float | None, float | None]:
    feed.now = BASE + second
    feed.deriver.tick(feed.now)
    pipeline = ("ci", "etl")
    return feed.value(m.COMPLETED_7D, *pipeline), feed.value(m.FAILED_7D, *pipeline)


def test_runs_leave_the_week_seven_days_after_their_end() -> None:
    feed = Feed()
    ends = {"a": -8 * DAY, "b": -6 * DAY, "c": -DAY, "d": 0.0}
    for name, end in ends.items():
        failed = name in "bd"
        state = workflow(
            phase="Failed" if failed else "Succeeded",
            name=name,
            generateName="etl-",
            created=end - 20,
            start=end - 10,
            end=end,
        )
        feed.upsert(state, at=BASE)
    assert week(feed, 0) == (3, 2)
    assert week(feed, 1 * DAY + 120) == (2, 1)
    assert week(feed, 6 * DAY + 240) == (1, 1)
    assert week(feed, 7 * DAY + 360) == (None, None)


@pytest.mark.parametrize("strategy", ["Stop", "Terminate"])
def test_what_people_stopped_is_completed_but_not_failed(strategy: str) -> None:
    feed = Feed()
    spec = {"shutdown": strategy}
    feed.upsert(workflow(phase="Failed", generateName="etl-", spec=spec))
    assert week(feed, 60) == (1, 0)
    cause = {"Stop": "stopped", "Terminate": "terminated"}[strategy]
    assert feed.totals().causes == {cause: 1}


def test_run_replaced_by_its_cron_is_no_action_of_anybody() -> None:
    feed = Feed()
    feed.world.cron_policies["ci", "nightly"] = "Replace"
    labels = {"workflows.argoproj.io/cron-workflow": "nightly"}
    spec = {"shutdown": "Terminate"}
    feed.upsert(workflow(phase="Failed", name="a", spec=spec, labels=labels))
    by_hand = {**labels, "workflows.argoproj.io/action": "Terminate"}
    feed.upsert(workflow(phase="Failed", name="b", spec=spec, labels=by_hand))
    assert feed.totals().causes == {"replaced": 1, "terminated": 1}
    assert feed.totals().actions == {"terminate": 1}


def test_workflow_created_suspended_was_suspended_by_nobody() -> None:
    feed = Feed()
    feed.upsert(live(spec={"suspend": True}))
    feed.upsert(live(version=2))
    assert feed.totals().actions == {"resume": 1}


def test_resubmission_counts_once() -> None:
    feed = Feed()
    labels = {"workflows.argoproj.io/resubmitted-from-workflow": "old"}
    for version in (1, 2):
        feed.upsert(live(labels=labels, version=version))
    assert feed.totals().actions == {"resubmit": 1}
