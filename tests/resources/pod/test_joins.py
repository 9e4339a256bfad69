"""Pods and their workflows come in two streams without a common order."""

import random
from itertools import product
from typing import Any

import pytest

from argoscope.resources import pod
from argoscope.resources.pod import _joins
from support.pod_objects import BASE, argo_pod, condition, life, running, stamp, waiting
from support.pods import Pods

KEY = ("ml", "etl-x7k2p")
NODE = "etl-x7k2p-1000000001"
SCHEDULED = [condition("PodScheduled", "True", BASE + 1)]


def pipelines(pods: Pods) -> set[str]:
    pods.registry.publish()
    return {labels[1] for labels, _ in pods.registry.samples(pod.STAGE_SECONDS)}


def unstarted(uid: str, created: float = BASE) -> dict[str, Any]:
    return argo_pod(
        uid=uid,
        created=created,
        conditions=[condition("PodScheduled", "True", created)],
        containerStatuses=[waiting("main", "PodInitializing")],
    )


def leaving(made: dict[str, Any], at: float) -> dict[str, Any]:
    meta = made["metadata"] | {"deletionTimestamp": stamp(at), "deletionGracePeriodSeconds": 0}
    return made | {"metadata": meta}


def test_measurements_wait_for_the_workflow_that_comes_after_the_pod() -> None:
    pods = Pods()
    for state in life(argo_pod(), BASE):
        pods.upsert(state, BASE + 40)
    assert pipelines(pods) == set()
    assert pods.end(*KEY, NODE) is None
    pods.workflow(*KEY, "etl")
    assert pipelines(pods) == {"etl"}
    end = pods.end(*KEY, NODE)
    assert end is not None
    assert end.finished == BASE + 40
    pods.finish()
    assert pods.stages()["main"] == (1, 30)


def test_a_waiting_pod_moves_to_its_pipeline_when_that_is_known() -> None:
    pods = Pods()
    bad = [waiting("main", "InvalidImageName")]
    pods.upsert(argo_pod(conditions=SCHEDULED, containerStatuses=bad), BASE + 5)
    pods.pods.tick(BASE + 6)
    pods.registry.publish()
    series = dict(pods.registry.samples(pod.PENDING))
    assert series == {("ml", "", "InvalidImageName"): 1}
    pods.workflow(*KEY, "etl")
    pods.finish()
    series = dict(pods.registry.samples(pod.PENDING))
    assert series == {("ml", "etl", "InvalidImageName"): 1}


@pytest.mark.parametrize(
    ("deleted", "seconds"), [(True, _joins.GRACE), (False, _joins.PATIENCE)], ids=["gone", "there"]
)
def test_the_workflows_name_stands_in_when_the_workflow_never_comes(
    deleted: bool, seconds: float
) -> None:
    pods = Pods()
    last = life(argo_pod(), BASE)[-1]
    pods.upsert(last, BASE + 50)
    if deleted:
        pods.delete(last, BASE + 50)
    pods.pods.tick(BASE + 49 + seconds)
    assert pipelines(pods) == set()
    pods.pods.tick(BASE + 51 + seconds)
    assert pipelines(pods) == {"etl-x7k2p"}
    # Nobody would drop the end of a run that is not known.
    assert pods.world.pod_ends == {}


def test_the_end_of_the_input_waits_for_no_workflow() -> None:
    pods = Pods()
    pods.upsert(life(argo_pod(), BASE)[-1], BASE + 50)
    bad = [waiting("main", "InvalidImageName")]
    pods.upsert(argo_pod(number=2, conditions=SCHEDULED, containerStatuses=bad), BASE + 50)
    pods.finish()
    assert pipelines(pods) == {"etl-x7k2p"}
    series = dict(pods.registry.samples(pod.PENDING))
    assert series == {("ml", "etl-x7k2p", "InvalidImageName"): 1}


def test_pods_without_any_workflow_hold_a_bounded_number_of_measurements(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_joins, "_BOUND", 60)
    pods = Pods()
    for number in range(40):
        made = argo_pod(workflow=f"wf-{number}", number=number)
        pods.upsert(life(made, BASE)[-1], BASE + 50)
    assert pods.pods._joins._size <= 60 + 6
    pods.finish()
    assert pods.stages()["main"] == (40, 40 * 30)


def test_what_is_kept_for_a_run_goes_with_it() -> None:
    pods = Pods()
    pods.workflow(*KEY, "etl")
    first, second = argo_pod(number=1), argo_pod(number=2)
    pods.upsert(life(first, BASE)[-1], BASE + 50)
    pods.upsert(life(second, BASE)[3], BASE + 50)
    assert set(pods.world.pod_ends[KEY]) == {NODE}
    pods.workflow(*KEY, "etl", gone=True)
    assert pods.world.pod_ends == {}
    # The garbage collector deletes the pods after their workflow.
    for made in (first, second):
        pods.delete(life(made, BASE)[-1], BASE + 60)
    pods.finish()
    assert pods.world.pod_ends == {}
    assert pipelines(pods) == {"etl"}
    assert pods.stages()["main"] == (2, 60)
    deriver = pods.pods
    assert not deriver._records
    assert not deriver._unresolved
    assert not deriver._joins._waiting
    assert not deriver._joins._deadlines
    assert not deriver._census._counts


