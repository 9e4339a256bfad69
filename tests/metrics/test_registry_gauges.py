"""Gauges are combinations of what live objects contribute, and vanish with the last of them."""

import random
from collections.abc import Callable, Iterable
from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argoscope.export.prometheus import Exposition
from argoscope.metrics.internal import SERIES
from argoscope.metrics.model import Labels, Metric
from argoscope.metrics.registry import Contribution, Registry
from support.scrape import ACTIVE, LARGEST, METRICS, OLDEST, SMALLEST, key, scrape


def test_a_sum_adds_all_owners_and_vanishes_with_the_last() -> None:
    registry = Registry(METRICS)
    registry.own("a", [(ACTIVE, ("etl",), 1.0)])
    registry.own("b", [(ACTIVE, ("etl",), 1.0)])
    registry.own("c", [(ACTIVE, ("etl",), 2.5)])
    assert registry.value(ACTIVE, ("etl",)) == 4.5
    registry.own("c", [])
    registry.own("a", [])
    assert registry.value(ACTIVE, ("etl",)) == 1.0
    registry.own("b", [])
    assert registry.value(ACTIVE, ("etl",)) is None
    registry.own("never seen", [])
    assert registry.value(ACTIVE, ("etl",)) is None


def test_an_owner_that_changes_replaces_all_it_said() -> None:
    registry = Registry(METRICS)
    registry.own("a", [(ACTIVE, ("etl",), 1.0), (LARGEST, ("etl",), 10.0)])
    registry.own("a", [(ACTIVE, ("ml",), 1.0)])
    assert registry.value(ACTIVE, ("etl",)) is None
    assert registry.value(LARGEST, ("etl",)) is None
    assert registry.value(ACTIVE, ("ml",)) == 1.0


def test_contributions_of_one_owner_to_one_series_combine() -> None:
    registry = Registry(METRICS)
    registry.own("a", [(ACTIVE, ("etl",), 1.0), (ACTIVE, ("etl",), 1.0)])
    assert registry.value(ACTIVE, ("etl",)) == 2.0
    registry.own("a", [])
    assert registry.value(ACTIVE, ("etl",)) is None


def test_the_largest_and_the_smallest_follow_their_owners() -> None:
    registry = Registry(METRICS)
    for owner, value in (("a", 5.0), ("b", 9.0), ("c", 7.0)):
        registry.own(owner, [(LARGEST, ("etl",), value), (SMALLEST, (), value)])
    assert registry.value(LARGEST, ("etl",)) == 9.0
    assert registry.value(SMALLEST, ()) == 5.0
    registry.own("b", [])
    registry.own("a", [])
    assert registry.value(LARGEST, ("etl",)) == 7.0
    assert registry.value(SMALLEST, ()) == 7.0


def test_an_age_grows_with_the_clock_and_is_never_negative() -> None:
    now = [1000.0]
    registry = Registry(METRICS, now=lambda: now[0])
    exposition = Exposition(registry, process=False)
    registry.own("a", [(OLDEST, ("etl",), 400.0)])
    registry.own("b", [(OLDEST, ("etl",), 990.0)])
    registry.own("c", [(OLDEST, ("future",), 2000.0)])
    assert scrape(exposition) == {}
    registry.publish()
    name = "argo_test_suspended_oldest_seconds"
    assert scrape(exposition)[key(name, pipeline="etl")] == 600.0
    now[0] = 1000.25
    assert scrape(exposition)[key(name, pipeline="etl")] == 600.25
    assert registry.value(OLDEST, ("etl",)) == 600.25
    assert scrape(exposition)[key(name, pipeline="future")] == 0.0
    assert registry.value(OLDEST, ("future",)) == 0.0


def test_a_failed_replacement_leaves_the_owner_as_it_was() -> None:
    registry = Registry(METRICS)
    registry.own("a", [(ACTIVE, ("etl",), 1.0)])
    with pytest.raises(ValueError, match="cannot be nan"):
        registry.own("a", [(ACTIVE, ("ml",), 1.0), (LARGEST, ("ml",), float("nan"))])
    registry.publish()
    assert dict(registry.samples(ACTIVE)) == {("etl",): 1.0}
    assert registry.value(SERIES, ("argo_test_active",)) == 1.0


