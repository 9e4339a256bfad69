"""Where a campaign takes place: the simulator's API server with its faults, or a real one."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Protocol

from argoscope.kube.client import Client
from argoscope.kube.errors import NotFoundError
from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.cluster import Cluster
from chaos.disturbance import Disturbance
from chaos.stage import NAMESPACE
from chaos.truth import Object
from support.envtest import EnvTest, apply, install_crds

_ROOT = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}"


class Ground(Protocol):
    whole: bool
    """There are pods and Rollouts; else only Workflows and CronWorkflows, and fewer of them."""
    ahead: float
    """Seconds by which the cluster's clock is ahead of ours."""

    def serving(self, folder: Path) -> AbstractAsyncContextManager[Path]:
        """While it is there: the path of a kubeconfig."""

    def put(self, plural: str, obj: Object) -> object:
        """Create or replace; the argument may be changed afterwards."""

    def remove(self, plural: str, obj: Object) -> None:
        """Delete."""

    async def written(self) -> None:
        """Returns when the API server has all that was put and removed."""

    async def disturb(self) -> None:
        """Goes on until it is cancelled, or until ``calm``."""

    def calm(self) -> None:
        """From now on everything works."""


class Simulated:
    """In memory and in this process; everything that can go wrong does."""

    whole = True
    ahead = 0.0

    def __init__(self, seed: int) -> None:
        self.api = ApiServer(Cluster(seed=seed))
        self.api.bookmark_seconds = 0.5
        self.put = self.api.cluster.put
        self.remove = self.api.cluster.remove
        disturbance = Disturbance(self.api, Random(seed))
        self.disturb, self.calm = disturbance.run, disturbance.stop

    @asynccontextmanager
    async def serving(self, folder: Path) -> AsyncIterator[Path]:
        async with self.api:
            path = folder / "kubeconfig"
            path.write_text(kubeconfig_of(self.api.address))
            yield path

    async def written(self) -> None:
        """At once."""


class Real:
    """A real API server. It takes some milliseconds for each object, one after the other, and says
    itself when an object was created: what begins at that moment must not seem to be older."""

    whole = False
    ahead = 5.0

    def __init__(self, server: EnvTest) -> None:
        self._server = server
        self._due: asyncio.Queue[tuple[str, Object, bool]] = asyncio.Queue()

    @asynccontextmanager
    async def serving(self, folder: Path) -> AsyncIterator[Path]:
        async with self._server.client() as client:
            await install_crds(client, "workflows", "cronworkflows")
            await apply(client, "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
            writing = asyncio.create_task(self._write(client))
            try:
                yield self._server.kubeconfig
            finally:
                writing.cancel()

    def put(self, plural: str, obj: Object) -> None:
        self._due.put_nowait((plural, deepcopy(obj), False))

    def remove(self, plural: str, obj: Object) -> None:
        self._due.put_nowait((plural, deepcopy(obj), True))

    async def written(self) -> None:
        await self._due.join()

    async def disturb(self) -> None:
        """A real one is not disturbed: tests/e2e kill it."""

    def calm(self) -> None:
        """It is."""

    async def _write(self, client: Client) -> None:
        while True:
            plural, obj, gone = await self._due.get()
            await self._send(client, plural, obj, gone)
            self._due.task_done()

    async def _send(self, client: Client, plural: str, obj: Object, gone: bool) -> None:
        path = f"{_ROOT}/{plural}"
        meta = {key: value for key, value in obj["metadata"].items() if key not in _ASSIGNED}
        if not gone:
            kind = {"workflows": "Workflow", "cronworkflows": "CronWorkflow"}[plural]
            head = {"apiVersion": "argoproj.io/v1alpha1", "kind": kind}
            await apply(client, path, obj | head | {"metadata": meta})
            return
        try:
            await client.send("DELETE", f"{path}/{meta['name']}", {})
        except NotFoundError:
            pass


_ASSIGNED = ("uid", "creationTimestamp")  # by the server


def kubeconfig_of(server: str) -> str:
    """A kubeconfig for that address, in JSON, which is YAML."""
    named = {"name": "chaos"}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "chaos",
            "clusters": [{**named, "cluster": {"server": server}}],
            "users": [{**named, "user": {}}],
            "contexts": [{**named, "context": {"cluster": "chaos", "user": "chaos"}}],
        }
    )
