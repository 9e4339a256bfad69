"""The undisturbed way: list, then watch."""

import pytest

from argoscope.simulator.api_server import ApiServer
from argoscope.watch.delta import Origin
from argoscope.watch.reflector import LabelAndField
from argoscope.watch.status import State
from support.api_server import Deltas, client_of, on_server, reflecting, thing, until

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming list", "paged list"])
async def test_objects_of_before_and_changes_after_are_delivered(streaming: bool) -> None:
    deltas = Deltas()
    async with ApiServer() as server:
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
        assert deltas.log[-3:] == [("upsert", "w1"), ("upsert", "new"), ("delete", "w2")]
        assert set(deltas.origins[:120]) == {Origin.FIRST_LIST}
        assert deltas.origins[120:] == [Origin.WATCH, Origin.WATCH]
        status = reflector.status
        assert (status.state, status.reason, status.objects) == (State.SYNCED, "", 120)
        assert (status.relists, status.failures) == ({}, {})
        assert ("list" in [verb for verb, _ in server.requests]) is not streaming
