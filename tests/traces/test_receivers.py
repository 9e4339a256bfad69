"""A real receiver gets the traces of a real run, and shows spans inside of each other."""

import asyncio
import random
from pathlib import Path

import pytest

from argoscope.export.otlp_settings import Compression, OtlpSettings, Protocol, Signal
from argoscope.metrics.internal import INTERNAL, TRACES_SENT, TRACES_SPANS_SENT
from argoscope.metrics.registry import Registry
from argoscope.resources.world import EndedRun
from argoscope.traces.exporter import TraceExporter
from argoscope.traces.queue import Queue
from argoscope.traces.tree import tree
from support.receivers import TraceReceiver, trace_receiver
from support.traces import drawn, recorded_runs

SCENARIOS = ("nested", "retry-exhausted", "oom", "argo-retry")


@pytest.mark.parametrize("protocol", list(Protocol))
def test_a_receiver_shows_the_steps_of_runs_inside_of_each_other(
    tmp_path: Path, protocol: Protocol
) -> None:
    runs = [run for run in recorded_runs("argo-4.1") if run.line.pipeline in SCENARIOS]
    assert len(runs) == len(SCENARIOS) + 1
    registry = Registry(INTERNAL, now=lambda: 0.0)
    with trace_receiver(tmp_path) as receiver:
        asyncio.run(_send(receiver, registry, protocol, runs))
        shown = receiver.traces()
    expected = {run.line.trace.id: tree(run.line, run.path).spans for run in runs if run.line.trace}
    assert shown.keys() == expected.keys()
    for trace, spans in expected.items():
        assert drawn(shown[trace]) == drawn(spans)
        found = {span.id: span for span in shown[trace]}
        for span in spans:
            assert found[span.id].attributes == {k: _shown(v) for k, v in span.attributes.items()}
            assert found[span.id].error == span.error
    assert registry.value(TRACES_SENT, ()) == len(runs)
    assert registry.value(TRACES_SPANS_SENT, ()) == sum(map(len, expected.values()))


async def _send(
    receiver: TraceReceiver, registry: Registry, protocol: Protocol, runs: list[EndedRun]
) -> None:
    settings = OtlpSettings(
        signal=Signal.TRACES,
        endpoint=receiver.endpoint(protocol),
        protocol=protocol,
        compression=Compression.GZIP,
    )
    exporter = TraceExporter(
        registry,
        settings,
        Queue(registry),
        resource={"service.name": "argoscope"},
        version="1",
        jitter=random.Random(1),
    )
    for run in runs:
        exporter.add(run)
    assert await exporter.flush(30.0)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