def test_the_number_of_series_is_a_metric() -> None:
    registry = Registry(METRICS)
    registry.own("a", [(ACTIVE, ("etl",), 1.0), (ACTIVE, ("ml",), 1.0)])
    registry.publish()
    assert registry.value(SERIES, ("argo_test_active",)) == 2.0
    registry.own("a", [])
    registry.publish()
    assert registry.value(SERIES, ("argo_test_active",)) == 0.0
    published = len([*registry.samples(SERIES)])
    assert registry.value(SERIES, ("argoscope_series",)) == published


def test_gauges_that_come_and_go_by_hundreds_keep_their_lines() -> None:
    registry = Registry(METRICS)
    exposition = Exposition(registry, process=False)
    chance = random.Random(7)
    live: dict[str, float] = {}
    for turn in range(6):
        for name in chance.sample(sorted(live), len(live) // 2):
            registry.own(name, [])
            del live[name]
        for number in range(150):
            name = f"{turn}-{number}"
            live[name] = float(number)
            registry.own(name, [(LARGEST, (name,), live[name])])
        registry.publish()
        seen = scrape(exposition)
        assert {at: value for at, value in seen.items() if at[0] == "argo_test_object_bytes"} == {
            key("argo_test_object_bytes", pipeline=name): value for name, value in live.items()
        }
    family = next(family for family in registry.families if family.metric is LARGEST)
    assert len(family.shards) <= 16  # of 900 series, 32 each; room that was left is used again


def test_owners_that_say_the_same_share_it() -> None:
    registry = Registry(METRICS)
    for number in range(1000):
        registry.own(f"uid-{number}", [(ACTIVE, ("etl",), 1.0), (LARGEST, ("etl",), 10.0)])
    assert len(registry._holdings) == 1
    for number in range(1000):
        registry.own(f"uid-{number}", [])
    assert not registry._holdings
    assert not registry._owned


_NAMES = st.sampled_from(["a", "b", "c", "d", "e", "f"])
_VALUES = st.sampled_from([0.0, 1.0, 1.0, 0.1, 0.2, 7.0, -3.5, 1e16])
_CONTRIBUTIONS = st.lists(
    st.tuples(st.sampled_from([LARGEST, OLDEST]), st.tuples(_NAMES), _VALUES)
    | st.tuples(st.just(SMALLEST), st.just(()), _VALUES),
    max_size=4,
)
_STEPS = st.lists(st.tuples(_NAMES, _CONTRIBUTIONS, st.booleans()), max_size=40)


def _recount(owned: Iterable[list[Contribution]], now: float) -> dict[tuple[Metric, Labels], float]:
    parts: dict[tuple[Metric, Labels], list[float]] = {}
    for contributions in owned:
        for metric, labels, value in contributions:
            parts.setdefault((metric, labels), []).append(value)
    combine: dict[str, Callable[[list[float]], float]] = {"sum": fsum, "max": max, "min": min}
    result = {at: float(combine[at[0].combine](values)) for at, values in parts.items()}
    return {at: max(0.0, now - value) if at[0].age else value for at, value in result.items()}


@given(_STEPS)
def test_any_sequence_of_owners_gives_what_a_recount_gives(
    steps: list[tuple[str, list[Contribution], bool]],
) -> None:
    registry = Registry(METRICS, now=lambda: 100.0)
    exposition = Exposition(registry, process=False)
    owned: dict[str, list[Contribution]] = {}
    for owner, contributions, publish in steps:
        owned[owner] = contributions
        registry.own(owner, contributions)
        if publish:
            registry.publish()
    expected = _recount(owned.values(), 100.0)
    metrics = (LARGEST, OLDEST, SMALLEST)
    assert {
        (metric, labels): value for metric in metrics for labels, value in registry.samples(metric)
    } == expected
    registry.publish()
    seen = {at: value for at, value in scrape(exposition).items() if at[0].startswith("argo_")}
    assert seen == {
        key(metric.prometheus, **dict(zip(metric.label_names, labels, strict=True))): value
        for (metric, labels), value in expected.items()
    }


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), max_size=20))
def test_a_sum_has_no_rounding_left_over_from_those_who_went(values: list[float]) -> None:
    registry = Registry(METRICS)
    registry.own("stays", [(ACTIVE, ("etl",), 0.1)])
    for number, value in enumerate(values):
        registry.own(f"uid-{number}", [(ACTIVE, ("etl",), value)])
    assert registry.value(ACTIVE, ("etl",)) == pytest.approx(fsum([0.1, *values]), rel=1e-15)
    for number in range(len(values)):
        registry.own(f"uid-{number}", [])
    assert registry.value(ACTIVE, ("etl",)) == 0.1
