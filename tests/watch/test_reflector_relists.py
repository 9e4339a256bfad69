"""When the position is lost: 410 in all its forms, expired pages, restored clusters."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from argoscope.kube.client import Page, Params
from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.faults import Fault
from argoscope.watch.delta import Origin
from argoscope.watch.status import State
from support.api_server import Deltas, client_of, on_server, reflecting, thing, until

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming list", "paged list"])
@pytest.mark.parametrize("as_status", [True, False], ids=["410 as status", "410 as ERROR event"])
async def test_a_forgotten_position_is_listed_anew_with_tombstones(
    server: ApiServer, deltas: Deltas, as_status: bool, streaming: bool
) -> None:
    server.streaming_lists = streaming
    server.gone_as_status = as_status
    for name in ("kept", "changed", "removed"):
        server.cluster.put("workflows", thing(name))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        await server.stop()
        server.cluster.put("workflows", thing("changed", step=1))
        server.cluster.put("workflows", thing("born"))
        server.cluster.remove("workflows", thing("removed"))
        server.compact()
        await server.start()
        await until(lambda: deltas.live == on_server(server.cluster))
        assert reflector.status.relists == {"expired": 1}
        await until(lambda: reflector.status.state is State.SYNCED)
    assert deltas.log[3:] == [("upsert", "born"), ("upsert", "changed"), ("tombstone", "removed")]
    assert deltas.origins[3:] == [Origin.RELIST] * 2
    assert deltas.lists == [("", Origin.FIRST_LIST), ("", Origin.RELIST)]


async def test_compaction_while_a_watch_is_behind(server: ApiServer, deltas: Deltas) -> None:
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        server.cluster.put("workflows", thing("w"))
        server.compact()  # before the watch had a chance to send it
        await until(lambda: deltas.live == on_server(server.cluster))


async def test_a_server_that_always_says_410_is_not_listed_in_a_circle(
    server: ApiServer, deltas: Deltas
) -> None:
    server.streaming_lists = False
    server.fail(Fault(verb="watch", status=422))  # the streaming list
    server.fail(Fault(verb="watch", error=410, times=1000))
    server.bookmark_seconds = 0.001
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: sum(reflector.status.relists.values()) >= 5)
        before = sum(reflector.status.relists.values())
        await until(lambda: reflector.status.relists["expired"] >= before + 10)
    assert asyncio.get_running_loop().time() > 100


async def test_pages_that_expire_halfway_start_again(server: ApiServer, deltas: Deltas) -> None:
    """The fresh token of the 410 would miss what changed on the pages already read."""
    for number in range(30):
        server.cluster.put("workflows", thing(f"w{number}"))
    server.fail(Fault(verb="list", continued=True, status=410))
    client = client_of(server, first_page=10, page_size=10)
    async with reflecting(client, deltas, streaming_lists=False) as reflector:
        await until(lambda: reflector.status.has_synced)
        assert reflector.status.failures == {"list_expired": 1}
    assert deltas.live == on_server(server.cluster)
    continued = ["continue=" in query for verb, query in server.requests if verb == "list"]
    assert continued == [False, True, False, True, True]
    assert deltas.lists == [("", Origin.FIRST_LIST)]


async def test_a_fresh_token_does_not_hide_changes_on_pages_already_read(
    server: ApiServer, deltas: Deltas
) -> None:
    for number in range(20):
        server.cluster.put("workflows", thing(f"w{number}"))
    client = client_of(server, first_page=10, page_size=10)
    pages = client.pages

    async def compacting(path: str, params: Params | None = None) -> AsyncIterator[Page]:
        async for page in pages(path, params):
            yield page
            if len(deltas.lists) == 0 and server.cluster.version < 1021:
                server.cluster.remove("workflows", thing("w0"))
                server.compact()

    client.pages = compacting  # type: ignore[method-assign]
    async with reflecting(client, deltas, streaming_lists=False) as reflector:
        await until(lambda: reflector.status.has_synced)
        assert deltas.live == on_server(server.cluster)
        assert "w0" not in deltas.live


@pytest.mark.parametrize("fault", [Fault(cut=True), Fault(end=True), Fault(stall=True)], ids=str)
async def test_streaming_lists_that_break_off_give_way_to_pages(
    server: ApiServer, deltas: Deltas, fault: Fault
) -> None:
    for number in range(10):
        server.cluster.put("workflows", thing(f"w{number}"))
    fault.verb, fault.after, fault.times = "watch", 5, 2
    server.fail(fault)
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        assert deltas.live == on_server(server.cluster)
        assert sum(reflector.status.failures.values()) == 2
    verbs = [verb for verb, _ in server.requests]
    assert verbs[:3] == ["watch", "watch", "list"]


async def test_a_list_that_broke_off_leaves_no_tombstones(
    server: ApiServer, deltas: Deltas
) -> None:
    for number in range(10):
        server.cluster.put("workflows", thing(f"w{number}"))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        server.cluster.put("workflows", thing("w1", step=1))
        server.compact()
        server.fail(Fault(verb="watch", cut=True, after=3))
        await server.stop()
        await server.start()
        await until(lambda: deltas.live == on_server(server.cluster))
    assert all(what == "upsert" for what, _ in deltas.log)


async def test_a_cluster_restored_from_a_backup_is_listed_and_its_lower_versions_count(
    server: ApiServer, deltas: Deltas
) -> None:
    for number in range(10):
        server.cluster.put("workflows", thing(f"w{number}"))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        await server.stop()
        server.cluster.restore(1005)
        server.cluster.remove("workflows", thing("w9"))
        server.cluster.put("workflows", thing("w1", step=4))
        deltas.forget()
        await server.start()
        await until(lambda: deltas.live == on_server(server.cluster))
        assert reflector.status.relists == {"restored": 1}


async def test_a_restored_cluster_is_noticed_by_its_page(server: ApiServer, deltas: Deltas) -> None:
    for number in range(10):
        server.cluster.put("workflows", thing(f"w{number}"))
    async with reflecting(client_of(server), deltas, streaming_lists=False) as reflector:
        await until(lambda: reflector.status.has_synced)
        await server.stop()
        server.cluster.restore(1005)
        server.cluster.put("workflows", thing("w1", step=4))
        deltas.forget()
        server.fail(Fault(verb="watch", status=504, cause="ResourceVersionTooLarge"))
        await server.start()
        await until(lambda: deltas.live == on_server(server.cluster))
        assert reflector.status.relists == {"restored": 1}


async def test_a_position_that_the_server_finds_invalid_is_given_up(
    server: ApiServer, deltas: Deltas
) -> None:
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        server.fail(Fault(verb="watch", status=400))
        await server.stop()
        await server.start()
        await until(lambda: reflector.status.relists == {"error": 1})


async def test_a_position_that_is_refused_again_and_again_is_given_up(
    server: ApiServer, deltas: Deltas
) -> None:
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        server.fail(Fault(verb="watch", status=500, times=5))
        await server.stop()
        await server.start()
        await until(lambda: reflector.status.relists == {"error": 1})
        await until(lambda: reflector.status.state is State.SYNCED)
        assert reflector.status.failures["server"] == 5
