"""What goes over the wire, read back by the official protobuf classes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argoscope.export import otlp_encode, otlp_wire
from argoscope.export.otlp_encode import Encoder
from argoscope.export.otlp_wire import varint
from argoscope.metrics.model import Instrument, Metric
from argoscope.metrics.registry import Registry
from support.otlp import ExportRequest, data, encode, metrics, points
from support.scrape import ACTIVE, DURATION, LARGEST, METRICS, NAMESPACE, OLDEST, RUNS

LABELS = ("team", "etl", "Failed")
RUNS_AT = ("argo.test.runs", LABELS)
DURATION_AT = ("argo.test.run.duration", ("etl",))
SECOND = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(clock: Clock) -> Registry:
    return Registry(METRICS, now=clock)


def export(encoder: Encoder, registry: Registry, *, accept: bool = True) -> list[bytes]:
    requests = encode(encoder, registry)
    if accept:
        for request in requests:
            encoder.accepted(request)
    return [request.body for request in requests]


def test_resource_and_scope_say_who_sends(registry: Registry) -> None:
    registry.count(RUNS, LABELS)
    registry.publish()
    encoder = Encoder({"service.name": "argoscope", "k8s.cluster.name": ""}, version="1.2")
    (body,) = export(encoder, registry)
    (resource,) = ExportRequest.FromString(body).resource_metrics
    attributes = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert attributes == {"service.name": "argoscope", "k8s.cluster.name": ""}
    (scope,) = resource.scope_metrics
    assert (scope.scope.name, scope.scope.version) == ("argoscope", "1.2")


def test_a_counter_is_a_monotonic_cumulative_sum(registry: Registry, clock: Clock) -> None:
    registry.declare(RUNS, LABELS)
    clock.now = 1010.0
    registry.count(RUNS, LABELS, 3.0)
    registry.publish()
    clock.now = 1060.0
    body = export(Encoder({}, version="1"), registry)
    metric = metrics(body)["argo.test.runs"]
    assert metric.unit == "{run}"
    assert metric.description == RUNS.help
    assert metric.sum.is_monotonic
    assert metric.sum.aggregation_temporality == 2
    point = points(body)[RUNS_AT]
    assert point.as_double == 3.0
    assert point.start_time_unix_nano == 1000 * SECOND
    assert point.time_unix_nano == 1060 * SECOND
    assert [pair.key for pair in point.attributes] == ["namespace", "pipeline", "phase"]


def test_a_histogram_has_its_bounds_counts_and_sum(registry: Registry, clock: Clock) -> None:
    for value in (0.5, 2.0, 3.0, 1e9):
        registry.observe(DURATION, ("etl",), value)
    registry.publish()
    clock.now = 1060.0
    body = export(Encoder({}, version="1"), registry)
    assert metrics(body)["argo.test.run.duration"].histogram.aggregation_temporality == 2
    point = points(body)[DURATION_AT]
    assert tuple(point.explicit_bounds) == DURATION.buckets
    assert list(point.bucket_counts) == [1, 0, 2, 0, 0, 1]
    assert point.count == 4
    assert point.sum == 1_000_000_005.5
    assert point.start_time_unix_nano == 1000 * SECOND
    assert point.time_unix_nano == 1060 * SECOND


def test_a_gauge_has_no_start_and_is_absent_once_it_vanished(
    registry: Registry, clock: Clock
) -> None:
    registry.own("a", [(ACTIVE, ("etl",), 2.0), (OLDEST, ("etl",), 400.0)])
    registry.publish()
    encoder = Encoder({}, version="1")
    for now, age in ((1000.0, 600.0), (1001.5, 601.5)):
        clock.now = now
        found = points(export(encoder, registry))
        assert found["argo.test.active", ("etl",)].as_double == 2.0
        assert found["argo.test.active", ("etl",)].start_time_unix_nano == 0
        assert found["argo.test.suspended_oldest", ("etl",)].as_double == age
    registry.own("a", [(ACTIVE, ("etl",), 3.0)])
    registry.publish()
    found = points(export(encoder, registry))
    assert found["argo.test.active", ("etl",)].as_double == 3.0
    assert ("argo.test.suspended_oldest", ("etl",)) not in found
    registry.own("a", [])
    registry.publish()
    assert "argo.test.active" not in metrics(export(encoder, registry))


def test_unpublished_series_are_not_exported(registry: Registry) -> None:
    registry.count(RUNS, LABELS)
    registry.observe(DURATION, ("etl",), 1.0)
    registry.own("a", [(ACTIVE, ("etl",), 1.0), (OLDEST, ("etl",), 1.0)])
    for delta in (False, True):
        assert export(Encoder({}, version="1", delta=delta), registry) == []


def test_series_younger_than_the_export_wait_for_the_next(registry: Registry, clock: Clock) -> None:
    registry.count(RUNS, LABELS)
    registry.publish()
    clock.now = 999.0
    assert RUNS_AT not in points(export(Encoder({}, version="1"), registry))


def test_points_of_unchanged_series_get_the_new_time(registry: Registry, clock: Clock) -> None:
    registry.count(RUNS, LABELS)
    registry.observe(DURATION, ("etl",), 1.0)
    registry.publish()
    encoder = Encoder({}, version="1")
    export(encoder, registry)
    registry.count(RUNS, LABELS)
    registry.publish()
    clock.now = 1060.0
    found = points(export(encoder, registry))
    assert found[RUNS_AT].as_double == 2.0
    assert found[DURATION_AT].count == 1
    assert {point.time_unix_nano for point in found.values()} == {1060 * SECOND}


def test_exemplars_name_the_workflow(registry: Registry, clock: Clock) -> None:
    registry.count(RUNS, LABELS, 2.0, exemplar="etl-1")
    registry.observe(DURATION, ("etl",), 0.1, exemplar="etl-2")
    registry.observe(DURATION, ("etl",), 30.0, exemplar="w" * 200)
    registry.publish()
    clock.now = 1060.0
    found = points(export(Encoder({}, version="1"), registry))
    (exemplar,) = found[RUNS_AT].exemplars
    assert exemplar.as_double == 2.0
    assert exemplar.time_unix_nano == 1000 * SECOND
    (pair,) = exemplar.filtered_attributes
    assert (pair.key, pair.value.string_value) == ("workflow", "etl-1")
    names = [e.filtered_attributes[0].value.string_value for e in found[DURATION_AT].exemplars]
    assert names == ["etl-2", "w" * 200]


def test_a_counter_that_gets_an_exemplar_later_is_encoded_anew(registry: Registry) -> None:
    encoder = Encoder({}, version="1")
    for number in range(3):
        registry.count(RUNS, LABELS, exemplar=f"etl-{number}" if number else "")
        registry.publish()
        point = points(export(encoder, registry))[RUNS_AT]
        assert point.as_double == number + 1
        assert len(point.exemplars) == (1 if number else 0)


def test_delta_sends_the_change_since_what_was_accepted(registry: Registry, clock: Clock) -> None:
    encoder = Encoder({}, version="1", delta=True)
    registry.count(RUNS, LABELS, 5.0, exemplar="etl-1")
    registry.observe(DURATION, ("etl",), 2.0, exemplar="etl-1")
    registry.publish()
    clock.now = 1060.0
    body = export(encoder, registry)
    assert data(metrics(body)["argo.test.runs"]).aggregation_temporality == 1
    assert data(metrics(body)["argo.test.run.duration"]).aggregation_temporality == 1
    assert points(body)[RUNS_AT].as_double == 5.0
    assert points(body)[RUNS_AT].start_time_unix_nano == 1000 * SECOND
    registry.count(RUNS, LABELS, 2.0)
    registry.observe(DURATION, ("etl",), 0.1, exemplar="etl-2")
    registry.publish()
    clock.now = 1120.0
    found = points(export(encoder, registry))
    assert found[RUNS_AT].as_double == 2.0
    assert not found[RUNS_AT].exemplars  # that one was of the interval before
    assert found[RUNS_AT].start_time_unix_nano == 1060 * SECOND
    assert found[RUNS_AT].time_unix_nano == 1120 * SECOND
    assert list(found[DURATION_AT].bucket_counts) == [1, 0, 0, 0, 0, 0]
    assert found[DURATION_AT].sum == pytest.approx(0.1)
    assert found[DURATION_AT].start_time_unix_nano == 1060 * SECOND
    assert [e.as_double for e in found[DURATION_AT].exemplars] == [0.1]


def test_delta_says_nothing_of_what_did_not_change(registry: Registry, clock: Clock) -> None:
    encoder = Encoder({}, version="1", delta=True)
    registry.declare(RUNS, LABELS)
    registry.declare(DURATION, ("etl",))
    registry.own("a", [(ACTIVE, ("etl",), 1.0)])
    registry.publish()
    first = points(export(encoder, registry))
    assert first[RUNS_AT].as_double == 0.0
    assert first[DURATION_AT].count == 0
    clock.now = 1060.0
    second = points(export(encoder, registry))
    assert RUNS_AT not in second
    assert DURATION_AT not in second
    assert second["argo.test.active", ("etl",)].as_double == 1.0


def test_delta_carries_over_what_was_not_accepted(registry: Registry, clock: Clock) -> None:
    encoder = Encoder({}, version="1", delta=True)
    registry.count(RUNS, LABELS, 5.0)
    registry.publish()
    clock.now = 1060.0
    export(encoder, registry)
    for now in (1120.0, 1180.0):
        registry.count(RUNS, LABELS, 2.0)
        registry.publish()
        clock.now = now
        point = points(export(encoder, registry, accept=now == 1180.0))[RUNS_AT]
    assert point.as_double == 4.0
    assert point.start_time_unix_nano == 1060 * SECOND


def test_requests_stay_below_the_limits_of_receivers(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2300):
        registry.observe(DURATION, (f"p{number}",), float(number))
        registry.own(f"uid-{number}", [(LARGEST, (f"p{number}",), float(number))])
    registry.publish()
    whole = encode(Encoder({}, version="1"), registry)
    assert [request.points for request in whole] == [4603]  # three count series
    monkeypatch.setattr(otlp_encode, "MAX_POINTS", 1000)
    monkeypatch.setattr(otlp_encode, "MAX_BYTES", 100_000)
    split = encode(Encoder({}, version="1"), registry)
    assert len(split) > 4
    assert all(request.points <= 1000 for request in split)
    assert max(len(request.body) for request in split if request.points > 500) < 110_000
    before, after = (points(r.body for r in requests) for requests in (whole, split))
    assert before.keys() == after.keys()
    assert all(after[at].SerializeToString() for at in before)


async def _turns_while_encoding(registry: Registry) -> int:
    import asyncio

    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other(), name="other")
    async for _ in Encoder({}, version="1").requests(registry):
        pass
    task.cancel()
    return turns


@pytest.mark.looptime
async def test_encoding_gives_way_to_other_tasks(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_encode, "_SLICE", 0.0)
    for number in range(5000):
        registry.observe(DURATION, (f"p{number}",), 1.0)
    registry.publish()
    assert await _turns_while_encoding(registry) >= 9


def test_the_pool_of_encoded_labels_is_bounded(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_wire, "_POOLED", 3)
    for number in range(10):
        registry.observe(DURATION, (f"p{number}",), 1.0)
    registry.publish()
    encoder = Encoder({}, version="1")
    assert len(points(export(encoder, registry))) == 12  # two count series
    assert all(len(pool) <= 3 for pool in encoder._pools.values())


_WILD = Metric(
    name="argo.test.wild", instrument=Instrument.COUNTER, unit="", labels=(NAMESPACE,), help="Any"
)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.floats(min_value=0, allow_infinity=False),
        min_size=1,
        max_size=6,
    )
)
def test_any_label_and_any_number_is_read_back(series: dict[str, float]) -> None:
    registry = Registry([_WILD], now=lambda: 1000.0)
    for label, value in series.items():
        registry.count(_WILD, (label,), value)
    registry.publish()
    found = points(export(Encoder({}, version="1"), registry))
    assert {at[1][0]: p.as_double for at, p in found.items() if at[0] == _WILD.name} == series


@given(st.integers(min_value=0, max_value=2**63))
def test_varints_have_seven_bits_a_byte(value: int) -> None:
    encoded = varint(value)
    assert sum((byte & 0x7F) << 7 * at for at, byte in enumerate(encoded)) == value
    assert [byte >> 7 for byte in encoded] == [1] * (len(encoded) - 1) + [0]
