"""Single requests: headers, 401, pages, reviews."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from argoscope import __version__
from argoscope.kube.client import Client, ClientSettings
from argoscope.kube.config import Access, Static
from argoscope.kube.errors import BadAnswerError, ForbiddenError, NotFoundError, UnauthorizedError
from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.faults import Fault
from support.api_server import client_of, thing

PATH = "/apis/argoproj.io/v1alpha1/workflows"


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with ApiServer() as running:
        yield running


@pytest.fixture
async def echo() -> AsyncIterator[tuple[str, list[web.Request]]]:
    """A server that keeps the requests; (address, requests)."""
    seen: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request)
        await request.read()  # kept by aiohttp, for the test to read again
        if request.path == "/login":
            raise web.HTTPFound("/elsewhere")
        return web.json_response({"path": request.path})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    await runner.cleanup()


@pytest.mark.parametrize("compress", [True, False])
async def test_requests_say_who_asks_and_what_is_understood(
    echo: tuple[str, list[web.Request]], compress: bool
) -> None:
    address, seen = echo
    access = Access(server=address, authorization="Bearer t", compress=compress)
    async with Client(Static(access)) as client:
        assert await client.get_json("/version") == {"path": "/version"}
        async with await client.watch("/watched", {"resourceVersion": "5"}):
            pass
        await client.send("PATCH", "/patched", {"a": 1})
    get, watch, patch = seen
    assert get.headers["User-Agent"] == f"argoscope/{__version__}"
    assert get.headers["Authorization"] == "Bearer t"
    assert get.headers["Accept"] == "application/json"
    assert get.headers["Accept-Encoding"] == ("gzip" if compress else "identity")
    assert watch.headers["Accept-Encoding"] == "identity", "a watch would be held up"
    assert dict(watch.query) == {"resourceVersion": "5", "watch": "true"}
    assert patch.headers["Content-Type"] == "application/merge-patch+json"
    assert await patch.read() == b'{"a":1}'


async def test_a_redirect_is_not_followed(echo: tuple[str, list[web.Request]]) -> None:
    address, seen = echo
    async with Client(Static(Access(server=address))) as client:
        with pytest.raises(Exception, match="302"):
            await client.get("/login")
    assert len(seen) == 1
    assert "Authorization" not in seen[0].headers


async def test_the_servers_address_may_have_a_path(echo: tuple[str, list[web.Request]]) -> None:
    address, seen = echo
    async with Client(Static(Access(server=address + "/k8s/clusters/c1"))) as client:
        await client.get("/version")
    assert seen[0].path == "/k8s/clusters/c1/version"


async def test_errors_come_by_status_with_the_servers_words(server: ApiServer) -> None:
    server.denied = {("list", "workflows")}
    async with client_of(server) as client:
        with pytest.raises(ForbiddenError, match="cannot list resource"):
            await client.get(PATH)
        with pytest.raises(NotFoundError):
            await client.get("/apis/nothing.io/v1/things")
        server.tokens = set()
        with pytest.raises(UnauthorizedError):
            await client.get(PATH)
        server.tokens = None
        server.fail(Fault(verb="version", body=b"<html>"))
        with pytest.raises(BadAnswerError, match="<html>"):
            await client.get_json("/version")


async def test_pages_show_one_moment(server: ApiServer) -> None:
    for number in range(25):
        server.cluster.put("workflows", thing(f"w{number:02}"))
    versions, names = set(), 0
    async with Client(
        Static(Access(server=server.address, compress=True)),
        ClientSettings(first_page=10, page_size=10),
    ) as client:
        async for page in client.pages(PATH):
            versions.add(page.metadata.resource_version)
            names += len(page.items)
            server.cluster.put("workflows", thing(f"later{names}"))
    assert (len(versions), names) == (1, 25)


async def test_reviews_answer_for_a_verb_and_kind(server: ApiServer) -> None:
    server.denied = {("watch", "workflows")}
    async with client_of(server) as client:
        assert (await client.allowed("list", "argoproj.io", "workflows")).allowed
        denied = await client.allowed("watch", "argoproj.io", "workflows", "team-a")
        assert (denied.allowed, denied.reason) == (False, "no RBAC rule matched")


async def test_discovery_lists_versions_and_kinds(server: ApiServer) -> None:
    async with client_of(server) as client:
        assert (await client.get_json("/version"))["gitVersion"] == "v1.34.1"
        found = await client.get_json("/apis/argoproj.io/v1alpha1")
        assert "workflows" in {resource["name"] for resource in found["resources"]}
        groups = await client.get_json("/apis")
        named = {group["name"] for group in groups["groups"]}
        assert named >= {"argoproj.io", "coordination.k8s.io"}
        assert (await client.get("/readyz")) == b"ok"
        server.cluster.put("workflows", thing("w"))
        one = await client.get_json("/apis/argoproj.io/v1alpha1/namespaces/default/workflows/w")
        assert one["metadata"]["name"] == "w"
        with pytest.raises(NotFoundError, match='"x" not found'):
            await client.get(PATH.replace("workflows", "namespaces/default/workflows/x"))


async def test_a_client_can_be_closed_unused_and_used_again(server: ApiServer) -> None:
    client = client_of(server)
    await client.close()
    assert await client.get("/livez") == b"ok"
    await client.close()
