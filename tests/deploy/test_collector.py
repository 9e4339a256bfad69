"""The OpenTelemetry Collectors of the gateway and of the compose file: their configurations fit to
themselves, to the version that runs them, and to what surrounds them.

The Collector's own ``otelcol validate`` is not run here: no package carries it, and to compile it
takes minutes.
"""

import re
from typing import Any

import pytest
import yaml

from argoscope.export import otlp_settings
from argoscope.export.otlp_settings import Protocol
from support.manifests import DEPLOY, of_kind, overlay

GATEWAY: dict[str, Any] = yaml.safe_load(
    (DEPLOY / "kustomize" / "components" / "otel-gateway" / "config.yaml").read_text()
)
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "otel-collector.yaml").read_text())
BOTH = pytest.mark.parametrize("config", [GATEWAY, COMPOSE], ids=["gateway", "compose"])

CORE: dict[str, dict[str, set[str]]] = {
    "receivers": {"otlp": {"protocols"}},
    "processors": {
        "memory_limiter": {"check_interval", "limit_percentage", "spike_limit_percentage"},
        "batch": {"send_batch_size", "timeout", "send_batch_max_size"},
    },
    "exporters": {
        "otlp_http": {"endpoint", "headers", "sending_queue", "retry_on_failure"},
        "debug": {"verbosity"},
    },
    "extensions": {"health_check": {"endpoint"}},
}
"""What we use of the core distribution, and its settings."""
OTLP_HTTP_SINCE = (0, 144)
"""The exporter was ``otlphttp`` before; an older Collector does not start with the new name."""


@BOTH
def test_every_component_is_of_the_core_distribution(config: dict[str, Any]) -> None:
    for section, components in CORE.items():
        for name, settings in config.get(section, {}).items():
            assert set(settings) <= components[name.partition("/")[0]], f"{section} {name}"


@BOTH
def test_what_is_configured_is_used_and_what_is_used_is_configured(config: dict[str, Any]) -> None:
    assert set(config["service"]["pipelines"]) == {"metrics", "traces"}, (
        "the daemon sends nothing else"
    )
    pipeline = config["service"]["pipelines"]["metrics"]
    for section in ("receivers", "processors", "exporters"):
        assert sorted(pipeline[section]) == sorted(config[section])
    assert config["service"].get("extensions", []) == list(config.get("extensions", {}))
    if "memory_limiter" in pipeline["processors"]:
        assert pipeline["processors"][0] == "memory_limiter", "before anything holds memory"


def test_the_version_knows_the_exporter_by_its_name() -> None:
    (container,) = _gateway()["spec"]["containers"]
    compose = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    values = yaml.safe_load((DEPLOY / "helm" / "argoscope" / "values.yaml").read_text())
    images = {
        container["image"],
        compose["services"]["otel-collector"]["image"],
        values["gateway"]["image"],
    }
    (image,) = images
    version = re.fullmatch(r"otel/opentelemetry-collector:(\d+)\.(\d+)\.\d+", image)
    assert version is not None, image
    assert tuple(map(int, version.groups())) >= OTLP_HTTP_SINCE


def test_the_gateway_has_the_variables_and_ports_of_its_configuration() -> None:
    (container,) = _gateway()["spec"]["containers"]
    given = {one["name"] for one in container["env"]}
    assert set(re.findall(r"\$\{env:(\w+)\}", yaml.safe_dump(GATEWAY))) == given
    protocols = GATEWAY["receivers"]["otlp"]["protocols"]
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert ports == {
        "otlp-grpc": _port(protocols["grpc"]),
        "otlp-http": _port(protocols["http"]),
        "health": _port(GATEWAY["extensions"]["health_check"]),
    }
    (mount,) = container["volumeMounts"]
    assert container["args"] == [f"--config={mount['mountPath']}/config.yaml"]


@pytest.mark.parametrize("address", ["10.1.2.3", "fd00::1:2"])
def test_the_gateway_listens_on_the_address_of_its_pod(address: str) -> None:
    """Read as the Collector reads it: host and port, the host in brackets or without a colon."""
    protocols = GATEWAY["receivers"]["otlp"]["protocols"]
    for one in (*protocols.values(), GATEWAY["extensions"]["health_check"]):
        endpoint = one["endpoint"].replace("${env:POD_IP}", address)
        bracketed = re.fullmatch(r"\[([0-9a-f.:]+)\]:\d+|([0-9a-f.]+):\d+", endpoint)
        assert bracketed is not None, endpoint
        assert address in bracketed.groups()


def test_the_daemon_sends_what_its_receiver_speaks() -> None:
    """OTLP is sent over HTTP where nothing says otherwise, and a gRPC port answers none of it."""
    objects = overlay("minimal", ("otlp", "otel-gateway"))
    spec = of_kind(objects, "StatefulSet")["spec"]["template"]["spec"]
    environment = {one["name"]: one.get("value", "") for one in spec["containers"][0]["env"]}
    assert otlp_settings.read(environment)[0].protocol is Protocol.HTTP
    service = of_kind(objects, "Service", "argoscope-gateway")
    ports = {one["name"]: one["port"] for one in service["spec"]["ports"]}
    wanted = f"http://argoscope-gateway:{ports['otlp-http']}"
    assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == wanted

    compose = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    environment = compose["services"]["argoscope"]["environment"]
    assert otlp_settings.read(environment)[0].protocol is Protocol.HTTP
    port = _port(COMPOSE["receivers"]["otlp"]["protocols"]["http"])
    assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == f"http://otel-collector:{port}"

    for name in ("otlp-only", "minimal"):
        components = () if name == "otlp-only" else ("otlp",)
        (container,) = of_kind(overlay(name, components), "StatefulSet")["spec"]["template"][
            "spec"
        ]["containers"]
        environment = {one["name"]: one.get("value", "") for one in container["env"]}
        assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"].endswith(":4318"), name


def _gateway() -> Any:
    objects = overlay("minimal", ("otlp", "otel-gateway"))
    return of_kind(objects, "Deployment", "argoscope-gateway")["spec"]["template"]


def _port(settings: dict[str, str]) -> int:
    return int(settings["endpoint"].rpartition(":")[2])
