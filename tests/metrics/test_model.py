"""Definitions that break the rules are refused where they are made."""

from typing import Any

import pytest

from argoscope.metrics.model import Combine, Instrument, Label, Metric
from support.scrape import DURATION, NAMESPACE, SMALLEST

GOOD: dict[str, Any] = {
    "name": "argo.test.thing",
    "instrument": Instrument.GAUGE,
    "unit": "s",
    "labels": (NAMESPACE,),
    "help": "A thing",
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Argo.Thing"}, "not dotted lower case"),
        ({"name": "argo"}, "not dotted lower case"),
        ({"help": ""}, "help must be one line"),
        ({"help": "Ends with a period."}, "help must be one line"),
        ({"help": "Two\nlines"}, "help must be one line"),
        ({"labels": (NAMESPACE, NAMESPACE)}, "a label is named twice"),
        ({"buckets": (1.0,)}, "buckets belong to histograms"),
        ({"instrument": Instrument.HISTOGRAM}, "buckets belong to histograms"),
        ({"instrument": Instrument.HISTOGRAM, "buckets": (2.0, 1.0)}, "buckets must ascend"),
        ({"instrument": Instrument.HISTOGRAM, "buckets": (1.0, float("inf"))}, "infinity is"),
        ({"instrument": Instrument.COUNTER, "age": True}, "only a gauge in seconds"),
        ({"unit": "By", "age": True, "combine": Combine.MIN}, "only a gauge in seconds"),
        ({"age": True}, "times are not added"),
        ({"budget": 0}, "budget must be at least 1"),
        ({"unit": "furlong"}, "has no Prometheus word"),
    ],
)
def test_a_metric_that_breaks_a_rule_is_refused(changes: dict[str, Any], message: str) -> None:
    Metric(**GOOD)
    with pytest.raises(ValueError, match=message):
        Metric(**GOOD | changes)


@pytest.mark.parametrize("name", ["job", "instance", "le", "quantile", "__x", "Upper", "a-b", ""])
def test_a_label_that_is_reserved_or_malformed_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="reserved, or not a lower-case identifier"):
        Label(name=name, help="No")


@pytest.mark.parametrize(
    ("name", "unit", "instrument", "prometheus", "word"),
    [
        ("argo.run.duration", "s", "gauge", "argo_run_duration_seconds", "seconds"),
        ("argo.run_seconds", "s", "gauge", "argo_run_seconds", "seconds"),
        ("argo.workflow.runs", "{run}", "counter", "argo_workflow_runs_total", ""),
        ("argo.runs_total", "{run}", "counter", "argo_runs_total", ""),
        ("argo.resource", "s", "counter", "argo_resource_seconds_total", "seconds"),
        ("argo.object", "By", "gauge", "argo_object_bytes", "bytes"),
        ("argo.share", "1", "gauge", "argo_share_ratio", "ratio"),
        ("argo.things", "1", "counter", "argo_things_total", ""),
        ("argo.info", "", "gauge", "argo_info", ""),
        ("argo.used", "%", "gauge", "argo_used_percent", "percent"),
        ("argo.delay", "ms", "gauge", "argo_delay_milliseconds", "milliseconds"),
    ],
)
def test_the_prometheus_name_follows_from_name_and_unit(
    name: str, unit: str, instrument: str, prometheus: str, word: str
) -> None:
    metric = Metric(
        name=name, unit=unit, instrument=Instrument(instrument), labels=(), help="Thing"
    )
    assert metric.prometheus == prometheus
    assert metric.prometheus_unit == word


def test_labels_keep_their_order() -> None:
    assert DURATION.label_names == ("pipeline",)
    assert SMALLEST.label_names == ()
