"""The last workflow behind a counter and behind each bucket, in OpenMetrics only."""

import pytest
from prometheus_client.samples import Exemplar

from argoscope.export.prometheus import Exposition
from argoscope.metrics.registry import Registry
from support.scrape import DURATION, METRICS, OPENMETRICS, RUNS, parse

LABELS = ("team", "etl", "Failed")


@pytest.fixture
def registry() -> Registry:
    clock = iter(range(1000, 2000))
    return Registry(METRICS, now=lambda: float(next(clock)))


def _exemplars(registry: Registry, accept: str = OPENMETRICS) -> dict[str, Exemplar]:
    body, headers = Exposition(registry, process=False).render(accept, "")
    return {
        sample.labels.get("le", sample.name): sample.exemplar
        for family in parse(body, headers["Content-Type"])
        for sample in family.samples
        if sample.exemplar
    }


def test_a_counter_shows_its_last_exemplar(registry: Registry) -> None:
    registry.count(RUNS, LABELS, exemplar="etl-1")
    registry.count(RUNS, LABELS, 2.0, exemplar='etl-"2"')
    registry.count(RUNS, LABELS)
    registry.publish()
    exemplar = _exemplars(registry)["argo_test_runs_total"]
    assert exemplar.labels == {"workflow": 'etl-"2"'}
    assert exemplar.value == 2.0
    assert str(exemplar.timestamp) == "1002.000000000"  # 1000 was asked for the series' start


def test_each_bucket_shows_its_last_exemplar(registry: Registry) -> None:
    for name, value in (("a", 0.1), ("b", 30.0), ("c", 40.0), ("d", 1e9)):
        registry.observe(DURATION, ("etl",), value, exemplar=name)
    registry.publish()
    names = {le: exemplar.labels["workflow"] for le, exemplar in _exemplars(registry).items()}
    assert names == {"0.5": "a", "60.0": "c", "+Inf": "d"}


def test_the_text_format_has_no_exemplars(registry: Registry) -> None:
    registry.count(RUNS, LABELS, exemplar="etl-1")
    registry.observe(DURATION, ("etl",), 1.0, exemplar="etl-1")
    registry.publish()
    body, _ = Exposition(registry, process=False).render("", "")
    assert b"workflow=" not in body


def test_an_exemplar_is_published_with_its_count(registry: Registry) -> None:
    registry.observe(DURATION, ("etl",), 0.1, exemplar="a")
    registry.publish()
    registry.observe(DURATION, ("etl",), 0.2, exemplar="b")
    assert _exemplars(registry)["0.5"].labels == {"workflow": "a"}


def test_a_long_name_replaces_the_exemplar_by_none(registry: Registry) -> None:
    registry.count(RUNS, LABELS, exemplar="etl-1")
    registry.publish()
    registry.count(RUNS, LABELS, exemplar="w" * 200)
    registry.publish()
    assert _exemplars(registry) == {}
