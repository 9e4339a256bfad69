"""Daemons that follow each other on one lease, in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import msgspec

from argoscope.export.otlp_settings import OtlpSettings
from argoscope.kube.leases import Lease
from argoscope.lease import watermark
from argoscope.lease.claim import Claim
from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.cluster import Object
from argoscope.simulator.faults import Fault
from argoscope.watch.mark import Mark
from support.api_server import virtual_clock
from support.scrape import Key, key, parse, values
from support.serving import Site, daemon, workflow

SUCCEEDED = key("argo_workflow_runs_total", namespace="ci", pipeline="build", phase="Succeeded")
HELD = key("argoscope_lease_held")
WATERMARK = key("argoscope_watermark_timestamp_seconds")
HANDOVER = key("argoscope_runs_unobserved_total", reason="handover")

_instances = count()


def claim(identity: str) -> Claim:
    """Of a new process of that name."""
    return Claim(
        namespace="argo", name="argoscope-0", identity=identity, instance=f"i{next(_instances)}"
    )


@asynccontextmanager
async def holding(
    api: ApiServer, identity: str, *, crash: bool = False, otlp: OtlpSettings | None = None
) -> AsyncIterator[Site]:
    """A daemon with a lease; with ``crash`` it ends without telling anybody."""
    async with daemon(api, lease=claim(identity), otlp=otlp) as found:
        await held(found)
        yield found
        if crash:
            api.fail(Fault(verb="update", plural="leases", status=500, times=100))
    api.faults.clear()


async def held(found: Site) -> None:
    """Lets virtual time pass until the daemon is ready, and not only standing by."""
    for _ in range(100):
        await asyncio.sleep(0.5)
        status, text, _ = await found.get("/readyz")
        if status == 200 and "ok lease argo/argoscope-0 held" in text:
            return
    raise AssertionError(text)


def lease(api: ApiServer) -> Lease:
    stored = api.cluster.get("leases", "argoscope-0", "argo")
    assert stored is not None
    return msgspec.json.decode(stored.json, type=Lease)


def marks(api: ApiServer) -> dict[str, Mark]:
    return watermark.read(lease(api).metadata.annotations)


def ended(name: str, phase: str = "Succeeded") -> Object:
    """A run that has just ended."""
    return workflow(name, phase=phase, begin=virtual_clock() - 30.0, seconds=30.0)


async def scrape(found: Site) -> dict[Key, float]:
    status, text, response = await found.get("/metrics")
    assert status == 200
    return values(parse(text.encode(), response.headers["Content-Type"]))


async def committed() -> None:
    """Lets so much time pass that what was counted is in the lease, and published."""
    await asyncio.sleep(12.0)
