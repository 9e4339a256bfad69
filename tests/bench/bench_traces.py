"""Traces of run attempts, from timelines to wire bytes, beside the OpenTelemetry SDK; CPU time.

The SDK gets the spans as they are, and only has to make and encode them.
"""

import time
from collections.abc import Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Span as SdkSpan
from opentelemetry.trace import set_span_in_context

from argoscope.resources.workflow.critical_path import critical_path
from argoscope.resources.workflow.timeline import Timeline
from argoscope.resources.world import EndedRun
from argoscope.traces.encode import Envelope, SpanEncoder
from argoscope.traces.queue import chunks
from argoscope.traces.span import Span
from argoscope.traces.tree import tree
from support.traces import ended
from support.workflow_objects import node, workflow

BAR = 100.0
"""CPU milliseconds of 1,000 spans: a tenth of a core at 1,000 spans a second."""
NODES = 100
PEER = "OpenTelemetry SDK"


def run(quick: bool) -> list[dict[str, Any]]:
    count = 5 if quick else 25
    runs = [_run(number) for number in range(count)]
    spans = [tree(run.line, run.path).spans for run in runs]
    begin = time.process_time()
    for one in runs:
        _packed(one.line)
    ours = time.process_time() - begin
    begin = time.process_time()
    for each in spans:
        _sdk(each)
    peer = time.process_time() - begin
    total = sum(map(len, spans))
    name = f"traces of {NODES} pods each, per 1,000 spans"
    value, beside = ours / total * 1e6, peer / total * 1e6
    row = {"name": name, "unit": "ms", "value": value, "peer": PEER, "peer_value": beside}
    return [row | {"ratio": beside / value, "bar": BAR, "met": value <= BAR}]


def _run(number: int) -> EndedRun:
    name = f"wf-{number}"
    nodes = [
        node(f"{name}.step-{i}", start=i, end=i + 30, run=name, boundaryID=name)
        for i in range(NODES)
    ]
    root = node(name, "DAG", end=200, run=name, children=[each["id"] for each in nodes])
    obj = workflow(root, *nodes, name=name, uid=f"uid-{number}", end=200)
    (found,) = ended(obj, pods=True)
    return found


def _packed(line: Timeline) -> int:
    assert line.trace is not None
    encoder = SpanEncoder(line.trace.id)
    made = map(encoder.encode, tree(line, critical_path(line)).spans)
    envelope = Envelope({"service.name": "argoscope"}, version="bench")
    return len(envelope.request(chunk.unpack() for chunk in chunks(line.trace.id, made)))


def _sdk(spans: Sequence[Span]) -> int:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("bench")
    made: dict[bytes, SdkSpan] = {}
    for span in spans:
        parent = made.get(span.parent)
        made[span.id] = tracer.start_span(
            span.name,
            set_span_in_context(parent) if parent is not None else None,
            attributes=span.attributes,
            start_time=span.start * 10**6,
        )
    for span in reversed(spans):
        made[span.id].end(span.end * 10**6)
    return len(encode_spans(exporter.get_finished_spans()).SerializeToString())
