"""Sending traces, in virtual time: a receiver that is down, slow, or refuses; bounds; the end."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from argoscope.export.otlp_settings import OtlpSettings, Signal
from argoscope.export.otlp_transport import Outcome
from argoscope.metrics.internal import (
    EXPORT_FAILURES,
    INTERNAL,
    TRACES_DROPPED,
    TRACES_QUEUED,
    TRACES_QUEUED_BYTES,
    TRACES_SENT,
    TRACES_SPANS_SENT,
    TRACES_SPANS_TRUNCATED,
)
from argoscope.metrics.registry import Registry
from argoscope.resources.world import EndedRun
from argoscope.traces import exporter as module
from argoscope.traces.exporter import Commit, TraceExporter
from argoscope.traces.queue import Queue
from support.traces import ended
from support.workflow_objects import node, workflow

pytestmark = pytest.mark.looptime

DOWN = Outcome(reason="unavailable", detail="HTTP 503", retryable=True)
REFUSED = Outcome(reason="rejected", detail="HTTP 400")
FORBIDDEN = Outcome(reason="unauthorized", detail="HTTP 401")


class Receiver:
    """Takes traces, or answers as ``answer`` says."""

    def __init__(self) -> None:
        self.answer: Callable[[set[str]], Outcome] = lambda _: Outcome()
        self.spans: Counter[tuple[str, bytes]] = Counter()
        """(run, span id) -> how often it was accepted."""
        self.requests: list[float] = []
        self.closed = False

    async def send(self, body: bytes) -> Outcome:
        self.requests.append(asyncio.get_running_loop().time())
        (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
        spans = resource.scope_spans[0].spans
        names = {span.trace_id: span.name for span in spans if not span.parent_span_id}
        outcome = self.answer(set(names.values()))
        if not outcome.reason:
            self.spans.update((names[span.trace_id], span.span_id) for span in spans)
        return outcome

    async def close(self) -> None:
        self.closed = True

    @property
    def runs(self) -> Counter[str]:
        """Traces by the name of the run; of each span how often it came, which is the same."""
        times: dict[str, set[int]] = {}
        for (run, _), count in self.spans.items():
            times.setdefault(run, set()).add(count)
        return Counter({run: max(counts) for run, counts in times.items()})


def run_of(number: int) -> EndedRun:
    name = f"wf-{number}"
    (run,) = ended(workflow(node(name, run=name), name=name, uid=f"uid-{number}"))
    return run


RUNS = [run_of(number) for number in range(12)]
NAMES = [f"RUN wf-{number}" for number in range(12)]


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def registry() -> Registry:
    return Registry(INTERNAL, now=lambda: 1000.0 + asyncio.get_running_loop().time())


def made(
    registry: Registry,
    receiver: Receiver,
    queue: Queue | None = None,
    commit: Commit | None = None,
) -> TraceExporter:
    return TraceExporter(
        registry,
        OtlpSettings(signal=Signal.TRACES, endpoint="http://c", interval=5.0),
        queue if queue is not None else Queue(registry),
        resource={"service.name": "argoscope"},
        version="1",
        commit=commit,
        carrier=receiver,
        jitter=random.Random(1),
    )


def dropped(registry: Registry) -> dict[str, float]:
    return {labels[0]: n for labels, n in registry.samples(TRACES_DROPPED) if n}


async def test_traces_travel_together_once_each(registry: Registry, receiver: Receiver) -> None:
    exporter = made(registry, receiver)
    task = asyncio.create_task(exporter.run())
    for run in RUNS[:5]:
        exporter.add(run)
        await asyncio.sleep(0.5)
    await asyncio.sleep(60)
    exporter.add(RUNS[5])
    await asyncio.sleep(60)
    task.cancel()
    assert receiver.runs == Counter(NAMES[:6])
    assert len(receiver.requests) == 2
    assert registry.value(TRACES_SENT, ()) == 6
    assert registry.value(TRACES_SPANS_SENT, ()) == 12
    assert registry.value(TRACES_QUEUED, ()) == 0
    assert registry.value(TRACES_QUEUED_BYTES, ()) == 0


async def test_a_receiver_that_was_down_for_hours_gets_all_of_them_once(
    registry: Registry, receiver: Receiver
) -> None:
    receiver.answer = lambda _: DOWN
    exporter = made(registry, receiver)
    task = asyncio.create_task(exporter.run())
    for run in RUNS:
        exporter.add(run)
        await asyncio.sleep(600)
    assert registry.value(TRACES_QUEUED, ()) == 12
    assert 100 < len(receiver.requests) < 160  # one a minute, and not more
    receiver.answer = lambda _: Outcome()
    await asyncio.sleep(100)
    task.cancel()
    assert receiver.runs == Counter(NAMES)
    assert dropped(registry) == {}
    assert registry.value(EXPORT_FAILURES, ("otlp_traces", "unavailable")) == (
        len(receiver.requests) - 1
    )


async def test_the_receivers_wish_to_wait_is_respected(
    registry: Registry, receiver: Receiver
) -> None:
    receiver.answer = lambda _: Outcome(reason="throttled", retryable=True, retry_after=300.0)
    exporter = made(registry, receiver)
    task = asyncio.create_task(exporter.run())
    exporter.add(RUNS[0])
    await asyncio.sleep(310)
    task.cancel()
    assert receiver.requests == [5.0, 305.0]


async def test_a_missing_token_costs_no_trace(registry: Registry, receiver: Receiver) -> None:
    receiver.answer = lambda _: FORBIDDEN
    exporter = made(registry, receiver)
    task = asyncio.create_task(exporter.run())
    exporter.add(RUNS[0])
    await asyncio.sleep(600)
    receiver.answer = lambda _: Outcome()
    await asyncio.sleep(100)
    task.cancel()
    assert receiver.runs == Counter(NAMES[:1])


async def test_only_the_trace_that_is_refused_is_given_up(
    registry: Registry, receiver: Receiver
) -> None:
    receiver.answer = lambda names: REFUSED if NAMES[7] in names else Outcome()
    exporter = made(registry, receiver)
    for run in RUNS:
        exporter.add(run)
    await exporter.send_all()
    assert receiver.runs == Counter(NAMES) - Counter([NAMES[7]])
    assert dropped(registry) == {"rejected": 1}
    assert len(receiver.requests) <= 13
    assert registry.value(TRACES_QUEUED, ()) == 0


@pytest.mark.parametrize("bound", [{"traces": 4}, {"size": 4 * 700}])
async def test_a_full_queue_gives_up_the_oldest_and_counts_them(
    registry: Registry, receiver: Receiver, bound: dict[str, int]
) -> None:
    queue = Queue(registry, **bound)
    exporter = made(registry, receiver, queue)
    for run in RUNS:
        exporter.add(run)
        assert len(queue) <= 8
    left = len(queue)
    assert dropped(registry) == {"queue_full": 12 - left}
    await exporter.send_all()
    assert receiver.runs == Counter(NAMES[-left:])


async def test_a_trace_that_is_larger_than_a_request_is_sent_in_parts(
    registry: Registry, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("argoscope.traces.queue._CHUNK", 400)
    monkeypatch.setattr(module, "MOST", 500)
    sent: list[bytes] = []

    async def send(body: bytes) -> Outcome:
        sent.append(body)
        return Outcome()

    receiver.send = send  # type: ignore[method-assign]
    exporter = made(registry, receiver)
    parts = [node(f"wf.{i}") for i in range(30)]
    (run,) = ended(workflow(node("wf", "DAG"), *parts))
    exporter.add(run)
    await exporter.send_all()
    requests = [ExportTraceServiceRequest.FromString(body) for body in sent]
    spans = [s for r in requests for s in r.resource_spans[0].scope_spans[0].spans]
    assert len(requests) > 10
    assert len({span.span_id for span in spans}) == len(spans) == 32
    assert registry.value(TRACES_SENT, ()) == 1


async def test_a_trace_of_long_names_is_cut_to_what_a_backend_takes(
    registry: Registry, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 30_000)
    sent: list[bytes] = []

    async def send(body: bytes) -> Outcome:
        sent.append(body)
        return Outcome()

    receiver.send = send  # type: ignore[method-assign]
    exporter = made(registry, receiver)
    parts = [node(f"wf.a({i}:{'x' * 300})", end=9 + i, boundaryID="wf") for i in range(100)]
    (run,) = ended(workflow(node("wf", "DAG", end=200), *parts, end=200))
    exporter.add(run)
    await exporter.send_all()
    (body,) = sent
    assert 25_000 < len(body) < 30_500
    spans = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans
    assert registry.value(TRACES_SPANS_TRUNCATED, ()) == 102 - len(spans)
    # The longest step is there, the shortest gave way.
    names = {a.value.string_value for s in spans for a in s.attributes if a.key == "argo.node.name"}
    assert parts[99]["name"] in names
    assert parts[0]["name"] not in names


async def test_nothing_is_sent_before_it_is_kept(registry: Registry, receiver: Receiver) -> None:
    answers = [False, False, True]
    asked: list[float] = []

    async def commit(limit: float) -> bool:
        asked.append(limit)
        return answers.pop(0)

    exporter = made(registry, receiver, commit=commit)
    exporter.add(RUNS[0])
    for _ in range(2):
        assert (await exporter.send_all()).reason == "ledger"
    assert receiver.requests == []
    assert (await exporter.send_all()).reason == ""
    assert receiver.runs == Counter(NAMES[:1])
    assert len(asked) == 3


async def test_what_comes_while_the_commit_is_made_waits_for_the_next(
    registry: Registry, receiver: Receiver
) -> None:
    commits = 0

    async def commit(limit: float) -> bool:
        nonlocal commits
        commits += 1
        if commits == 1:
            exporter.add(RUNS[1])
        return commits < 2

    exporter = made(registry, receiver, commit=commit)
    exporter.add(RUNS[0])
    assert (await exporter.send_all()).reason == "ledger"
    assert receiver.runs == Counter(NAMES[:1])


async def test_the_end_waits_no_longer_than_it_may(registry: Registry, receiver: Receiver) -> None:
    async def hang(body: bytes) -> Outcome:
        await asyncio.sleep(1000)
        return Outcome()

    receiver.send = hang  # type: ignore[method-assign]
    exporter = made(registry, receiver)
    exporter.add(RUNS[0])
    assert not await exporter.flush(3.0)
    assert asyncio.get_running_loop().time() == pytest.approx(3.0)
    assert receiver.closed


async def test_a_bug_costs_a_trace_and_no_more(
    registry: Registry, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError

    exporter = made(registry, receiver)
    monkeypatch.setattr(module, "tree", broken)
    exporter.add(RUNS[0])
    assert dropped(registry) == {"bug": 1}
