"""The recorded scenarios of Rollouts, run in the simulator: the same changes in the same order.

Compared is, change by change, everything of a Rollout that does not depend on how fast its pods
became ready (``support.rollout_scenarios.Signatures``); and of AnalysisRuns how their metrics went.
"""

import json
import re
from functools import cache
from typing import Any

import pytest

from argoscope.simulator.engine.kernel import Kernel, Object
from support.recordings import require_shared
from support.rollout_scenarios import (
    changes,
    recorded,
    recorded_sequence,
    run,
    sequence,
)

SCENARIOS = (
    "canary-steps",
    "canary-approval",
    "canary-abort",
    "canary-rollback",
    "canary-stuck-image",
    "canary-deadline-abort",
    "canary-crash",
    "bluegreen",
    "bluegreen-auto",
    "analysis-ok",
    "analysis-bad",
    "analysis-background",
    "analysis-inconclusive",
    "analysis-error",
    "dry-run",
    "nginx",
    "restart-and-scale",
    "paused-by-user",
    "invalid",
    "no-service",
    "workload-ref",
)
NOT_MODELLED = {
    "experiment-step": "the simulated controller has no experiments: InvalidSpec says so",
    "analysis-job": "metrics measure what an annotation says, and start no Jobs",
}
RACES = {
    "analysis-background": "the last measurement and the end of a pause came within 0.1 s",
}
"""What comes first is chance: the recorded order has to be among those of some seeds."""
DISTURBED = {
    # Two writes of the whole list of conditions overtook each other on the loaded node, so that
    # one of them undid what the other had said of Progressing.
    "paused-by-user": {"Progressing"},
    # The stable ReplicaSet lost a pod late, in the middle of the pause: Progressing was True again.
    "nginx": {"Progressing"},
}


@cache
def simulated(name: str) -> Kernel:
    if name not in RACES:
        return run(name)
    for seed in range(1, 41):
        kernel = run(name, seed)
        if sequence(changes(kernel, "rollouts", name)) == recorded_sequence(name)[:-1]:
            break
    return kernel


def without(found: list[dict[str, Any]], fields: set[str]) -> list[dict[str, Any]]:
    kept = [{key: value for key, value in each.items() if key not in fields} for each in found]
    return [each for each in kept if each]


def test_every_recorded_scenario_is_run_or_has_a_reason_why_not() -> None:
    assert {*SCENARIOS, *NOT_MODELLED} == set(recorded("rollouts"))


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_same_changes_come_in_the_same_order(name: str) -> None:
    # All rollouts were deleted when the recording ended.
    left_out = DISTURBED.get(name, set()) | ({"gone"} if name != "canary-crash" else set())
    expected = without(recorded_sequence(name), left_out)
    assert len(expected) >= 2
    assert without(sequence(changes(simulated(name), "rollouts", name)), left_out) == expected


OTHER_EVENTS = {
    "nginx": "the simulated router takes weights without an Ingress, and says nothing",
    "analysis-background": "the step ended as the analysis did: which was scaled first, differs",
    "workload-ref": "the recorded controller lost a conflict, and so did not say what it created",
}


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in OTHER_EVENTS])
def test_the_controller_records_the_same_events(name: str) -> None:
    theirs = [
        event["object"]
        for events in recorded("events").values()
        for _, event in events
        if event["type"] != "DELETED"
    ]
    theirs.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
    ours = [event for kind, event in changes(simulated(name), "events") if kind != "DELETED"]
    # Of one rollout a 26th Event came through client-go's limit; nobody knows why.
    assert told_of(name, ours) == told_of(name, theirs)[:25] != []


def told_of(name: str, events: list[Object]) -> list[tuple[Any, ...]]:
    """What Events say of a rollout: hashes have no meaning, and its end is not simulated."""
    found = []
    for event in events:
        about = event["involvedObject"]
        if (about["kind"], about["name"]) == ("Rollout", name):
            said = re.sub(rf"({name}-|\(|')[4-9bcdf]{{7,10}}\b", r"\1#", event["message"])
            fields = ("reason", "type", "count", "reportingComponent")
            found.append((said, *(event[field] for field in fields)))
    return [each for each in found if each[1] != "RolloutDeleted" or name == "canary-crash"]


def measurements(stream: list[Object]) -> list[tuple[Any, ...]]:
    """How an AnalysisRun went, repeats collapsed; that the controller polls a Job, is none."""
    found: list[tuple[Any, ...]] = []
    for obj in stream:
        status = obj.get("status") or {}
        results = tuple(
            (r["phase"], *(r.get(f, 0) for f in ("count", "successful", "failed", "error")))
            for r in status.get("metricResults") or ()
        )
        message = status.get("message", "")
        now = (status.get("phase") or "", message, results, status.get("runSummary"))
        if status.get("phase") and (not found or now != found[-1]):
            found.append(now)
    return found


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name.startswith("analysis")])
def test_analysis_runs_go_as_recorded(name: str) -> None:
    assert_runs_equal(name)


