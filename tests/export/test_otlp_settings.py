"""The standard environment variables, and what is said about wrong ones."""

import ssl
from pathlib import Path

import pytest

from argoscope.export.otlp_settings import Compression, OtlpSettings, Protocol, Temporality, read

BASE = "OTEL_EXPORTER_OTLP_ENDPOINT"
METRICS = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"


def settings(**environ: str) -> OtlpSettings:
    found, problems = read(environ)
    assert problems == []
    assert found is not None
    return found


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {BASE: ""},
        {BASE: "  "},
        {BASE: "http://c:4318", "OTEL_METRICS_EXPORTER": "none"},
        {BASE: "http://c:4318", "OTEL_METRICS_EXPORTER": "prometheus"},
    ],
    ids=["nothing", "empty", "blank", "none", "only prometheus"],
)
def test_without_an_endpoint_or_an_exporter_nothing_is_exported(environ: dict[str, str]) -> None:
    assert read(environ) == (None, [])


def test_defaults_are_those_of_the_specification() -> None:
    assert settings(OTEL_EXPORTER_OTLP_ENDPOINT="http://c:4318") == OtlpSettings(
        endpoint="http://c:4318/v1/metrics",
        protocol=Protocol.HTTP,
        headers={},
        timeout=10.0,
        compression=Compression.NONE,
        interval=60.0,
        export_timeout=30.0,
        temporality=Temporality.CUMULATIVE,
    )


@pytest.mark.parametrize(
    ("environ", "endpoint"),
    [
        ({BASE: "http://c:4318/"}, "http://c:4318/v1/metrics"),
        ({BASE: "https://c/otlp"}, "https://c/otlp/v1/metrics"),
        ({METRICS: "http://c:4318/custom"}, "http://c:4318/custom"),
        ({METRICS: "http://m/x", BASE: "http://b"}, "http://m/x"),
        ({BASE: "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http://c:4317"),
        ({BASE: "c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "https://c:4317"),
        (
            {
                BASE: "c:4317",
                "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "GRPC",
                "OTEL_EXPORTER_OTLP_INSECURE": "True",
            },
            "http://c:4317",
        ),
    ],
)
def test_the_endpoint_follows_the_protocol(environ: dict[str, str], endpoint: str) -> None:
    found = settings(**environ)
    assert found.endpoint == endpoint
    assert found.secure is endpoint.startswith("https")


def test_all_variables_are_read(tmp_path: Path) -> None:
    pem = tmp_path / "x.pem"
    pem.write_text("")
    found = settings(
        OTEL_EXPORTER_OTLP_ENDPOINT="https://c",
        OTEL_METRICS_EXPORTER="otlp,prometheus",
        OTEL_EXPORTER_OTLP_HEADERS="Api-Key=s%20e%3Dc, x = y ,",
        OTEL_EXPORTER_OTLP_TIMEOUT="2500",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_EXPORTER_OTLP_CERTIFICATE=str(pem),
        OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=str(pem),
        OTEL_EXPORTER_OTLP_CLIENT_KEY=str(pem),
        OTEL_METRIC_EXPORT_INTERVAL="5000",
        OTEL_METRIC_EXPORT_TIMEOUT="4000",
        OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="LowMemory",
    )
    assert found.headers == {"api-key": "s e=c", "x": "y"}
    assert (found.timeout, found.interval, found.export_timeout) == (2.5, 5.0, 4.0)
    assert found.compression is Compression.GZIP
    assert found.certificate == found.client_certificate == found.client_key == pem
    assert found.temporality is Temporality.LOWMEMORY
    assert found.delta


def test_the_variable_of_metrics_wins_over_that_of_all_signals() -> None:
    found = settings(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://c",
        OTEL_EXPORTER_OTLP_TIMEOUT="1000",
        OTEL_EXPORTER_OTLP_METRICS_TIMEOUT="3000",
        OTEL_EXPORTER_OTLP_HEADERS="a=1",
        OTEL_EXPORTER_OTLP_METRICS_HEADERS="b=2",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_EXPORTER_OTLP_METRICS_COMPRESSION="none",
    )
    assert found.timeout == 3.0
    assert found.headers == {"b": "2"}
    assert found.compression is Compression.NONE


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4318", "'c:4318' is not an http or https URL"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:none", "is not an http or https URL"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "unix:///x", "is not an http or https URL"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "'http/json' is none of http/protobuf, grpc"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "'zstd' is none of none, gzip"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "'10s' is not a positive number of milliseconds"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0", "'0' is not a positive number of milliseconds"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "-1", "'-1' is not a positive number of milliseconds"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1,secret", "item 2 is not name=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=1", "item 1 is not name=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1%0Ab", "the value of a is not printable ASCII"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/file", "there is no file /no/file"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", __file__, "a key needs CLIENT_CERTIFICATE too"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "low",
            "'low' is none of cumulative, delta, lowmemory",
        ),
        ("OTEL_METRICS_EXPORTER", "otlp,console", "unknown exporter console"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str, complaint: str) -> None:
    found, problems = read({BASE: "http://c:4318", name: value})
    assert found is None
    (problem,) = problems
    assert problem.startswith(f"{name}: ")
    assert complaint in problem


def test_the_insecure_switch_must_be_a_boolean() -> None:
    _, problems = read(
        {
            BASE: "c:4317",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_EXPORTER_OTLP_INSECURE": "yes",
        }
    )
    assert problems == ["OTEL_EXPORTER_OTLP_INSECURE: 'yes' is neither true nor false"]


def test_all_problems_come_at_once() -> None:
    _, problems = read(
        {
            BASE: "nowhere",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "soon",
            "OTEL_METRIC_EXPORT_INTERVAL": "often",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "zip",
        }
    )
    assert len(problems) == 4


def test_a_secret_header_is_not_repeated_in_the_problem() -> None:
    _, problems = read({BASE: "http://c", "OTEL_EXPORTER_OTLP_HEADERS": "hunter2"})
    assert "hunter2" not in problems[0]


def test_a_file_that_is_no_certificate_is_an_error(tmp_path: Path) -> None:
    pem = tmp_path / "x.pem"
    pem.write_text("nothing")
    with pytest.raises(ssl.SSLError):
        OtlpSettings(endpoint="https://c", client_certificate=pem).ssl_context()
    assert OtlpSettings(endpoint="https://c").ssl_context().verify_mode is ssl.CERT_REQUIRED
