"""The objects of the Prometheus Operator, by the schemas of its CRDs."""

import copy
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from support.deploy_choices import COMBINATIONS, SAME
from support.manifests import CHART, Object, chart, documents, helm, of_kind, overlay
from support.recordings import ROOT

SCHEMAS = ROOT / "out" / "tools" / "node_modules"
GROUP = "monitoring.coreos.com/v1"


def problems(objects: Sequence[Object]) -> list[list[str]]:
    """Of each object what its CRD would refuse, and the fields that it does not know."""
    if shutil.which("node") is None or not SCHEMAS.exists():
        reason = "needs node and the schemas: run .ci/kubernetes-tools, which downloads them"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    script = Path(__file__).with_name("prometheus_operator.mjs")
    done = subprocess.run(
        ["node", str(script), str(SCHEMAS)],
        input=json.dumps(list(objects)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: list[list[str]] = json.loads(done.stdout)
    return found


def test_every_object_of_every_choice_is_valid() -> None:
    made = [one for name, components in COMBINATIONS for one in overlay(name, components)]
    made += [one for values in {values for _, _, values in SAME} for one in chart(values)]
    objects = [one for one in made if one["apiVersion"] == GROUP]
    kinds = {one["kind"] for one in objects}
    assert kinds == {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
    assert [found for found in problems(objects) if found] == []


@pytest.mark.parametrize("kind", ["service", "pod"])
@pytest.mark.parametrize("release", ["argoscope", "observing"])
def test_the_job_is_the_one_that_dashboards_ask_for(kind: str, release: str) -> None:
    """Of itself it would be the Service's name, or namespace and name of a PodMonitor."""
    where = ("--namespace", "any", "--kube-version", "1.34", "--set", f"monitor.kind={kind}")
    objects = documents(helm("template", release, str(CHART), *where).stdout)
    (monitor,) = (one for one in objects if one["kind"].endswith("Monitor"))
    labelled = {
        "service": next(one for one in objects if one["kind"] == "Service"),
        "pod": next(one for one in objects if one["kind"] == "StatefulSet")["spec"]["template"],
    }[kind]
    assert labelled["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "argoscope"
    assert 'job=\\"argoscope\\"' in (ROOT / "dashboards/rendered/argoscope-self.json").read_text()


@pytest.mark.parametrize(
    ("kind", "path", "wrong", "says"),
    [
        ("ServiceMonitor", ("spec", "selector"), None, "/spec: required"),
        ("ServiceMonitor", ("spec", "endpoints", 0, "interval"), "often", "/spec/endpoints/0/int"),
        ("ServiceMonitor", ("spec", "endpoints", 0, "prot"), "metrics", "is not in the schema"),
        ("PrometheusRule", ("spec", "groups", 0, "name"), "", "/spec/groups/0/name"),
        ("PrometheusRule", ("spec", "groups", 0, "rules", 0, "alrt"), "A", "is not in the schema"),
    ],
)
def test_what_is_wrong_would_be_found(
    kind: str, path: tuple[Any, ...], wrong: Any, says: str
) -> None:
    found = copy.deepcopy(_first(kind))
    node: Any = found
    for step in path[:-1]:
        node = node[step]
    if wrong is None:
        del node[path[-1]]
    else:
        node[path[-1]] = wrong
    ((problem,),) = problems([found])
    assert says in problem


def _first(kind: str) -> Object:
    objects = overlay("prometheus-operator")
    name = next(one["metadata"]["name"] for one in objects if one["kind"] == kind)
    return of_kind(objects, kind, name)
