"""Carries OTLP requests over HTTP or gRPC and says what became of them.

Source: OpenTelemetry specification, "OTLP Specification 1.x": which answers may be retried, partial
success, Retry-After and RetryInfo.
"""

import asyncio
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import aiohttp
from isal import igzip

from argoscope.export.otlp_settings import Compression, OtlpSettings, Signal
from argoscope.export.otlp_settings import Protocol as OtlpProtocol

if TYPE_CHECKING:
    import grpc.aio

_METHODS = {
    Signal.METRICS: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    Signal.TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
}
_ANSWER_LIMIT = 64 * 1024
_DETAIL_LIMIT = 300
_RETRYABLE_STATUS = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
_RETRYABLE_CODES = frozenset(
    {
        "CANCELLED",
        "DEADLINE_EXCEEDED",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNAVAILABLE",
        "DATA_LOSS",
    }
)
_UNANSWERED_CODES = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE"})
_UNANSWERED_STATUS = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})
"""A proxy's, which has had no answer itself."""
_NOT_CONNECTED = "failed to connect"
_CODE_REASONS = {
    "UNAVAILABLE": "unavailable",
    "DEADLINE_EXCEEDED": "timeout",
    "CANCELLED": "timeout",
    "UNAUTHENTICATED": "unauthorized",
    "PERMISSION_DENIED": "unauthorized",
    "RESOURCE_EXHAUSTED": "throttled",
    "INTERNAL": "server_error",
    "UNKNOWN": "server_error",
    "DATA_LOSS": "server_error",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one request."""

    reason: str = ""
    """Why it failed, one of metrics.internal.EXPORT_REASON's values; empty for success."""
    detail: str = ""
    retryable: bool = False
    unanswered: bool = False
    """It was sent, and nobody knows whether it arrived."""
    retry_after: float | None = None
    """Seconds that the receiver asked to wait."""
    rejected: int = 0
    """Points or spans that a receiver which accepted the request threw away."""


class Transport(Protocol):
    async def send(self, body: bytes) -> Outcome:
        """Carry one request; never raises for what a network or a receiver can do."""

    async def close(self) -> None:
        """Release connections."""


def transport(settings: OtlpSettings) -> Transport:
    """Raises OSError when a certificate cannot be read."""
    if settings.protocol is OtlpProtocol.GRPC:
        return GrpcTransport(settings)
    return HttpTransport(settings)


class HttpTransport:
    """OTLP/HTTP with binary protobuf."""

    def __init__(self, settings: OtlpSettings) -> None:
        self._settings = settings
        self._ssl = settings.ssl_context() if settings.secure else True
        self._session: aiohttp.ClientSession | None = None
        self._headers = {**settings.headers, "content-type": "application/x-protobuf"}
        if settings.compression is Compression.GZIP:
            self._headers["content-encoding"] = "gzip"

    async def send(self, body: bytes) -> Outcome:
        if self._settings.compression is Compression.GZIP:
            body = igzip.compress(body, 1, mtime=0)
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=True)
        try:
            async with self._session.post(
                self._settings.endpoint,
                data=body,
                headers=self._headers,
                ssl=self._ssl,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout),
            ) as response:
                answer = await response.content.read(_ANSWER_LIMIT)
                retry_after = _seconds(response.headers.get("Retry-After", ""))
                return _from_status(response.status, answer, retry_after)
        except TimeoutError:
            return Outcome(reason="timeout", retryable=True, unanswered=True)
        except (aiohttp.ClientError, OSError) as error:
            detail = f"{type(error).__name__}: {error}"[:_DETAIL_LIMIT]
            sent = not isinstance(error, aiohttp.ClientConnectorError)
            return Outcome(reason="connection", detail=detail, retryable=True, unanswered=sent)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _from_status(status: int, answer: bytes, retry_after: float | None) -> Outcome:
    if 200 <= status < 300:
        return _success(answer)
    return Outcome(
        reason=_status_reason(status),
        detail=f"HTTP {status} {answer[:_DETAIL_LIMIT]!r}",
        retryable=status in _RETRYABLE_STATUS,
        unanswered=status in _UNANSWERED_STATUS,
        retry_after=retry_after,
    )


