"""What a trace shows of a run: which spans, inside of which, from when to when."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from argoscope.resources.workflow.timeline import LEAVES
from argoscope.resources.world import EndedRun
from argoscope.traces.choice import MAX_SPANS
from argoscope.traces.span import SERVER, Span
from argoscope.traces.tree import tree
from support.recordings import RECORDINGS, events, shared_dir
from support.traces import drawn, ended, faults, recorded_runs, runs_of
from support.workflow_objects import BASE, node, node_id, workflow

CORPUS = shared_dir() / "corpus" / "Workflow"
FILES = sorted(CORPUS.glob("*.json")) if CORPUS.exists() else []


def recorded(name: str, scenario: str) -> list[EndedRun]:
    return [run for run in recorded_runs(name) if run.line.pipeline == scenario]


def spans(run: EndedRun) -> list[Span]:
    return tree(run.line, run.path).spans


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_trace_of_a_recording_is_one_whole_tree(name: str) -> None:
    runs = recorded_runs(name)
    assert len(runs) > 100
    assert {run.line.name: found for run in runs if (found := faults(spans(run)))} == {}


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_node_that_an_attempt_ran_has_a_span_and_no_other(name: str) -> None:
    for run in recorded_runs(name):
        line = run.line
        of_attempt = {
            node.id
            for node in line.nodes.values()
            if node.type in LEAVES and (line.first or node.started >= line.begin)
        }
        shown = {
            span.attributes["argo.node.id"]
            for span in spans(run)
            if span.attributes.get("argo.node.type") in LEAVES
        }
        assert shown == of_attempt, line.name


def test_corpus_objects_make_whole_trees() -> None:
    if not FILES:
        pytest.skip("needs the real input in ../shared/corpus, which is not on this machine")
    runs = [run for path in FILES for run in runs_of(path, BASE)]
    assert len(runs) > 40
    found = [(run.line.name, fault) for run in runs for fault in faults(spans(run))]
    assert found == []


DRAWN = {
    # Argo looks every 10 s: what lies between the pods is the controller's pace.
    "steps-seq": """
RUN steps-seq 0+30
  main 0+30
    [0] 0+10
      a 0+5
        prepare 0+1
        main 1+4
    [1] 10+10
      b 10+6
        prepare 10+3
        main 13+3
      c 10+6
        prepare 10+3
        main 13+3
    [2] 20+10
      d 20+5
        prepare 20+3
        main 23+2
""",
    "retry-exhausted": """
RUN retry-exhausted 0+31 ERROR exit_code
  main 0+31 ERROR
    [0] 0+31 ERROR
      flaky 0+31 retry retry ERROR
        flaky(0) 0+5 ERROR exit_code
          prepare 0+1
          init 1+1
          main 2+2
          wait 4+1
        flaky(1) 10+7 ERROR exit_code
          prepare 10+2
          init 12+2
          main 14+2
          wait 16+1
        flaky(2) 20+4 ERROR exit_code
          prepare 20+2
          main 22+2
""",
    "oom": """
RUN oom 0+20 ERROR oom
  main 0+11 oom ERROR oom
    prepare 0+3
    main 3+1
    wait 4+7
""",
    "evicted": """
RUN evicted 0+65 ERROR evicted
  main 0+2 evicted ERROR evicted
    prepare 0+2
""",
    # The handler runs when the main part has ended: beside it, not in it.
    "on-exit": """
RUN on-exit 0+20 ERROR exit_code
  main 0+2 ERROR exit_code
    prepare 0+1
    main 1+1
  onExit 10+3
    prepare 10+1
    main 11+2
""",
    "suspend-approve": """
RUN suspend-approve 0+43
  main 0+43
    [0] 0+10
      build 0+4
        prepare 0+2
        main 2+2
    [1] 10+23
      approve 10+13
    [2] 33+10
      release 33+4
        init 33+1
        prepare 34+1
        main 35+2
""",
    "mutex-template": """
RUN mutex-template 0+32
  main 0+32
    [0] 0+32
      i 0+6
        prepare 0+3
        main 3+3
      i 0+15
        lock 0+10
        prepare 10+1
        main 11+3
        wait 14+1
      i 0+29
        lock 0+21
        prepare 21+5
        main 26+3
