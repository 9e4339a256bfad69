"""The undisturbed way: list, then watch; by namespace and selector; what the status says."""

import asyncio

import pytest

from argoscope.simulator.api_server import ApiServer
from argoscope.watch.delta import Origin
from argoscope.watch.reflector import reflectors
from argoscope.watch.selection import LabelAndField
from argoscope.watch.status import State
from support.api_server import (
    EPOCH,
    WORKFLOWS,
    Deltas,
    Kind,
    client_of,
    on_server,
    reflecting,
    thing,
    until,
)

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming list", "paged list"])
async def test_objects_of_before_and_changes_after_are_delivered(
    server: ApiServer, deltas: Deltas, streaming: bool
) -> None:
    server.streaming_lists = streaming
    for number in range(120):
        server.cluster.put("workflows", thing(f"w{number}"))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        assert deltas.lists == [("", Origin.FIRST_LIST)]
        assert len(deltas.live) == 120
        server.cluster.put("workflows", thing("w1", step=7))
        server.cluster.put("workflows", thing("new"))
        server.cluster.remove("workflows", thing("w2"))
        await until(lambda: deltas.live == on_server(server.cluster))
        status = reflector.status
        assert (status.state, status.reason, status.up) == (State.SYNCED, "", True)
        assert (status.objects, status.relists, status.failures) == (120, {}, {})
        assert status.ready
    assert deltas.log[-3:] == [("upsert", "w1"), ("upsert", "new"), ("delete", "w2")]
    assert set(deltas.origins[:120]) == {Origin.FIRST_LIST}
    assert deltas.origins[120:] == [Origin.WATCH, Origin.WATCH]
    assert ("list" in [verb for verb, _ in server.requests]) is not streaming


async def test_pages_grow_to_what_fits(server: ApiServer, deltas: Deltas) -> None:
    for number in range(700):
        server.cluster.put("workflows", thing(f"w{number}"))
    async with reflecting(client_of(server), deltas, streaming_lists=False) as reflector:
        await until(lambda: reflector.status.has_synced)
    limits = [query.split("limit=")[1].split("&")[0] for verb, query in server.requests[:3]]
    assert limits == ["50", "500", "500"]
    assert len(deltas.live) == 700


async def test_pages_of_large_objects_are_short(server: ApiServer, deltas: Deltas) -> None:
    for number in range(30):
        server.cluster.put("workflows", thing(f"w{number}", filler="x" * 10_000))
    client = client_of(server, first_page=5, page_bytes=100_000)
    async with reflecting(client, deltas, streaming_lists=False) as reflector:
        await until(lambda: reflector.status.has_synced)
    limits = [query.split("limit=")[1].split("&")[0] for verb, query in server.requests[:4]]
    assert limits == ["5", "9", "9", "9"]
    assert len(deltas.live) == 30


async def test_a_quiet_watch_goes_on_from_its_bookmark(server: ApiServer, deltas: Deltas) -> None:
    server.cluster.put("workflows", thing("w"))
    async with reflecting(client_of(server), deltas, watch_seconds=200) as reflector:
        await until(lambda: reflector.status.has_synced)
        server.cluster.put("pods", thing("p"))  # the cluster moves on, this kind does not
        await until(lambda: reflector.status.reconnects == 2)
        assert reflector.status.last_bookmark > EPOCH
        assert reflector.status.relists == reflector.status.failures == {}
    _, query = server.requests[-1]
    assert f"resourceVersion={server.cluster.version}" in query


async def test_the_watch_is_asked_to_end_after_a_random_time(
    server: ApiServer, deltas: Deltas
) -> None:
    times = set()
    for seed in range(5):
        async with reflecting(client_of(server), Deltas(), seed=seed) as reflector:
            await until(lambda: reflector.status.has_synced)
        times.add(int(server.requests[-1][1].split("timeoutSeconds=")[1].split("&")[0]))
    assert len(times) > 1
    assert all(300 <= seconds <= 600 for seconds in times)


async def test_only_the_selected_objects_come(server: ApiServer, deltas: Deltas) -> None:
    chosen = {"labels": {"team": "data"}}
    server.cluster.put("workflows", thing("mine", metadata=chosen))
    server.cluster.put("workflows", thing("other"))
    selection = LabelAndField(label="team=data")
    async with reflecting(client_of(server), deltas, selection=selection) as reflector:
        await until(lambda: reflector.status.has_synced)
        assert list(deltas.live) == ["mine"]
        server.cluster.put("workflows", thing("mine"))  # leaves the selection
        await until(lambda: not deltas.live)
        assert reflector.status.stream == "team=data"
    assert deltas.log == [("upsert", "mine"), ("delete", "mine")]


async def test_an_object_that_is_selected_again_is_live_again(server: ApiServer) -> None:
    """The one case in which a uid comes back: with a newer version than its deletion."""
    deltas, chosen = Deltas(), {"labels": {"team": "data"}}
    selection = LabelAndField(label="team=data")
    async with reflecting(client_of(server), deltas, selection=selection) as reflector:
        await until(lambda: reflector.status.has_synced)
        server.cluster.put("workflows", thing("w", metadata=chosen))
        server.cluster.put("workflows", thing("w"))
        await until(lambda: ("delete", "w") in deltas.log)
        deltas.forget()
        server.cluster.put("workflows", thing("w", metadata=chosen))
        await until(lambda: "w" in deltas.live)


async def test_one_stream_for_each_namespace_and_selection(server: ApiServer) -> None:
    deltas = Deltas()
    kind = Kind(selectors=(LabelAndField(label="a"), LabelAndField(field="metadata.name=w")))
    labels = {"metadata": {"labels": {"a": "1", "team": "x"}}}
    for namespace in ("one", "two", "three"):
        server.cluster.put("workflows", thing(f"in-{namespace}", namespace=namespace, **labels))
    client = client_of(server)
    found = reflectors(kind, client, deltas, namespaces=("one", "two"), label="team=x")
    assert [each.status.stream for each in found] == [
        "one; a,team=x",
        "one; team=x; metadata.name=w",
        "two; a,team=x",
        "two; team=x; metadata.name=w",
    ]
    tasks = [asyncio.create_task(each.run()) for each in found]
    await until(lambda: all(each.status.has_synced for each in found))
    assert set(deltas.live) == {"in-one", "in-two"}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.close()


async def test_kinds_without_namespaces_have_one_stream(server: ApiServer) -> None:
    kind = Kind(name="node", group="", version="v1", plural="nodes", namespaced=False)
    client = client_of(server)
    found = reflectors(kind, client, Deltas(), namespaces=("one", "two"))
    assert [each.status.stream for each in found] == [""]
    assert len(reflectors(WORKFLOWS, client, Deltas())) == 1
    await client.close()


async def test_two_objects_of_one_name_one_after_the_other(
    server: ApiServer, deltas: Deltas
) -> None:
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        server.cluster.put("workflows", thing("w", metadata={"uid": "first"}))
        server.cluster.put("workflows", thing("w", metadata={"uid": "second"}))
        await until(lambda: deltas.live == on_server(server.cluster))
    assert [what for what, _ in deltas.log] == ["upsert", "delete", "upsert"]
