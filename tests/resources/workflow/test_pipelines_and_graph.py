"""What a pipeline is called, what a node waited for, and which attempts are retries."""

from array import array
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argoscope.resources._base import Options
from argoscope.resources._time import unix
from argoscope.resources.workflow import metrics as m
from argoscope.resources.workflow.naming import pipeline_of
from argoscope.resources.workflow.nodes import Predecessors, attempt_key, new_attempts
from argoscope.resources.workflow.objects import Node, Workflow
from argoscope.resources.world import PodEnd
from support.workflow_objects import BASE, node, node_id, workflow
from support.workflows import Feed

ARGO = "workflows.argoproj.io"
EVERYTHING: dict[str, Any] = {
    "generateName": "etl-manual-",
    "labels": {
        "team": "data",
        f"{ARGO}/workflow-template": "by-label",
        f"{ARGO}/cron-workflow": "nightly",
    },
    "annotations": {"pipeline": "by-annotation"},
}
REF = {"workflowTemplateRef": {"name": "etl"}}


def convert(obj: dict[str, Any]) -> Workflow:
    return msgspec.convert(obj, Workflow)


@pytest.mark.parametrize(
    ("configured", "spec", "meta", "expected"),
    [
        (("team",), REF, EVERYTHING, ("data", "etl", "label")),
        (("missing", "pipeline"), REF, EVERYTHING, ("by-annotation", "etl", "label")),
        (("missing",), REF, EVERYTHING, ("etl", "etl", "namespaced")),
        (
            (),
            {"workflowTemplateRef": {"name": "etl", "clusterScope": True}},
            EVERYTHING,
            ("etl", "etl", "cluster"),
        ),
        ((), {}, EVERYTHING, ("by-label", "by-label", "namespaced")),
        (
            (),
            {},
            {"labels": {f"{ARGO}/cluster-workflow-template": "shared"}},
            ("shared", "shared", "cluster"),
        ),
        ((), {}, {"labels": {f"{ARGO}/cron-workflow": "nightly"}}, ("nightly", "", "cron")),
        ((), {}, {"generateName": "etl-"}, ("etl", "", "generate_name")),
        ((), {}, {"generateName": "etl"}, ("etl", "", "generate_name")),
        ((), {}, {"generateName": "-"}, ("wf", "", "generate_name")),
        ((), {}, {}, ("wf", "", "name")),
        (("team",), {}, {"labels": {"team": ""}}, ("wf", "", "name")),
    ],
)
def test_first_source_of_a_stable_name_wins(
    configured: tuple[str, ...],
    spec: dict[str, Any],
    meta: dict[str, Any],
    expected: tuple[str, str, str],
) -> None:
    assert pipeline_of(convert(workflow(spec=spec, **meta)), configured) == expected


def test_configured_label_names_the_pipeline_in_every_metric() -> None:
    feed = Feed(Options(pipeline_labels=("team",)))
    feed.upsert(workflow(node("a"), **EVERYTHING))
    assert feed.value(m.RUNS, "ci", "data", "Succeeded") == 1
    assert feed.value(m.INFO, "ci", "data", "by-label", "nightly", "label") == 1


# -- the graph


def graph(*nodes: dict[str, Any]) -> dict[str, Node]:
    return msgspec.convert({each["id"]: each for each in nodes}, dict[str, Node])


def leads_to(name: str, *names: str, **more: Any) -> dict[str, Any]:
    return node(name, children=[node_id(each) for each in names], **more)


def last_end(nodes: dict[str, Node], name: str) -> float:
    """Seconds after BASE, -1 for nothing; the same whether all edges are turned round or few."""
    target = nodes[node_id(name)]
    found, searched = (
        Predecessors(nodes, all_nodes=every).last_end(target, lambda n: unix(n.finished_at))
        for every in (True, False)
    )
    assert found == searched
    return found - BASE if found else -1.0


def test_end_of_a_diamond_waited_for_the_later_side() -> None:
    nodes = graph(
        leads_to("wf", "a", kind="DAG", end=30),
        leads_to("a", "b", "c", end=3),
        leads_to("b", "d", end=8),
        leads_to("c", "d", end=11),
        node("d", start=20, end=25),
    )
    assert [last_end(nodes, name) for name in "abcd"] == [-1, 3, 3, 11]


def test_nested_steps_are_looked_through() -> None:
    """p and q in an inner group, then y, then a group of its own with end."""
    nodes = graph(
        leads_to("wf", "[0]", kind="Steps", end=40),
        leads_to("[0]", "inner", kind="StepGroup", end=20),
        leads_to("inner", "inner[0]", kind="Steps", end=10),
        leads_to("inner[0]", "p", "q", kind="StepGroup", end=10),
        leads_to("p", "y", end=4),
        leads_to("q", "y", end=6),
        leads_to("y", "[1]", end=15),
        leads_to("[1]", "end", kind="StepGroup", end=40),
        node("end", start=30, end=36),
    )
    assert [last_end(nodes, name) for name in ("p", "q", "y", "end")] == [-1, -1, 6, 15]


