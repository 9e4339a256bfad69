"""A reflector on a scripted API server, both in the test's own loop, under virtual time."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from argoscope.kube.client import Client, ClientSettings
from argoscope.kube.config import Access, Static
from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.cluster import Cluster, Object
from argoscope.watch.delta import Decode, Origin, Watched
from argoscope.watch.reflector import Reflector, WatchSettings
from argoscope.watch.selection import LabelAndField

EPOCH = 1_790_000_000.0


class Meta(msgspec.Struct, gc=False, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class Thing(msgspec.Struct, gc=False):
    metadata: Meta
    step: int = 0


@dataclass(frozen=True)
class Kind:
    """The smallest thing that is ``Watched``."""

    name: str = "workflow"
    group: str = "argoproj.io"
    version: str = "v1alpha1"
    plural: str = "workflows"
    namespaced: bool = True
    optional: bool = False
    selectors: tuple[LabelAndField, ...] = (LabelAndField(),)
    object_type: type[Any] = Thing
    decode: Decode | None = None

    @property
    def path(self) -> str:
        root = f"/apis/{self.group}" if self.group else "/api"
        return f"{root}/{self.version}/{self.plural}"


WORKFLOWS = Kind()


@dataclass
class Deltas:
    """A handler that keeps everything it was given, and checks what every handler may rely on."""

    live: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    """name -> (uid, resourceVersion, step)"""
    log: list[tuple[str, str]] = field(default_factory=list)
    """("added" and the like, name or uid) in order"""
    origins: list[Origin] = field(default_factory=list)
    lists: list[tuple[str, Origin]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    _versions: set[tuple[str, str]] = field(default_factory=set)
    _newest: dict[str, int] = field(default_factory=dict)
    _gone: set[str] = field(default_factory=set)

    def upsert(self, watched: Watched, obj: Thing, size: int, at: float, origin: Origin) -> None:
        meta = obj.metadata
        version = (meta.uid, meta.resource_version)
        assert version not in self._versions, f"{meta.name} was delivered twice at {version}"
        assert meta.uid not in self._gone, f"{meta.name} was resurrected"
        assert int(meta.resource_version) > self._newest.get(meta.uid, 0), "went back in time"
        assert at >= EPOCH
        self._versions.add(version)
        self._newest[meta.uid] = int(meta.resource_version)
        self.live[meta.name] = (meta.uid, int(meta.resource_version), obj.step)
        self.log.append(("upsert", meta.name))
        self.origins.append(origin)
        self.sizes.append(size)

    def delete(self, watched: Watched, uid: str, obj: Thing | None, at: float) -> None:
        assert uid not in self._gone, "deleted twice"
        self._gone.add(uid)
        name = next((name for name, (known, *_) in self.live.items() if known == uid), uid)
        self.live.pop(name, None)
        self.log.append(("tombstone" if obj is None else "delete", name))

    def listed(self, watched: Watched, stream: str, origin: Origin, at: float) -> None:
        self.lists.append((stream, origin))

    def problem(self, watched: Watched, reason: str, detail: str) -> None:
        self.problems.append((reason, detail))

    def forget(self) -> None:
        """After a restored backup, versions and uids may come again."""
        self._versions.clear()
        self._newest.clear()
        self._gone.clear()


def thing(name: str, step: int = 0, namespace: str = "default", **more: Any) -> Object:
    meta: Object = {"name": name, "namespace": namespace}
    return {"metadata": meta | more.pop("metadata", {}), "step": step, **more}


def on_server(cluster: Cluster, plural: str = "workflows") -> dict[str, tuple[str, int, int]]:
    """What ``Deltas.live`` must be in the end."""
    found = cluster.collections.get(plural)
    return {
        stored.name: (stored.uid, stored.version, msgspec.json.decode(stored.json).get("step", 0))
        for stored in (found.objects.values() if found else ())
    }


async def until(condition: Callable[[], object], seconds: float = 1000.0) -> None:
    """Lets virtual time pass until the condition holds; fails after so many virtual seconds."""
    loop = asyncio.get_running_loop()
    end, step = loop.time() + seconds, 0.01
    while not condition():
        assert loop.time() < end, "the condition did not come true"
        await asyncio.sleep(step)
        step = min(step * 1.2, 1.0)


async def quiet(rounds: int = 50) -> None:
    """Lets what is under way in this loop and on its sockets come to rest, in no time."""
    for _ in range(rounds):
        await asyncio.sleep(0)


def client_of(server: ApiServer, **settings: Any) -> Client:
    access = Access(server=server.address, authorization="Bearer first")
    return Client(Static(access), ClientSettings(**settings))


def virtual_clock() -> float:
    return EPOCH + asyncio.get_running_loop().time()


@asynccontextmanager
async def reflecting(
    client: Client,
    deltas: Deltas,
    kind: Kind = WORKFLOWS,
    *,
    selection: LabelAndField | None = None,
    namespace: str = "",
    seed: int = 1,
    **settings: Any,
) -> AsyncIterator[Reflector]:
    """A running reflector; a fault in the reflector itself fails the test."""
    reflector = Reflector(
        kind,
        client,
        deltas,
        selection or LabelAndField(),
        namespace=namespace,
        settings=WatchSettings(**settings),
        clock=virtual_clock,
        random=random.Random(seed),
    )
    task = asyncio.create_task(reflector.run(), name="reflector")
    try:
        yield reflector
        if task.done():
            task.result()
    finally:
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        await client.close()
