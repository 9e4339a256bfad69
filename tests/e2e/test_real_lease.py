"""A watermark in a Lease of the real API server: two daemons after each other, and RBAC."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from argoscope.kube.client import Client
from argoscope.kube.errors import ConflictError, ForbiddenError
from argoscope.kube.leases import Lease, LeaseMeta, Leases, LeaseSpec, micro_time
from argoscope.lease import watermark
from support import envtest
from support.daemon import Daemon, daemon
from support.envtest import EnvTest, apply, install_crds
from support.leases import SUCCEEDED
from support.serving import workflow
from support.waiting import until_true

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/ci/workflows"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvTest]:
    yield from envtest.running(tmp_path_factory.mktemp("envtest"))


@pytest.fixture
async def admin(real: EnvTest) -> AsyncIterator[Client]:
    async with real.client() as client:
        await install_crds(client, "workflows", "cronworkflows")
        for name in ("ci", "argo"):
            await apply(client, "/api/v1/namespaces", {"metadata": {"name": name}})
        yield client


@asynccontextmanager
async def started(real: EnvTest, folder: Path) -> AsyncIterator[Daemon]:
    config = folder / "config"
    wanted = {"enabled": "always", "namespace": "argo", "holder": "pod"}
    config.write_text(json.dumps({"lease": wanted}))
    async with daemon(real.kubeconfig, "--config", str(config)) as found:
        await found.ready(60.0)
        yield found


async def put(admin: Client, name: str, phase: str, seconds: float = 30.0) -> None:
    begin = time.time() - 30.0
    wanted = workflow(name, phase=phase, begin=begin, seconds=seconds)
    del wanted["metadata"]["uid"]  # the server's to give
    await apply(admin, WORKFLOWS, wanted)


async def counted(found: Daemon, runs: int) -> None:
    async def as_many() -> bool:
        return (await found.scrape()).get(SUCCEEDED, 0.0) >= runs

    await until_true(as_many, 60.0)


async def test_a_killed_daemon_is_followed_by_one_that_counts_what_ended_meanwhile(
    real: EnvTest, admin: Client, tmp_path: Path
) -> None:
    await put(admin, "build-1", "Running")
    async with started(real, tmp_path) as found:
        await put(admin, "build-1", "Succeeded")
        await counted(found, 1)
    held = await Leases(admin, "argo").get("argoscope-0")
    assert held.spec.holder_identity == "pod"
    assert watermark.read(held.metadata.annotations)["workflows"].position > 0
    await put(admin, "build-2", "Succeeded", seconds=40.0)
    async with started(real, tmp_path) as found:
        await counted(found, 1)
        assert (await found.scrape())[SUCCEEDED] == 1
        assert await found.stop() == 0
    free = await Leases(admin, "argo").get("argoscope-0")
    assert free.spec.holder_identity == ""
    assert free.spec.renew_time != held.spec.renew_time


async def test_a_lease_that_changed_meanwhile_or_exists_already_is_a_conflict(
    admin: Client,
) -> None:
    leases = Leases(admin, "argo")
    wanted = Lease(LeaseMeta("two", "argo"), LeaseSpec("a", 30, renew_time=micro_time(time.time())))
    first = await leases.create(wanted)
    with pytest.raises(ConflictError):
        await leases.create(wanted)
    second = await leases.replace(first)
    assert second.metadata.resource_version
    changed = Lease(second.metadata, LeaseSpec("b", 30, renew_time=micro_time(time.time())))
    third = await leases.replace(changed)
    with pytest.raises(ConflictError):
        await leases.replace(changed)
    assert (await leases.get("two")).metadata.resource_version == third.metadata.resource_version


async def test_without_a_role_it_is_forbidden(real: EnvTest, admin: Client) -> None:
    async with real.viewer() as viewer:
        with pytest.raises(ForbiddenError, match="leases"):
            await Leases(viewer, "argo").get("argoscope-0")
