"""The daemon as a process, killed and started again, with a Lease and without a volume."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from argoscope.kube.leases import unix_time
from argoscope.simulator.api_server import ApiServer
from support.daemon import Daemon, daemon
from support.leases import SUCCEEDED, lease
from support.serving import workflow
from support.waiting import until_true

KUBECONFIG = {
    "users": [{"name": "u", "user": {"token": "t"}}],
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    "current-context": "c",
}


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    async with ApiServer() as running:
        running.cluster.put("namespaces", {"metadata": {"name": "argo"}})
        yield running


@asynccontextmanager
async def started(api: ApiServer, folder: Path) -> AsyncIterator[Daemon]:
    """Ready, and killed at the end."""
    clusters = [{"name": "c", "cluster": {"server": api.address}}]
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps({**KUBECONFIG, "clusters": clusters}))
    config = folder / "config"
    wanted = {"enabled": "always", "namespace": "argo", "holder": "pod"}
    config.write_text(json.dumps({"lease": wanted}))
    async with daemon(kubeconfig, "--config", str(config)) as found:
        await found.ready(30.0)
        yield found


async def counted(found: Daemon, runs: int) -> None:
    async def as_many() -> bool:
        return (await found.scrape()).get(SUCCEEDED, 0.0) >= runs

    await until_true(as_many, 30.0)


async def renewed_after(api: ApiServer, moment: float) -> bool:
    return unix_time(lease(api).spec.renew_time) > moment


async def test_killed_and_started_again_it_counts_what_ended_in_between_and_no_more(
    api: ApiServer, tmp_path: Path
) -> None:
    api.cluster.put("workflows", workflow("build-1", phase="Running", begin=time.time() - 90.0))
    first = workflow("build-1", phase="Succeeded", begin=time.time() - 60.0)
    async with started(api, tmp_path) as found:
        api.cluster.put("workflows", first)
        await counted(found, 1)
    held = lease(api)
    assert held.spec.holder_identity == "pod", "it was killed, and could not let go"
    assert 0.0 <= time.time() - unix_time(held.spec.renew_time) < 20.0
    first["metadata"]["labels"] = {"team": "a"}
    api.cluster.put("workflows", first)
    for number in (2, 3):
        ended = workflow(f"build-{number}", phase="Succeeded", begin=time.time(), seconds=3.0)
        api.cluster.put("workflows", ended)
    async with started(api, tmp_path) as found:
        await counted(found, 2)
        assert (await found.scrape())[SUCCEEDED] == 2
        assert await found.stop() == 0
    assert lease(api).spec.holder_identity == ""
    async with started(api, tmp_path) as found:
        ready_at = time.time()
        await until_true(lambda: renewed_after(api, ready_at), 30.0)
        assert (await found.scrape()).get(SUCCEEDED, 0.0) == 0, "nothing ended since"
