"""What `argoscope inspect` can read, and what it says of what it can't."""

import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
import zstandard

from argoscope.inspect.reading import Item, guess_kind, read
from support.workflow_objects import node, workflow

WORKFLOW = workflow(node("a"))
OTHER = workflow(node("a"), name="other")
POD = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": {"containers": []}}
Complaint = tuple[str, str, str]


def without_kind(obj: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}


class Read:
    """A path that was read to its end."""

    def __init__(self, path: Path | str) -> None:
        self.complaints: list[Complaint] = []
        self.items: list[Item] = list(read(str(path), lambda *c: self.complaints.append(c)))

    @property
    def kinds(self) -> list[str]:
        return [item.kind for item in self.items]

    @property
    def names(self) -> list[str]:
        return [json.loads(item.raw)["metadata"]["name"] for item in self.items]


@pytest.fixture
def given(tmp_path: Path) -> Any:
    def write(text: str | bytes, name: str = "input.json") -> Read:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Read(path)

    return write


def event(obj: Any, kind: str = "ADDED") -> dict[str, Any]:
    return {"type": kind, "object": obj}


def test_one_object(given: Any) -> None:
    found = given(json.dumps(WORKFLOW))
    assert (found.kinds, found.names, found.complaints) == (["Workflow"], ["wf"], [])
    assert json.loads(found.items[0].raw) == WORKFLOW
    assert found.items[0].at == 0.0


@pytest.mark.parametrize("indent", [None, 4])
def test_list_of_kubectl(given: Any, indent: int | None) -> None:
    document = {"kind": "List", "apiVersion": "v1", "items": [WORKFLOW, POD]}
    found = given(json.dumps(document, indent=indent) + "\n")
    assert found.kinds == ["Workflow", "Pod"]
    assert [item.source[-3:] for item in found.items] == ["[0]", "[1]"]


def test_items_of_a_typed_list_have_its_kind(given: Any) -> None:
    document = {"kind": "WorkflowList", "items": [without_kind(WORKFLOW), without_kind(OTHER)]}
    assert given(json.dumps(document)).kinds == ["Workflow", "Workflow"]


def test_items_without_any_kind_are_told_by_their_fields(given: Any) -> None:
    found = given(json.dumps({"items": [without_kind(WORKFLOW), without_kind(POD)]}))
    assert found.kinds == ["Workflow", "Pod"]


def test_bare_array(given: Any) -> None:
    assert given(json.dumps([WORKFLOW, without_kind(POD)])).kinds == ["Workflow", "Pod"]


def test_list_of_lists(given: Any) -> None:
    inner = {"kind": "WorkflowList", "items": [without_kind(WORKFLOW), 7]}
    found = given(json.dumps({"kind": "List", "items": [inner, POD]}))
    assert found.kinds == ["Workflow", "Pod"]
    assert [reason for _, _, reason in found.complaints] == ["not an object"]


def test_empty_list_of_client_go_has_null_items(given: Any) -> None:
    found = given('{"kind": "WorkflowList", "items": null}')
    assert (found.items, found.complaints) == ([], [])


def test_yaml_of_kubectl_with_several_documents(given: Any) -> None:
    text = yaml.safe_dump_all([WORKFLOW, {"kind": "List", "items": [POD]}, None])
    found = given(text, "input.yaml")
    assert found.kinds == ["Workflow", "Pod"]
    assert json.loads(found.items[0].raw) == WORKFLOW


def test_times_that_yaml_takes_for_times_stay_rfc_3339(given: Any) -> None:
    text = "kind: Workflow\nmetadata: {name: a, creationTimestamp: 2026-11-22T13:00:00Z}\n"
    raw = json.loads(given(text, "a.yaml").items[0].raw)
    assert raw["metadata"]["creationTimestamp"] == "2026-11-22T13:00:00Z"


def test_json_lines_of_watch_events(given: Any) -> None:
    lines = [
        event(WORKFLOW),
        event({"kind": "Workflow", "metadata": {"resourceVersion": "9"}}, "BOOKMARK"),
        event(OTHER, "MODIFIED"),
        event({"kind": "Status", "code": 410}, "ERROR"),
        event(OTHER, "DELETED"),
    ]
    found = given("\n".join(map(json.dumps, lines)) + "\n\n")
    assert [item.type for item in found.items] == ["ADDED", "MODIFIED", "DELETED"]
    assert found.names == ["wf", "other", "other"]
    assert found.items[1].source.endswith("input.json:3")


def test_documents_behind_each_other_as_a_watching_kubectl_prints_them(given: Any) -> None:
    text = json.dumps(WORKFLOW, indent=4) + "\n" + json.dumps(event(OTHER), indent=4) + "\n"
    found = given(text)
    assert (found.names, found.complaints) == (["wf", "other"], [])
    assert given(json.dumps(WORKFLOW) + json.dumps(OTHER)).names == ["wf", "other"]


def test_recorded_events_bring_their_time(given: Any) -> None:
    lines = [{"t": 17.5, "event": event(WORKFLOW)}, {"t": 18.5, "event": event(OTHER)}]
    assert [item.at for item in given("\n".join(map(json.dumps, lines))).items] == [17.5, 18.5]


