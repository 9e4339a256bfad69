"""WorkflowTemplates: one series each while they exist."""

from typing import Any

import msgspec
import pytest

from argoscope.metrics.registry import Registry
from argoscope.resources import cluster_workflow_template, workflow_template
from argoscope.resources._base import Options, Seen
from argoscope.resources.workflow_template import TEMPLATE_INFO, TemplateInfos, WorkflowTemplate
from argoscope.resources.world import World
from support.recordings import events


class Templates:
    def __init__(self) -> None:
        self.registry = Registry([TEMPLATE_INFO])
        self.deriver = TemplateInfos(World(), self.registry, Options())

    def take(self, event: str, obj: dict[str, Any]) -> None:
        typed = msgspec.convert(obj, WorkflowTemplate)
        if event == "DELETED":
            self.deriver.delete(typed.metadata.uid, typed, Seen(0.0))
        else:
            self.deriver.upsert(typed, Seen(0.0))

    def series(self) -> dict[tuple[str, ...], float]:
        return dict(self.registry.samples(TEMPLATE_INFO))


def template(name: str, uid: str, namespace: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid, "namespace": namespace}, "spec": {"x": [1]}}


def test_a_template_is_there_as_long_as_it_exists() -> None:
    templates = Templates()
    templates.take("ADDED", template("etl", "1", "ci"))
    templates.take("MODIFIED", template("etl", "1", "ci"))
    templates.take("ADDED", template("etl", "2"))
    assert templates.series() == {("ci", "etl", "namespaced"): 1, ("", "etl", "cluster"): 1}
    templates.take("DELETED", template("etl", "1", "ci"))
    assert templates.series() == {("", "etl", "cluster"): 1}


def test_one_that_is_made_anew_before_the_old_one_is_known_to_be_gone_stays_one() -> None:
    templates = Templates()
    templates.take("ADDED", template("etl", "1", "ci"))
    templates.take("ADDED", template("etl", "2", "ci"))
    templates.take("DELETED", template("etl", "1", "ci"))
    assert templates.series() == {("ci", "etl", "namespaced"): 1}


def test_both_kinds_are_optional_and_share_the_metric() -> None:
    both = (workflow_template.RESOURCE, cluster_workflow_template.RESOURCE)
    assert [(r.path, r.namespaced, r.optional) for r in both] == [
        ("/apis/argoproj.io/v1alpha1/workflowtemplates", True, True),
        ("/apis/argoproj.io/v1alpha1/clusterworkflowtemplates", False, True),
    ]
    assert TEMPLATE_INFO.prometheus == "argo_workflow_template_info"


@pytest.mark.parametrize("recording", ["argo-4.1", "argo-4.1-loaded", "argo-3.6"])
def test_the_recorded_templates(recording: str) -> None:
    templates = Templates()
    for _, event in events(recording, "workflowtemplates", "clusterworkflowtemplates"):
        templates.take(event["type"], event["object"])
    assert templates.series() == {
        ("ci", "etl", "namespaced"): 1,
        ("", "shared-tools", "cluster"): 1,
    }
