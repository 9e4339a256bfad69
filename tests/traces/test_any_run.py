"""Whatever a status says, its trace is one whole tree, the same each time, and within its limit."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from argoscope.traces.encode import SpanEncoder
from argoscope.traces.tree import tree
from support.traces import ended, faults
from support.workflow_objects import node, node_id, workflow

TYPES = (
    "Pod",
    "Steps",
    "StepGroup",
    "DAG",
    "TaskGroup",
    "Retry",
    "Suspend",
    "HTTP",
    "Skipped",
    "Container",
    "Plugin",
    "",
)
PHASES = ("Succeeded", "Failed", "Error", "Skipped", "Omitted", "Running", "Pending", "")
TIMES = st.none() | st.integers(-50, 300)
PARTS = st.sampled_from((".a", ".b", "[0]", "[1]", "(0)", "(1:x)", "(2:{\"a.b\": [1]})", ".onExit",
                         ".hooks.run"))  # fmt: skip


@st.composite
def statuses(draw: st.DrawFn) -> dict[str, Any]:
    """A workflow of any nodes: with and without those that they should be inside of."""
    paths = draw(st.lists(st.lists(PARTS, max_size=5), max_size=25))
    names = list(dict.fromkeys("wf" + "".join(path) for path in paths))
    some = st.lists(st.sampled_from(names or ["wf"]), max_size=3)
    nodes = [
        node(
            name,
            draw(st.sampled_from(TYPES)),
            draw(st.sampled_from(PHASES)),
            draw(TIMES),
            draw(TIMES),
            children=[node_id(child) for child in draw(some)],
            message=draw(st.sampled_from(("", "OOMKilled (exit code 137)", "evicted", "x" * 2000))),
            daemoned=draw(st.booleans()) or None,
            nodeFlag={"hooked": True} if draw(st.booleans()) else None,
        )
        for name in names
    ]
    start, length = draw(st.integers(0, 100)), draw(st.integers(0, 200))
    created = draw(st.integers(0, 100))
    phase = draw(st.sampled_from(("Succeeded", "Failed", "Error")))
    return workflow(*nodes, phase=phase, created=created, start=start, end=start + length)


@settings(max_examples=100, deadline=None)
@given(statuses(), st.integers(2, 30), st.booleans())
def test_any_status_makes_a_whole_tree(obj: dict[str, Any], limit: int, pods: bool) -> None:
    for run in ended(obj, pods=pods):
        assert run.line.trace is not None
        whole = tree(run.line, run.path)
        assert faults(whole.spans) == []
        assert tree(run.line, run.path) == whole
        cut = tree(run.line, run.path, limit)
        assert faults(cut.spans) == []
        assert len(cut.spans) + cut.left_out == len(whole.spans)
        assert len(cut.spans) <= max(limit, 2)
        assert {span.id for span in cut.spans} <= {span.id for span in whole.spans}
        assert all(map(SpanEncoder(run.line.trace.id).encode, whole.spans))