def test_fan_out_waits_for_the_one_before_it_and_not_for_each_other() -> None:
    items = [f"item{number}" for number in range(5)]
    nodes = graph(
        leads_to("gen", "group", end=2),
        leads_to("group", *items, kind="TaskGroup", end=20),
        *(leads_to(item, "after", end=10 + number) for number, item in enumerate(items)),
        node("after", start=20),
    )
    assert {last_end(nodes, item) for item in items} == {2}
    assert last_end(nodes, "after") == 14


def test_retried_predecessor_counts_by_its_last_attempt() -> None:
    nodes = graph(
        leads_to("flaky", "flaky(0)", "flaky(1)", kind="Retry", end=20),
        leads_to("flaky(0)", "next", end=5, phase="Failed"),
        leads_to("flaky(1)", "next", end=14),
        node("next", start=20),
    )
    assert last_end(nodes, "next") == 14


def test_loop_in_the_graph_ends() -> None:
    nodes = graph(
        leads_to("a", "b", kind="DAG"), leads_to("b", "a", kind="DAG"), leads_to("b2", "b")
    )
    assert last_end(nodes, "a") == 5


def sequence(b_start: float = 10) -> dict[str, Any]:
    return workflow(
        leads_to("a", "[1]", end=4),
        leads_to("[1]", "b", kind="StepGroup", start=10, end=20),
        node("b", start=b_start, end=20),
        end=20,
    )


def test_gap_is_from_the_end_of_the_pods_containers_where_it_is_known() -> None:
    """A node's end can be when the controller looked; the containers' is the true one."""
    feed = Feed()
    feed.world.pod_ends["ci", "wf"] = {node_id("a"): PodEnd(finished=BASE + 3)}
    feed.upsert(sequence())
    assert feed.totals().gaps == (1, 7.0)


def test_gap_before_a_node_that_waited_for_a_daemon_ends_with_its_readiness() -> None:
    feed = Feed()
    feed.world.pod_ends["ci", "wf"] = {node_id("a"): PodEnd(finished=BASE + 25)}
    feed.upsert(sequence())
    assert feed.totals().gaps == (1, 6.0)


def test_gap_is_never_negative() -> None:
    feed = Feed()
    feed.upsert(sequence(b_start=2))
    assert feed.totals().gaps == (1, 0.0)


def test_hooks_and_retries_have_no_gap() -> None:
    feed = Feed()
    feed.upsert(
        workflow(
            leads_to("a", "a.hook", end=4),
            node("a.hook", start=8, end=9, nodeFlag={"hooked": True}),
            leads_to("r", "r(0)", "r(1)", kind="Retry", start=0, end=10),
            leads_to("r(0)", "r(1)", phase="Failed", start=0, end=2),
            node("r(1)", start=8, end=10),
        )
    )
    assert feed.totals().gaps == (0, 0.0)
    assert feed.totals().retries == {"w": 1}


def test_attempts_are_told_apart_by_node_and_start() -> None:
    names = [node_id("a"), node_id("b"), "wf", "other", "wf-abc", "wf-12345678901234567890"]
    starts = ["2026-11-22T13:00:00Z", "2026-11-22T13:00:01Z", None]
    keys = {attempt_key(Node(id=name, started_at=start)) for name in names for start in starts}
    assert len(keys) == len(names) * len(starts)
    assert all(0 <= key < 2**64 for key in keys)


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(
    order=st.permutations(range(30)),
    sorted_ids=st.booleans(),
    before=st.sets(st.integers(0, 29)),
    after=st.sets(st.integers(0, 29), max_size=8),
)
def test_new_attempts_are_those_that_were_not_there_before_in_any_order(
    order: list[int], sorted_ids: bool, before: set[int], after: set[int]
) -> None:
    """Mostly they are found by halving, which relies on the order; other orders cost more."""
    every = [node(f"n{i}", id=f"wf-{1000 + i}") for i in (sorted(order) if sorted_ids else order)]

    def shown(which: set[int]) -> dict[str, Node]:
        return graph(*(each for each in every if int(each["id"][3:]) - 1000 in which))

    first, done = new_attempts(shown(before), array("Q"), 0.0, False)
    assert {n.id for n in first} == {f"wf-{1000 + i}" for i in before}
    every.reverse() if not sorted_ids else None
    second, done = new_attempts(shown(before | after), done, 0.0, False)
    assert {n.id for n in second} == {f"wf-{1000 + i}" for i in after - before}
    assert new_attempts(shown(before | after), done, 0.0, False) == ([], done)
