"""The Helm chart: lints, and makes what kustomize makes for the same choice."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from argoscope import settings
from support.deploy_choices import LARGE, SAME
from support.manifests import CHART, Object, chart, documents, helm, of_kind, overlay, validate

ONLY_HELM = {"helm.sh/chart", "app.kubernetes.io/managed-by", "checksum/config"}


def comparable(objects: list[Object]) -> dict[tuple[str, str, str], Any]:
    """By kind, namespace and name; without what only one of the two tools puts there."""
    found = {}
    for one in copy.deepcopy(objects):
        hooks = one["metadata"].get("annotations", {}).keys() & {"helm.sh/hook"}
        if one["kind"] == "Namespace" or hooks:
            continue  # helm install --create-namespace makes it, helm test its own pod
        _strip(one)
        _by_name(one)
        # A generated ConfigMap has a hash of what it holds in its name.
        where = one["metadata"].get("namespace", "")
        key = (one["kind"], where, one["metadata"]["name"])
        assert key not in found
        found[key] = one
    return found


def _strip(node: Any) -> None:
    if isinstance(node, list):
        for one in node:
            _strip(one)
    elif isinstance(node, dict):
        for name in ("labels", "annotations"):
            if isinstance(node.get(name), dict):
                node[name] = {k: v for k, v in node[name].items() if k not in ONLY_HELM}
                if not node[name]:
                    del node[name]
        for name, value in node.items():
            if name == "name" and isinstance(value, str):
                node[name] = re.sub(r"^(argoscope-gateway)-[0-9a-z]{10}$", r"\1", value)
            _strip(value)


def _by_name(node: Any) -> None:
    """Lists that Kubernetes takes as maps have no order."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name in ("env", "volumes", "volumeMounts"):
                node[name] = sorted(value, key=lambda one: str(one["name"]))
            _by_name(value)
    elif isinstance(node, list):
        for one in node:
            _by_name(one)


@pytest.mark.parametrize(("name", "components", "values"), SAME)
def test_the_chart_makes_what_kustomize_makes(
    name: str, components: tuple[str, ...], values: str
) -> None:
    ours, theirs = comparable(chart(values)), comparable(overlay(name, components))
    assert sorted(ours) == sorted(theirs)
    for key, wanted in theirs.items():
        assert ours[key] == wanted, key


@pytest.mark.parametrize("values", ["", *dict.fromkeys(values for _, _, values in SAME if values)])
def test_the_chart_is_valid(values: str) -> None:
    flags = ["--set", values] if values else []
    done = helm("lint", "--strict", "--quiet", str(CHART), *flags)
    assert done.returncode == 0, done.stdout
    for found in chart(values):
        if not found["apiVersion"].startswith("monitoring.coreos.com"):
            validate(found, "1.34")


@pytest.mark.parametrize("values", ["", LARGE])
def test_helm_4_makes_what_helm_3_makes(values: str) -> None:
    flags = ["--set", values] if values else []
    where = ("--namespace", "argoscope", "--kube-version", "1.34")
    command = ("template", "argoscope", str(CHART), *where, *flags)
    done = helm(*command, program="helm4")
    assert done.returncode == 0, done.stderr
    assert documents(done.stdout) == documents(helm(*command).stdout)
    linted = helm("lint", "--strict", "--quiet", str(CHART), *flags, program="helm4")
    assert linted.returncode == 0, linted.stdout
    assert helm("version", "--template", "{{.Version}}", program="helm4").stdout.startswith("v4")


def test_values_that_do_not_exist_are_refused_with_their_name() -> None:
    for wrong, named in (
        ("shard=3", "shard"),
        ("monitor.kind=both", "monitor/kind"),
        ("shards=0", "shards"),
        ("config.ledgre.path=x", "ledgre"),
        ("config.log.level=loud", "log/level"),
    ):
        done = helm("lint", "--strict", str(CHART), "--set", wrong)
        assert done.returncode != 0
        assert named in (done.stdout + done.stderr).replace(".", "/"), done.stdout + done.stderr


def test_the_configuration_is_one_that_the_daemon_reads(tmp_path: Path) -> None:
    config = {"cluster": "prod", "ledger": {"retention": 60}, "labels": {"workflow": ["team"]}}
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump({"config": config}))
    objects = chart("", "--values", str(values))
    (pod,) = (found for found in objects if found["kind"] == "StatefulSet")
    (container,) = pod["spec"]["template"]["spec"]["containers"]
    path = {one["name"]: one.get("value") for one in container["env"]}["ARGOSCOPE_CONFIG"]
    (mount,) = (one for one in container["volumeMounts"] if path.startswith(one["mountPath"]))
    assert mount["name"] == "config"
    file = tmp_path / "config.yaml"
    file.write_text(of_kind(objects, "ConfigMap", "argoscope-config")["data"]["config.yaml"])
    read = settings.load(str(file))
    assert (read.cluster, read.ledger.retention, read.labels.workflow) == ("prod", 60.0, ("team",))
    again = chart("", "--values", str(values), "--set", "config.cluster=other")
    annotations = [
        of_kind(found, "StatefulSet")["spec"]["template"]["metadata"]["annotations"]
        for found in (objects, again)
    ]
    assert annotations[0] != annotations[1], "a change of the configuration restarts the daemon"