@pytest.mark.parametrize("name", ["bluegreen-auto", "dry-run"])
def test_analysis_runs_of_other_scenarios_go_as_recorded(name: str) -> None:
    assert_runs_equal(name)


def assert_runs_equal(name: str) -> None:
    theirs = {
        run.replace(digest_of(run, name), "#"): [event["object"] for _, event in stream]
        for run, stream in recorded("analysisruns").items()
        if owner_of(stream[0][1]["object"]) == name
    }
    ours: dict[str, list[Object]] = {}
    for _, obj in changes(simulated(name), "analysisruns"):
        run_name = obj["metadata"]["name"]
        ours.setdefault(run_name.replace(digest_of(run_name, name), "#"), []).append(obj)
    assert theirs.keys() == ours.keys() != set()
    for run_name, stream in theirs.items():
        assert measurements(ours[run_name]) == measurements(stream)


def digest_of(run_name: str, rollout: str) -> str:
    return run_name.removeprefix(f"{rollout}-").split("-")[0]


def owner_of(obj: Object) -> str:
    return str(obj["metadata"]["ownerReferences"][0]["name"])


# Fields


def paths(value: Any, prefix: str = "") -> set[str]:
    """Paths of the fields of JSON; elements of a list are one ``[]``."""
    found: set[str] = set()
    if isinstance(value, dict):
        for key, item in value.items():
            found |= {f"{prefix}.{key}", *paths(item, f"{prefix}.{key}")}
    elif isinstance(value, list):
        for item in value:
            found |= paths(item, f"{prefix}[]")
    return found


LEFT_OUT = {
    # Measured by Jobs or in experiments only, which are not modelled.
    ".canary.currentExperiment",
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_rollout_status_has_the_recorded_fields(name: str) -> None:
    theirs: set[str] = set()
    ours: set[str] = set()
    for _, event in recorded("rollouts")[name]:
        theirs |= paths(event["object"].get("status") or {})
    for _, obj in changes(simulated(name), "rollouts", name):
        ours |= paths(obj.get("status") or {})
    assert ours == theirs - LEFT_OUT


@pytest.mark.parametrize("plural", ["rollouts", "replicasets", "analysisruns"])
def test_metadata_have_the_recorded_fields(plural: str) -> None:
    theirs: set[str] = set()
    ours: set[str] = set()
    for name, stream in recorded(plural).items():
        if not name.startswith((*NOT_MODELLED, "legacy")):
            for _, event in stream:
                theirs |= paths(known(event["object"]["metadata"]))
    for name in SCENARIOS:
        for _, obj in changes(simulated(name), plural):
            ours |= paths(known(obj["metadata"]))
    assert ours == theirs


def known(metadata: Object) -> Object:
    """Without what is the API server's alone, or says what the simulation does."""
    kept = {key: value for key, value in metadata.items() if key not in ("managedFields", "labels")}
    annotations = metadata.get("annotations") or {}
    kept["annotations"] = {
        key: value for key, value in annotations.items() if "simulator" not in key
    }
    return kept


def test_the_statuses_of_replica_sets_and_analysis_runs_have_known_fields() -> None:
    job = ".metricResults[].measurements[].metadata"
    for plural in ("replicasets", "analysisruns"):
        theirs: set[str] = set()
        ours: set[str] = set()
        for stream in recorded(plural).values():
            for _, event in stream:
                theirs |= paths(event["object"].get("status") or {})
        for name in SCENARIOS:
            for _, obj in changes(simulated(name), plural):
                ours |= paths(obj.get("status") or {})
        theirs = {path for path in theirs if not path.startswith(job)}
        # A measurement that takes time: in the recording only a Job's.
        assert theirs - ours <= {".metricResults[].measurements[].resumeAt"}
        assert ours <= theirs


@pytest.mark.parametrize(
    ("plural", "crd"), [("rollouts", "rollout"), ("analysisruns", "analysis-run")]
)
def test_every_field_is_in_the_crd(plural: str, crd: str) -> None:
    path = require_shared(f"crds/argoproj-argo-rollouts__{crd}-crd.json")
    known: set[str] = set()
    for version in json.loads(path.read_text())["spec"]["versions"]:
        schema = version["schema"]["openAPIV3Schema"]["properties"]["status"]
        known |= schema_paths(schema)
    ours: set[str] = set()
    for name in SCENARIOS:
        for _, obj in changes(simulated(name), plural):
            ours |= paths(obj.get("status") or {})
    assert len(ours) > 10
    assert ours <= known


def schema_paths(schema: Object, prefix: str = "") -> set[str]:
    found: set[str] = set()
    for key, item in (schema.get("properties") or {}).items():
        found |= {f"{prefix}.{key}", *schema_paths(item, f"{prefix}.{key}")}
    if "items" in schema:
        found |= schema_paths(schema["items"], f"{prefix}[]")
    return found
