"""`argoscope explain` as a person calls it."""

import base64
import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import brotli
import pytest
import yaml
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from argoscope.advice.words import span
from argoscope.explain.sentence import of
from argoscope.ledger.ledger import Ledger
from argoscope.resources._base import RunCauses
from support.explained import IMAGE, ask, asked, listed, pod, pulled, two_steps
from support.ledgers import registry_at, run_record
from support.recordings import recording
from support.workflow_objects import node, workflow


def test_one_sentence_says_where_most_of_the_time_went() -> None:
    told = ask("--file", "-", given=listed(*two_steps())).stdout.splitlines()
    assert told[0] == "40 of 62 seconds were image pulls: 1 image, 3.0 GiB, 1 cold node."


def test_causes_and_path_add_up_to_the_whole() -> None:
    found = asked(*two_steps())
    assert found["causes"] == {
        "pull": 40, "main": 8, "gap": 8, "prepare": 2, "init": 2, "schedule": 1, "wait": 1,
    }  # fmt: skip
    assert found["total_seconds"] == 62
    ends = [part["start_seconds"] + part["seconds"] for part in found["path"]]
    assert [part["start_seconds"] for part in found["path"]] == [0, *ends[:-1]]
    assert ends[-1] == found["total_seconds"]


@given(st.lists(st.integers(1, 9_999_999), min_size=1, max_size=6))
def test_parts_of_any_length_add_up_exactly(pulls: list[int]) -> None:
    objects = two_steps(pull=600_000)
    for number, length in enumerate(pulls):
        seconds = length / 1000
        objects.append(pulled(objects[1], 100 + 7 * number, min(seconds, 90), f"image-{number}"))
    result = ask("--file", "-", "--format", "json", given=listed(*objects))
    found = json.loads(result.stdout, parse_float=Decimal)
    assert sum(found["causes"].values()) == found["total_seconds"]
    assert sum(part["seconds"] for part in found["path"]) == found["total_seconds"]


def test_a_real_run_is_told_as_it_was() -> None:
    result = ask("ci/steps-seq-wg9k5", "-f", str(recording("argo-4.1")), "--format", "json")
    found = json.loads(result.stdout)
    assert found["sentence"].startswith("14 of 30 seconds were the controller's pace between steps")
    assert found["causes"] == {"gap": 14, "main": 9, "prepare": 7}


def test_yaml_json_and_a_single_object_are_the_same_to_it(tmp_path: Path) -> None:
    objects = two_steps()
    as_yaml, separate = tmp_path / "run.yaml", tmp_path / "run.jsonl"
    as_yaml.write_text(yaml.safe_dump_all(objects))
    separate.write_text("\n".join(map(json.dumps, objects)))
    told = [json.loads(ask("-f", str(f), "--format", "json").stdout) for f in (as_yaml, separate)]
    assert told == [asked(*objects)] * 2


def test_a_pull_in_an_old_object_is_part_of_the_set_up_and_that_is_said() -> None:
    found = asked(*two_steps()[:-1])
    assert "pull" not in found["causes"]
    assert found["causes"]["prepare"] == 42
    assert "No event told of an image pull" in found["notes"][0]


def test_without_pods_it_says_what_is_missing_and_how_to_give_it() -> None:
    found = asked(two_steps()[0])
    assert found["causes"]["unknown"] > found["total_seconds"] / 2
    assert "2 of 2 steps came without a pod" in found["notes"][0]
    assert "kubectl get workflows,pods,events -n ci -o json" in found["notes"][0]
    assert found["sentence"].endswith("2 of 2 steps came without a pod.")


def test_an_unknown_time_of_a_step_whose_pod_is_known_is_told_as_that() -> None:
    step = node("wf.a", "Pod", start=0, end=60, run="wf")
    made = workflow(step, name="wf", start=0, end=60, created=0)
    late = pod("wf.a", created=40, scheduled=41, main=(44, 58))
    assert asked(made, late)["sentence"] == (
        "40 of 60 seconds are unknown: a got its pod late, and nothing says why any more."
    )
    gone = pod("wf.a", created=0, scheduled=1, main=(44, 58))
    gone["status"] = {"phase": "Failed", "reason": "Evicted", "message": "The node was low"}
    assert asked(made, gone)["sentence"] == (
        "60 of 60 seconds are unknown: the pod of a does not say what happened."
    )


