"""The stages of one pod's life, from the times in its status."""

from typing import Any

import pytest

from argoscope.export.prometheus import Exposition
from argoscope.resources import pod
from support.pod_objects import (
    BASE,
    argo_pod,
    condition,
    container,
    ended,
    life,
    running,
    stamp,
    waiting,
)
from support.pods import Pods

SCHEDULED = [condition("PodScheduled", "True", BASE + 1)]


@pytest.fixture
def pods() -> Pods:
    made = Pods()
    made.workflow("ml", "etl-x7k2p", "etl", started=BASE)
    return made


def terminal(**status: Any) -> dict[str, Any]:
    return argo_pod(phase="Succeeded", **status)


def test_the_stages_of_a_finished_pod_add_up_to_its_life(pods: Pods) -> None:
    for number, state in enumerate(life(argo_pod(), BASE)):
        pods.upsert(state, BASE + number)
    pods.finish()
    assert pods.stages() == {
        "schedule": (1, 1),
        "prepare": (1, 2 + 1),
        "init": (1, 4),
        "main": (1, 30),
        "wait": (1, 2),
    }
    assert sum(seconds for _, seconds in pods.stages().values()) == 40


def test_the_last_state_alone_gives_the_same_stages(pods: Pods) -> None:
    """A busy kubelet reports no pod as Running; the terminal status has all the times."""
    pods.upsert(life(argo_pod(), BASE)[-1], BASE + 300)
    pods.finish()
    assert {stage: seconds for stage, (_, seconds) in pods.stages().items()} == {
        "schedule": 1,
        "prepare": 3,
        "init": 4,
        "main": 30,
        "wait": 2,
    }


def test_a_pod_is_counted_once_however_often_it_is_delivered(pods: Pods) -> None:
    last = life(argo_pod(), BASE)[-1]
    for at in range(3):
        pods.upsert(last, BASE + 60 + at)
    pods.delete(last, BASE + 70)
    pods.finish()
    assert pods.stages()["main"] == (1, 30)
    assert pods.phases() == {}


def test_what_an_eviction_wipes_out_of_the_status_is_kept(pods: Pods) -> None:
    for state in life(argo_pod(), BASE)[:4]:
        pods.upsert(state, BASE + 10)
    pods.upsert(argo_pod(phase="Failed", reason="Evicted"), BASE + 60)
    pods.finish()
    assert set(pods.stages()) == {"schedule", "prepare", "init"}
    end = pods.end("ml", "etl-x7k2p", "etl-x7k2p-1000000001")
    assert end is not None
    assert end.cause == "evicted"


def test_what_a_busy_kubelet_reports_after_the_eviction_is_counted_then(pods: Pods) -> None:
    lived = life(argo_pod(), BASE)
    pods.upsert(lived[1], BASE + 1)
    pods.upsert(argo_pod(phase="Failed", reason="Evicted", conditions=SCHEDULED), BASE + 50)
    late = {**lived[-1], "status": {**lived[-1]["status"], "phase": "Failed", "reason": "Evicted"}}
    for second in range(3):
        pods.upsert(late, BASE + 60 + second)
    pods.delete(late, BASE + 70)
    pods.finish()
    assert pods.stages() == {
        "schedule": (1, 1),
        "prepare": (1, 2 + 1),
        "init": (1, 4),
        "main": (1, 30),
        "wait": (1, 2),
    }


def test_restarts_of_main_are_one_stage_from_first_start_to_last_finish(pods: Pods) -> None:
    first = {"terminated": {"startedAt": stamp(BASE + 5), "finishedAt": stamp(BASE + 9)}}
    second = {"terminated": {"startedAt": stamp(BASE + 20), "finishedAt": stamp(BASE + 29)}}
    statuses = [container("main", second, first)]
    pods.upsert(terminal(conditions=SCHEDULED, containerStatuses=statuses), BASE + 40)
    pods.finish()
    assert pods.stages()["main"] == (1, 24)


def test_a_container_that_could_not_be_started_has_no_stage(pods: Pods) -> None:
    never = {
        "terminated": {
            "startedAt": "1970-01-01T00:00:00Z",
            "finishedAt": stamp(BASE + 4),
            "reason": "StartError",
        }
    }
    status = {"conditions": SCHEDULED, "containerStatuses": [container("main", never)]}
    pods.upsert(argo_pod(phase="Failed", **status), BASE + 9)
    pods.finish()
    assert pods.stages() == {"schedule": (1, 1)}


