"""How long the pod has waited that waits longest, by pipeline and reason."""

from typing import Any

import pytest

from argoscope.resources.pod._metrics import PENDING_OLDEST
from support.pod_objects import BASE, argo_pod, condition, running, waiting
from support.pods import Pods

CPU = "0/3 nodes are available: 3 Insufficient cpu."
SCHEDULED = [condition("PodScheduled", "True", BASE + 1)]


@pytest.fixture
def pods() -> Pods:
    made = Pods()
    made.workflow("ml", "etl-x7k2p", "etl", started=BASE)
    return made


def unscheduled(since: float, uid: str) -> dict[str, Any]:
    pod = argo_pod(conditions=[condition("PodScheduled", "False", since, "Unschedulable", CPU)])
    pod["metadata"]["uid"] = uid
    return pod


def oldest(pods: Pods, at: float) -> dict[tuple[str, ...], float]:
    pods.now = at
    pods.pods.tick(at)
    return dict(pods.registry.samples(PENDING_OLDEST))


def test_the_one_that_has_waited_longest_counts_until_it_waits_no_more(pods: Pods) -> None:
    key = ("ml", "etl", "Unschedulable: insufficient cpu")
    pods.upsert(unscheduled(BASE + 10, "a"), BASE + 20)
    pods.upsert(unscheduled(BASE + 40, "b"), BASE + 50)
    assert oldest(pods, BASE + 100) == {key: 90}
    pods.delete(unscheduled(BASE + 10, "a"), BASE + 110)
    assert oldest(pods, BASE + 120) == {key: 80}
    pods.vanish("b", BASE + 130)
    assert oldest(pods, BASE + 140) == {}


def test_one_trouble_under_two_names_is_one_wait(pods: Pods) -> None:
    error = waiting("main", "ErrImagePull", "rpc error: x: not found")
    pods.upsert(argo_pod(conditions=SCHEDULED, containerStatuses=[error]), BASE + 10)
    backoff = waiting("main", "ImagePullBackOff", 'Back-off pulling image "x"')
    pods.upsert(argo_pod(conditions=SCHEDULED, containerStatuses=[backoff]), BASE + 30)
    assert oldest(pods, BASE + 60) == {("ml", "etl", "ErrImagePull: not found"): 50}
    started = argo_pod(
        phase="Running", conditions=SCHEDULED, containerStatuses=[running("main", BASE + 70)]
    )
    pods.upsert(started, BASE + 71)
    assert oldest(pods, BASE + 80) == {}


def test_a_pod_whose_workflow_comes_later_waits_since_the_same_time() -> None:
    pods = Pods()
    pods.upsert(unscheduled(BASE + 10, "a"), BASE + 20)
    assert list(oldest(pods, BASE + 30)) == [("ml", "", "Unschedulable: insufficient cpu")]
    pods.workflow("ml", "etl-x7k2p", "etl", started=BASE)
    assert oldest(pods, BASE + 60) == {("ml", "etl", "Unschedulable: insufficient cpu"): 50}
