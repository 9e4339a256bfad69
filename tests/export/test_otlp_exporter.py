"""The export loop in virtual time: intervals, retries, failures, the last export."""

import asyncio
import random
from collections.abc import Callable

import pytest

from argoscope.export import otlp_encode
from argoscope.export.otlp import OtlpExporter, resource_attributes
from argoscope.export.otlp_settings import OtlpSettings, Temporality
from argoscope.export.otlp_transport import HttpTransport, Outcome
from argoscope.export.process import process_registry
from argoscope.metrics.internal import (
    EXPORT_DURATION,
    EXPORT_FAILURES,
    EXPORT_LAST_SUCCESS,
    EXPORT_REASON,
)
from argoscope.metrics.registry import Registry
from support.otlp import points
from support.scrape import DURATION, METRICS, RUNS

pytestmark = pytest.mark.looptime

LABELS = ("team", "etl", "Failed")
RUNS_AT = ("argo.test.runs", LABELS)
UP = Outcome()
DOWN = Outcome(reason="unavailable", detail="HTTP 503", retryable=True)


class Scripted:
    """A transport whose receiver answers as told, the last answer again and again."""

    def __init__(self, *answers: Outcome, seconds: float = 0.0) -> None:
        self.answers = list(answers)
        self.seconds = seconds
        self.sent: list[tuple[float, bytes]] = []
        self.closed = False

    async def send(self, body: bytes) -> Outcome:
        self.sent.append((asyncio.get_running_loop().time(), body))
        await asyncio.sleep(self.seconds)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def close(self) -> None:
        self.closed = True

    @property
    def times(self) -> list[float]:
        return [round(at, 3) for at, _ in self.sent]


Make = Callable[..., OtlpExporter]


@pytest.fixture
def registry() -> Registry:
    return Registry(METRICS, now=lambda: 1000.0 + asyncio.get_running_loop().time())


@pytest.fixture
def make(registry: Registry) -> Make:
    def make(carrier: Scripted, **settings: object) -> OtlpExporter:
        return OtlpExporter(
            registry,
            OtlpSettings(endpoint="http://c", **settings),  # type: ignore[arg-type]
            resource={"service.name": "argoscope"},
            version="1",
            carrier=carrier,
            jitter=random.Random(1),
        )

    return make


def failures(registry: Registry) -> dict[str, float]:
    return {labels[1]: value for labels, value in registry.samples(EXPORT_FAILURES) if value}


async def test_it_exports_every_interval(make: Make, registry: Registry) -> None:
    carrier = Scripted(UP)
    registry.count(RUNS, LABELS)
    registry.publish()
    task = asyncio.create_task(make(carrier, interval=15.0).run(), name="export")
    await asyncio.sleep(50)
    task.cancel()
    assert carrier.times == [15.0, 30.0, 45.0]
    assert points([carrier.sent[-1][1]])[RUNS_AT].as_double == 1.0


async def test_an_export_that_takes_too_long_skips_the_next(make: Make, registry: Registry) -> None:
    carrier = Scripted(UP, seconds=17.0)
    registry.count(RUNS, LABELS)
    registry.publish()
    task = asyncio.create_task(make(carrier, interval=15.0).run(), name="export")
    await asyncio.sleep(80)
    task.cancel()
    assert carrier.times == [15.0, 45.0, 75.0]


async def test_a_receiver_in_trouble_is_retried_with_growing_pauses(
    make: Make, registry: Registry
) -> None:
    carrier = Scripted(DOWN, DOWN, DOWN, UP)
    registry.count(RUNS, LABELS)
    registry.publish()
    assert await make(carrier).export()
    pauses = [
        after - before for before, after in zip(carrier.times, carrier.times[1:], strict=False)
    ]
    for pause, expected in zip(pauses, (1.0, 2.0, 4.0), strict=True):
        assert 0.8 * expected <= pause <= 1.2 * expected
    assert len({body for _, body in carrier.sent}) == 1
    assert failures(registry) == {}