def test_attempts_of_the_entrypoint_are_named_by_its_template() -> None:
    tries = [
        node("wf(0)", start=0, end=20, run="wf", phase="Failed", templateName="build"),
        node("wf(1)", start=30, end=60, run="wf", templateName="build"),
    ]
    root = node("wf", "Retry", start=0, end=60, run="wf", templateName="build",
                children=[each["id"] for each in tries])  # fmt: skip
    found = asked(workflow(root, *tries, name="wf", start=0, end=60, created=0))
    assert [part["step"] for part in found["path"]] == ["build(0)", "build(1)", "build(1)"]


def test_an_unfinished_run_is_explained_up_to_now() -> None:
    made, first, *_ = two_steps()
    for each in made["status"]["nodes"].values():
        each["phase"] = "Running"
        del each["finishedAt"]
    del made["status"]["finishedAt"]
    made["status"]["phase"] = "Running"
    late = first["status"]["containerStatuses"][0]["state"].pop("terminated")
    first["status"]["containerStatuses"][0]["state"]["running"] = {"startedAt": late["startedAt"]}
    found = asked(made, first)
    assert (found["running"], found["phase"]) == (True, "Running")
    assert found["sentence"].startswith("So far ")
    # The last thing that the objects tell: the second step was made, or its container ended.
    assert found["total_seconds"] == 53
    assert "still running" in ask("-f", "-", given=listed(made, first)).stdout


def test_a_run_that_has_not_started_says_so_and_why() -> None:
    told = "Workflow processing has been postponed because too many workflows are already running"
    made = workflow(name="wf", created=0)
    made["status"] = {"phase": "Pending", "message": told}
    text = ask("-f", "-", given=listed(made)).stdout
    assert "still pending" in text
    assert "running," not in text.replace(told, "")
    (note, *_) = asked(made)["notes"]
    assert note.startswith("It has not started.")
    assert note.endswith(f"Argo says: {told}")
    assert "still pending" in ask("-f", "-", "--format", "html", given=listed(made)).stdout


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress, brotli.compress])
def test_compressed_steps_are_read(pack: Any) -> None:
    made, *rest = two_steps()
    plain = asked(made, *rest)
    nodes = json.dumps(made["status"].pop("nodes")).encode()
    made["status"]["compressedNodes"] = base64.b64encode(pack(nodes)).decode()
    assert asked(made, *rest) == plain


def test_steps_that_cant_be_read_and_steps_in_a_database_are_told_apart() -> None:
    for field, told in (
        ({"compressedNodes": "AAAA"}, "can't be read"),
        ({"offloadNodeStatusVersion": "fnv:1"}, "argo get -n ci wf -o json"),
    ):
        found = asked(workflow(name="wf", end=60, status=field))
        assert found["causes"] == {"unknown": 60}
        assert any(told in note for note in found["notes"])


def test_after_argo_retry_only_the_last_attempt_is_explained() -> None:
    kept = node("wf[0].a", start=0, end=20)
    again = node("wf[1].b", start=1000, end=1030)
    root = node("wf", "Steps", start=0, end=1030)
    found = asked(workflow(root, kept, again, start=1000, end=1030, created=0))
    assert found["total_seconds"] == 30
    assert "argo retry" in found["notes"][0]


def test_after_argo_retry_of_the_only_step_its_label_tells() -> None:
    only = node("wf", start=9000, end=9030, run="wf")
    label = {"workflows.argoproj.io/action": "Retry"}
    again = workflow(only, name="wf", start=9000, end=9030, created=0, labels=label)
    found = asked(again)
    assert found["total_seconds"] == 30
    assert "argo retry" in found["notes"][0]
    again["metadata"]["labels"]["workflows.argoproj.io/resubmitted-from-workflow"] = "wf-0"
    assert asked(again)["total_seconds"] == 9030


