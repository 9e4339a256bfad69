"""What a live rollout shows: objects in, exposition out."""

from collections.abc import Callable
from typing import Any

import pytest

from argoscope.export.prometheus import Exposition
from argoscope.resources.rollout.metrics import INFO, PHASE, PHASE_AGE, REPLICAS, STEP, WEIGHT
from support.rollouts import (
    CREATED,
    Event,
    Journal,
    aborted,
    at,
    canary,
    condition,
    created,
    recorded_rollouts,
    watch,
)

Golden = Callable[[str, str], None]


def _exposition(journal: Journal) -> str:
    """The rollouts' part of a scrape one minute after the creation, without HELP and buckets."""
    journal.now = lambda: CREATED + 60
    journal.publish()
    body, _ = Exposition(journal, process=False).render("", "")
    left_out = ("argoscope_", "# HELP", "_bucket")
    return "".join(
        line
        for line in body.decode().splitlines(keepends=True)
        if "argo_rollout" in line and not any(part in line for part in left_out)
    )


def test_a_canary_at_its_first_pause(golden: Golden) -> None:
    events = [
        canary(1, 1, "a", "", replicas=4),
        created(),
        canary(10, 2, "b", "a", currentStepIndex=0, replicas=4),
        canary(
            20,
            2,
            "b",
            "a",
            phase="Paused",
            currentStepIndex=1,
            replicas=4,
            updatedReplicas=1,
            readyReplicas=4,
            availableReplicas=3,
            controllerPause=True,
            pauseConditions=[{"reason": "CanaryPauseStep", "startTime": at(20)}],
        ),
    ]
    golden("rollout/canary-at-its-first-pause.prom", _exposition(watch(events)))


def _phase(journal: Journal) -> str:
    (shown,) = (labels[-1] for labels, value in journal.samples(PHASE) if value)
    return shown


def _changed(event: Event, **metadata: Any) -> Event:
    event[1]["object"]["metadata"] |= metadata
    return event


RESUMED = {"phase": "Paused", "controllerPause": True}
WORKLOAD_2 = {"rollout.argoproj.io/workload-generation": "2"}


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (created(), "Healthy"),
        (_changed(created(), generation=2), "Progressing"),
        (canary(20, 2, "b", "a", **RESUMED), "Progressing"),
        (
            _changed(
                canary(20, 1, "a", "a", phase="Healthy", workloadObservedGeneration="1"),
                annotations=WORKLOAD_2,
            ),
            "Progressing",
        ),
        (canary(1, 1, "", "", phase=""), "Unknown"),
        (canary(1, 1, "", "", phase="Melted"), "Unknown"),
        (canary(1, 1, "", "", phase="Degraded", message="InvalidSpec: no"), "Degraded"),
    ],
    ids=[
        "as the status says",
        "spec not yet observed",
        "a person resumed, the controller did not act yet",
        "workload not yet observed",
        "no controller",
        "phase of a later version",
        "invalid spec",
    ],
)
def test_the_phase_is_never_that_of_an_older_spec(event: Event, shown: str) -> None:
    assert _phase(watch([event])) == shown


def test_an_unknown_phase_is_reported() -> None:
    journal = watch([canary(1, 1, "", "", phase="Melted")] * 2)
    assert journal.problems == {("Rollout", "unknown_phase"): 1}


@pytest.mark.parametrize(
    ("event", "since"),
    [
        (created(), 5),
        (canary(90, 2, "b", "a", **aborted(30)), 30),
        (
            canary(
                90,
                2,
                "b",
                "a",
                phase="Degraded",
                conditions=[condition("Progressing", "False", "ProgressDeadlineExceeded", 40)],
            ),
            40,
        ),
        (canary(90, 2, "b", "a"), 10),
        (canary(90, 1, "", "", phase=""), 0),
        (_changed(canary(90, 1, "a", "a", phase="Healthy"), generation=2), 90),
    ],
    ids=["healthy", "aborted", "deadline", "progressing", "no controller", "spec not observed"],
)
def test_the_age_of_a_phase_survives_a_restart_of_the_daemon(event: Event, since: float) -> None:
    journal = watch([event])
    journal.now = lambda: CREATED + 100
    assert dict(journal.samples(PHASE_AGE)) == {("shop", "web"): 100 - since}


