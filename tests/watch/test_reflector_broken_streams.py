"""Streams that break, stall, stutter or carry what can't be read."""

import asyncio

import pytest

from argoscope.kube.stream import MAX_LINE
from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.faults import Fault
from argoscope.watch.delta import Origin
from argoscope.watch.status import State
from support.api_server import EPOCH, Deltas, client_of, on_server, reflecting, thing, until

pytestmark = pytest.mark.looptime


async def test_a_line_that_a_cut_has_broken_comes_whole_after_the_reconnect(
    server: ApiServer, deltas: Deltas
) -> None:
    server.fail(Fault(verb="watch", cut=True, after=4))
    server.cluster.put("workflows", thing("w0"))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        for step in range(1, 9):  # the object and the bookmark of the streaming list were two
            server.cluster.put("workflows", thing("w0", step=step))
        await until(lambda: deltas.live == on_server(server.cluster))
        status = reflector.status
        assert (status.reconnects, status.failures, status.relists) == (1, {"network": 1}, {})
        assert status.state is State.SYNCED
    assert deltas.problems == []
    assert len(deltas.log) == 9


async def test_a_stream_that_the_server_ends_is_opened_again(
    server: ApiServer, deltas: Deltas
) -> None:
    server.fail(Fault(verb="watch", end=True, after=3, times=3))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        for step in range(12):
            server.cluster.put("workflows", thing("w", step=step))
        await until(lambda: deltas.live == on_server(server.cluster))
        assert (reflector.status.reconnects, reflector.status.failures) == (3, {})
    assert len(deltas.log) == 12


async def test_streams_that_end_without_a_word_are_not_opened_in_a_circle(
    server: ApiServer, deltas: Deltas
) -> None:
    loop = asyncio.get_running_loop()
    server.cluster.put("workflows", thing("w"))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        await server.stop()
        server.fail(Fault(verb="watch", end=True, times=10))
        server.cluster.put("workflows", thing("w", step=1))
        begun, before = loop.time(), len(server.requests)
        await server.start()
        await until(lambda: deltas.live == on_server(server.cluster))
        assert loop.time() - begun > 60
    assert len(server.requests) - before == 11


async def test_silence_is_ended_by_the_inactivity_timeout(
    server: ApiServer, deltas: Deltas
) -> None:
    server.fail(Fault(verb="watch", stall=True, after=2))
    server.cluster.put("workflows", thing("w"))
    async with reflecting(client_of(server), deltas, idle_seconds=100) as reflector:
        await until(lambda: reflector.status.has_synced)
        server.cluster.put("workflows", thing("w", step=1))
        await until(lambda: deltas.live == on_server(server.cluster), seconds=102)
        assert reflector.status.failures == {"idle": 1}
        assert reflector.status.state is State.SYNCED


async def test_events_and_bookmarks_put_the_inactivity_timeout_off(
    server: ApiServer, deltas: Deltas
) -> None:
    server.bookmark_seconds = 80
    async with reflecting(
        client_of(server), deltas, idle_seconds=100, watch_seconds=4000
    ) as reflector:
        await until(lambda: reflector.status.has_synced)
        await until(lambda: reflector.status.last_bookmark - EPOCH > 900)
        assert reflector.status.reconnects == 0
        assert reflector.status.failures == {}


@pytest.mark.parametrize("size", [1, 7, 1000], ids=str)
async def test_lines_in_pieces_are_put_together(
    server: ApiServer, deltas: Deltas, size: int
) -> None:
    server.fail(Fault(verb="watch", chunk=size))
    for number in range(5):
        server.cluster.put("workflows", thing(f"w{number}"))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        server.cluster.put("workflows", thing("w2", step=3))
        await until(lambda: deltas.live == on_server(server.cluster))
        assert reflector.status.failures == {}


