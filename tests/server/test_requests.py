"""What every answer has, and what is not answered."""

import asyncio
import logging
from urllib.parse import urlsplit

import pytest

from support.serving import site

PATHS = ("/", "/metrics", "/livez", "/readyz", "/api/summary", "/page.css", "/page.js", "/icon.svg")


@pytest.mark.parametrize("path", [*PATHS, "/nowhere"])
async def test_browsers_are_told_what_they_may_do(path: str) -> None:
    async with site() as served:
        _, _, response = await served.get(path)
    headers = response.headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Server"] == "argoscope", "not which library in which version"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_only_get_and_head_are_allowed(method: str, path: str) -> None:
    async with site() as served:
        status, _, response = await served.get(path, method=method)
    assert status == 405
    assert response.headers["Allow"] == "GET,HEAD"


@pytest.mark.parametrize("path", PATHS)
async def test_head_is_get_without_its_body(path: str) -> None:
    async with site() as served:
        got, text, response = await served.get(path)
        head, nothing, same = await served.get(path, method="HEAD")
    assert (head, nothing) == (got, "")
    assert text
    assert same.headers["Content-Type"] == response.headers["Content-Type"]


@pytest.mark.parametrize("path", ["/nowhere", "/page.html", "/../settings.py", "/metrics/"])
async def test_there_is_nothing_else(path: str) -> None:
    async with site() as served:
        assert (await served.get(path))[0] == 404


async def test_assets_are_kept_by_browsers_only_under_their_fingerprint() -> None:
    async with site() as served:
        _, page, _ = await served.get("/")
        name = page.partition('stylesheet" href="')[2].partition('"')[0]
        assert name.startswith("page.css?")
        _, _, lasting = await served.get(f"/{name}")
        _, _, other = await served.get("/page.css?old")
    assert "immutable" in lasting.headers["Cache-Control"]
    assert other.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "token", [b"hush-hush\x00", b"hush-hush" * 1000], ids=["control character", "too long"]
)
async def test_a_malformed_request_is_answered_and_its_token_is_not_logged(
    token: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with site() as served:
        where = urlsplit(served.address)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\n")
        writer.write(b"Authorization: Bearer " + token + b"\r\n\r\n")
        answer = await reader.read()
        writer.close()
        logging.getLogger("aiohttp.server").error("what else is amiss")
    assert answer.startswith(b"HTTP/1.0 400 ")
    assert "what else is amiss" in caplog.text
    assert "hush" not in caplog.text
    assert "Traceback" not in caplog.text