def test_the_age_of_a_pause_is_its_own_and_not_that_of_the_pause_before() -> None:
    pauses = [
        canary(
            start + 1,
            2,
            "b",
            "a",
            phase="Paused",
            pauseConditions=[{"reason": "CanaryPauseStep", "startTime": at(start)}],
        )
        for start in (20, 50)
    ]
    journal = watch([created(), *pauses])
    journal.now = lambda: CREATED + 100
    assert dict(journal.samples(PHASE_AGE)) == {("shop", "web"): 50}


def _routed(event: Event, **routers: Any) -> Event:
    event[1]["object"]["spec"]["strategy"]["canary"]["trafficRouting"] = routers
    return event


GIVEN = {"weights": {"canary": {"weight": 10}, "stable": {"weight": 90}}}
PODS = {"replicas": 5, "updatedReplicas": 2}


@pytest.mark.parametrize(
    ("event", "weights"),
    [
        (canary(20, 2, "b", "a", currentStepIndex=1, **PODS), (40, 60)),
        (canary(20, 2, "b", "a", currentStepIndex=1), (0, 100)),
        (canary(20, 2, "b", "b", currentStepIndex=3, replicas=4, updatedReplicas=4), (0, 100)),
        (_routed(canary(20, 2, "b", "a", canary=GIVEN, **PODS), nginx={}), (10, 90)),
        (_routed(canary(20, 2, "b", "a", currentStepIndex=0, **PODS), nginx={}), (25, 75)),
        (_routed(canary(20, 2, "b", "a", currentStepIndex=1, **PODS), nginx={}), (25, 75)),
        (_routed(canary(20, 2, "b", "a", currentStepIndex=3, **PODS), nginx={}), (100, 0)),
        (_routed(canary(20, 2, "b", "a", **aborted(15), **PODS), nginx={}), (0, 100)),
    ],
    ids=[
        "share of the pods",
        "no pods",
        "promoted",
        "as given to the router",
        "setWeight",
        "setWeight of the step before",
        "after the last step",
        "aborted",
    ],
)
def test_weights(event: Event, weights: tuple[float, float]) -> None:
    samples = dict(watch([event]).samples(WEIGHT))
    assert (samples["shop", "web", "canary"], samples["shop", "web", "stable"]) == weights


def test_info_names_strategy_workload_and_routers() -> None:
    routed = _routed(created(), plugins={"argoproj-labs/gatewayAPI": {}}, appMesh={}, nginx={})
    routed[1]["object"]["spec"]["workloadRef"] = {"kind": "Deployment", "name": "legacy"}
    assert list(watch([routed]).samples(INFO)) == [
        (
            (
                "shop",
                "web",
                "canary",
                "Deployment/legacy",
                "appMesh+nginx+argoproj-labs/gatewayAPI",
            ),
            1.0,
        )
    ]


def test_blue_green_has_neither_steps_nor_weights() -> None:
    events = [e for e in recorded_rollouts()["bluegreen"] if e[1]["type"] != "DELETED"]
    journal = watch(events)
    assert list(journal.samples(STEP)) == []
    assert list(journal.samples(WEIGHT)) == []
    assert [labels[2:] for labels, _ in journal.samples(INFO)] == [("blueGreen", "", "")]


def test_a_rollout_scaled_to_none_is_healthy_with_zero_replicas() -> None:
    journal = watch(recorded_rollouts()["restart-and-scale"])
    assert _phase(journal) == "Healthy"
    assert [value for _, value in journal.samples(REPLICAS)] == [0.0] * 5