def test_supervisor_takes_the_place_of_wait_without_an_init_container(pods: Pods) -> None:
    statuses = [
        ended("main", BASE + 3, BASE + 10),
        ended("supervisor", BASE + 3, BASE + 14),
    ]
    pods.upsert(terminal(conditions=SCHEDULED, containerStatuses=statuses), BASE + 20)
    pods.finish()
    assert pods.stages() == {
        "schedule": (1, 1),
        "prepare": (1, 2),
        "main": (1, 7),
        "supervisor": (1, 4),
    }


def test_a_native_sidecar_does_not_stretch_init_into_main(pods: Pods) -> None:
    status = {
        "conditions": SCHEDULED,
        "initContainerStatuses": [
            ended("init", BASE + 2, BASE + 4),
            ended("proxy", BASE + 4, BASE + 40),
        ],
        "containerStatuses": [ended("main", BASE + 6, BASE + 38)],
    }
    pods.upsert(terminal(**status), BASE + 41)
    pods.finish()
    assert pods.stages()["init"] == (1, 4)
    assert pods.stages()["main"] == (1, 32)


def test_a_user_sidecar_that_is_killed_later_does_not_stretch_main(pods: Pods) -> None:
    statuses = [
        ended("main", BASE + 3, BASE + 10),
        ended("proxy", BASE + 3, BASE + 30, "Error", 143),
        ended("wait", BASE + 3, BASE + 12),
    ]
    pods.upsert(terminal(conditions=SCHEDULED, containerStatuses=statuses), BASE + 31)
    pods.finish()
    assert pods.stages()["main"] == (1, 7)
    assert pods.stages()["wait"] == (1, 2)


def test_clocks_that_differ_by_a_second_give_zero_not_a_negative_time(pods: Pods) -> None:
    status = {
        "conditions": [condition("PodScheduled", "True", BASE - 1)],
        "containerStatuses": [ended("main", BASE + 3, BASE + 2)],
    }
    pods.upsert(terminal(**status), BASE + 9)
    pods.finish()
    assert pods.stages()["schedule"] == (1, 0)
    assert pods.stages()["main"] == (1, 0)


def test_times_that_contradict_each_other_are_skipped_and_told(pods: Pods) -> None:
    statuses = [ended("main", BASE + 300, BASE + 2)]
    pods.upsert(terminal(conditions=SCHEDULED, containerStatuses=statuses), BASE + 9)
    pods.finish()
    assert "main" not in pods.stages()
    assert pods.registry.problems == {("Pod", "negative_duration"): 1}


def test_a_finish_in_the_future_is_skipped_and_told(pods: Pods) -> None:
    statuses = [ended("main", BASE + 3, BASE + 90_000)]
    pods.upsert(terminal(conditions=SCHEDULED, containerStatuses=statuses), BASE + 9)
    pods.finish()
    assert set(pods.stages()) == {"schedule", "prepare"}
    assert pods.registry.problems == {("Pod", "future_time"): 1}


def test_an_unknown_phase_is_told_and_shown_as_unknown(pods: Pods) -> None:
    pods.upsert(argo_pod(phase="Levitating"), BASE)
    pods.finish()
    assert pods.phases() == {"Unknown": 1}
    assert pods.registry.problems == {("Pod", "unknown_phase"): 1}


def test_pods_that_had_ended_before_the_first_list_are_history(pods: Pods) -> None:
    pods.upsert(life(argo_pod(), BASE)[-1], BASE + 90, baseline=True)
    pods.finish()
    assert pods.stages() == {}
    assert pods.phases() == {"Succeeded": 1}
    end = pods.end("ml", "etl-x7k2p", "etl-x7k2p-1000000001")
    assert end is not None
    assert end.finished == BASE + 40


def test_a_pod_that_was_live_at_the_first_list_counts_when_it_ends(pods: Pods) -> None:
    states = life(argo_pod(), BASE)
    pods.upsert(states[3], BASE + 10, baseline=True)
    pods.upsert(states[4], BASE + 40)
    pods.finish()
    assert pods.stages()["main"] == (1, 30)


