"""The daemon in the test's own loop, on a scripted cluster and real sockets, in virtual time."""

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from argoscope.app import Daemon
from argoscope.catalogue import catalogue
from argoscope.export.otlp_settings import OtlpSettings
from argoscope.export.prometheus import Exposition
from argoscope.kube.config import Access, Static
from argoscope.lease.claim import Claim
from argoscope.ledger.ledger import Ledger
from argoscope.metrics.registry import Registry
from argoscope.server import Server, bind
from argoscope.settings import Settings
from argoscope.sharding import Shard
from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.cluster import Object
from argoscope.watch.reflector import WatchSettings
from argoscope.watch.status import ReflectorStatus, State
from support.api_server import EPOCH, until, virtual_clock
from support.scripted import objects


def watching(
    resource: str,
    *,
    state: State = State.SYNCED,
    reason: str = "",
    optional: bool = False,
    stream: str = "",
) -> ReflectorStatus:
    """What a reflector says in that state."""
    synced = state is State.SYNCED
    return ReflectorStatus(
        resource,
        stream,
        optional,
        state=state,
        reason=reason,
        has_synced=synced,
        up=synced,
        objects=3 if synced else 0,
    )


@dataclass
class Site:
    """A server with a registry behind it."""

    registry: Registry
    statuses: list[ReflectorStatus]
    address: str = ""
    session: aiohttp.ClientSession = field(init=False)

    async def get(
        self, path: str, *, method: str = "GET", **headers: str
    ) -> tuple[int, str, aiohttp.ClientResponse]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, self.address + path, headers=named) as response:
            return response.status, await response.text(), response


@asynccontextmanager
async def site(statuses: Sequence[ReflectorStatus] = (), cluster: str = "") -> AsyncIterator[Site]:
    registry = Registry(catalogue(), now=lambda: EPOCH)
    found = Site(registry, list(statuses))
    server = Server(registry, Exposition(registry), lambda: found.statuses, cluster=cluster)
    found.address = await server.start(bind("127.0.0.1", 0))
    async with aiohttp.ClientSession() as found.session:
        yield found
    await server.close()


@asynccontextmanager
async def daemon(
    api: ApiServer,
    settings: Settings | None = None,
    *,
    otlp: OtlpSettings | None = None,
    ledger: Ledger | None = None,
    lease: Claim | None = None,
    shard: Shard | None = None,
) -> AsyncIterator[Site]:
    """A running daemon that serves; a task of it that fails, fails the test."""
    running = Daemon(
        settings or Settings(),
        Static(Access(server=api.address)),
        bind("127.0.0.1", 0),
        otlp=otlp,
        ledger=ledger,
        lease=lease,
        shard=shard,
        watching=WatchSettings(),
        clock=virtual_clock,
    )
    thresholds = gc.get_threshold()
    stop = asyncio.Event()
    task = asyncio.create_task(running.run(stop), name="daemon")
    try:
        await until(lambda: running.address or task.done())
        found = Site(running.registry, running.statuses(), running.address)
        async with aiohttp.ClientSession() as found.session:
            yield found
    finally:
        stop.set()
        await task
        gc.unfreeze()
        gc.set_threshold(*thresholds)


async def ready(found: Site) -> None:
    """Lets virtual time pass until the daemon says that it is ready."""
    for _ in range(100):
        if (await found.get("/readyz"))[0] == 200:
            return
        await asyncio.sleep(0.5)
    raise AssertionError((await found.get("/readyz"))[1])


def workflow(
    name: str, *, phase: str, begin: float = EPOCH, seconds: float = 30.0, namespace: str = "ci"
) -> Object:
    """A Workflow of a single pod node, its pipeline being the name without its last part."""
    pipeline = name.rpartition("-")[0]
    found = objects.workflow(
        name, namespace, begin, random.Random(name), generate_name=f"{pipeline}-"
    )
    node = objects.node(name, name, name, "Pod", begin, template="main") | {"phase": phase}
    status = {"phase": phase, "startedAt": objects.stamp(begin), "nodes": {name: node}}
    if phase in ("Succeeded", "Failed", "Error"):
        node["finishedAt"] = status["finishedAt"] = objects.stamp(begin + seconds)
    return found | {"status": status}
