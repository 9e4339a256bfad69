"""When the API server does not let us: 401, 403, 404, 429, 5xx, or is not there."""

import asyncio
import itertools

import pytest

from argoscope.kube.client import Client
from argoscope.kube.config import Access
from argoscope.kube.errors import ConfigError
from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.cluster import KINDS, Cluster
from argoscope.simulator.faults import Fault
from argoscope.watch.delta import Origin
from argoscope.watch.status import State
from support.api_server import Deltas, Kind, client_of, on_server, reflecting, thing, until

pytestmark = pytest.mark.looptime


class Rotating:
    """Credentials that are read from somewhere; ``token`` is what is there now."""

    def __init__(self, server: ApiServer, token: str) -> None:
        self.server, self.token, self.reads = server, token, 0
        self.fault: ConfigError | None = None
        self._held = ""

    async def access(self) -> Access:
        if not self._held:
            if self.fault:
                raise self.fault
            self.reads += 1
            self._held = self.token
        return Access(server=self.server.address, authorization=f"Bearer {self._held}")

    def invalidate(self) -> None:
        self._held = ""


async def test_a_rotated_token_is_read_again_at_once(server: ApiServer, deltas: Deltas) -> None:
    server.tokens = {"first"}
    credentials = Rotating(server, "first")
    async with reflecting(Client(credentials), deltas, watch_seconds=100) as reflector:
        await until(lambda: reflector.status.has_synced)
        server.tokens, credentials.token = {"second"}, "second"
        await until(lambda: reflector.status.reconnects == 2)
        assert (reflector.status.failures, credentials.reads) == ({}, 2)


async def test_credentials_that_stay_refused_are_a_failure_with_a_reason(
    server: ApiServer, deltas: Deltas
) -> None:
    server.tokens = {"good"}
    credentials = Rotating(server, "bad")
    async with reflecting(Client(credentials), deltas) as reflector:
        await until(lambda: reflector.status.failures.get("unauthorized", 0) >= 3)
        assert reflector.status.state is State.FAILING
        assert "401" in reflector.status.reason
        assert not reflector.status.ready
        failures = reflector.status.failures["unauthorized"]
        assert (len(server.requests), credentials.reads) == (2 * failures, failures + 1)
        credentials.token = "good"
        await until(lambda: reflector.status.state is State.SYNCED)
        assert reflector.status.reason == ""


async def test_credentials_that_can_not_be_read_are_a_failure_with_their_reason(
    server: ApiServer, deltas: Deltas
) -> None:
    credentials = Rotating(server, "t")
    credentials.fault = ConfigError("token file /x: gone")
    async with reflecting(Client(credentials), deltas) as reflector:
        await until(lambda: reflector.status.failures.get("credentials", 0) >= 1)
        assert (reflector.status.state, reflector.status.reason) == (
            State.FAILING,
            "token file /x: gone",
        )
        credentials.fault = None
        await until(lambda: reflector.status.has_synced)


@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_without_permission_it_says_which_and_asks_slowly(
    server: ApiServer, deltas: Deltas, verb: str
) -> None:
    server.denied = {(verb, "workflows")}
    server.cluster.put("workflows", thing("w"))
    loop = asyncio.get_running_loop()
    async with reflecting(client_of(server), deltas, streaming_lists=False) as reflector:
        await until(lambda: reflector.status.failures.get("forbidden") == 5)
        assert reflector.status.state is State.FORBIDDEN
        for word in (f"cannot {verb}", "workflows.argoproj.io", "grant", "list", "watch"):
            assert word in reflector.status.reason
        assert loop.time() > 4 * 30
        assert not reflector.status.up
        server.denied.clear()
        await until(lambda: reflector.status.state is State.SYNCED)
        assert deltas.live == on_server(server.cluster)
    assert deltas.origins == [Origin.FIRST_LIST]


async def test_an_optional_kind_without_permission_does_not_hold_readiness_up(
    server: ApiServer, deltas: Deltas
) -> None:
    server.denied = {("list", "nodes"), ("watch", "nodes")}
    for optional in (False, True):
        kind = Kind("node", "", "v1", "nodes", namespaced=False, optional=optional)
        async with reflecting(client_of(server), deltas, kind) as reflector:
            await until(lambda: reflector.status.state is State.FORBIDDEN)
            assert reflector.status.ready is optional


async def test_a_kind_that_is_not_installed_is_absent_until_it_appears(deltas: Deltas) -> None:
    async with ApiServer(Cluster(())) as server:
        async with reflecting(client_of(server), deltas) as reflector:
            await until(lambda: len(server.requests) == 4)
            assert reflector.status.state is State.ABSENT
            assert reflector.status.ready
            assert "CRD is not installed" in reflector.status.reason
            assert asyncio.get_running_loop().time() > 30
            server.cluster.serve(KINDS[0])
            server.cluster.put("workflows", thing("w"))
            await until(lambda: reflector.status.state is State.SYNCED, seconds=100)
            assert (reflector.status.relists, reflector.status.reason) == ({}, "")
        # It came to be while we looked: not history.
        assert deltas.origins == [Origin.RELIST]


