"""A dot on a dashboard opens the trace of the run that it was measured on, if there is one."""

import pytest

from argoscope.export.otlp_encode import Encoder
from argoscope.export.prometheus import Exposition
from argoscope.metrics.exemplars import Traced, span_id
from argoscope.metrics.registry import Registry
from argoscope.resources._base import Options, TraceOptions
from argoscope.resources.workflow import metrics as m
from argoscope.traces.tree import tree
from support.otlp import encode, points
from support.scrape import DURATION, METRICS, OPENMETRICS, RUNS, parse
from support.traces import ended, recorded_runs, replayed
from support.workflow_objects import node, workflow

TRACE = "0123456789abcdef0123456789abcdef"
LABELS = ("team", "etl", "Failed")


def shown(registry: Registry) -> dict[tuple[str, str], dict[str, str]]:
    """Labels of exemplars by name of the sample and le."""
    body, headers = Exposition(registry, process=False).render(OPENMETRICS, "")
    return {
        (sample.name, sample.labels.get("le", "")): dict(sample.exemplar.labels)
        for family in parse(body, headers["Content-Type"])
        for sample in family.samples
        if sample.exemplar
    }


def test_openmetrics_has_the_trace_beside_the_run() -> None:
    registry = Registry(METRICS, now=lambda: 1000.0)
    registry.count(RUNS, LABELS, exemplar=Traced("etl-1", TRACE))
    registry.observe(DURATION, ("etl",), 0.1, exemplar=Traced("etl-1", TRACE))
    registry.observe(DURATION, ("etl",), 1e9, exemplar="etl-2")
    registry.publish()
    both = {"trace_id": TRACE, "workflow": "etl-1"}
    assert shown(registry) == {
        ("argo_test_runs_total", ""): both,
        ("argo_test_run_duration_seconds_bucket", "0.5"): both,
        ("argo_test_run_duration_seconds_bucket", "+Inf"): {"workflow": "etl-2"},
    }


@pytest.mark.parametrize(("length", "named"), [(80, True), (81, False), (253, False)])
def test_a_name_that_is_too_long_beside_it_leaves_the_trace(length: int, named: bool) -> None:
    registry = Registry(METRICS, now=lambda: 1000.0)
    registry.count(RUNS, LABELS, exemplar=Traced("n" * length, TRACE))
    registry.publish()
    (found,) = shown(registry).values()
    assert found["trace_id"] == TRACE
    assert ("workflow" in found) is named
    assert sum(map(len, (*found, *found.values()))) <= 128


def test_otlp_has_the_ids_of_the_runs_own_span() -> None:
    registry = Registry(METRICS, now=lambda: 1000.0)
    registry.count(RUNS, LABELS, exemplar=Traced("etl-1", TRACE))
    registry.publish()
    bodies = [request.body for request in encode(Encoder({}, version="1"), registry)]
    (exemplar,) = points(bodies)["argo.test.runs", LABELS].exemplars
    assert exemplar.trace_id.hex() == TRACE
    assert exemplar.span_id == span_id(TRACE)
    assert exemplar.filtered_attributes[0].value.string_value == "etl-1"


def test_the_span_of_an_exemplar_is_the_first_of_its_trace() -> None:
    run = recorded_runs("argo-4.1")[0]
    assert run.line.trace is not None
    assert tree(run.line, run.path).spans[0].id == span_id(run.line.trace.id)


def exemplars(options: TraceOptions | None, phase: str) -> dict[str, str]:
    """Trace id by metric of what a run of one pod was measured in."""
    pod = node("wf", phase=phase, message="main: Error (exit code 1)")
    registry = replayed(Options(traces=options), workflow(pod, phase=phase)).registry
    return {name: labels.get("trace_id", "") for (name, _), labels in shown(registry).items()}


def test_all_that_is_measured_at_the_end_of_a_run_leads_to_its_trace() -> None:
    (run,) = ended(workflow(node("wf"), phase="Failed"))
    assert run.line.trace is not None
    found = exemplars(TraceOptions(share=0.0), "Failed")
    assert {
        m.RUNS.prometheus,
        f"{m.RUN_DURATION.prometheus}_bucket",
        m.FAILURES.prometheus,
        m.TEMPLATE_FAILURES.prometheus,
        f"{m.TEMPLATE_DURATION.prometheus}_bucket",
        m.CRITICAL_PATH.prometheus,
        f"{m.OVERHEAD.prometheus}_bucket",
    } <= found.keys()
    assert {id_ for name, id_ in found.items() if "pending" not in name} == {run.line.trace.id}


@pytest.mark.parametrize("options", [None, TraceOptions(share=0.0)])
def test_no_exemplar_leads_to_a_trace_that_is_not_there(options: TraceOptions | None) -> None:
    found = exemplars(options, "Succeeded")
    assert m.RUNS.prometheus in found
    assert set(found.values()) == {""}


def test_while_a_run_goes_on_only_the_share_is_known() -> None:
    going = workflow(node("wf.a"), phase="Running", end=None)
    for share, known in ((1.0, True), (0.0, False)):
        options = Options(traces=TraceOptions(share=share))
        found = shown(replayed(options, going).registry)
        assert found
        assert {"trace_id" in labels for labels in found.values()} == {known}
