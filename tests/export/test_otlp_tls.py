"""TLS and client certificates over both protocols, with certificates made for the test."""

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path

import grpc
import grpc.aio
import pytest
from aiohttp import web

from argoscope.export.otlp_settings import OtlpSettings, Protocol
from argoscope.export.otlp_transport import GrpcTransport, Outcome, Transport, transport

SERVICE = "opentelemetry.proto.collector.metrics.v1.MetricsService"
_SUBJECT = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that vouches for itself, and its key; for server and client alike."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make certificates")
    folder = tmp_path_factory.mktemp("pem")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    command: list[str | Path] = [
        openssl,
        "req",
        "-x509",
        *kind,
        *_SUBJECT,
        "-keyout",
        key,
        "-out",
        certificate,
    ]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def settings(
    port: int, protocol: Protocol, pem: tuple[Path, Path], *, client: bool = True
) -> OtlpSettings:
    return OtlpSettings(
        endpoint=f"https://127.0.0.1:{port}/v1/metrics",
        protocol=protocol,
        certificate=pem[0],
        client_certificate=pem[0] if client else None,
        client_key=pem[1] if client else None,
        timeout=5.0,
    )


async def _send_twice(carrier: Transport) -> list[Outcome]:
    try:
        return [await carrier.send(b"\x0a\x00") for _ in range(2)]
    finally:
        await carrier.close()


async def _over_http(pem: tuple[Path, Path], *, client: bool) -> list[Outcome]:
    async def handler(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=pem[0])
    context.load_cert_chain(*pem)
    context.verify_mode = ssl.CERT_REQUIRED
    app = web.Application()
    app.router.add_post("/v1/metrics", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        port = runner.addresses[0][1]
        return await _send_twice(transport(settings(port, Protocol.HTTP, pem, client=client)))
    finally:
        await runner.cleanup()


async def _over_grpc(pem: tuple[Path, Path], *, client: bool) -> list[Outcome]:
    async def export(body: bytes, context: object) -> bytes:
        return b""

    certificate, key = (path.read_bytes() for path in pem)
    credentials = grpc.ssl_server_credentials(
        [(key, certificate)], root_certificates=certificate, require_client_auth=True
    )
    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(export)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {"Export": method}),)
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        return await _send_twice(transport(settings(port, Protocol.GRPC, pem, client=client)))
    finally:
        await server.stop(None)


def test_a_client_certificate_opens_the_door_over_http(pem: tuple[Path, Path]) -> None:
    assert asyncio.run(_over_http(pem, client=True)) == [Outcome(), Outcome()]


def test_without_client_certificate_the_door_stays_shut_over_http(pem: tuple[Path, Path]) -> None:
    reasons = {outcome.reason for outcome in asyncio.run(_over_http(pem, client=False))}
    assert reasons == {"connection"}


def test_a_client_certificate_opens_the_door_over_grpc(pem: tuple[Path, Path]) -> None:
    assert asyncio.run(_over_grpc(pem, client=True)) == [Outcome(), Outcome()]


def test_without_client_certificate_the_door_stays_shut_over_grpc(pem: tuple[Path, Path]) -> None:
    reasons = {outcome.reason for outcome in asyncio.run(_over_grpc(pem, client=False))}
    assert reasons == {"unavailable"}


def test_a_receiver_that_is_not_vouched_for_is_refused(pem: tuple[Path, Path]) -> None:
    async def scenario() -> list[Outcome]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*pem)
        runner = web.AppRunner(web.Application())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        try:
            endpoint = f"https://127.0.0.1:{runner.addresses[0][1]}/v1/metrics"
            return await _send_twice(transport(OtlpSettings(endpoint=endpoint)))
        finally:
            await runner.cleanup()

    first, _ = asyncio.run(scenario())
    assert first.reason == "connection"
    assert "CertificateError" in first.detail


@pytest.mark.parametrize(
    ("endpoint", "target"),
    [
        ("http://collector", "collector:80"),
        ("https://collector", "collector:443"),
        ("http://collector:4317/ignored", "collector:4317"),
        ("http://user@collector:4317", "collector:4317"),
    ],
)
def test_grpc_takes_host_and_port_of_the_endpoint(endpoint: str, target: str) -> None:
    carrier = GrpcTransport(OtlpSettings(endpoint=endpoint, protocol=Protocol.GRPC))
    assert carrier.target == target