def test_the_usual_run_is_the_median_of_the_others() -> None:
    others = [
        each
        for number, pull in enumerate((3, 5, 7, 400))
        for each in two_steps(f"wf-{number}", pull=pull, shift=1000 * (number + 1))
    ]
    failed = two_steps("wf-failed", pull=1, shift=9000, phase="Failed")
    usual = asked(*two_steps(), *others, *failed, arguments=("ci/wf",))["usual"]
    assert (usual["runs"], usual["runs_with_causes"]) == (4, 4)
    assert (usual["total_seconds"], usual["difference_seconds"]) == (28, 34)
    assert usual["differences"] == {"pull": 34}
    told = ask("ci/wf", "-f", "-", given=listed(*two_steps(), *others)).stdout
    assert (
        "34 s slower than usual, which is 28 s (median of 4 successful runs)."
        " By cause: image pulls +34 s." in told
    )


def test_a_ledger_tells_the_usual_run_where_objects_are_gone(tmp_path: Path) -> None:
    registry = registry_at()
    ledger = Ledger.open(tmp_path)
    ledger.restore(registry)
    for number in range(3):
        run = run_record(number, namespace="ci", pipeline="wf")
        ledger.record(run)
        causes = {"main": 20.0, "gap": 4.0 + number}
        ledger.attribute(RunCauses(uid=run.uid, finished=run.finished, causes=causes))
    ledger.record(run_record(3, namespace="ci", pipeline="other", created=1.0))
    ledger.record(run_record(4, namespace="ci", pipeline="wf"))  # of an older version
    ledger.commit(registry.hold(), [])
    ledger.close()
    usual = asked(*two_steps(), arguments=("--ledger", str(tmp_path)))["usual"]
    assert (usual["runs"], usual["runs_with_causes"], usual["total_seconds"]) == (4, 3, 24.5)
    assert usual["causes"] == {"main": 20, "gap": 5}
    assert usual["differences"]["pull"] == 40


def test_a_pipeline_is_an_array_and_a_table() -> None:
    objects = [*two_steps("wf-1", pull=10), *two_steps("wf-2", pull=20, shift=500)]
    found = asked(*objects, arguments=("--pipeline", "ci/wf"))
    assert [each["workflow"] for each in found] == ["wf-1", "wf-2"]
    assert len(asked(*objects, arguments=("--pipeline", "wf", "--last", "1"))) == 1
    told = ask("--pipeline", "wf", "-f", "-", given=listed(*objects)).stdout
    assert "2 runs, 37 s on average: image pulls 41%" in told
    assert "20 of 42 seconds were image pulls" in told


@pytest.mark.parametrize(
    ("arguments", "given_", "said"),
    [
        (("ci/wg", "-f", "-"), listed(*two_steps()), "There is no run ci/wg here. There is: wf"),
        (("--pipeline", "x", "-f", "-"), listed(*two_steps()), "no run of a pipeline x here"),
        (("-f", "-"), listed(*two_steps()[1:]), "no Workflow in the input (there are Events, Pods"),
        (("-f", "-"), "{", "not JSON"),
        (("-f", "/no/such/file"), "", "/no/such/file: No such file"),
        (("-f", "-"), listed({"kind": "Workflow", "metadata": {"name": "m"}}), "has not run"),
        (("-f", "-", "--ledger", "/no/ledger.db"), listed(*two_steps()), "/no/ledger.db"),
    ],
)
def test_what_cant_be_explained_is_said(arguments: tuple[str, ...], given_: str, said: str) -> None:
    result = ask(*arguments, given=given_)
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output


def test_without_anything_to_explain_the_help_is_near() -> None:
    assert ask().exit_code == 2
    assert "name a run (NAMESPACE/NAME)" in ask().output
    assert ask("ci/wf", "--pipeline", "wf").exit_code == 2


def test_a_wait_for_a_node_is_told_with_its_reason() -> None:
    message = "0/3 nodes are available: 3 Insufficient cpu."
    made, first, last, _ = two_steps()
    first = pod("wf[0].a", scheduled=40, main=(43, 47))
    waited = pulled(first, 20, 1) | {"reason": "FailedScheduling", "message": message}
    found = asked(made, first, last, waited)
    assert found["sentence"] == (
        "40 of 62 seconds were pods without a place on a node: Unschedulable: insufficient cpu"
        " (1 pod)."
    )


