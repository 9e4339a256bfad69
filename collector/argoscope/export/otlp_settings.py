"""The standard OpenTelemetry environment, read for OTLP metrics and traces.

Source: OpenTelemetry specification, "OpenTelemetry Protocol Exporter" and "Environment Variable
Specification". Times there are in milliseconds.
"""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

_PREFIX = "OTEL_EXPORTER_OTLP_"
T = TypeVar("T")


class Signal(StrEnum):
    """What is sent."""

    METRICS = "metrics"
    TRACES = "traces"


_EXPORTERS = {
    Signal.METRICS: {"otlp", "none", "prometheus"},
    Signal.TRACES: {"otlp", "none"},
}
_INTERVALS = {
    Signal.METRICS: ("OTEL_METRIC_EXPORT_INTERVAL", 60.0),
    Signal.TRACES: ("OTEL_BSP_SCHEDULE_DELAY", 5.0),
}


class Protocol(StrEnum):
    HTTP = "http/protobuf"
    GRPC = "grpc"


class Compression(StrEnum):
    NONE = "none"
    GZIP = "gzip"


class Temporality(StrEnum):
    """How counters and histograms are sent; gauges have no temporality."""

    CUMULATIVE = "cumulative"
    DELTA = "delta"
    LOWMEMORY = "lowmemory"
    """Delta for counters and histograms, which is all there is here: the same as delta."""


@dataclass(frozen=True, kw_only=True)
class OtlpSettings:
    """Where and how to export."""

    signal: Signal = Signal.METRICS
    endpoint: str
    """http(s) URL; over gRPC only its host and port are used."""
    protocol: Protocol = Protocol.HTTP
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with each request; lower-case names."""
    timeout: float = 10.0
    """Seconds that one request may take."""
    compression: Compression = Compression.NONE
    certificate: Path | None = None
    """PEM file of the authorities that the receiver is verified against; default the system's."""
    client_certificate: Path | None = None
    """PEM file of the chain that the daemon shows to the receiver."""
    client_key: Path | None = None
    """PEM file of the key of ``client_certificate``."""
    interval: float = 60.0
    """Seconds between exports; that a trace waits for others to travel with."""
    export_timeout: float = 30.0
    """Seconds that a whole export of metrics may take, all its requests and retries."""
    temporality: Temporality = Temporality.CUMULATIVE

    @property
    def secure(self) -> bool:
        return urlsplit(self.endpoint).scheme == "https"

    @property
    def delta(self) -> bool:
        return self.temporality is not Temporality.CUMULATIVE

    def ssl_context(self) -> ssl.SSLContext:
        """Raises OSError (ssl.SSLError is one) for a file that is absent or not PEM."""
        context = ssl.create_default_context(cafile=self.certificate)
        if self.client_certificate:
            context.load_cert_chain(self.client_certificate, self.client_key)
        return context


def read(
    environ: Mapping[str, str], signal: Signal = Signal.METRICS
) -> tuple[OtlpSettings | None, list[str]]:
    """The settings, None when nothing is to be exported; and all that is wrong with them.

    Each problem begins with its variable's name. Settings are None also when there is a problem.
    """
    reader = _Reader(environ, signal)
    if reader.exporter_off():
        return None, reader.problems
    protocol = reader.choice("PROTOCOL", Protocol, Protocol.HTTP)
    endpoint = reader.endpoint(protocol)
    settings = OtlpSettings(
        signal=signal,
        endpoint=endpoint,
        protocol=protocol,
        headers=reader.headers(),
        timeout=reader.seconds(reader.name("TIMEOUT"), 10.0),
        compression=reader.choice("COMPRESSION", Compression, Compression.NONE),
        certificate=reader.file("CERTIFICATE"),
        client_certificate=reader.file("CLIENT_CERTIFICATE"),
        client_key=reader.file("CLIENT_KEY"),
        interval=reader.seconds(*_INTERVALS[signal]),
        export_timeout=reader.seconds("OTEL_METRIC_EXPORT_TIMEOUT", 30.0),
        temporality=reader.temporality(),
    )
    reader.check_key_pair(settings)
    return (settings if endpoint and not reader.problems else None), reader.problems