def test_ends_are_kept_for_runs_that_go_on_only() -> None:
    """Finished workflows stay for days, and podGC leaves nothing of their pods."""
    pods = Pods()
    pods.workflow(*KEY, "etl", started=BASE, finished=BASE + 45, counted=BASE + 45)
    pods.upsert(life(argo_pod(), BASE)[-1], BASE + 50)
    assert pods.world.pod_ends == {}
    pods.workflow(*KEY, "etl", started=BASE + 60)
    pods.upsert(life(argo_pod(uid="b", created=BASE + 60), BASE + 60)[-1], BASE + 110)
    assert pods.end(*KEY, NODE) is not None


def test_a_pod_that_is_made_again_before_it_started_is_a_restart() -> None:
    pods = Pods()
    pods.workflow(*KEY, "etl", started=BASE)
    pods.upsert(unstarted("a"), BASE + 1)
    pods.upsert(leaving(unstarted("a"), BASE + 9), BASE + 9)
    pods.delete(leaving(unstarted("a"), BASE + 9), BASE + 9)
    assert pods.registry.value(pod.RESTARTS, ("ml", "etl")) in (None, 0)
    again = argo_pod(uid="b", created=BASE + 20)
    for state in life(again, BASE + 20):
        pods.upsert(state, BASE + 70)
    pods.finish()
    assert pods.restarts() == 1
    # The second pod's end is the node's, the first one's no longer.
    end = pods.end(*KEY, NODE)
    assert end is not None
    assert end.finished == BASE + 60


def test_a_pod_that_is_made_again_by_argo_retry_is_no_restart() -> None:
    pods = Pods()
    pods.workflow(*KEY, "etl", started=BASE)
    pods.upsert(unstarted("a"), BASE + 1)
    pods.delete(leaving(unstarted("a"), BASE + 9), BASE + 9)
    pods.workflow(*KEY, "etl", started=BASE + 19)
    pods.upsert(life(argo_pod(uid="b", created=BASE + 20), BASE + 20)[-1], BASE + 70)
    pods.finish()
    assert pods.restarts() == 0


def test_a_pod_that_had_started_is_no_restart_when_it_is_made_again() -> None:
    pods = Pods()
    pods.workflow(*KEY, "etl", started=BASE)
    ran = life(argo_pod(uid="a"), BASE)[3]
    pods.upsert(ran, BASE + 9)
    pods.delete(leaving(ran, BASE + 20), BASE + 20)
    pods.upsert(life(argo_pod(uid="b", created=BASE + 20), BASE + 20)[-1], BASE + 70)
    pods.finish()
    assert pods.restarts() == 0


def test_a_pod_that_is_deleted_while_it_runs_ends_with_its_deletion() -> None:
    pods = Pods()
    pods.workflow(*KEY, "etl", started=BASE)
    ran = argo_pod(
        phase="Running", conditions=SCHEDULED, containerStatuses=[running("main", BASE + 4)]
    )
    pods.upsert(ran, BASE + 5)
    pods.delete(leaving(ran, BASE + 33), BASE + 34)
    end = pods.end(*KEY, NODE)
    assert end is not None
    assert end.finished == BASE + 33


@pytest.mark.parametrize("seed", range(20))
def test_any_merge_of_the_two_streams_gives_the_same(seed: int) -> None:
    """Pods of four workflows; each stream keeps its order, the merge is random."""
    rng = random.Random(seed)
    streams: list[list[Any]] = []
    for wf, number in product(range(4), range(3)):
        made = argo_pod(
            workflow=f"wf-{wf}", number=number, uid=f"u{wf}{number}", created=BASE + number
        )
        states = life(made, BASE + number)
        keep = [state for state in states[:-1] if rng.random() < 0.5] + states[-1:]
        steps: list[Any] = [("pod", state) for state in keep for _ in range(rng.choice((1, 2)))]
        streams.append([*steps, ("gone", keep[-1])])
    streams.extend([("run", f"wf-{wf}")] for wf in range(4))
    pods = Pods()
    at = BASE + 100.0
    while streams:
        stream = rng.choice(streams)
        kind, value = stream.pop(0)
        streams = [left for left in streams if left]
        at += 0.01
        if kind == "pod":
            pods.upsert(value, at)
        elif kind == "gone":
            pods.delete(value, at)
        else:
            pods.workflow("ml", value, "etl")
    pods.finish()
    assert pipelines(pods) == {"etl"}
    assert pods.stages() == {
        "schedule": (12, 12),
        "prepare": (12, 36),
        "init": (12, 48),
        "main": (12, 360),
        "wait": (12, 24),
    }
    assert {len(ends) for ends in pods.world.pod_ends.values()} == {3}