async def test_duplicates_and_old_events_are_dropped(server: ApiServer, deltas: Deltas) -> None:
    """``Deltas`` fails on a version that comes twice or goes back, and on a resurrection."""
    server.fail(Fault(verb="watch", duplicate=True))
    for number in range(5):
        server.cluster.put("workflows", thing(f"w{number}"))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        for step in range(5):
            server.cluster.put("workflows", thing("w1", step=step))
            server.cluster.remove("workflows", thing(f"w{step}" if step != 1 else "none"))
        await until(lambda: deltas.live == on_server(server.cluster))
    assert list(deltas.live) == ["w1"]


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming list", "paged list"])
async def test_events_of_several_megabytes_are_read(
    server: ApiServer, deltas: Deltas, streaming: bool
) -> None:
    server.streaming_lists = streaming
    large = thing("large", filler="x" * 6_000_000)
    server.cluster.put("workflows", large)
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        server.cluster.put("workflows", {**large, "step": 2})
        await until(lambda: deltas.live == on_server(server.cluster))
        assert reflector.status.failures == {}
    assert deltas.problems == []
    stored = server.cluster.get("workflows", "large", "default")
    assert stored is not None
    assert deltas.sizes[-1] == len(stored.json) > 6_000_000


async def test_an_event_beyond_the_bound_is_skipped_and_told(
    server: ApiServer, deltas: Deltas
) -> None:
    async with reflecting(client_of(server, max_line=100_000), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        server.cluster.put("workflows", thing("before"))
        server.cluster.put("workflows", thing("huge", filler="x" * 200_000))
        server.cluster.put("workflows", thing("after"))
        await until(lambda: "after" in deltas.live)
        assert reflector.status.failures == {}
    assert set(deltas.live) == {"before", "after"}
    [(reason, detail)] = deltas.problems
    assert reason == "oversized"
    assert "200" in detail
    assert MAX_LINE > 8 << 20


async def test_an_unreadable_object_is_one_problem_and_the_rest_goes_on(
    server: ApiServer, deltas: Deltas
) -> None:
    bad = thing("bad") | {"step": "not a number"}
    server.cluster.put("workflows", bad)
    server.cluster.put("workflows", thing("good"))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        server.compact()
        server.fail(Fault(verb="watch", error=410))
        server.cluster.put("workflows", thing("good", step=1))
        await until(lambda: deltas.live.get("good", (0, 0, 0))[2] == 1)
        server.cluster.put("workflows", thing("bad", step=5))
        await until(lambda: deltas.live == on_server(server.cluster))
    [(reason, detail)] = deltas.problems
    assert reason == "wrong_shape"
    assert detail.startswith("default/bad: ")
    assert "$.step" in detail


async def test_a_line_that_is_no_event_ends_the_stream_but_not_the_watch(
    server: ApiServer, deltas: Deltas
) -> None:
    server.cluster.put("workflows", thing("w"))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        server.fail(Fault(verb="watch", end=True))
        server.fail(Fault(verb="watch", junk=b"<html>proxy</html>"))
        server.fail(Fault(verb="watch", junk=b'{"type":"BOOKMARK","object":{}}'))
        await until(lambda: reflector.status.failures.get("bad_answer") == 2)
        server.cluster.put("workflows", thing("w", step=1))
        await until(lambda: deltas.live == on_server(server.cluster))
        assert reflector.status.relists == {}


async def test_an_unknown_event_type_is_ignored(server: ApiServer, deltas: Deltas) -> None:
    server.fail(Fault(verb="watch", junk=b'{"type":"NEWS","object":{}}'))
    server.cluster.put("workflows", thing("w"))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        assert reflector.status.failures == {}
    assert deltas.origins == [Origin.FIRST_LIST]


async def test_a_list_that_is_nested_too_deep_is_a_fault_like_others(
    server: ApiServer, deltas: Deltas
) -> None:
    deep = b'{"metadata":{},"spec":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    page = b'{"metadata":{"resourceVersion":"1"},"items":[' + deep + b"]}"
    server.fail(Fault(verb="list", body=page, times=2))
    server.cluster.put("workflows", thing("good"))
    async with reflecting(client_of(server), deltas, streaming_lists=False) as reflector:
        await until(lambda: reflector.status.failures != {})
        assert "nested too deep" in reflector.status.reason
        await until(lambda: reflector.status.has_synced)
    assert set(deltas.live) == {"good"}
