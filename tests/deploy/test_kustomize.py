"""The kustomize overlays: valid, restricted, and each what its name says."""

from typing import Any

import kubernetes_validate
import pytest

from argoscope.resources._load import load
from argoscope.settings import leaves
from support.deploy_choices import COMBINATIONS
from support.manifests import Object, of_kind, overlay, validate

CUSTOM = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
"""Of the Prometheus Operator: no schema of Kubernetes' own."""
VERSIONS = ("1.27", "1.37")


def daemon(objects: list[Object]) -> Any:
    (container,) = of_kind(objects, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    return container


def environment(objects: list[Object]) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in daemon(objects)["env"]}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("name", "components"), COMBINATIONS)
def test_everything_is_valid_kubernetes(
    name: str, components: tuple[str, ...], version: str
) -> None:
    for found in overlay(name, components):
        if found["kind"] not in CUSTOM:
            validate(found, version)


def test_the_schemas_would_refuse_what_is_wrong() -> None:
    wrong = of_kind(overlay("minimal"), "Service") | {"spec": {"port": [1]}}
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(wrong, VERSIONS[0])


@pytest.mark.parametrize(("name", "components"), COMBINATIONS)
def test_pods_keep_to_the_restricted_level(name: str, components: tuple[str, ...]) -> None:
    """Pod Security Standards, restricted; and a read-only root beyond it."""
    pods = [
        found["spec"]["template"]["spec"]
        for found in overlay(name, components)
        if found["kind"] in ("StatefulSet", "Deployment")
    ]
    assert pods
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert pod["enableServiceLinks"] is False
        for volume in pod.get("volumes", ()):
            assert set(volume) - {"name"} <= {"emptyDir", "secret", "configMap"}
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert security["readOnlyRootFilesystem"] is True
            assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize(("name", "components"), COMBINATIONS)
def test_roles_only_read_what_is_watched(name: str, components: tuple[str, ...]) -> None:
    watched = {(kind.group, kind.plural) for kind in load()}
    own = {
        ("coordination.k8s.io", "leases"): {"get", "create", "update"},
        ("authentication.k8s.io", "tokenreviews"): {"create"},
        ("authorization.k8s.io", "subjectaccessreviews"): {"create"},
    }
    for found in overlay(name, components):
        for rule in found.get("rules", ()) if found["kind"].endswith("Role") else ():
            assert "*" not in str(rule)
            for group in rule.get("apiGroups", ()):
                for resource in rule["resources"]:
                    verbs = own.get((group, resource), {"get", "list", "watch"})
                    assert (group, resource) in watched | set(own)
                    assert set(rule["verbs"]) <= verbs


@pytest.mark.parametrize(("name", "components"), COMBINATIONS)
def test_the_environment_is_settings_that_exist(name: str, components: tuple[str, ...]) -> None:
    known = {leaf.env for leaf in leaves().values()}
    for variable in environment(overlay(name, components)):
        assert variable in known or variable.startswith("OTEL_"), variable