def stream(path: Path, *objects: dict[str, Any]) -> None:
    lines = [json.dumps({"t": 1.0 + n, "event": event(o)}) for n, o in enumerate(objects)]
    path.write_text("\n".join(lines))


def test_folder_of_a_recording_is_its_streams(tmp_path: Path) -> None:
    stream(tmp_path / "watch-workflows.jsonl", WORKFLOW, OTHER)
    stream(tmp_path / "watch-pods.jsonl", POD)
    (tmp_path / "list-workflows.json").write_text(json.dumps({"items": [WORKFLOW]}))
    (tmp_path / "actions.jsonl").write_text('{"t": 1, "action": "create"}')
    assert Read(tmp_path).kinds == ["Pod", "Workflow", "Workflow"]


def test_folder_without_streams_is_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.json").write_text(json.dumps(WORKFLOW))
    (tmp_path / "deep" / "b.yaml").write_text(yaml.safe_dump(POD))
    (tmp_path / "README.md").write_text("{")
    found = Read(tmp_path)
    assert (found.kinds, found.complaints) == (["Workflow", "Pod"], [])


def packed(folder: Path, suffix: str) -> Path:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        archive.add(folder, arcname="rec")
    data = plain.getvalue()
    path = folder.with_name(f"rec{suffix}")
    path.write_bytes(zstandard.compress(data) if suffix.endswith("zst") else data)
    return path


@pytest.mark.parametrize("suffix", [".tar", ".tar.zst"])
def test_archive_of_a_recording_is_its_streams(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    stream(folder / "watch-workflows.jsonl", WORKFLOW)
    (folder / "list-workflows.json").write_text(json.dumps({"items": [OTHER]}))
    found = Read(packed(folder, suffix))
    assert found.names == ["wf"]
    assert found.items[0].source == f"rec{suffix}:rec/watch-workflows.jsonl:1" or (
        found.items[0].source == f"rec{suffix}:rec/watch-workflows.jsonl"
    )


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(json.dumps(WORKFLOW).encode())

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert Read("-").names == ["wf"]


def test_path_that_is_not_there_is_the_callers_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Read(tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the file is empty"),
        (" \n\n", "the file is empty"),
        ('{"kind": "Workflow", ', "not JSON: "),
        ("[1, 2", "not JSON: "),
        ('{"type": "ADDED", "object": []}', "a watch event without an object"),
        ('{"type": "ADDED", "object": "gone"}', "a watch event without an object"),
        ('[7, "text", null]', "not an object"),
        ('{"kind": "List", "items": [[]]}', "not an object"),
        ("just a sentence", "not JSON: "),
        ("a: [1, 2", "neither JSON nor YAML: "),
        ("at: 2026-02-30", "neither JSON nor YAML: "),
        ("a: &loop\n  b: *loop\n", "neither JSON nor YAML: "),
        (b"\x00\x01\x02", "neither JSON nor YAML: "),
        (b"\xff\xfe{", "neither JSON nor YAML: "),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_can_not_be_read_is_told_with_its_file(
    given: Any, text: str | bytes, reason: str
) -> None:
    found = given(text, "bad.txt")
    assert found.items == []
    assert found.complaints
    for file, _, told in found.complaints:
        assert "bad.txt" in file
        assert told.startswith(reason)


def test_rest_is_read_when_a_line_is_broken(given: Any) -> None:
    lines = [json.dumps(event(WORKFLOW)), '{"type": "ADDED", "obj', json.dumps(event(OTHER))]
    found = given("\n".join(lines))
    assert found.names == ["wf", "other"]
    assert [(file[-2:], reason[:8]) for file, _, reason in found.complaints] == [(":2", "not JSON")]


def test_rest_is_read_when_the_first_line_is_broken(given: Any) -> None:
    lines = ['{"type": "ADDED", "obj', json.dumps(event(WORKFLOW)), json.dumps(event(OTHER))]
    found = given("\n".join(lines))
    assert found.names == ["wf", "other"]
    assert [(file[-2:], reason[:8]) for file, _, reason in found.complaints] == [(":1", "not JSON")]


def test_rest_of_the_documents_is_read_when_one_is_broken(given: Any) -> None:
    broken = '{\n    "kind": "Workflow",\n    "metadata": {'
    text = "\n".join([json.dumps(WORKFLOW, indent=4), broken, json.dumps(OTHER, indent=4)])
    found = given(text)
    assert found.names == ["wf", "other"]
    assert len(found.complaints) == 1


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"status": {"nodes": {}}}, "Workflow"),
        ({"spec": {"templates": []}, "status": {"phase": "Running"}}, "Workflow"),
        ({"spec": {"templates": []}}, ""),  # a WorkflowTemplate has that too
        ({"spec": {"workflowSpec": {}}}, "CronWorkflow"),
        ({"spec": {"strategy": {}}, "status": {"currentPodHash": "x"}}, "Rollout"),
        ({"spec": {"containers": []}}, "Pod"),
        ({"involvedObject": {}}, "Event"),
        ({"data": {}}, ""),
        ({"spec": "text"}, ""),
    ],
)
def test_kind_of_an_object_that_does_not_say_it(fields: dict[str, Any], kind: str) -> None:
    assert guess_kind(json.dumps(fields).encode()) == kind
