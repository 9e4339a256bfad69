"""Counting, observing, and what of it is published when."""

import pytest

from argoscope.export.prometheus import Exposition
from argoscope.metrics.internal import DECODE_ERRORS
from argoscope.metrics.model import Instrument, Metric
from argoscope.metrics.registry import Registry
from support.scrape import ACTIVE, DURATION, METRICS, PHASE, RUNS, key, scrape

FAILED = ("team", "etl", "Failed")
FAILED_KEY = key("argo_test_runs_total", namespace="team", pipeline="etl", phase="Failed")


@pytest.fixture
def registry() -> Registry:
    return Registry(METRICS, now=lambda: 1000.0)


@pytest.fixture
def exposition(registry: Registry) -> Exposition:
    return Exposition(registry, process=False)


def test_nothing_is_visible_before_it_is_published(
    registry: Registry, exposition: Exposition
) -> None:
    registry.count(RUNS, FAILED)
    registry.own("uid", [(ACTIVE, ("etl",), 1.0)])
    assert scrape(exposition) == {}
    registry.publish()
    registry.count(RUNS, FAILED, 5.0)
    registry.own("uid", [])
    seen = scrape(exposition)
    assert seen[FAILED_KEY] == 1.0
    assert seen[key("argo_test_active", pipeline="etl")] == 1.0
    registry.publish()
    seen = scrape(exposition)
    assert seen[FAILED_KEY] == 6.0
    assert key("argo_test_active", pipeline="etl") not in seen


def test_values_read_what_is_counted_published_or_not(registry: Registry) -> None:
    registry.count(RUNS, FAILED, 2.0)
    registry.observe(DURATION, ("etl",), 3.0)
    registry.observe(DURATION, ("etl",), 4.5)
    assert registry.value(RUNS, FAILED) == 2.0
    assert registry.value(DURATION, ("etl",)) == 2.0
    assert registry.sum(DURATION, ("etl",)) == 7.5
    assert registry.value(RUNS, ("team", "etl", "Succeeded")) is None
    assert registry.sum(DURATION, ("other",)) == 0.0
    assert list(registry.samples(RUNS)) == [(FAILED, 2.0)]


def test_values_of_an_unknown_metric_are_absent(registry: Registry) -> None:
    stranger = Metric(
        name="argo.test.stranger", instrument=Instrument.COUNTER, unit="", labels=(), help="No"
    )
    assert list(registry.samples(stranger)) == []
    assert registry.sum(stranger, ()) == 0.0


def test_a_declared_series_is_exposed_at_zero(registry: Registry, exposition: Exposition) -> None:
    for _ in range(2):
        registry.declare(RUNS, FAILED)
        registry.declare(DURATION, ("etl",))
    registry.publish()
    seen = scrape(exposition)
    assert seen[FAILED_KEY] == 0.0
    assert seen[key("argo_test_run_duration_seconds_count", pipeline="etl")] == 0.0


def test_declaring_again_keeps_the_count(registry: Registry) -> None:
    registry.count(RUNS, FAILED)
    registry.declare(RUNS, FAILED)
    assert registry.value(RUNS, FAILED) == 1.0


def test_a_bucket_includes_its_upper_bound(registry: Registry, exposition: Exposition) -> None:
    for value in (0.5, 0.500001, 60.0, 1e9):
        registry.observe(DURATION, ("etl",), value)
    registry.publish()
    seen = scrape(exposition)
    name = "argo_test_run_duration_seconds_bucket"
    counts = [
        seen[key(name, pipeline="etl", le=le)]
        for le in ("0.5", "1.0", "60.0", "86400.0", "2.592e+06", "+Inf")
    ]
    assert counts == [1, 2, 3, 3, 3, 4]


def test_problems_are_counted_and_told(registry: Registry) -> None:
    told: list[tuple[str, str, str]] = []
    registry = Registry(METRICS, on_problem=lambda *problem: told.append(problem))
    registry.problem("Pod", "bad_time", "team/p: status.startTime")
    registry.problem("Pod", "bad_time", "team/q: status.startTime")
    assert registry.problems == {("Pod", "bad_time"): 2}
    assert registry.value(DECODE_ERRORS, ("Pod", "bad_time")) == 2.0
    assert told[1] == ("Pod", "bad_time", "team/q: status.startTime")


def test_problems_need_no_listener(registry: Registry) -> None:
    registry.problem("Pod", "bad_time", "detail")
    assert registry.value(DECODE_ERRORS, ("Pod", "bad_time")) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.count(RUNS, ("team", "etl")), "has labels"),
        (lambda r: r.count(RUNS, FAILED, -1.0), "cannot grow by -1.0"),
        (lambda r: r.count(RUNS, FAILED, float("nan")), "cannot grow by nan"),
        (lambda r: r.observe(DURATION, ("etl",), float("nan")), "cannot observe nan"),
        (lambda r: r.own("uid", [(ACTIVE, ("etl",), float("nan"))]), "cannot be nan"),
        (lambda r: r.count(ACTIVE, ("etl",)), "used as another instrument"),
        (lambda r: r.observe(RUNS, FAILED, 1.0), "used as another instrument"),
        (lambda r: r.own("uid", [(RUNS, FAILED, 1.0)]), "used as another instrument"),
        (lambda r: r.declare(ACTIVE, ("etl",)), "used as another instrument"),
    ],
    ids=[
        "too few labels",
        "a counter going down",
        "a counter growing by no number",
        "a sample that is no number",
        "a gauge that is no number",
        "counting in a gauge",
        "observing in a counter",
        "owning a counter",
        "declaring a gauge",
    ],
)
def test_a_misuse_is_an_error(registry: Registry, call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=message):
        call(registry)


def test_a_metric_of_another_catalogue_is_an_error(registry: Registry) -> None:
    twin = Metric(
        name=RUNS.name,
        instrument=RUNS.instrument,
        unit=RUNS.unit,
        labels=RUNS.labels,
        help=RUNS.help,
    )
    with pytest.raises(ValueError, match="not in this registry's catalogue"):
        registry.count(twin, FAILED)
    with pytest.raises(ValueError, match="two metrics are named argo_test_runs_total"):
        Registry([RUNS, twin])


def test_a_metric_may_be_given_twice() -> None:
    labels = ("Pod", "bad_time")
    registry = Registry([RUNS, RUNS, DECODE_ERRORS])
    registry.count(DECODE_ERRORS, labels)
    assert [family.metric for family in registry.families].count(RUNS) == 1
    assert PHASE in RUNS.labels


def _decoded(text: str) -> str:
    """A string of its own, as each decoded object brings them."""
    return text.encode().decode()


def _count_both_phases(registry: Registry) -> list[tuple[str, ...]]:
    for phase in ("Succeeded", "Failed"):
        registry.count(RUNS, (_decoded("team"), _decoded("etl"), phase))
    return [labels for labels, _ in registry.samples(RUNS)]


def test_names_are_shared_between_series(registry: Registry) -> None:
    first, second = _count_both_phases(registry)
    assert first[0] is second[0]
    assert first[1] is second[1]


def test_the_pool_of_names_is_bounded(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("argoscope.metrics.registry._POOLED_STRINGS", 2)
    labels = _count_both_phases(registry)
    assert labels == [("team", "etl", "Succeeded"), ("team", "etl", "Failed")]
    assert len(registry._strings) <= 2