def test_numbers_of_single_pipelines_may_be_fractions(tmp_path: Path) -> None:
    """As docs/configuration.md shows them."""
    config = {
        "alerts": {"thresholds": {"ci/etl/ArgoPipelineFailureRatioHigh": 0.5}},
        "traces": {"pipelines": {"ci/etl": 0.25}},
        "series": {"budgets": {"argo_template_duration_seconds": 5000}},
    }
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump({"config": config}))
    made = of_kind(chart("", "--values", str(values)), "ConfigMap", "argoscope-config")
    assert yaml.safe_load(made["data"]["config.yaml"]) == config
    file = tmp_path / "config.yaml"
    file.write_text(made["data"]["config.yaml"])
    assert settings.load(str(file)).traces.pipelines == {"ci/etl": 0.25}


def test_several_namespaces_have_a_role_each() -> None:
    objects = chart("namespaced.enabled=true,namespaced.namespaces={ci,data}")
    roles = {found["metadata"]["namespace"] for found in objects if found["kind"] == "Role"}
    assert roles == {"ci", "data"}
    assert not [found for found in objects if found["kind"].startswith("ClusterRole")]


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        ("http://prometheus:9090/api/v1/otlp", 9090),
        ("https://otlp.example.com/otlp", 443),
        ("http://otlp.example.com", 80),
        ("http://[fd00::1]:1234", 1234),
        ("grpc.example.com:4317", 4317),
    ],
)
def test_network_policies_let_out_to_the_port_of_the_endpoint(endpoint: str, port: int) -> None:
    def ports(objects: list[Object], name: str) -> set[int]:
        rules = of_kind(objects, "NetworkPolicy", name)["spec"]["egress"]
        return {one["port"] for rule in rules for one in rule["ports"]}

    usual = {53, 443, 4317, 4318}
    direct = chart(f"otlp.enabled=true,otlp.endpoint={endpoint}")
    assert ports(direct, "argoscope") == usual | {6443, port}
    through = chart(f"otlp.enabled=true,gateway.enabled=true,gateway.endpoint={endpoint}")
    assert ports(through, "argoscope") == usual | {6443}
    assert ports(through, "argoscope-gateway") == usual | {port}


def test_without_network_policies_there_are_none() -> None:
    objects = chart("networkPolicy.enabled=false,otlp.enabled=true,gateway.enabled=true")
    assert not [found for found in objects if found["kind"] == "NetworkPolicy"]


def test_two_releases_do_not_collide() -> None:
    where = ("--namespace", "argoscope", "--kube-version", "1.34")
    other = helm("template", "second", str(CHART), *where)
    assert other.returncode == 0, other.stderr
    names = {(one["kind"], one["metadata"]["name"]) for one in documents(other.stdout)}
    assert not names & {(one["kind"], one["metadata"]["name"]) for one in chart()}


def test_helm_test_asks_doctor_with_the_daemons_account() -> None:
    pod = of_kind(chart(), "Pod", "argoscope-doctor")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["spec"]["containers"][0]["args"] == ["doctor"]
    assert pod["spec"]["serviceAccountName"] == "argoscope"


@pytest.mark.parametrize(
    "values",
    ["", "ledger.enabled=false", "authentication.enabled=true", "namespaced.namespaces={a}"],
)
def test_helm_test_judges_by_what_the_daemon_is_told(values: str) -> None:
    """Which permissions are needed follows from it: with a ledger none for a Lease, and behind
    authentication those for reviews."""
    flags = f"{values},namespaced.enabled=true" if values.startswith("namespaced") else values
    objects = chart(flags)
    test = of_kind(objects, "Pod", "argoscope-doctor")["spec"]
    asked, told = (
        _settings(test),
        _settings(of_kind(objects, "StatefulSet")["spec"]["template"]["spec"]),
    )
    for path in ("ledger.path", "authentication.tokens", "namespaces", "resources.disabled"):
        assert settings.value(asked, path) == settings.value(told, path), path


def _settings(pod: Object) -> settings.Settings:
    (container,) = pod["containers"]
    environment = {one["name"]: one.get("value", "") for one in container.get("env", ())}
    return settings.load(env=environment)
