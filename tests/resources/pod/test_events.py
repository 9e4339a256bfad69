"""Events refine what statuses say, whichever comes first."""

from itertools import permutations
from typing import Any

import pytest

from argoscope.resources import event
from argoscope.resources.event import go_duration, pull_seconds
from support.pod_objects import BASE, argo_pod, condition, ended, life, running, stamp, waiting
from support.pods import Pods

UID = argo_pod()["metadata"]["uid"]
SCHEDULED = [condition("PodScheduled", "True", BASE + 1)]
PULLED = 'Successfully pulled image "x" in 1.5s (2s including waiting). Image size: 38 bytes.'


@pytest.fixture
def pods() -> Pods:
    made = Pods()
    made.workflow("ml", "etl-x7k2p", "etl", started=BASE)
    return made


def pod_event(reason: str, at: float, message: str = "", uid: str = UID) -> dict[str, Any]:
    return {
        "kind": "Event",
        "metadata": {"name": f"e-{reason}-{at}", "namespace": "ml"},
        "involvedObject": {"kind": "Pod", "uid": uid},
        "reason": reason,
        "message": message,
        "lastTimestamp": stamp(at),
    }


def creating() -> dict[str, Any]:
    statuses = [waiting("main", "ContainerCreating")]
    return argo_pod(conditions=SCHEDULED, containerStatuses=statuses)


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ('Successfully pulled image "x" in 284ms (2.5s including waiting). Image size: 3', 2.5),
        ('Successfully pulled image "x" in 1m13.107351505s', 73.107351505),
        ('Successfully pulled image "x" in 34.543565163s', 34.543565163),
        ('Successfully pulled image "x"', 0.0),
        ('Container image "x" already present on machine', 0.0),
    ],
)
def test_the_pull_takes_what_the_message_says_waiting_included(
    message: str, seconds: float
) -> None:
    assert pull_seconds(message) == pytest.approx(seconds)


def test_go_durations_are_read_in_all_their_units() -> None:
    assert go_duration("1h2m3.5s") == 3723.5
    assert go_duration("150µs") == pytest.approx(0.00015)
    assert go_duration("") == 0.0


def test_a_pull_is_taken_out_of_prepare(pods: Pods) -> None:
    states = life(argo_pod(), BASE)  # init starts at +3, main at +8 after one second's gap
    pods.upsert(states[1], BASE + 1)
    pods.event(pod_event("Pulled", BASE + 3, PULLED), BASE + 3)
    pods.upsert(states[4], BASE + 50)
    pods.finish()
    assert pods.stages()["pull"] == (1, 2)
    assert pods.stages()["prepare"] == (1, 1)
    assert sum(seconds for _, seconds in pods.stages().values()) == 40


def test_a_pull_between_init_containers_is_taken_out_of_init(pods: Pods) -> None:
    states = life(argo_pod(), BASE)
    pods.upsert(states[1], BASE + 1)
    pods.event(pod_event("Pulled", BASE + 6, PULLED), BASE + 6)
    pods.upsert(states[4], BASE + 50)
    pods.finish()
    assert pods.stages()["pull"] == (1, 2)
    assert pods.stages()["init"] == (1, 2)
    assert pods.stages()["prepare"] == (1, 3)


def test_pulls_side_by_side_and_repeated_events_count_their_union(pods: Pods) -> None:
    states = life(argo_pod(), BASE)
    pods.upsert(states[1], BASE + 1)
    for _ in range(3):
        pods.event(pod_event("Pulled", BASE + 3, PULLED), BASE + 3)
        pods.event(pod_event("Pulled", BASE + 2, PULLED), BASE + 3)
    pods.upsert(states[4], BASE + 50)
    pods.finish()
    # From +0 to +3, of which the first second was still the scheduler's.
    assert pods.stages()["pull"] == (1, 2)


def merges() -> list[tuple[int, ...]]:
    """The orders in which two streams of two can be merged, each keeping its own order."""
    orders = permutations(range(4))
    return [o for o in orders if o.index(0) < o.index(1) and o.index(2) < o.index(3)]