async def test_a_kind_that_is_removed_takes_its_objects_along(
    server: ApiServer, deltas: Deltas
) -> None:
    server.cluster.put("workflows", thing("w"))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        await server.stop()
        kind = server.cluster.collections.pop("workflows").kind
        await server.start()
        await until(lambda: reflector.status.state is State.ABSENT)
        assert deltas.log[-1] == ("tombstone", "w")
        assert reflector.status.objects == 0
        server.cluster.serve(kind)
        server.cluster.put("workflows", thing("again"))
        await until(lambda: deltas.live == on_server(server.cluster))
        assert reflector.status.relists == {"reappeared": 1}


async def test_one_404_of_a_starting_server_does_not_bury_anything(
    server: ApiServer, deltas: Deltas
) -> None:
    """It may not have loaded its CRDs yet."""
    server.cluster.put("workflows", thing("w"))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        server.fail(Fault(verb="watch", status=404))
        await server.stop()
        await server.start()
        await until(lambda: reflector.status.failures.get("not_found") == 1)
        await until(lambda: len(deltas.lists) == 2)
    assert deltas.log == [("upsert", "w")]


async def test_a_watch_learns_that_its_kind_was_withdrawn(
    server: ApiServer, deltas: Deltas
) -> None:
    server.cluster.put("workflows", thing("w"))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        server.cluster.withdraw("workflows")
        await until(lambda: reflector.status.state is State.ABSENT)
    assert deltas.live == {}


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_honoured(server: ApiServer, deltas: Deltas, status: int) -> None:
    loop = asyncio.get_running_loop()
    server.fail(Fault(status=status, retry_after=77))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: len(server.requests) == 1)
        asked = loop.time()
        await until(lambda: len(server.requests) == 2)
        assert 76 <= loop.time() - asked <= 80
        await until(lambda: reflector.status.has_synced)
    assert reflector.status.failures == {"throttled" if status == 429 else "server": 1}


async def test_an_absurd_retry_after_is_cut_short(server: ApiServer, deltas: Deltas) -> None:
    server.fail(Fault(status=429, retry_after=86_400))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced, seconds=310)


async def test_server_errors_are_retried_ever_more_slowly(
    server: ApiServer, deltas: Deltas
) -> None:
    loop, times = asyncio.get_running_loop(), []
    server.fail(Fault(status=500, times=12))
    async with reflecting(client_of(server), deltas) as reflector:
        for count in range(1, 13):
            await until(lambda n=count: len(server.requests) >= n)  # type: ignore[misc]
            times.append(loop.time())
        assert reflector.status.state is State.FAILING
        assert "500" in reflector.status.reason
        await until(lambda: reflector.status.has_synced)
        assert reflector.status.failures == {"server": 12}
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[0] < 2
    assert all(14 <= pause <= 47 for pause in pauses[7:])


async def test_a_server_that_is_down_is_waited_for(deltas: Deltas) -> None:
    server = ApiServer()
    await server.start()
    server.cluster.put("workflows", thing("w"))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        await server.stop()
        await until(lambda: reflector.status.failures.get("network", 0) > 4)
        assert reflector.status.state is State.FAILING
        assert "can't reach the API server" in reflector.status.reason
        assert reflector.status.ready  # what was seen still holds
        server.cluster.put("workflows", thing("w", step=1))
        await server.start()
        await until(lambda: deltas.live == on_server(server.cluster))
        await until(lambda: reflector.status.state is State.SYNCED)
        assert reflector.status.relists == {}
    await server.stop()


async def test_a_short_outage_is_not_called_failing(server: ApiServer, deltas: Deltas) -> None:
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.has_synced)
        await server.stop()
        await server.start()
        await until(lambda: reflector.status.reconnects == 1)
        assert reflector.status.failures == {"network": 1}
        assert reflector.status.state is State.SYNCED


async def test_a_server_that_does_not_answer_is_given_up_in_time(
    server: ApiServer, deltas: Deltas
) -> None:
    server.fail(Fault(hang=True, times=2))
    async with reflecting(client_of(server), deltas) as reflector:
        await until(lambda: reflector.status.failures == {"timeout": 1}, seconds=62)
        assert "did not answer in time" in reflector.status.reason
        await until(lambda: reflector.status.has_synced)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>log in</html>", "not an answer of the Kubernetes API"),
        (b'{"metadata":{},"items":[]}', "no resourceVersion"),
    ],
    ids=["a login page", "a list without version"],
)
async def test_an_answer_that_is_no_list_is_a_failure(
    server: ApiServer, deltas: Deltas, body: bytes, said: str
) -> None:
    server.fail(Fault(verb="list", body=body))
    async with reflecting(client_of(server), deltas, streaming_lists=False) as reflector:
        await until(lambda: reflector.status.failures == {"bad_answer": 1})
        assert said in reflector.status.reason
        await until(lambda: reflector.status.has_synced)


async def test_an_empty_list_may_be_null(server: ApiServer, deltas: Deltas) -> None:
    body = b'{"metadata":{"resourceVersion":"1000"},"items":null}'
    server.fail(Fault(verb="list", body=body))
    async with reflecting(client_of(server), deltas, streaming_lists=False) as reflector:
        await until(lambda: reflector.status.has_synced)
        assert reflector.status.failures == {}
