"""A metric over its series budget folds open labels into ``_other`` and says how often."""

from argoscope.export.prometheus import Exposition
from argoscope.metrics.internal import SERIES_FOLDED
from argoscope.metrics.model import Instrument, Label, Metric
from argoscope.metrics.registry import Registry
from support.scrape import ACTIVE, DURATION, METRICS, RUNS, key, scrape


def test_a_counter_over_its_budget_goes_to_other_with_nothing_lost() -> None:
    registry = Registry(METRICS)
    for number in range(10):
        registry.count(RUNS, ("team", f"p{number}", "Failed"))
        registry.count(RUNS, ("team", f"p{number}", "Failed"))
    samples = dict(registry.samples(RUNS))
    assert sum(samples.values()) == 20.0
    assert samples["_other", "_other", "Failed"] == 12.0
    assert len(samples) == RUNS.budget + 1
    assert registry.value(SERIES_FOLDED, ("argo_test_runs_total",)) == 12.0


def test_closed_labels_are_kept_beyond_the_budget() -> None:
    registry = Registry(METRICS)
    for number in range(6):
        for phase in ("Succeeded", "Failed"):
            registry.count(RUNS, ("team", f"p{number}", phase))
    samples = dict(registry.samples(RUNS))
    assert samples["_other", "_other", "Succeeded"] == 4.0
    assert samples["_other", "_other", "Failed"] == 4.0


def test_a_metric_without_open_labels_is_not_folded() -> None:
    closed = Metric(
        name="argo.test.closed",
        instrument=Instrument.COUNTER,
        unit="{run}",
        labels=(Label(name="phase", help="Phase"),),
        help="Closed",
        budget=1,
    )
    registry = Registry([closed])
    registry.count(closed, ("Failed",))
    registry.count(closed, ("Succeeded",))
    assert dict(registry.samples(closed)) == {("Failed",): 1.0, ("Succeeded",): 1.0}
    assert registry.value(SERIES_FOLDED, ("argo_test_closed_total",)) is None


def test_a_gauge_is_withdrawn_from_where_it_was_folded_to() -> None:
    registry = Registry(METRICS)
    for number in range(5):
        registry.own(f"uid-{number}", [(ACTIVE, (f"p{number}",), 1.0)])
    assert registry.value(ACTIVE, ("_other",)) == 2.0
    registry.own("uid-0", [])
    registry.publish()
    registry.own("uid-4", [])
    assert registry.value(ACTIVE, ("_other",)) == 1.0
    registry.own("uid-5", [(ACTIVE, ("p5",), 1.0)])
    registry.publish()
    exposition = Exposition(registry, process=False)
    seen = scrape(exposition)
    pipelines = {dict(labels)["pipeline"] for name, labels in seen if name == "argo_test_active"}
    assert pipelines == {"p1", "p2", "_other"}
    total = sum(value for (name, _), value in seen.items() if name == "argo_test_active")
    assert total == 4.0
    registry.own("uid-3", [])
    registry.publish()
    assert key("argo_test_active", pipeline="p3") not in scrape(exposition)


def test_a_histogram_within_its_budget_keeps_its_labels() -> None:
    registry = Registry(METRICS)
    for number in range(50):
        registry.observe(DURATION, (f"p{number}",), 1.0)
    assert len(list(registry.samples(DURATION))) == 50
    assert list(registry.samples(SERIES_FOLDED)) == []
