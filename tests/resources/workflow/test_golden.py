"""One small Workflow of each kind of template in, the exposition of its metrics out."""

from collections.abc import Callable
from typing import Any

import pytest

from argoscope.export.prometheus import Exposition
from support.workflow_objects import node, node_id, workflow
from support.workflows import Feed


def children(*names: str) -> dict[str, Any]:
    return {"children": [node_id(name) for name in names]}


SPENT = {"resourcesDuration": {"cpu": 5, "memory": 12}}
KINDS: dict[str, dict[str, Any]] = {
    "container": workflow(node("wf", template="main", **SPENT)),
    "script-that-fails": workflow(
        node("wf", phase="Failed", template="main", message="main: Error (exit code 3)"),
        phase="Failed",
    ),
    "steps": workflow(
        node("wf", "Steps", template="main", end=10, **children("[0]")),
        node("[0]", "StepGroup", end=5, **children("build")),
        node("build", end=3, template="build", **children("[1]")),
        node("[1]", "StepGroup", start=5, end=10, **children("test")),
        node("test", start=5, end=9, template="test"),
    ),
    "dag-with-an-omitted-task": workflow(
        node("wf", "DAG", "Failed", template="main", end=10, **children("a")),
        node(
            "a", phase="Failed", end=3, message="main: OOMKilled (exit code 137)", **children("b")
        ),
        node("b", "Skipped", "Omitted", start=10, end=10, message="omitted: depends"),
        phase="Failed",
    ),
    "retry": workflow(
        node("wf", "Retry", template="main", end=10, **children("wf(0)", "wf(1)")),
        node("wf(0)", phase="Failed", end=3, template="main", message="main: Error (exit code 1)"),
        node("wf(1)", start=5, end=9, template="main"),
    ),
    "suspend": workflow(
        node("wf", "Suspend", template="gate", end=10, message="Resumed by: map[User:admin]"),
    ),
    "http": workflow(node("wf", "HTTP", template="call", end=2)),
    "plugin": workflow(node("wf", "Plugin", template="hello", end=2)),
    "resource": workflow(node("wf", template="apply", end=8)),
    "container-set": workflow(
        node("wf", template="main", end=8, **children("wf.a", "wf.b")),
        node("wf.a", "Container", template="main", end=6),
        node("wf.b", "Container", template="main", end=8),
    ),
    "template-ref": workflow(
        node("wf", template="", templateRef={"name": "shared", "template": "notify"}),
        spec={"workflowTemplateRef": {"name": "etl"}},
    ),
    "pending-for-a-lock": workflow(
        phase="Pending",
        start=None,
        end=None,
        status={"message": "Waiting for ci/Mutex/db lock. Lock status: 0/1"},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_exposition(kind: str, golden: Callable[[str, str], None]) -> None:
    feed = Feed()
    feed.upsert(KINDS[kind])
    feed.deriver.tick(feed.now)
    feed.registry.publish()
    body, _ = Exposition(feed.registry, process=False).render("", "")
    lines = [line for line in body.decode().splitlines() if line.startswith("argo_")]
    said = [line for line in lines if "_bucket" not in line and not line.endswith(" 0")]
    golden(f"workflow/{kind}.prom", "\n".join(said) + "\n")


def test_whole_exposition_of_a_container(golden: Callable[[str, str], None]) -> None:
    """Once with all: help, types, buckets, and what starts at 0."""
    feed = Feed()
    feed.upsert(KINDS["container"])
    feed.deriver.tick(feed.now)
    feed.registry.publish()
    body, _ = Exposition(feed.registry, process=False).render("", "")
    text = body.decode()
    start = text.index("# HELP argo_workflow_runs_total")
    golden("workflow/container-whole.prom", text[start : text.index("# HELP argoscope_")])
