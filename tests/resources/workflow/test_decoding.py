"""Reading Workflows: malformed parts are left out and named, all the rest is kept."""

import base64
import gzip
from typing import Any

import brotli
import msgspec
import pytest
import zstandard

from argoscope.resources.workflow import objects
from argoscope.resources.workflow.objects import Workflow, decode, inflate
from support.workflow_objects import node, workflow
from support.workflows import Feed


def read(obj: Any) -> Workflow:
    return decode(msgspec.json.encode(obj))


def test_well_formed_object_skips_nothing() -> None:
    found = read(workflow(node("a"), generateName="wf-"))
    assert found.skipped == []
    assert found.metadata.generate_name == "wf-"
    assert [each.template_name for each in (found.status.nodes or {}).values()] == ["w"]


@pytest.mark.parametrize(
    ("part", "value", "named"),
    [
        ("spec", ["not", "an", "object"], "spec: "),
        ("status", ["not", "an", "object"], "status: "),
        ("status.nodes", [{"id": "a"}], "status.nodes: "),
        ("status.nodes", "gone", "status.nodes: "),
        ("status.phase", 7, "status.phase: "),
        ("status.finishedAt", {"seconds": 1}, "status.finishedAt: "),
        ("status.synchronization", "held", "status.synchronization: "),
        ("metadata.labels", {"team": "a", "tier": 1}, "metadata: "),
        ("metadata.ownerReferences", "me", "metadata: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_malformed_part_is_left_out_and_named(part: str, value: Any, named: str) -> None:
    obj = workflow(node("a"))
    *path, last = part.split(".")
    target = obj
    for step in path:
        target = target[step]
    target[last] = value
    found = read(obj)
    assert len(found.skipped) == 1
    assert found.skipped[0].startswith(named)
    assert found.metadata.name == "wf"
    assert found.metadata.uid == "uid-wf"
    if part not in ("status", "status.phase"):
        assert found.status.phase == "Succeeded"
    if part not in ("status", "status.nodes"):
        assert len(found.status.nodes or {}) == 1


def test_labels_that_are_texts_outlive_one_that_is_not() -> None:
    found = read(workflow(labels={"team": "a", "tier": 1, "on": True}))
    assert found.metadata.labels == {"team": "a"}


def test_only_the_malformed_node_is_left_out() -> None:
    good, bad = node("a"), node("b")
    bad["type"] = None
    found = read(workflow(good, bad))
    assert list(found.status.nodes or {}) == [good["id"]]
    assert found.skipped == [f"status.nodes[{bad['id']}]: Expected `str`, got `null` - at `$.type`"]


@pytest.mark.parametrize("raw", [b"{", b"[]", b"7", b'{"metadata":[]}', b'{"spec":{}}', b""])
def test_object_without_metadata_is_an_error(raw: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode(raw)


def test_what_was_skipped_is_reported_and_the_run_still_counts() -> None:
    bad = node("b")
    bad["children"] = "c"
    feed = Feed()
    feed.upsert(workflow(node("a"), bad))
    assert [(kind, reason) for kind, reason, _ in feed.problems] == [("Workflow", "malformed")]
    assert "ci/wf status.nodes[" in feed.problems[0][2]
    assert feed.totals().runs == {"Succeeded": (1, 10.0)}
    assert feed.totals().attempts == {("w", "Pod", "Succeeded"): (1, 5.0)}


NODES = {each["id"]: each for each in (node("a"), node("b"))}
PLAIN = msgspec.json.encode(NODES)


def packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "data",
    [gzip.compress(PLAIN), zstandard.compress(PLAIN), brotli.compress(PLAIN)],
    ids=["gzip", "zstd", "brotli"],
)
def test_compressed_nodes_are_read(data: bytes) -> None:
    skipped: list[str] = []
    assert list(inflate(packed(data), skipped)) == list(NODES)
    assert skipped == []
    feed = Feed()
    feed.upsert(workflow(status={"compressedNodes": packed(data)}))
    assert feed.totals().attempts == {("w", "Pod", "Succeeded"): (2, 10.0)}
    assert feed.problems == []


@pytest.mark.parametrize(
    "text",
    [
        "not base64!",
        packed(gzip.compress(PLAIN)[:-20]),
        packed(zstandard.compress(PLAIN)[:20]),
        packed(b"\x1f\x8bgarbage"),
        packed(b"neither of them"),
        packed(gzip.compress(b'{"a": ')),
        packed(gzip.compress(b"")),
    ],
    ids=["base64", "cut gzip", "cut zstd", "bad gzip", "unknown", "not JSON", "empty"],
)
def test_broken_compressed_nodes_are_reported_and_the_run_still_counts(text: str) -> None:
    with pytest.raises(ValueError, match="compressedNodes: "):
        inflate(text, [])
    feed = Feed()
    feed.upsert(workflow(status={"compressedNodes": text}))
    assert [reason for _, reason, _ in feed.problems] == ["compressed_nodes"]
    assert feed.totals().runs == {"Succeeded": (1, 10.0)}


def test_malformed_node_among_compressed_ones_is_named() -> None:
    nodes = {**NODES, "c": {"id": "c", "phase": 7}}
    skipped: list[str] = []
    found = inflate(packed(gzip.compress(msgspec.json.encode(nodes))), skipped)
    assert list(found) == list(NODES)
    assert [what.partition(":")[0] for what in skipped] == ["status.nodes[c]"]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress, brotli.compress])
def test_a_bomb_is_refused_before_it_is_inflated(
    compress: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "MAX_INFLATED", 100_000)
    inflate(packed(compress(b"{" + b" " * 99_000 + b"}")), [])
    with pytest.raises(ValueError, match="more than 100000 bytes"):
        inflate(packed(compress(b"{" + b" " * 5_000_000 + b"}")), [])
