"""`argoscope inspect` as a person calls it."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from prometheus_client.parser import text_string_to_metric_families

from argoscope.cli import main
from support.recordings import recording, require_shared

WORKFLOW = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {"name": "etl-x1", "generateName": "etl-", "namespace": "data", "uid": "1"},
    "spec": {"entrypoint": "main"},
    "status": {
        "phase": "Failed",
        "startedAt": "2026-01-01T00:00:00Z",
        "finishedAt": "2026-01-01T00:01:40Z",
        "nodes": {
            "etl-x1": {
                "id": "etl-x1",
                "name": "etl-x1",
                "type": "Pod",
                "templateName": "main",
                "phase": "Failed",
                "message": "main: OOMKilled (exit code 137)",
                "startedAt": "2026-01-01T00:00:00Z",
                "finishedAt": "2026-01-01T00:01:38Z",
            }
        },
    },
}
BROKEN = {**WORKFLOW, "metadata": {"name": ["not", "a", "name"], "uid": "2"}}


def inspect(*args: str, given: str | None = None) -> Result:
    return CliRunner().invoke(main, ["inspect", *args], input=given)


def values(exposition: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    }


def test_standard_input_becomes_an_exposition() -> None:
    result = inspect("-", given=json.dumps({"kind": "List", "items": [WORKFLOW]}))
    assert (result.exit_code, result.stderr) == (0, "")
    found = values(result.stdout)
    labels = (("namespace", "data"), ("phase", "Failed"), ("pipeline", "etl"))
    assert found["argo_workflow_runs_total", labels] == 1
    assert found["argo_workflow_run_duration_seconds_sum", labels] == 100
    oom = (("cause", "oom"), ("namespace", "data"), ("pipeline", "etl"))
    assert found["argo_workflow_failures_total", oom] == 1


def test_the_table_is_read_by_people_and_names_are_not_cut(tmp_path: Path) -> None:
    long = json.loads(json.dumps(WORKFLOW))
    long["metadata"]["generateName"] = "a-pipeline-with-a-name-of-fifty-characters-or-so-"
    file = tmp_path / "one.json"
    file.write_text(json.dumps(long))
    result = inspect("--format", "table", str(file))
    assert result.exit_code == 0
    assert "a-pipeline-with-a-name-of-fifty-characters-or-so" in result.stdout
    assert re.search(r"│ +0 │ +1 │ +0 │ +1m 40s │ +oom │", result.stdout)


def test_openmetrics_ends_with_eof_and_has_exemplars() -> None:
    result = inspect("--format", "openmetrics", "-", given=json.dumps(WORKFLOW))
    assert result.stdout.endswith("# EOF\n")
    assert '# {workflow="etl-x1"} ' in result.stdout


def test_what_is_malformed_is_named_with_file_kind_and_reason_and_the_rest_counts(
    tmp_path: Path,
) -> None:
    file = tmp_path / "two.json"
    file.write_text(json.dumps({"kind": "List", "items": [BROKEN, WORKFLOW]}))
    result = inspect(str(file))
    assert result.exit_code == 0
    assert re.match(
        rf"{re.escape(str(file))}\[0\]: Workflow: (malformed|wrong_shape): ", result.stderr
    )
    assert 'argo_workflow_runs_total{namespace="data",pipeline="etl",phase="Failed"} 1' in (
        result.stdout
    )


def test_strict_fails_for_what_was_skipped_and_only_then(tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    file.write_text(json.dumps(WORKFLOW))
    assert inspect("--strict", str(file)).exit_code == 0
    file.write_text(json.dumps(BROKEN))
    assert inspect("--strict", str(file)).exit_code == 1


def test_kinds_that_are_not_watched_are_told_in_one_line() -> None:
    items = [{"kind": "ConfigMap", "metadata": {"name": str(i)}} for i in range(3)]
    result = inspect("-", given=json.dumps({"kind": "List", "items": items}))
    assert result.stderr == "Not watched by argoscope, left out: 3 ConfigMap\n"


def test_a_path_that_does_not_exist_says_so() -> None:
    result = inspect("/nowhere/file.json")
    assert result.exit_code == 1
    assert "/nowhere/file.json: No such file or directory" in result.stderr


@pytest.mark.parametrize("name", ["argo-4.1", "argo-3.6", "argo-4.1-loaded", "pods-kubelet-1.20"])
def test_a_recording_is_the_same_as_archive_and_as_folder(name: str) -> None:
    folder = recording(name)
    archive = require_shared(f"recordings/{name}.tar.zst")
    first = inspect("--recorded", str(folder))
    second = inspect("--recorded", str(archive))
    assert first.exit_code == second.exit_code == 0
    assert first.stdout == second.stdout
    assert first.stdout.count("\n") > 400


def test_a_single_stream_and_a_scenario_of_a_recording_can_be_given() -> None:
    stream = recording("argo-4.1") / "watch-workflows.jsonl"
    assert "argo_workflow_runs_total" in inspect("--recorded", str(stream)).stdout
    scenario = recording("pods-kubelet-1.20") / "by-scenario" / "oom.jsonl"
    assert "argo_pod_stage_seconds" in inspect("--recorded", str(scenario)).stdout


def test_the_whole_corpus_is_read_and_every_line_on_stderr_explains_itself() -> None:
    folder = require_shared("corpus")
    files = sorted(str(path) for path in folder.rglob("*.json"))
    assert len(files) > 1000
    result = inspect(*files)
    assert result.exit_code == 0
    lines = result.stderr.splitlines()
    told = re.compile(
        r".+\.json(\[\d+\])?: \w[\w ]*: [\w ]+: .+|… and \d+ more problems|Not watched by .+"
    )
    assert [line for line in lines if not told.fullmatch(line)] == []
    assert "bug" not in result.stderr


def test_promtool_accepts_what_is_printed(tmp_path: Path) -> None:
    import shutil

    if shutil.which("promtool") is None:
        pytest.skip("promtool (Debian package prometheus) is not installed")
    result = inspect("--recorded", str(recording("argo-4.1-loaded")))
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=result.stdout, text=True, capture_output=True
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
