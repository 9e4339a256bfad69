"""One daemon after the other, without a volume: what ended in between is counted once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from msgspec import to_builtins

from argoscope.export.otlp_settings import OtlpSettings
from argoscope.lease import watermark
from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.faults import Fault
from support.api_server import EPOCH, virtual_clock
from support.leases import (
    HANDOVER,
    HELD,
    SUCCEEDED,
    WATERMARK,
    claim,
    committed,
    ended,
    held,
    holding,
    lease,
    marks,
    scrape,
)
from support.scrape import key
from support.serving import Site, daemon, ready, workflow

pytestmark = pytest.mark.looptime

TEMPLATES = key(
    "argo_template_duration_seconds_count",
    namespace="ci",
    pipeline="build",
    template="main",
    node_type="Pod",
    phase="Succeeded",
)


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "killed"])
async def test_the_next_daemon_counts_what_ended_in_between_and_no_more(
    api: ApiServer, crash: bool
) -> None:
    api.cluster.put("workflows", workflow("build-1", phase="Succeeded", begin=EPOCH - 900))
    api.cluster.put("workflows", workflow("build-2", phase="Running", begin=virtual_clock()))
    async with holding(api, "a", crash=crash) as first:
        api.cluster.put("workflows", ended("build-2"))
        await committed()
        seen = await scrape(first)
        assert (seen[SUCCEEDED], seen[TEMPLATES], seen[HELD]) == (1, 1, 1)
    await asyncio.sleep(100.0)
    api.cluster.put("workflows", ended("build-3"))
    api.cluster.put("workflows", ended("build-4"))
    await asyncio.sleep(100.0)
    async with holding(api, "b") as second:
        await committed()
        again = await scrape(second)
    assert (again[SUCCEEDED], again[TEMPLATES]) == (2, 2)
    week = key("argo_workflow_completed_runs_7d", namespace="ci", pipeline="build")
    assert again[week] == 4, "gauges know all that is still there"
    assert HANDOVER not in again


async def test_what_was_counted_and_never_shown_is_the_next_one_s(api: ApiServer) -> None:
    """As it is killed, or ends without anybody who reads its last values."""
    async with holding(api, "a", crash=True) as first:
        await committed()
        api.cluster.put("workflows", ended("build-1"))
        await asyncio.sleep(1.5)
        assert (await scrape(first)).get(SUCCEEDED, 0) == 0
    async with holding(api, "b") as second:
        await asyncio.sleep(40.0)
        assert (await scrape(second))[SUCCEEDED] == 1


async def test_a_finished_run_that_changes_afterwards_is_not_counted_again(
    api: ApiServer,
) -> None:
    api.cluster.put("workflows", workflow("build-0", phase="Running", begin=virtual_clock()))
    async with holding(api, "a", crash=True):
        await committed()
        done = ended("build-1")
        api.cluster.put("workflows", done)
        await committed()
    done["metadata"]["labels"] = {"workflows.argoproj.io/workflow-archiving-status": "Archived"}
    await asyncio.sleep(30.0)
    api.cluster.put("workflows", done)
    async with holding(api, "b") as second:
        await committed()
        seen = await scrape(second)
    assert seen[SUCCEEDED] == 0
    assert seen[HANDOVER] == 1, "it ended within seconds of the last look: that is told"


async def test_a_rolling_update_counts_everything_once(api: ApiServer) -> None:
    """The new pod must be ready before the old one is ended, and watches nothing until then."""
    async with AsyncExitStack() as old, daemon_after(old, api) as (first, second):
        asked = len(api.requests)
        status, text, _ = await second.get("/readyz")
        assert status == 200
        assert "ok lease argo/argoscope-0 standing by: a holds it" in text
        api.cluster.put("workflows", ended("build-1"))
        await committed()
        assert (await scrape(first))[SUCCEEDED] == 1
        assert (await scrape(second))[HELD] == 0
        assert {verb for verb, _ in api.requests[asked:]} <= {"update", "watch"}
        assert lease(api).spec.holder_identity == "a"
        await old.aclose()
        api.cluster.put("workflows", ended("build-2"))
        await held(second)
        await committed()
        assert SUCCEEDED in await scrape(second), "at 0, as every new series is shown at first"
        await committed()
        seen = await scrape(second)
        assert (seen[SUCCEEDED], seen[HELD]) == (1, 1)
        assert (lease(api).spec.holder_identity, lease(api).spec.lease_transitions) == ("b", 1)


@asynccontextmanager
async def daemon_after(old: AsyncExitStack, api: ApiServer) -> AsyncIterator[tuple[Site, Site]]:
    """A daemon that is in ``old`` and holds the lease, and one that waits for it."""
    first = await old.enter_async_context(holding(api, "a"))
    await committed()
    async with daemon(api, lease=claim("b")) as second:
        await asyncio.sleep(5.0)
        yield first, second


async def test_the_watermark_only_moves_forward_and_is_shown(api: ApiServer) -> None:
    shown: list[float] = []
    for identity in "abc":
        async with holding(api, identity, crash=identity == "b") as found:
            for number in range(4):
                api.cluster.put("workflows", ended(f"build-{identity}{number}"))
                await committed()
                shown.append((await scrape(found))[WATERMARK])
                assert marks(api)["workflows"].position > 1000
    assert shown == sorted(shown)
    assert virtual_clock() - shown[-1] < 75.0, "as old as the rarest bookmark"


async def test_who_lost_the_lease_ends_and_leaves_it_alone(api: ApiServer) -> None:
    async with daemon(api, lease=claim("a")) as found:
        await held(found)
        await committed()
        stolen = lease(api)
        stolen.metadata.annotations[watermark.INSTANCE] = "thief"
        stolen.spec.holder_identity = "thief"
        api.cluster.put("leases", to_builtins(stolen))
        before = marks(api)
        api.cluster.put("workflows", ended("build-1"))
        await asyncio.sleep(30.0)
        with pytest.raises(OSError, match="connect"):
            await found.get("/readyz")
    assert lease(api).metadata.annotations[watermark.INSTANCE] == "thief"
    assert lease(api).spec.holder_identity == "thief"
    assert marks(api) == before


async def test_a_lease_that_somebody_deleted_is_made_again(api: ApiServer) -> None:
    async with holding(api, "a") as found:
        await committed()
        api.cluster.remove("leases", {"metadata": {"namespace": "argo", "name": "argoscope-0"}})
        await committed()
        assert lease(api).spec.holder_identity == "a"
        assert marks(api)
        assert (await scrape(found))[HELD] == 1


async def test_a_person_s_edit_of_the_lease_does_no_harm(api: ApiServer) -> None:
    async with holding(api, "a") as found:
        await committed()
        stored = lease(api)
        stored.metadata.labels["team"] = "platform"
        api.cluster.put("leases", to_builtins(stored))
        await committed()
        await committed()
        assert (await scrape(found))[HELD] == 1
        assert lease(api).metadata.labels["team"] == "platform"


async def test_without_permission_it_says_which_and_goes_on_without(api: ApiServer) -> None:
    api.denied = {(verb, "leases") for verb in ("get", "create", "update")}
    async with daemon(api, lease=claim("a")) as found:
        await ready(found)
        api.cluster.put("workflows", ended("build-1"))
        await asyncio.sleep(2.0)
        seen = await scrape(found)
        text = (await found.get("/readyz"))[1]
    assert (seen[SUCCEEDED], seen[HELD]) == (1, 0)
    assert WATERMARK not in seen
    assert "kubectl create role argoscope-lease --namespace=argo" in text
    assert "--verb=get,create,update --resource=leases.coordination.k8s.io" in text


async def test_permission_that_is_taken_away_costs_the_watermark_and_no_count(
    api: ApiServer,
) -> None:
    async with holding(api, "a") as found:
        await committed()
        api.denied = {("update", "leases")}
        api.cluster.put("workflows", ended("build-1"))
        await committed()
        seen = await scrape(found)
        assert (seen[SUCCEEDED], seen[HELD]) == (1, 0)
        assert "degraded lease" in (await found.get("/readyz"))[1]


async def test_while_renewals_fail_counters_stand_still_and_gauges_go_on(
    api: ApiServer,
) -> None:
    running = key("argo_workflow_active", namespace="ci", pipeline="build", state="running")
    api.cluster.put("workflows", workflow("build-1", phase="Running", begin=virtual_clock()))
    async with holding(api, "a") as found:
        await committed()
        assert (await scrape(found))[SUCCEEDED] == 0
        api.fail(Fault(verb="update", plural="leases", status=503, times=4))
        api.cluster.put("workflows", ended("build-1"))
        api.cluster.put("workflows", workflow("build-2", phase="Running", begin=virtual_clock()))
        await asyncio.sleep(12.0)
        seen = await scrape(found)
        assert (seen[SUCCEEDED], seen[running], seen[HELD]) == (0, 1, 0)
        await asyncio.sleep(40.0)
        seen = await scrape(found)
        assert (seen[SUCCEEDED], seen[HELD]) == (1, 1)


async def test_an_api_server_that_is_down_at_the_start_is_waited_for(api: ApiServer) -> None:
    async with holding(api, "a"):
        await committed()
    await asyncio.sleep(60.0)
    api.cluster.put("workflows", ended("build-1"))
    await api.stop()
    async with daemon(api, lease=claim("b")) as found:
        await asyncio.sleep(200.0)
        status, text, _ = await found.get("/readyz")
        assert status == 503
        assert "lease argo/argoscope-0 claiming" in text
        await api.start()
        await asyncio.sleep(20.0)
        await committed()
        assert (await scrape(found))[SUCCEEDED] == 1


async def test_an_api_server_that_fails_on_leases_alone_is_watched_all_the_same(
    api: ApiServer,
) -> None:
    api.fail(Fault(plural="leases", status=500, times=1000))
    async with daemon(api, lease=claim("a")) as found:
        await asyncio.sleep(120.0)
        await ready(found)
        assert (await scrape(found))[HELD] == 0


async def test_a_receiver_gets_the_last_values_before_the_lease_is_let_go(
    api: ApiServer,
) -> None:
    """Pushed metrics are read to the end, so that the last counts need not be left over."""
    otlp = OtlpSettings(endpoint="http://127.0.0.1:9/v1/metrics", interval=60.0, export_timeout=1.0)
    async with holding(api, "a", otlp=otlp):
        await committed()
        api.cluster.put("workflows", ended("build-1"))
        await asyncio.sleep(0.5)
        before = marks(api)["workflows"]
    assert marks(api)["workflows"].position > before.position
    assert lease(api).spec.holder_identity == ""
