"""The bytes, read back by the official protobuf classes; names, by the official constants."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.semconv._incubating.attributes import (
    cicd_attributes,
    error_attributes,
    k8s_attributes,
)
from opentelemetry.semconv.schemas import Schemas

from argoscope.metrics.exemplars import span_id
from argoscope.traces import semconv
from argoscope.traces.encode import Envelope, SpanEncoder
from argoscope.traces.span import SERVER, Event, Link, Span

TRACE = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32


def test_a_span_is_read_back_as_it_was() -> None:
    root = Span(
        b"rootroot",
        b"",
        "RUN etl",
        1_795_000_000_001,
        1_795_000_000_999,
        {"text": "é", "empty": "", "yes": True, "no": False, "many": 5_000, "share": 0.25},
        "it broke",
        (Event("retry", 1_795_000_000_500, {"argo.retry.number": 1}),),
        (Link(OTHER, {"argo.link.reason": "retry"}),),
        SERVER,
    )
    child = Span(b"childchi", b"rootroot", "main", 1_795_000_000_002, 1_795_000_000_003, {})
    encoder = SpanEncoder(TRACE)
    body = Envelope({"service.name": "argoscope"}, version="1").request(
        [encoder.encode(root), encoder.encode(child)]
    )
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    assert resource.schema_url == resource.scope_spans[0].schema_url == semconv.SCHEMA_URL
    assert resource.resource.attributes[0].value.string_value == "argoscope"
    assert resource.scope_spans[0].scope.name == "argoscope"
    first, second = resource.scope_spans[0].spans
    assert (first.trace_id.hex(), first.span_id, first.parent_span_id) == (TRACE, b"rootroot", b"")
    assert (first.name, first.kind) == ("RUN etl", 2)
    assert (first.start_time_unix_nano, first.end_time_unix_nano) == (
        1_795_000_000_001_000_000,
        1_795_000_000_999_000_000,
    )
    values = {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in first.attributes}
    assert values == root.attributes
    assert (first.status.code, first.status.message) == (2, "it broke")
    assert (first.events[0].name, first.events[0].time_unix_nano) == (
        "retry",
        1_795_000_000_500_000_000,
    )
    assert first.events[0].attributes[0].value.int_value == 1
    assert first.links[0].trace_id.hex() == OTHER
    assert first.links[0].span_id == span_id(OTHER)
    assert first.links[0].attributes[0].value.string_value == "retry"
    assert (second.parent_span_id, second.kind, second.status.code) == (b"rootroot", 1, 0)


def test_names_are_those_of_the_semantic_conventions() -> None:
    known = {
        value
        for module in (cicd_attributes, error_attributes, k8s_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    } | {"error.type"}
    assert set(semconv.STANDARD) <= known
    assert Schemas.V1_44_0.value == semconv.SCHEMA_URL


def test_results_are_those_of_the_semantic_conventions() -> None:
    known = {member.value for member in cicd_attributes.CicdPipelineResultValues}
    assert known == {member.value for member in cicd_attributes.CicdPipelineTaskRunResultValues}
    cases = {
        ("Succeeded", ""): "success",
        ("Failed", "exit_code"): "failure",
        ("Failed", "deadline"): "timeout",
        ("Failed", "stopped"): "cancellation",
        ("Failed", "replaced"): "cancellation",
        ("Failed", "node_lost"): "error",
        ("Error", "invalid_spec"): "error",
        ("Omitted", ""): "skip",
    }
    assert {case: semconv.result(*case) for case in cases} == cases
    assert set(cases.values()) <= known