@pytest.mark.parametrize("order", merges(), ids=str)
def test_events_before_and_after_the_status_give_the_same(pods: Pods, order: Any) -> None:
    steps = [
        lambda: pods.upsert(argo_pod(conditions=SCHEDULED), BASE + 2),
        lambda: pods.upsert(creating(), BASE + 2),
        lambda: pods.event(pod_event("FailedMount", BASE + 2), BASE + 2),
        lambda: pods.event(pod_event("Pulled", BASE + 40, PULLED), BASE + 40),
    ]
    for step in order:
        steps[step]()
    main = [running("main", BASE + 41)]
    pods.upsert(argo_pod(phase="Running", conditions=SCHEDULED, containerStatuses=main), BASE + 42)
    pods.delete(argo_pod(phase="Running", conditions=SCHEDULED), BASE + 50)
    pods.finish()
    assert pods.stages()["pull"] == (1, 2)
    assert pods.waits() == {"ContainerCreating: volume": (1, 40)}


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("FailedMount", "ContainerCreating: volume"),
        ("FailedAttachVolume", "ContainerCreating: volume"),
        ("FailedCreatePodSandBox", "ContainerCreating: sandbox"),
        ("Pulling", "ContainerCreating: image pull"),
    ],
)
@pytest.mark.parametrize("first", ["event", "pod"])
def test_an_event_says_what_a_container_that_is_being_created_waits_for(
    pods: Pods, reason: str, expected: str, first: str
) -> None:
    if first == "event":
        pods.event(pod_event(reason, BASE + 3), BASE + 3)
    pods.upsert(creating(), BASE + 4)
    if first == "pod":
        pods.event(pod_event(reason, BASE + 5), BASE + 5)
    pods.finish()
    assert pods.pending() == {expected: 1}


@pytest.mark.parametrize("first", ["event", "pod"])
def test_an_event_tells_the_error_behind_a_back_off(pods: Pods, first: str) -> None:
    failed = pod_event("Failed", BASE + 3, 'Failed to pull image "r/x:1": rpc error: x: not found')
    backs_off = [waiting("main", "ImagePullBackOff", 'Back-off pulling image "r/x:1"')]
    if first == "event":
        pods.event(failed, BASE + 3)
    pods.upsert(argo_pod(conditions=SCHEDULED, containerStatuses=backs_off), BASE + 4)
    if first == "pod":
        pods.event(failed, BASE + 5)
    pods.event(pod_event("Failed", BASE + 6, "Error: ImagePullBackOff"), BASE + 6)
    pods.upsert(argo_pod(conditions=SCHEDULED, containerStatuses=backs_off), BASE + 8)
    pods.finish()
    assert pods.pending() == {"ErrImagePull: not found": 1}


def test_a_pull_after_a_late_volume_is_another_wait(pods: Pods) -> None:
    pods.upsert(creating(), BASE + 2)
    pods.event(pod_event("FailedMount", BASE + 3), BASE + 3)
    pods.event(pod_event("Pulling", BASE + 61), BASE + 61)
    main = [running("main", BASE + 101)]
    pods.upsert(argo_pod(phase="Running", conditions=SCHEDULED, containerStatuses=main), BASE + 102)
    pods.finish()
    assert pods.waits() == {
        "ContainerCreating: volume": (1, 60),
        "ContainerCreating: image pull": (1, 40),
    }


def test_a_pull_that_began_in_the_second_of_init_is_a_wait_of_its_own(pods: Pods) -> None:
    main = [waiting("main", "PodInitializing")]
    inits = [running("init", BASE + 4)]
    initializing = argo_pod(
        conditions=SCHEDULED, initContainerStatuses=inits, containerStatuses=main
    )
    pods.upsert(initializing, BASE + 4)
    pods.event(pod_event("Pulling", BASE + 4), BASE + 5)
    inits = [ended("init", BASE + 4, BASE + 4)]
    pulling = argo_pod(conditions=SCHEDULED, initContainerStatuses=inits, containerStatuses=main)
    pods.upsert(pulling, BASE + 5)
    pods.upsert(argo_pod(containerStatuses=[running("main", BASE + 124)]), BASE + 125)
    pods.finish()
    assert pods.waits() == {"ContainerCreating: image pull": (1, 120)}


@pytest.mark.parametrize("late", [False, True], ids=["before the end", "after the end"])
def test_preemption_is_known_from_its_event_on_old_clusters(pods: Pods, late: bool) -> None:
    states = life(argo_pod(), BASE)
    preempted = pod_event("Preempted", BASE + 20, "Preempted by ml/other on node n")
    failed = states[4] | {"status": states[4]["status"] | {"phase": "Failed"}}
    pods.upsert(states[3], BASE + 9)
    if not late:
        pods.event(preempted, BASE + 20)
    pods.upsert(failed, BASE + 41)
    if late:
        pods.event(preempted, BASE + 42)
    end = pods.end("ml", "etl-x7k2p", "etl-x7k2p-1000000001")
    assert end is not None
    assert (end.cause, end.finished) == ("preempted", BASE + 40)


def test_events_of_foreign_pods_are_bounded(pods: Pods) -> None:
    for number in range(6_000):
        pods.event(pod_event("FailedMount", BASE, uid=f"u{number}"), BASE)
    assert len(pods.pods._early) == 5_000


def test_the_server_leaves_out_events_that_say_nothing_more() -> None:
    (selector,) = event.RESOURCE.selectors
    assert selector.field.startswith("involvedObject.kind=Pod,")
    assert "reason!=Scheduled" in selector.field
    assert "reason!=Pulled" not in selector.field
    assert event.RESOURCE.optional
