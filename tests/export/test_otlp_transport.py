"""HTTP and gRPC against real servers on this machine: what is sent, and what answers mean."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

import grpc
import grpc.aio
import pytest
from aiohttp import web
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

from argoscope.export.otlp_settings import Compression, OtlpSettings, Protocol
from argoscope.export.otlp_transport import (
    GrpcTransport,
    HttpTransport,
    Outcome,
    Transport,
    transport,
)

BODY = metrics_service_pb2.ExportMetricsServiceRequest().SerializeToString() + b"\x0a\x00"
PARTIAL: bytes = metrics_service_pb2.ExportMetricsServiceResponse(
    partial_success=metrics_service_pb2.ExportMetricsPartialSuccess(
        rejected_data_points=7, error_message="too old"
    )
).SerializeToString()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def http_server(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/v1/metrics", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/v1/metrics"
    finally:
        await runner.cleanup()


def send_http(handler: Handler, **settings: Any) -> Outcome:
    """The outcome of one request to a server with this handler."""

    async def scenario() -> Outcome:
        async with http_server(handler) as endpoint:
            carrier = HttpTransport(OtlpSettings(endpoint=endpoint, **settings))
            try:
                return await carrier.send(BODY)
            finally:
                await carrier.close()

    return asyncio.run(scenario())


def answering(**response: Any) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(**response)

    return handler


@pytest.mark.parametrize("compression", list(Compression))
def test_http_sends_protobuf_with_the_headers_of_the_user(compression: Compression) -> None:
    seen: dict[str, Any] = {}

    async def handler(request: web.Request) -> web.Response:
        seen.update(request.headers)
        seen["body"] = await request.content.read()
        return web.Response()

    outcome = send_http(handler, headers={"api-key": "secret"}, compression=compression)
    assert outcome == Outcome()
    assert seen["Content-Type"] == "application/x-protobuf"
    assert seen["api-key"] == "secret"
    assert seen["body"] == BODY  # aiohttp's server has undone the compression
    assert seen.get("Content-Encoding", "none") == compression


@pytest.mark.parametrize(
    ("status", "reason", "retryable"),
    [
        (400, "rejected", False),
        (401, "unauthorized", False),
        (403, "unauthorized", False),
        (404, "rejected", False),
        (413, "rejected", False),
        (429, "throttled", True),
        (500, "server_error", False),
        (502, "unavailable", True),
        (503, "unavailable", True),
        (504, "unavailable", True),
        (302, "rejected", False),
    ],
)
def test_an_http_status_says_whether_to_retry(status: int, reason: str, retryable: bool) -> None:
    outcome = send_http(answering(status=status, text="because"))
    assert (outcome.reason, outcome.retryable) == (reason, retryable)
    assert outcome.detail == f"HTTP {status} b'because'"
    assert outcome.unanswered == (status in (502, 504)), "a proxy's"
    assert outcome.retry_after is None


def test_retry_after_is_seconds_or_a_date() -> None:
    def wait(value: str) -> float | None:
        return send_http(answering(status=503, headers={"Retry-After": value})).retry_after

    assert wait("12") == 12.0
    in_a_minute = wait(formatdate(time.time() + 60, usegmt=True))
    assert in_a_minute is not None
    assert 55 < in_a_minute <= 61
    assert wait(formatdate(0, usegmt=True)) == 0.0
    assert wait("soon") is None


def test_partial_success_is_told() -> None:
    assert send_http(answering(body=PARTIAL)) == Outcome(rejected=7, detail="too old")


def test_an_answer_that_is_no_protobuf_is_a_success() -> None:
    assert send_http(answering(text="{}")) == Outcome()


def test_a_receiver_that_is_not_there_is_retried() -> None:
    async def scenario() -> Outcome:
        async with http_server(answering()) as endpoint:
            pass
        carrier = HttpTransport(OtlpSettings(endpoint=endpoint))
        outcome = await carrier.send(BODY)
        await carrier.close()
        await carrier.close()
        return outcome

    outcome = asyncio.run(scenario())
    assert (outcome.reason, outcome.retryable) == ("connection", True)
    assert "ClientConnectorError" in outcome.detail
    assert not outcome.unanswered


def test_a_receiver_that_hangs_up_may_have_all() -> None:
    async def handler(request: web.Request) -> web.Response:
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    outcome = send_http(handler)
    assert (outcome.reason, outcome.retryable, outcome.unanswered) == ("connection", True, True)


def test_a_receiver_that_says_nothing_times_out() -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    outcome = send_http(handler, timeout=0.05)
    assert (outcome.reason, outcome.retryable, outcome.unanswered) == ("timeout", True, True)


def test_a_receiver_without_tls_is_a_connection_failure() -> None:
    async def scenario() -> Outcome:
        async with http_server(answering()) as endpoint:
            secure = endpoint.replace("http:", "https:")
            carrier = HttpTransport(OtlpSettings(endpoint=secure))
            try:
                return await carrier.send(BODY)
            finally:
                await carrier.close()

    assert asyncio.run(scenario()).reason == "connection"


GrpcHandler = Callable[[bytes, "grpc.aio.ServicerContext[Any, Any]"], Awaitable[bytes]]


@asynccontextmanager
async def grpc_server(handler: GrpcHandler) -> AsyncIterator[str]:
    """A server without generated stubs: bytes in, bytes out, as they are on the wire."""
    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(handler)
    service = "opentelemetry.proto.collector.metrics.v1.MetricsService"
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {"Export": method}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.stop(None)


def send_grpc(handler: GrpcHandler, **settings: Any) -> Outcome:
    async def scenario() -> Outcome:
        async with grpc_server(handler) as endpoint:
            carrier = GrpcTransport(
                OtlpSettings(endpoint=endpoint, protocol=Protocol.GRPC, **settings)
            )
            try:
                return await carrier.send(BODY)
            finally:
                await carrier.close()

    return asyncio.run(scenario())


def failing(
    code: grpc.StatusCode, details: tuple[Any, ...] = (), raw: bytes | None = None
) -> GrpcHandler:
    async def handler(body: bytes, context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
        packed = []
        for detail in details:
            packed.append(AnyMessage())
            packed[-1].Pack(detail)
        status = Status(code=code.value[0], details=packed).SerializeToString()
        trailers = (("other", "x"), ("grpc-status-details-bin", raw or status))
        await context.abort(code, "because", trailers if details or raw else ())
        return b""

    return handler


@pytest.mark.parametrize("compression", list(Compression))
def test_grpc_sends_the_same_bytes_with_the_headers_as_metadata(compression: Compression) -> None:
    seen: dict[str, Any] = {}

    async def handler(body: bytes, context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
        seen["body"] = body
        seen.update(context.invocation_metadata() or ())
        return b""

    outcome = send_grpc(handler, headers={"api-key": "secret"}, compression=compression)
    assert outcome == Outcome()
    assert seen["body"] == BODY
    assert seen["api-key"] == "secret"


@pytest.mark.parametrize(
    ("code", "reason", "retryable"),
    [
        (grpc.StatusCode.UNAVAILABLE, "unavailable", True),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "timeout", True),
        (grpc.StatusCode.ABORTED, "rejected", True),
        (grpc.StatusCode.DATA_LOSS, "server_error", True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "throttled", False),
        (grpc.StatusCode.INVALID_ARGUMENT, "rejected", False),
        (grpc.StatusCode.UNIMPLEMENTED, "rejected", False),
        (grpc.StatusCode.UNAUTHENTICATED, "unauthorized", False),
        (grpc.StatusCode.PERMISSION_DENIED, "unauthorized", False),
        (grpc.StatusCode.INTERNAL, "server_error", False),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_grpc_status_says_whether_to_retry(
    code: grpc.StatusCode, reason: str, retryable: bool
) -> None:
    outcome = send_grpc(failing(code))
    assert (outcome.reason, outcome.retryable) == (reason, retryable)
    assert outcome.detail == f"{code.name}: because"
    assert outcome.unanswered == (code.name in ("UNAVAILABLE", "DEADLINE_EXCEEDED"))
    assert outcome.retry_after is None


def test_retry_info_makes_an_exhausted_receiver_retryable() -> None:
    info = RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000))
    details = (ErrorInfo(reason="quota"), info)
    outcome = send_grpc(failing(grpc.StatusCode.RESOURCE_EXHAUSTED, details))
    assert (outcome.reason, outcome.retryable, outcome.retry_after) == ("throttled", True, 2.5)


@pytest.mark.parametrize("raw", [b"\xff\xff", b""], ids=["garbled", "absent"])
def test_status_details_without_retry_info_are_passed_over(raw: bytes) -> None:
    details = (ErrorInfo(reason="quota"),)
    outcome = send_grpc(failing(grpc.StatusCode.UNAVAILABLE, details, raw))
    assert outcome.retry_after is None
    assert outcome.retryable


def test_partial_success_is_told_over_grpc() -> None:
    async def handler(body: bytes, context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
        return PARTIAL

    assert send_grpc(handler) == Outcome(rejected=7, detail="too old")


def test_a_grpc_receiver_that_is_not_there_is_retried() -> None:
    async def scenario() -> Outcome:
        async def handler(body: bytes, context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
            return b""

        async with grpc_server(handler) as endpoint:
            pass
        carrier = transport(OtlpSettings(endpoint=endpoint, protocol=Protocol.GRPC, timeout=2.0))
        outcome = await carrier.send(BODY)
        await carrier.close()
        await carrier.close()
        return outcome

    outcome = asyncio.run(scenario())
    assert (outcome.reason, outcome.retryable) == ("unavailable", True)
    assert not outcome.unanswered, "it was not sent"


def test_a_cancelled_request_stays_cancelled() -> None:
    reached = asyncio.Event()

    async def handler(body: bytes, context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
        reached.set()
        await asyncio.Event().wait()
        return b""

    async def scenario() -> None:
        async with grpc_server(handler) as endpoint:
            carrier: Transport = GrpcTransport(OtlpSettings(endpoint=endpoint))
            task = asyncio.create_task(carrier.send(BODY), name="send")
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await carrier.close()

    asyncio.run(scenario())


def test_a_channel_closed_under_a_request_is_a_connection_failure() -> None:
    reached = asyncio.Event()

    async def handler(body: bytes, context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
        reached.set()
        await asyncio.Event().wait()
        return b""

    async def scenario() -> Outcome:
        async with grpc_server(handler) as endpoint:
            carrier = GrpcTransport(OtlpSettings(endpoint=endpoint))
            task = asyncio.create_task(carrier.send(BODY), name="send")
            await reached.wait()
            await carrier.close()
            return await task

    outcome = asyncio.run(scenario())
    assert outcome.retryable
