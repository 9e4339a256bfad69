"""What holds for every metric of the catalogue; a failure names the metric."""

import re

import pytest

from argoscope.catalogue import catalogue
from argoscope.metrics.model import Instrument, Metric

UNIT = re.compile(r"(|1|s|By|\{[a-z_]+\})\Z")
CATALOGUE = catalogue()
metrics = pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)


def test_names_are_unique_in_both_worlds() -> None:
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)
    names = [
        name
        for metric in CATALOGUE
        for name in (
            [metric.prometheus + suffix for suffix in ("_bucket", "_sum", "_count")]
            if metric.instrument is Instrument.HISTOGRAM
            else [metric.prometheus]
        )
    ]
    assert len(set(names)) == len(names)


@metrics
def test_the_name_begins_with_its_owner(metric: Metric) -> None:
    assert metric.name.startswith(("argo.", "argoscope."))


@metrics
def test_the_unit_is_ucum(metric: Metric) -> None:
    assert UNIT.match(metric.unit), metric.unit


@metrics
def test_the_help_is_a_plain_sentence(metric: Metric) -> None:
    assert metric.help[0].isupper() or metric.help[0].isdigit()
    assert metric.help == metric.help.strip()
    assert all(label.help and not label.help.endswith(".") for label in metric.labels)


@metrics
def test_counters_and_only_they_end_in_total(metric: Metric) -> None:
    counter = metric.instrument is Instrument.COUNTER
    assert metric.prometheus.endswith("_total") is counter


@metrics
def test_the_name_has_no_suffix_that_a_histogram_makes(metric: Metric) -> None:
    assert not metric.prometheus.endswith(("_bucket", "_sum", "_count", "_created"))


@metrics
def test_infos_are_gauges_without_a_unit(metric: Metric) -> None:
    if metric.prometheus.endswith("_info"):
        assert metric.instrument is Instrument.GAUGE
        assert not metric.prometheus_unit


@metrics
def test_buckets_are_few_enough(metric: Metric) -> None:
    assert len(metric.buckets) <= 24


def test_one_label_name_has_one_openness() -> None:
    meanings: dict[str, set[bool]] = {}
    for metric in CATALOGUE:
        for label in metric.labels:
            meanings.setdefault(label.name, set()).add(label.open)
    for name in ("namespace", "pipeline", "template", "cron", "rollout"):
        assert meanings.get(name, {True}) == {True}, name
