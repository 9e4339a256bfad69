"""Workflow labels that the configuration copies into an info metric."""

import pytest

from argoscope.catalogue import catalogue
from argoscope.metrics.registry import Registry
from argoscope.pipeline import Pipeline
from argoscope.resources._base import Options
from argoscope.resources.workflow import RESOURCE
from argoscope.resources.workflow.metrics import labels_metric
from argoscope.watch.delta import Origin

OBJECT = b"""{"metadata": {"name": "etl-1", "generateName": "etl-", "namespace": "data", "uid": "1",
  "labels": {"team": "search", "example.com/Project": "index"}}, "spec": {}, "status": {}}"""


def test_configured_labels_are_exposed_and_missing_ones_are_empty() -> None:
    registry = Registry(catalogue())
    keys = ("team", "example.com/Project", "tier")
    pipeline = Pipeline((RESOURCE,), registry, Options(workflow_labels=keys))
    pipeline.upsert(RESOURCE, RESOURCE.decode(OBJECT), 1, 1.0, Origin.WATCH)
    registry.publish()
    metric = registry.metrics["argo_workflow_labels"]
    assert metric.label_names[2:] == ("label_team", "label_example_com_project", "label_tier")
    assert list(registry.samples(metric)) == [(("data", "etl", "search", "index", ""), 1.0)]


def test_two_keys_that_become_one_label_are_refused() -> None:
    with pytest.raises(ValueError, match="become one label"):
        labels_metric(("a-b", "a.b"))
