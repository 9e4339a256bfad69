"""Pending episodes: when they begin and end, and what is one."""

from typing import Any

import pytest

from support.pod_objects import BASE, argo_pod, condition, ended, life, running, stamp, waiting
from support.pods import Pods

CPU = "0/3 nodes are available: 3 Insufficient cpu."
TAINT = "0/3 nodes are available: 3 node(s) had untolerated taint {a: b}."
NO_IMAGE = "rpc error: x: not found"
SCHEDULED = [condition("PodScheduled", "True", BASE + 1)]


@pytest.fixture
def pods() -> Pods:
    made = Pods()
    made.workflow("ml", "etl-x7k2p", "etl", started=BASE)
    return made


def unscheduled(message: str = CPU, since: float = BASE) -> dict[str, Any]:
    return argo_pod(
        conditions=[condition("PodScheduled", "False", since, "Unschedulable", message)]
    )


def creating(**status: Any) -> dict[str, Any]:
    return argo_pod(
        conditions=SCHEDULED,
        initContainerStatuses=[waiting("init", "PodInitializing")],
        containerStatuses=[waiting("main", "PodInitializing")],
        **status,
    )


def image_error(reason: str = "ErrImagePull", message: str = NO_IMAGE) -> dict[str, Any]:
    return argo_pod(conditions=SCHEDULED, containerStatuses=[waiting("main", reason, message)])


def started(at: float) -> dict[str, Any]:
    return argo_pod(phase="Running", conditions=SCHEDULED, containerStatuses=[running("main", at)])


def test_flips_between_pull_error_and_back_off_are_one_episode_under_the_error(
    pods: Pods,
) -> None:
    for at in range(10, 100, 10):
        pods.upsert(image_error(), BASE + at)
        pods.upsert(image_error("ImagePullBackOff", 'Back-off pulling image "x"'), BASE + at + 5)
    assert pods.episodes() == {}
    pods.upsert(started(BASE + 110), BASE + 120)
    pods.finish()
    assert pods.waits() == {"ErrImagePull: not found": (1, 100)}
    assert pods.pending() == {}


def test_a_back_off_that_is_seen_first_takes_the_name_of_the_error_behind_it(pods: Pods) -> None:
    pods.upsert(image_error("ImagePullBackOff", 'Back-off pulling image "x"'), BASE + 10)
    pods.finish()
    assert pods.pending() == {"ImagePullBackOff": 1}
    pods.upsert(image_error(), BASE + 20)
    pods.upsert(started(BASE + 40), BASE + 41)
    pods.finish()
    assert pods.waits() == {"ErrImagePull: not found": (1, 30)}


def test_unschedulable_and_then_an_image_error_are_two_episodes(pods: Pods) -> None:
    pods.upsert(unscheduled(), BASE)
    late = [condition("PodScheduled", "True", BASE + 50)]
    pods.upsert(argo_pod(conditions=late), BASE + 50)
    bad = [waiting("main", "ErrImagePull", NO_IMAGE)]
    pods.upsert(argo_pod(conditions=late, containerStatuses=bad), BASE + 53)
    pods.upsert(started(BASE + 63), BASE + 64)
    pods.finish()
    assert pods.waits() == {
        "Unschedulable: insufficient cpu": (1, 50),
        "ErrImagePull: not found": (1, 10),
    }


def test_an_episode_counts_under_the_reason_that_lasted_longest(pods: Pods) -> None:
    pods.upsert(unscheduled(CPU), BASE)
    pods.upsert(unscheduled(TAINT), BASE + 40)
    pods.upsert(unscheduled(CPU), BASE + 45)
    pods.upsert(unscheduled(TAINT), BASE + 50)
    pods.finish()
    assert pods.pending() == {"Unschedulable: taint": 1}
    scheduled = [condition("PodScheduled", "True", BASE + 55)]
    pods.upsert(argo_pod(conditions=scheduled), BASE + 56)
    pods.finish()
    assert pods.waits() == {"Unschedulable: insufficient cpu": (1, 55)}


def test_the_wait_for_the_scheduler_ends_when_it_did_though_nobody_saw_it(pods: Pods) -> None:
    pods.upsert(unscheduled(), BASE)
    bound = [condition("PodScheduled", "True", BASE + 70)]
    end = argo_pod(
        phase="Succeeded",
        conditions=bound,
        containerStatuses=[ended("main", BASE + 90, BASE + 95)],
    )
    pods.upsert(end, BASE + 200)
    pods.finish()
    assert pods.waits() == {"Unschedulable: insufficient cpu": (1, 70)}