def _status_reason(status: int) -> str:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return "unauthorized"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "throttled"
    if status in _RETRYABLE_STATUS:
        return "unavailable"
    return "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "rejected"


def _seconds(retry_after: str) -> float | None:
    """Seconds of a Retry-After header (RFC 9110: a number of seconds or a date)."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _success(answer: bytes) -> Outcome:
    if not answer:
        return Outcome()
    # Imported late: most receivers answer with nothing, and nothing else here needs protobuf.
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

    try:
        # That of traces has the same fields under the same numbers.
        partial = metrics_service_pb2.ExportMetricsServiceResponse.FromString(
            answer
        ).partial_success
    except DecodeError:  # some answer with text or JSON; the status has said what counts
        return Outcome()
    return Outcome(rejected=partial.rejected_data_points, detail=partial.error_message)


class GrpcTransport:
    """OTLP/gRPC; bytes go in and come out, so that no message is built twice."""

    def __init__(self, settings: OtlpSettings) -> None:
        self._settings = settings
        self._metadata = tuple(settings.headers.items())
        self._pems = tuple(
            path.read_bytes() if path else None
            for path in (settings.certificate, settings.client_key, settings.client_certificate)
        )
        self._channel: grpc.aio.Channel | None = None

    @property
    def target(self) -> str:
        """Host and port of the endpoint, with the port of its scheme if it names none."""
        parts = urlsplit(self._settings.endpoint)
        host = parts.netloc.rpartition("@")[2]
        if parts.port is not None:
            return host
        return f"{host}:{443 if self._settings.secure else 80}"

    def _open(self) -> "grpc.aio.Channel":
        import grpc  # 9 MB that only those pay who use it

        gzip = self._settings.compression is Compression.GZIP
        compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
        if self._settings.secure:
            credentials = grpc.ssl_channel_credentials(*self._pems)
            return grpc.aio.secure_channel(self.target, credentials, compression=compression)
        return grpc.aio.insecure_channel(self.target, compression=compression)

    async def send(self, body: bytes) -> Outcome:
        import grpc.aio

        if self._channel is None:
            self._channel = self._open()
        try:
            answer: bytes = await self._channel.unary_unary(_METHODS[self._settings.signal])(
                body, timeout=self._settings.timeout, metadata=self._metadata
            )
        except grpc.aio.AioRpcError as error:
            return _from_error(error)
        except asyncio.CancelledError:
            # grpc reports a channel that was closed under the call like a cancelled task.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return Outcome(
                reason="connection", detail="channel closed", retryable=True, unanswered=True
            )
        return _success(answer)

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()
            self._channel = None


def _from_error(error: "grpc.aio.AioRpcError") -> Outcome:
    code, details = error.code().name, error.details() or ""
    delay = _retry_info(error.trailing_metadata() or ())
    return Outcome(
        reason=_CODE_REASONS.get(code, "rejected"),
        detail=f"{code}: {details}"[:_DETAIL_LIMIT],
        retryable=code in _RETRYABLE_CODES or (code == "RESOURCE_EXHAUSTED" and delay is not None),
        retry_after=delay,
        # A receiver's answer and gRPC's own word for a connection that broke have the same code.
        unanswered=code in _UNANSWERED_CODES
        and delay is None
        and not details.startswith(_NOT_CONNECTED),
    )


def _retry_info(metadata: Any) -> float | None:
    """Seconds of google.rpc.RetryInfo in the status details; None without it."""
    from google.protobuf.message import DecodeError
    from google.rpc.error_details_pb2 import RetryInfo
    from google.rpc.status_pb2 import Status

    for key, value in metadata:
        if key != "grpc-status-details-bin":
            continue
        try:
            details = Status.FromString(value).details
        except DecodeError:
            return None
        for detail in details:
            info = RetryInfo()
            if detail.Unpack(info):
                return float(info.retry_delay.ToNanoseconds() / 1e9)
    return None
