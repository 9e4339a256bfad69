"""Why an attempt was aborted, from what the controllers of 1.5 to 1.10 write."""

from typing import Any

import pytest

from argoscope.resources.rollout.metrics import ABORT_CAUSES, ABORTS
from support.rollouts import aborted, canary, created, watch

PLUGIN_FAILED = {"stepPluginStatuses": [{"phase": "Successful"}, {"phase": "Failed"}]}


@pytest.mark.parametrize(
    ("why", "status", "cause"),
    [
        ("", {}, "user"),
        ('ReplicaSet "web-b" has timed out progressing.', {}, "progress_deadline"),
        ('Rollout "web" has timed out progressing.', {}, "progress_deadline"),
        (
            'Metric "rate" assessed Failed due to failed (1) > failureLimit (0)',
            {},
            "analysis_failed",
        ),
        (
            'Blue/green pre-promotion analysis phase error/failed: Metric "5xx" assessed Failed',
            {},
            "analysis_failed",
        ),
        (
            'Metric "rate" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4)',
            {},
            "analysis_error",
        ),
        (
            "Step-based analysis phase error/failed: analysis spec invalid: no provider",
            {},
            "analysis_error",
        ),
        ("the plugin said no", {"canary": PLUGIN_FAILED}, "step_plugin"),
        ("", {"canary": PLUGIN_FAILED}, "step_plugin"),
        ('Experiment "web-b-2-0" has timed out progressing.', {}, "experiment"),
        ("what nobody has seen yet", {}, "other"),
    ],
)
def test_the_cause_is_in_the_message(why: str, status: dict[str, Any], cause: str) -> None:
    end = canary(30, 2, "b", "a", **{**aborted(30, why), **status})
    journal = watch([created(), canary(10, 2, "b", "a"), end])
    assert journal.aborts("web") == [cause]
    assert cause in ABORT_CAUSES


def test_an_experiment_without_a_telling_message_is_known_by_its_step() -> None:
    events = [
        created(),
        canary(10, 2, "b", "a", currentStepIndex=0),
        canary(30, 2, "b", "a", currentStepIndex=0, **aborted(30, "a template failed")),
    ]
    for _, change in events:
        change["object"]["spec"]["strategy"]["canary"]["steps"] = [{"experiment": {}}]
    assert watch(events).aborts("web") == ["experiment"]


def test_causes_that_the_spec_can_produce_are_exposed_at_zero_from_the_start() -> None:
    event = created()
    canary_spec = event[1]["object"]["spec"]["strategy"]["canary"]
    canary_spec["steps"] = [{"plugin": {"name": "x"}}, {"experiment": {}}]
    canary_spec["analysis"] = {"templates": []}
    assert dict(watch([event]).samples(ABORTS)) == {
        ("shop", "web", cause): 0.0
        for cause in ("user", "analysis_failed", "analysis_error", "experiment", "step_plugin")
    }
    assert dict(watch([created()]).samples(ABORTS)) == {("shop", "web", "user"): 0.0}