@pytest.mark.parametrize(("name", "components"), COMBINATIONS)
def test_what_is_bound_selected_and_mounted_exists(name: str, components: tuple[str, ...]) -> None:
    objects = overlay(name, components)
    names = {(found["kind"], found["metadata"]["name"]) for found in objects}
    assert len(names) == len(objects)
    pods = [
        found["spec"]["template"]
        for found in objects
        if found["kind"] in ("StatefulSet", "Deployment")
    ]
    for found in objects:
        if "roleRef" in found:
            assert (found["roleRef"]["kind"], found["roleRef"]["name"]) in names
            for subject in found["subjects"]:
                assert (subject["kind"], subject["name"]) in names
        if found["kind"] == "Service":
            wanted = found["spec"]["selector"].items()
            assert any(wanted <= pod["metadata"]["labels"].items() for pod in pods)
    for pod in pods:
        assert ("ServiceAccount", pod["spec"]["serviceAccountName"]) in names
        for volume in pod["spec"].get("volumes", ()):
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in names
    account = of_kind(objects, "ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    automounted = [pod for pod in pods if pod["spec"]["automountServiceAccountToken"]]
    assert len(automounted) == 1, "only the daemon's pod has a token"


@pytest.mark.parametrize(("name", "components"), COMBINATIONS)
def test_in_another_namespace_everything_moves_there(
    name: str, components: tuple[str, ...]
) -> None:
    objects = overlay(name, components, "monitoring")
    for found in objects:
        if found["kind"] == "Namespace":
            assert found["metadata"]["name"] == "monitoring"
        assert found["metadata"].get("namespace", "monitoring") == "monitoring"
        for subject in found.get("subjects", ()):
            assert subject["namespace"] == "monitoring", "else its account may do nothing"


def test_one_daemon_does_not_block_a_drain() -> None:
    assert of_kind(overlay("minimal"), "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_a_claim_does_not_change_with_the_version() -> None:
    """volumeClaimTemplates can't be changed: an upgrade would be refused."""
    (claim,) = of_kind(overlay("minimal"), "StatefulSet")["spec"]["volumeClaimTemplates"]
    assert "app.kubernetes.io/version" not in claim["metadata"].get("labels", {})


def test_without_a_volume_there_is_a_lease_instead() -> None:
    objects = overlay("minimal", ("no-volume",))
    spec = of_kind(objects, "StatefulSet")["spec"]
    assert "volumeClaimTemplates" not in spec
    assert "ARGOSCOPE_LEDGER" not in environment(objects)
    mounts = [mount["name"] for mount in daemon(objects)["volumeMounts"]]
    assert mounts == [volume["name"] for volume in spec["template"]["spec"]["volumes"]]
    assert of_kind(objects, "Role", "argoscope-lease")
    with_volume = {found["metadata"]["name"] for found in overlay("minimal")}
    assert "argoscope-lease" not in with_volume


def test_namespaced_mode_has_nothing_of_the_cluster() -> None:
    objects = overlay("minimal", ("namespaced",))
    assert not [found for found in objects if found["kind"].startswith("ClusterRole")]
    found = environment(objects)
    assert found["ARGOSCOPE_NAMESPACES"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}
    off = {kind.name for kind in load() if not kind.namespaced}
    assert set(found["ARGOSCOPE_RESOURCES_DISABLED"].split(",")) == off


def test_as_many_daemons_as_shards() -> None:
    objects = overlay("large")
    shards = environment(objects)["ARGOSCOPE_SHARDING_SHARDS"]
    assert str(of_kind(objects, "StatefulSet")["spec"]["replicas"]) == shards
    without_volume = overlay("minimal", ("no-volume", "sharded"))
    leases = of_kind(without_volume, "Role", "argoscope-lease")["rules"][1]["resourceNames"]
    assert leases == [f"argoscope-{number}" for number in range(int(shards))]


def test_behind_tls_the_probes_and_the_scrapes_speak_it() -> None:
    objects = overlay("prometheus-operator", ("authentication",))
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert daemon(objects)[probe]["httpGet"]["scheme"] == "HTTPS"
    (endpoint,) = of_kind(objects, "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["scheme"] == "https"
    assert endpoint["tlsConfig"]["serverName"] == "argoscope.argoscope.svc"
    assert of_kind(objects, "ClusterRole", "argoscope-scraper")["rules"] == [
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}
    ]


def test_an_otlp_secret_is_optional_and_never_in_the_manifests() -> None:
    objects = overlay("otlp-only")
    assert environment(objects)["OTEL_EXPORTER_OTLP_HEADERS"] == {
        "secretKeyRef": {"name": "argoscope-otlp", "key": "headers", "optional": True}
    }
    assert not [found for found in objects if found["kind"] == "Secret"]
    ports = [
        port["port"]
        for rule in of_kind(objects, "NetworkPolicy")["spec"]["egress"]
        for port in rule["ports"]
    ]
    assert {4317, 4318, 443, 6443, 53} == set(ports)