class _Reader:
    """Reads variables and collects what is wrong with them. An empty value is an unset one."""

    def __init__(self, environ: Mapping[str, str], signal: Signal) -> None:
        self._environ = environ
        self._signal = signal
        self.problems: list[str] = []

    def _get(self, name: str) -> str:
        return self._environ.get(name, "").strip()

    def name(self, suffix: str) -> str:
        """The variable that decides: that of the signal before that of all signals."""
        special = f"{_PREFIX}{self._signal.upper()}_{suffix}"
        return special if self._get(special) else _PREFIX + suffix

    def exporter_off(self) -> bool:
        name = f"OTEL_{self._signal.upper()}_EXPORTER"
        exporters = {part.strip() for part in self._get(name).split(",")} - {""}
        if unknown := exporters - _EXPORTERS[self._signal]:
            self.problems.append(f"{name}: unknown exporter {', '.join(sorted(unknown))}")
        return bool(exporters) and "otlp" not in exporters

    def temporality(self) -> Temporality:
        if self._signal is not Signal.METRICS:
            return Temporality.CUMULATIVE
        return self.choice("METRICS_TEMPORALITY_PREFERENCE", Temporality, "cumulative")

    def choice(self, suffix: str, kind: type[T], default: object) -> T:
        name = _PREFIX + suffix if suffix.startswith("METRICS_") else self.name(suffix)
        text = self._get(name).lower()
        try:
            return kind(text or default)  # type: ignore[call-arg]
        except ValueError:
            known = ", ".join(str(value) for value in kind)  # type: ignore[attr-defined]
            self.problems.append(f"{name}: {text!r} is none of {known}")
            return kind(default)  # type: ignore[call-arg]

    def seconds(self, name: str, default: float) -> float:
        text = self._get(name)
        if not text:
            return default
        if not text.isdecimal() or int(text) == 0:
            self.problems.append(f"{name}: {text!r} is not a positive number of milliseconds")
            return default
        return int(text) / 1000

    def file(self, suffix: str) -> Path | None:
        name = self.name(suffix)
        text = self._get(name)
        if not text:
            return None
        if not Path(text).is_file():
            self.problems.append(f"{name}: there is no file {text}")
        return Path(text)

    def check_key_pair(self, settings: OtlpSettings) -> None:
        if settings.client_key and not settings.client_certificate:
            self.problems.append(f"{self.name('CLIENT_KEY')}: a key needs CLIENT_CERTIFICATE too")

    def headers(self) -> dict[str, str]:
        name = self.name("HEADERS")
        return dict(self._pairs(name, self._get(name)))

    def _pairs(self, name: str, text: str) -> Iterator[tuple[str, str]]:
        for number, item in enumerate(filter(str.strip, text.split(",")), start=1):
            key, equals, value = item.partition("=")
            key = unquote(key.strip()).lower()
            value = unquote(value.strip())
            if not equals or not key.replace("-", "").replace("_", "").replace(".", "").isalnum():
                # Without its text, which may hold a secret.
                self.problems.append(f"{name}: item {number} is not name=value")
            elif not (key + value).isascii() or not value.isprintable():
                self.problems.append(f"{name}: the value of {key} is not printable ASCII")
            else:
                yield key, value

    def endpoint(self, protocol: Protocol) -> str:
        name = self.name("ENDPOINT")
        text = self._get(name)
        if not text:
            return ""
        if protocol is Protocol.GRPC and "://" not in text:
            text = ("http://" if self._insecure() else "https://") + text
        parts = urlsplit(text)
        try:
            wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
        except ValueError:
            wrong = True
        if wrong:
            self.problems.append(f"{name}: {text!r} is not an http or https URL")
        elif protocol is Protocol.HTTP and name == _PREFIX + "ENDPOINT":
            path = f"{parts.path.rstrip('/')}/v1/{self._signal}"
            return parts._replace(path=path).geturl()
        return text

    def _insecure(self) -> bool:
        name = self.name("INSECURE")
        text = self._get(name).lower()
        if text not in ("", "true", "false"):
            self.problems.append(f"{name}: {text!r} is neither true nor false")
        return text == "true"
