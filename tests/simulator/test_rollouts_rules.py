"""The rules of the simulated Rollouts controller by themselves: counts, durations, hashes."""

import json
from typing import Any

import pytest

from argoscope.simulator.engine.kernel import Object
from argoscope.simulator.engine.rollouts import actions, counts, measuring, spec
from simulator.test_rollouts_truth import CANARY, NAMESPACE, Story, rollout, template
from support.rollout_scenarios import recorded


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(3, 3.0), ("5", 5.0), ("5s", 5.0), ("1m30s", 90.0), ("1.5h", 5400.0), ("250ms", 0.25)],
)
def test_durations_are_gos(text: int | str, seconds: float) -> None:
    assert spec.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 s", "5d", "-3s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        spec.seconds(text)


def test_step_hashes_are_the_real_controllers() -> None:
    compared = 0
    for name, stream in recorded("rollouts").items():
        obj = stream[-1][1]["object"]
        theirs = obj["status"].get("currentStepHash")
        # Go writes the fields of these steps in another order than the API server stores them.
        if theirs and name not in ("dry-run", "experiment-step"):
            assert spec.step_hash(obj) == theirs
            compared += 1
    assert compared > 10


@pytest.mark.parametrize(
    ("replicas", "weight", "surge", "canary", "stable"),
    [
        (10, 10, 1, 1, 9),
        (10, 0, 1, 0, 10),
        (10, 100, 1, 10, 0),
        (1, 5, 1, 1, 1),  # one of each, with one more than wanted
        (1, 5, 0, 0, 1),  # no room for both: the nearer one
        (4, 34, 1, 2, 3),  # 40 % of five is nearer than 25 % of four
        (3, 50, 0, 2, 1),
        (0, 50, 1, 0, 0),
    ],
)
def test_replicas_come_closest_to_the_weight(
    replicas: int, weight: int, surge: int, canary: int, stable: int
) -> None:
    assert counts.closest(replicas, weight, surge) == (canary, stable)


STEP = "spec.strategy.steps[0]"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"canary": {"steps": [{"setWeight": 120}]}}, f"{STEP}.setWeight: Invalid value: 120"),
        ({"canary": {"steps": [{"pause": {"duration": "soon"}}]}}, f"{STEP}.pause.duration"),
        ({"canary": {"steps": [{"setCanaryScale": {"weight": 5}}]}}, f"{STEP}.setCanaryScale"),
        ({"canary": {"steps": [{"experiment": {"templates": []}}]}}, "has no experiment steps"),
        ({"canary": {"steps": [{"setWeight": 1, "pause": {}}]}}, "2 fields"),
        ({"canary": {"canaryService": "gone"}}, 'service "gone" not found'),
        ({}, "spec.strategy.strategy: Required value"),
        ({"canary": {}, "blueGreen": {}}, "spec.strategy.strategy: Required value"),
        ({"blueGreen": {}}, "activeService: Required value"),
        ({"blueGreen": {"activeService": "a", "previewService": "a"}}, "the same service"),
        (
            {"canary": {"analysis": {"templates": [{"templateName": "gone"}]}}},
            "AnalysisTemplate 'gone' not found",
        ),
    ],
)
def test_a_spec_that_can_not_work_is_refused(change: Object, problem: str) -> None:
    made = rollout("web", CANARY)
    made["spec"]["strategy"] = change
    found = spec.problem(made, lambda _, name: name == "a")
    assert found.startswith('The Rollout "web" is invalid: ')
    assert problem in found


def test_an_invalid_rollout_recovers_when_the_missing_service_comes() -> None:
    story = Story(CANARY)
    made = rollout("later", {"activeService": "late"})
    actions.create(story.kernel, "rollouts", made)
    story.wait(5)
    assert phase(story, "later") == "Degraded"
    service = {"metadata": {"namespace": NAMESPACE, "name": "late"}, "spec": {}}
    actions.create(story.kernel, "services", service)
    story.wait(30)
    assert phase(story, "later") == "Healthy"
    conditions = story.kernel.get("rollouts", NAMESPACE, "later")["status"]["conditions"]  # type: ignore[index]
    assert "InvalidSpec" not in {condition["type"] for condition in conditions}


def phase(story: Story, name: str) -> str:
    found = story.kernel.get("rollouts", NAMESPACE, name)
    assert found is not None
    return str(found["status"]["phase"])


def test_what_a_client_writes_over_the_api_takes_effect() -> None:
    story = Story(CANARY)
    stored = story.kernel.cluster.get("rollouts", "web", NAMESPACE)
    assert stored is not None
    obj = json.loads(stored.json)
    obj["spec"]["template"] = template(2)
    obj["metadata"]["generation"] += 1
    story.kernel.cluster.put("rollouts", obj)
    story.kernel.written_by_client("MODIFIED", "rollouts", obj)
    story.wait(10)
    assert story.rollout["status"]["currentPodHash"] == spec.pod_hash(template(2))
    assert story.rollout["metadata"]["annotations"][spec.REVISION] == "2"


def test_undo_goes_back_to_any_revision() -> None:
    story = Story({})
    for version in (2, 3):
        story.release(version)
        story.wait(60)
    story.act(actions.undo, 1)
    story.wait(60)
    image = story.rollout["spec"]["template"]["spec"]["containers"][0]["image"]
    assert (image, phase(story, "web")) == ("web:1", "Healthy")
    with pytest.raises(LookupError, match="no revision 77"):
        story.act(actions.undo, 77)


@pytest.mark.parametrize(
    "action", [actions.abort, actions.promote, actions.retry, actions.pause, actions.undo]
)
def test_actions_on_what_is_not_there_say_so(action: Any) -> None:
    story = Story({})
    with pytest.raises(LookupError, match="rollouts shop/nope not found"):
        action(story.kernel, NAMESPACE, "nope")


@pytest.mark.parametrize(
    ("metric", "results", "phase"),
    [
        ({"count": 2}, ["Successful"], "Running"),
        ({"count": 2}, ["Successful", "Successful"], "Successful"),
        ({"count": 2, "failureLimit": 1}, ["Failed", "Successful"], "Successful"),
        ({"count": 2}, ["Failed"], "Failed"),
        ({"interval": "5s"}, ["Successful"] * 9, "Running"),
        ({}, ["Inconclusive"], "Inconclusive"),
        ({}, ["Error"] * 4, "Running"),
        ({}, ["Error"] * 5, "Error"),
        ({}, ["Error", "Error", "Successful"], "Successful"),
    ],
)
def test_a_metric_is_assessed_by_its_limits(metric: Object, results: list[str], phase: str) -> None:
    result: Object = {"measurements": []}
    for each in results:
        measuring.add(result, each)
        result["measurements"].append({"phase": each})
    assert measuring.assess(metric, result, terminating=False) == phase