@pytest.mark.parametrize(("seconds", "episodes"), [(29, {}), (30, {"ContainerCreating": 1})])
def test_normal_start_up_is_an_episode_only_when_it_lasts(
    pods: Pods, seconds: int, episodes: dict[str, int]
) -> None:
    pods.upsert(creating(), BASE + 2)
    pods.upsert(started(BASE + 1 + seconds), BASE + 90)
    pods.finish()
    assert pods.episodes() == episodes


def test_the_gauge_shows_every_state_at_once_and_nothing_after_the_start(pods: Pods) -> None:
    pods.upsert(argo_pod() | {"spec": {}}, BASE)
    pods.finish()
    assert pods.pending() == {"Scheduling": 1}
    pods.upsert(creating(), BASE + 2)
    pods.finish()
    assert pods.pending() == {"ContainerCreating": 1}
    pods.upsert(life(argo_pod(), BASE)[2], BASE + 4)
    pods.finish()
    assert pods.pending() == {"PodInitializing": 1}
    pods.upsert(life(argo_pod(), BASE)[3], BASE + 9)
    pods.finish()
    assert pods.pending() == {}
    assert pods.phases() == {"Running": 1}


def test_a_deletion_request_ends_the_wait_though_the_pod_lingers(pods: Pods) -> None:
    pods.upsert(image_error(), BASE + 10)
    leaving = image_error()
    leaving["metadata"] |= {
        "deletionTimestamp": stamp(BASE + 70),
        "deletionGracePeriodSeconds": 30,
    }
    pods.upsert(leaving, BASE + 41)
    pods.delete(leaving, BASE + 90)
    pods.finish()
    assert pods.waits() == {"ErrImagePull: not found": (1, 30)}
    end = pods.end("ml", "etl-x7k2p", "etl-x7k2p-1000000001")
    assert end is not None
    assert end.cause == "image"


def test_a_crashing_init_container_is_one_episode_between_its_tries(pods: Pods) -> None:
    def init(status: dict[str, Any]) -> dict[str, Any]:
        return argo_pod(
            conditions=SCHEDULED,
            initContainerStatuses=[status],
            containerStatuses=[waiting("main", "PodInitializing")],
        )

    for at in (0, 30, 60):
        pods.upsert(init(ended("init", BASE + 3, BASE + 4, "Error", 1)), BASE + 5 + at)
        pods.upsert(init(waiting("init", "CrashLoopBackOff", "back-off 10s")), BASE + 10 + at)
    pods.upsert(started(BASE + 80), BASE + 80)
    pods.finish()
    assert pods.waits() == {"CrashLoopBackOff": (1, 70)}


def test_an_episode_that_was_live_at_the_first_list_counts_when_it_ends(pods: Pods) -> None:
    pods.upsert(unscheduled(), BASE + 500, baseline=True)
    scheduled = [condition("PodScheduled", "True", BASE + 600)]
    pods.upsert(argo_pod(conditions=scheduled), BASE + 600)
    pods.finish()
    assert pods.waits() == {"Unschedulable: insufficient cpu": (1, 600)}


def test_an_episode_whose_end_nobody_saw_is_counted_but_not_timed(pods: Pods) -> None:
    pods.upsert(unscheduled(), BASE)
    pods.vanish(argo_pod()["metadata"]["uid"], BASE + 900)
    pods.finish()
    assert pods.episodes() == {"Unschedulable: insufficient cpu": 1}
    assert pods.waits() == {}
    assert pods.pending() == {}


def test_the_series_of_a_trouble_is_exposed_at_zero_before_it_grows(pods: Pods) -> None:
    pods.upsert(unscheduled(), BASE)
    pods.finish()
    from argoscope.resources.pod import EPISODES

    labels = ("ml", "etl", "Unschedulable: insufficient cpu")
    assert pods.registry.value(EPISODES, labels) == 0


def test_main_can_wait_in_a_pod_that_is_running(pods: Pods) -> None:
    bad = [waiting("main", "ErrImagePull", NO_IMAGE), running("wait", BASE + 4)]
    pods.upsert(argo_pod(phase="Running", conditions=SCHEDULED, containerStatuses=bad), BASE + 5)
    pods.upsert(argo_pod(number=2, phase="Running"), BASE + 5)
    pods.finish()
    assert pods.pending() == {"ErrImagePull: not found": 1}
    assert pods.phases() == {"Running": 2}


def test_a_scheduling_gate_is_a_reason_of_its_own(pods: Pods) -> None:
    gated = condition("PodScheduled", "False", BASE, "SchedulingGated", "blocked by gates")
    pods.upsert(argo_pod(conditions=[gated]), BASE + 1)
    pods.finish()
    assert pods.pending() == {"SchedulingGated": 1}