@pytest.mark.parametrize(
    ("reason", "message", "cause", "told"),
    [
        ("Failed", "Error: InvalidImageName", "pull", "InvalidImageName"),
        ("Failed", 'Failed to pull image "x": not found', "pull", "ErrImagePull: not found"),
        (
            "Failed",
            'Error: configmap "nope" not found',
            "prepare",
            "CreateContainerConfigError: missing configmap",
        ),
        ("FailedMount", "MountVolume.SetUp failed", "prepare", "ContainerCreating: volume"),
        ("Pulled", "already present on machine", "prepare", "ContainerCreating"),
    ],
)
def test_a_pod_that_never_started_is_not_the_controllers_pace(
    reason: str, message: str, cause: str, told: str
) -> None:
    made = workflow(node("wf", phase="Failed", end=60), phase="Failed", end=60)
    dead = pod("wf", scheduled=1)
    dead["status"] |= {"phase": "Failed", "initContainerStatuses": [], "containerStatuses": []}
    event = pulled(dead, 5, 1) | {"reason": reason, "message": message}
    found = asked(made, dead, event)
    assert found["causes"] == {cause: 59, "schedule": 1}
    assert told in {part["reason"] for part in found["path"]}


def test_amounts_are_told_in_the_unit_of_the_whole() -> None:
    assert of(52 * 60, 83 * 60) == "52 of 83 minutes"
    assert of(14, 30) == "14 of 30 seconds"
    assert of(3600 * 4.5, 3600 * 30) == "4.5 of 30 hours"
    assert [span(s) for s in (0.25, 59, 245, 7800)] == ["0.2 s", "59 s", "4 min 5 s", "2 h 10 min"]


def test_the_image_names_are_those_of_the_path() -> None:
    objects = two_steps()
    objects.append(pulled(objects[2], 0, 0.5, IMAGE))
    assert "1 image" in asked(*objects)["sentence"]


def test_advice_comes_with_evidence_and_can_be_silenced(monkeypatch: pytest.MonkeyPatch) -> None:
    found = asked(*two_steps())["advice"]
    assert found[0] == {
        "rule": "slow-image-pulls",
        "title": "Have the images on the nodes",
        "evidence": f"The run waited 40 s for images ({IMAGE}; on 1 node), 65% of its time.",
        "action": found[0]["action"],
        "saves_seconds": 40,
        "saves": "saves up to 40 s",
        "source": "events",
        "docs": "https://kubernetes.io/docs/concepts/containers/images/",
    }
    assert [each["rule"] for each in found] == ["slow-image-pulls", "huge-images", "no-ttl"]
    silent = ("--silence", "no-ttl", "--silence", "huge-images")
    assert [each["rule"] for each in asked(*two_steps(), arguments=silent)["advice"]] == [
        "slow-image-pulls"
    ]
    monkeypatch.setenv("ARGOSCOPE_ADVICE_SILENCED", "no-ttl,slow-image-pulls")
    assert [each["rule"] for each in asked(*two_steps())["advice"]] == ["huge-images"]


def test_only_runs_of_the_same_pipeline_count_as_stored() -> None:
    many = [two_steps(f"other-{number}")[0] for number in range(500)]
    for each in many:
        each["metadata"]["generateName"] = "other-"
    of_other = asked(*two_steps(), *many, arguments=("ci/other-0",))["advice"]
    (told,) = (each for each in of_other if each["rule"] == "too-many-stored")
    assert told["evidence"].startswith("500 finished Workflows of this pipeline")
    own = asked(*two_steps(), *many, arguments=("ci/wf",))["advice"]
    assert "too-many-stored" not in {each["rule"] for each in own}


def test_an_unknown_rule_is_named_with_what_was_meant() -> None:
    result = ask("-f", "-", "--silence", "no-tl", given=listed(*two_steps()))
    assert result.exit_code == 2
    assert "did you mean no-ttl?" in result.output


def test_runs_of_a_cron_beside_each_other_are_seen() -> None:
    label = {"labels": {"workflows.argoproj.io/cron-workflow": "nightly"}}
    runs = [*two_steps("wf-1", **label), *two_steps("wf-2", shift=30, **label)]
    found = asked(*runs, arguments=("ci/wf-1",))
    assert "cron-overlaps" in {each["rule"] for each in found["advice"]}
    cron = {
        "kind": "CronWorkflow",
        "metadata": {"name": "nightly", "namespace": "ci"},
        "spec": {"concurrencyPolicy": "Forbid"},
    }
    found = asked(*runs, cron, arguments=("ci/wf-1",))
    assert "cron-overlaps" not in {each["rule"] for each in found["advice"]}