def test_a_pod_that_vanished_unseen_counts_what_was_known_of_it(pods: Pods) -> None:
    for state in life(argo_pod(), BASE)[:4]:
        pods.upsert(state, BASE + 10)
    pods.vanish(argo_pod()["metadata"]["uid"], BASE + 300)
    pods.finish()
    assert set(pods.stages()) == {"schedule", "prepare", "init"}
    assert pods.phases() == {}


def test_start_up_of_a_rollout_pod_is_counted_as_soon_as_it_is_ready(pods: Pods) -> None:
    made = argo_pod(phase="Running", containerStatuses=[running("web", BASE + 4)])
    made["metadata"]["labels"] = {"rollouts-pod-template-hash": "6d4b7"}
    made["metadata"]["ownerReferences"] = [
        {"kind": "ReplicaSet", "name": "shop-6d4b7", "uid": "r", "controller": True}
    ]
    made["status"]["conditions"] = SCHEDULED
    pods.upsert(made, BASE + 5)
    assert pods.stages() == {}
    made["status"]["conditions"] = [*SCHEDULED, condition("Ready", "True", BASE + 9)]
    for at in (10, 11):
        pods.upsert(made, BASE + at)
    made["status"]["containerStatuses"] = [ended("web", BASE + 4, BASE + 64)]
    pods.delete(made, BASE + 65)
    pods.finish()
    assert pods.stages() == {"schedule": (1, 1), "prepare": (1, 3), "main": (1, 60)}
    labels = {labels for labels, _ in pods.registry.samples(pod.STAGE_SECONDS)}
    assert {label[1] for label in labels} == {"shop"}


@pytest.mark.parametrize(
    ("name", "node", "template", "expected"),
    [
        ("etl-x7k2p-load-17", "etl-x7k2p-17", "", "load"),
        ("etl-x7k2p-load-all-17", "etl-x7k2p-17", "", "load-all"),
        ("etl-x7k2p", "etl-x7k2p", "load", "load"),
        ("etl-x7k2p", "etl-x7k2p", "", "the-entrypoint"),
        ("etl-x7k2p-17", "etl-x7k2p-17", "load", "load"),
        ("etl-x7k2p-" + "l" * 232 + "-17", "etl-x7k2p-17", "l" * 240, "l" * 240),
        ("etl-x7k2p-17-agent", "", "", ""),
    ],
    ids=["v2", "v2 dashes", "root", "root offloaded", "v1", "truncated", "agent"],
)
def test_the_template_comes_from_the_name_or_else_from_the_executors_environment(
    name: str, node: str, template: str, expected: str
) -> None:
    pods = Pods()
    pods.workflow("ml", "etl-x7k2p", "etl", entrypoint="the-entrypoint")
    made = life(argo_pod(), BASE)[-1]
    made["metadata"]["name"] = name
    made["metadata"]["annotations"] = {"workflows.argoproj.io/node-id": node} if node else {}
    value = f'{{"name":"{template}","inputs":{{}}}}' if template else "offloaded"
    environment = [{"name": "ARGO_TEMPLATE", "value": value}]
    made["spec"]["initContainers"] = [{"name": "init", "env": environment}]
    pods.upsert(made, BASE + 50)
    pods.finish()
    labels = {labels for labels, _ in pods.registry.samples(pod.STAGE_SECONDS)}
    assert {label[2] for label in labels} == {expected}


def test_exposition_of_a_finished_and_a_waiting_pod(pods: Pods, golden: Any) -> None:
    pods.upsert(life(argo_pod(), BASE)[-1], BASE + 50)
    message = "0/3 nodes are available: 3 Insufficient cpu."
    unscheduled = [condition("PodScheduled", "False", BASE + 1, "Unschedulable", message)]
    pods.upsert(argo_pod(number=2, conditions=unscheduled), BASE + 50)
    pods.upsert(argo_pod(number=3, conditions=unscheduled), BASE + 50)
    scheduled = [condition("PodScheduled", "True", BASE + 46)]
    bad = [waiting("main", "InvalidImageName", "couldn't parse image reference")]
    pods.upsert(argo_pod(number=3, conditions=scheduled, containerStatuses=bad), BASE + 61)
    pods.finish()
    body, _ = Exposition(pods.registry, process=False).render("", "")
    text = body.decode()
    kept = [line for line in text.splitlines() if "argoscope_" not in line]
    golden("pod/finished_and_waiting.prom", "\n".join(kept) + "\n")