async def test_the_receiver_may_say_when_to_come_back(make: Make, registry: Registry) -> None:
    busy = Outcome(reason="throttled", retryable=True, retry_after=7.0)
    carrier = Scripted(busy, UP)
    registry.count(RUNS, LABELS)
    registry.publish()
    assert await make(carrier).export()
    assert carrier.times == [0.0, 7.0]


async def test_an_export_is_given_up_in_time(make: Make, registry: Registry) -> None:
    carrier = Scripted(DOWN)
    registry.count(RUNS, LABELS)
    registry.publish()
    assert not await make(carrier, export_timeout=10.0).export()
    assert asyncio.get_running_loop().time() < 10.0
    assert len(carrier.sent) == 4
    assert failures(registry) == {"unavailable": 1.0}
    assert registry.value(EXPORT_LAST_SUCCESS, ("otlp",)) is None


async def test_a_silent_receiver_is_given_up_in_time(make: Make, registry: Registry) -> None:
    carrier = Scripted(UP, seconds=1000.0)
    registry.count(RUNS, LABELS)
    registry.publish()
    assert not await make(carrier, export_timeout=10.0).export()
    assert asyncio.get_running_loop().time() == 10.0
    assert failures(registry) == {"timeout": 1.0}
    assert registry.value(EXPORT_DURATION, ("otlp",)) == 10.0


async def test_a_refused_request_does_not_hold_up_the_others(
    make: Make, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_encode, "MAX_POINTS", 1)
    carrier = Scripted(Outcome(reason="rejected", detail="HTTP 400"), UP)
    registry.count(RUNS, LABELS)
    registry.observe(DURATION, ("etl",), 1.0)
    registry.publish()
    assert not await make(carrier).export()
    assert RUNS_AT in points([carrier.sent[0][1]])
    assert ("argo.test.run.duration", ("etl",)) in points(body for _, body in carrier.sent[1:])
    assert failures(registry) == {"rejected": 1.0}


async def test_when_the_receiver_is_down_the_rest_is_not_tried(
    make: Make, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_encode, "MAX_POINTS", 1)
    carrier = Scripted(DOWN)
    registry.count(RUNS, LABELS)
    registry.observe(DURATION, ("etl",), 1.0)
    registry.publish()
    assert not await make(carrier, export_timeout=0.5).export()
    assert len(carrier.sent) == 1


async def test_points_that_a_receiver_rejects_are_a_failure(make: Make, registry: Registry) -> None:
    carrier = Scripted(Outcome(rejected=3, detail="too old"))
    registry.count(RUNS, LABELS)
    registry.publish()
    assert not await make(carrier).export()
    assert failures(registry) == {"partial": 1.0}


async def test_a_warning_of_the_receiver_is_no_failure(make: Make, registry: Registry) -> None:
    registry.count(RUNS, LABELS)
    registry.publish()
    assert await make(Scripted(Outcome(detail="deprecated"))).export()
    assert failures(registry) == {}
    assert registry.value(EXPORT_LAST_SUCCESS, ("otlp",)) == 1000.0