""",
}


@pytest.mark.parametrize("scenario", DRAWN)
def test_recorded_runs_look_as_they_went(scenario: str) -> None:
    (run,) = recorded("argo-4.1", scenario)
    assert drawn(spans(run)) == DRAWN[scenario].strip().splitlines()


def test_a_retried_run_has_a_trace_for_each_attempt_with_its_own_nodes_and_a_link_back() -> None:
    first, second = recorded("argo-4.1", "argo-retry")
    assert first.line.uid == second.line.uid
    assert first.line.trace is not None
    assert second.line.trace is not None
    # Argo 4.1 writes a new id when it retries, and both are Argo's.
    assert (first.line.trace.id, second.line.trace.id) == (
        "12b4d5cc89bfe336336fe333e972027b",
        "111d7cb07840449e32ead7176a18cc59",
    )
    assert second.line.trace.links == (("retry", first.line.trace.id),)
    assert drawn(spans(second)) == [
        "RUN argo-retry 0+6 ERROR exit_code link:retry",
        "  main 0+6 ERROR",
        "    bad 0+2 ERROR exit_code",
        "      init 0+1",
        "      main 1+1",
        "    last 6+0",
    ]
    ids = [{span.id for span in spans(run)} for run in (first, second)]
    assert ids[0].isdisjoint(ids[1])


def test_a_resubmitted_run_links_to_the_run_that_it_repeats() -> None:
    before, after = recorded("argo-4.1", "argo-resubmit")
    assert before.line.trace is not None
    assert after.line.trace is not None
    assert after.line.trace.links == (("resubmit", before.line.trace.id),)


def test_pods_have_the_names_that_argo_gave_them() -> None:
    real = {
        event["object"]["metadata"]["annotations"]["workflows.argoproj.io/node-id"]: event[
            "object"
        ]["metadata"]["name"]
        for _, event in events("argo-4.1", "pods")
        if "workflows.argoproj.io/node-id" in event["object"]["metadata"].get("annotations", {})
    }
    told = {
        str(span.attributes["argo.node.id"]): span.attributes["k8s.pod.name"]
        for run in recorded_runs("argo-4.1")
        for span in spans(run)
        if "k8s.pod.name" in span.attributes and "argo.node.id" in span.attributes
    }
    common = told.keys() & real.keys()
    assert len(common) > 200
    assert {id_: told[id_] for id_ in common} == {id_: real[id_] for id_ in common}


def test_the_run_says_what_it_was_in_the_words_of_the_semantic_conventions() -> None:
    (run,) = recorded("argo-4.1", "oom")
    root, task, *stages = spans(run)
    assert root.kind == SERVER
    assert {key: value for key, value in root.attributes.items() if "argo" not in key} == {
        "cicd.pipeline.name": "oom",
        "cicd.pipeline.action.name": "RUN",
        "cicd.pipeline.result": "failure",
        "cicd.pipeline.run.id": run.line.uid,
        "error.type": "oom",
        "k8s.namespace.name": run.line.namespace,
    }
    assert root.attributes["argoscope.critical_path.main"] == 1.0
    assert task.attributes["cicd.pipeline.task.name"] == "main"
    assert task.attributes["cicd.pipeline.task.run.result"] == "failure"
    assert task.error == "main: OOMKilled (exit code 137)"
    assert [stage.attributes.get("k8s.container.name") for stage in stages] == [
        None,
        "main",
        "wait",
    ]


def test_a_workflow_that_another_made_links_to_it() -> None:
    parent = workflow(node("parent", run="parent"), name="parent", phase="Running", end=None)
    owner = {"kind": "Workflow", "name": "parent", "uid": "uid-parent"}
    child = workflow(node("wf"), ownerReferences=[owner])
    (run,) = ended(parent, child)
    assert run.line.trace is not None
    ((why, to),) = run.line.trace.links
    (alone,) = ended(workflow(node("parent", run="parent"), name="parent"))
    assert alone.line.trace is not None
    assert (why, to) == ("parent", alone.line.trace.id)


def test_a_name_that_begins_like_another_is_not_inside_of_it() -> None:
    run = workflow(
        node("wf", "DAG", children=[node_id("wf.a"), node_id("wf.ab")]),
        node("wf.a", boundaryID="wf"),
        node("wf.ab", boundaryID="wf"),
    )
    (found,) = ended(run)
    assert [line.strip().split()[0] for line in drawn(spans(found))] == ["RUN", "w", "a", "ab"]


def test_items_are_in_attributes_and_not_in_names() -> None:
    item = 'wf.load(0:{"table": "a[0].b(c)", "n": 1.5})'
    run = workflow(
        node("wf", "DAG", children=[node_id("wf.load")]),
        node("wf.load", "TaskGroup", boundaryID="wf", children=[node_id(item)]),
        node(item, boundaryID="wf"),
    )
    (found,) = ended(run)
    (task,) = [span for span in spans(found) if span.attributes.get("argo.node.type") == "Pod"]
    assert task.name == "load"
    assert task.attributes["argo.node.name"] == item


def test_groups_can_lie_in_each_other_deeper_than_pythons_stack() -> None:
    names = [f"wf.a{'(0)' * depth}" for depth in range(1200)]
    groups = [
        node(outer, "TaskGroup", boundaryID="wf", children=[node_id(inner)])
        for outer, inner in pairwise(names)
    ]
    root = node("wf", "DAG", children=[node_id("wf.a")])
    (found,) = ended(workflow(root, *groups, node(names[-1], boundaryID="wf")))
    made = spans(found)
    assert faults(made) == []
    assert {span.name for span in made} >= {"a"}
    assert len(made) >= len(names)


def test_a_step_that_is_tried_for_ever_is_a_span_that_a_receiver_takes() -> None:
    tries = [
        node(f"wf.a({number})", boundaryID="wf", phase="Failed", message="m" * 500)
        for number in range(1000)
    ]
    retry = node("wf.a", "Retry", children=[each["id"] for each in tries], boundaryID="wf")
    root = node("wf", "DAG", children=[node_id("wf.a")])
    (found,) = ended(workflow(root, retry, *tries))
    (told,) = (span for span in spans(found) if span.attributes.get("argo.node.type") == "Retry")
    assert [event.attributes["argo.retry.number"] for event in told.events] == [*range(872, 1000)]


def large(count: int) -> EndedRun:
    """A fan-out of pods, one of which took longest and one of which failed."""
    nodes = [node(f"wf.a({i}:x)", start=10, end=12 + i % 7, boundaryID="wf") for i in range(count)]
    nodes[17] |= {"phase": "Failed", "message": "main: Error (exit code 1)"}
    nodes[29] = node("wf.a(29:x)", start=10, end=500, boundaryID="wf")
    root = node("wf", "DAG", end=500, children=[each["id"] for each in nodes], phase="Failed")
    (run,) = ended(workflow(root, *nodes, end=500, phase="Failed"), pods=True)
    return run


def test_a_large_run_is_cut_to_what_tells_most_and_says_so() -> None:
    run = large(5000)
    unlimited = tree(run.line, run.path, 10**6)
    whole = len(unlimited.spans)
    assert unlimited.left_out == 0
    assert whole > 15_000
    for limit in (MAX_SPANS, 2000, 7):
        found = tree(run.line, run.path, limit)
        assert faults(found.spans) == []
        assert len(found.spans) <= limit
        assert found.spans[0].attributes["argoscope.spans.left_out"] == found.left_out
        assert len(found.spans) + found.left_out == whole
        named = {str(span.attributes.get("argo.node.name")) for span in found.spans}
        assert {"wf", "wf.a(29:x)", "wf.a(17:x)"} <= named
    kept = tree(run.line, run.path, 2000).spans
    nodes = [s for s in kept if "argo.node.id" in s.attributes and s.error is None]
    assert min(s.end - s.start for s in nodes) == 6000  # those of 2 to 5 s gave way


def test_a_run_without_nodes_is_a_trace_of_one_span(tmp_path: Path) -> None:
    path = tmp_path / "wf.json"
    status = {"offloadNodeStatusVersion": "fnv:1"}
    path.write_text(json.dumps(workflow(status=status)))
    (run,) = runs_of(path, BASE + 100)
    (root,) = spans(run)
    assert root.attributes["argoscope.nodes.known"] is False