async def test_it_says_once_that_exports_fail_and_once_that_they_work_again(
    make: Make, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    carrier = Scripted(DOWN, DOWN, DOWN, UP)
    registry.count(RUNS, LABELS)
    registry.publish()
    exporter = make(carrier, export_timeout=0.5)
    results = [await exporter.export() for _ in range(5)]
    assert results == [False, False, False, True, True]
    out = capsys.readouterr().out
    assert out.count("otlp export failed") == 1
    assert out.count("otlp export works again") == 1


async def test_nothing_grows_while_the_receiver_is_down(make: Make, registry: Registry) -> None:
    exporter = make(Scripted(DOWN), export_timeout=0.5, temporality=Temporality.DELTA)
    for _ in range(20):
        registry.count(RUNS, LABELS)
        registry.publish()
        assert not await exporter.export()
    assert not exporter._encoder._accepted
    assert len(list(registry.samples(EXPORT_FAILURES))) == len(EXPORT_REASON.values)


async def test_with_delta_what_was_lost_is_sent_later(make: Make, registry: Registry) -> None:
    carrier = Scripted(UP, DOWN, UP)
    exporter = make(carrier, export_timeout=0.5, temporality=Temporality.DELTA)
    sent = []
    for _ in range(3):
        registry.count(RUNS, LABELS, 5.0)
        registry.publish()
        await asyncio.sleep(60)
        await exporter.export()
        sent.append(points([carrier.sent[-1][1]])[RUNS_AT])
    assert [point.as_double for point in sent] == [5.0, 5.0, 10.0]
    assert sent[2].start_time_unix_nano == sent[1].start_time_unix_nano
    assert sent[1].start_time_unix_nano == sent[0].time_unix_nano


async def test_the_last_export_is_sent_and_the_connection_closed(
    make: Make, registry: Registry
) -> None:
    carrier = Scripted(UP)
    registry.count(RUNS, LABELS)
    registry.publish()
    assert await make(carrier).flush()
    assert len(carrier.sent) == 1
    assert carrier.closed


async def test_the_last_export_does_not_hold_up_the_end(make: Make, registry: Registry) -> None:
    carrier = Scripted(UP, seconds=1000.0)
    registry.count(RUNS, LABELS)
    registry.publish()
    assert not await make(carrier).flush(3.0)
    assert asyncio.get_running_loop().time() == 3.0
    assert carrier.closed
    assert failures(registry) == {"timeout": 1.0}


async def test_metrics_of_the_process_are_exported_too() -> None:
    carrier = Scripted(UP)
    exporter = OtlpExporter(
        Registry(METRICS),
        OtlpSettings(endpoint="http://c"),
        resource={},
        version="1",
        process=process_registry(),
        carrier=carrier,
    )
    assert await exporter.export()
    found = points(body for _, body in carrier.sent)
    assert found["process_resident_memory_bytes", ()].as_double > 1e6
    cpu = found["process_cpu_seconds", ()]
    assert cpu.as_double > 0
    assert 0 < cpu.start_time_unix_nano < cpu.time_unix_nano


async def test_process_metrics_start_a_request_of_their_own_when_the_last_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(otlp_encode, "MAX_POINTS", 1)
    carrier = Scripted(UP)
    exporter = OtlpExporter(
        Registry(METRICS),
        OtlpSettings(endpoint="http://c"),
        resource={},
        version="1",
        process=process_registry(),
        carrier=carrier,
    )
    assert await exporter.export()
    assert len(carrier.sent) > 5
    assert len(points(body for _, body in carrier.sent)) > 10


async def test_every_reason_is_exposed_at_zero_from_the_start(
    make: Make, registry: Registry
) -> None:
    make(Scripted(UP))
    seen = {labels[1] for labels, _ in registry.samples(EXPORT_FAILURES)}
    assert seen == set(EXPORT_REASON.values)


async def test_the_transport_follows_the_settings(registry: Registry) -> None:
    exporter = OtlpExporter(registry, OtlpSettings(endpoint="http://c"), resource={}, version="1")
    assert isinstance(exporter._transport, HttpTransport)


def test_the_environment_wins_over_default_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_RESOURCE_ATTRIBUTES", raising=False)
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    defaults = resource_attributes(version="1.2")
    assert defaults["service.name"] == "argoscope"
    assert defaults["service.version"] == "1.2"
    assert defaults["service.instance.id"]
    assert "k8s.cluster.name" not in defaults
    monkeypatch.setenv(
        "OTEL_RESOURCE_ATTRIBUTES",
        "service.name=a,team=platform%20x,service.instance.id=i,k8s.cluster.name=env",
    )
    assert resource_attributes(version="1") == {
        "service.name": "a",
        "service.version": "1",
        "service.instance.id": "i",
        "team": "platform x",
        "k8s.cluster.name": "env",
    }
    monkeypatch.setenv("OTEL_SERVICE_NAME", "b")
    named = resource_attributes(version="1", cluster="prod")
    assert named["service.name"] == "b"
    assert named["k8s.cluster.name"] == "prod"
