"""A simulated API server, and a plan that is over soon."""

from collections.abc import AsyncIterator, Callable

import pytest

from argoscope.kube.client import Client
from argoscope.load_bench.plan import Plan
from argoscope.simulator.api_server import ApiServer
from support.api_server import client_of


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with ApiServer() as running:
        yield running


@pytest.fixture
async def client(server: ApiServer) -> AsyncIterator[Client]:
    async with client_of(server) as made:
        yield made


@pytest.fixture
def plan() -> Callable[..., Plan]:
    def make(**more: object) -> Plan:
        given: dict[str, object] = {
            "kind": "workflows",
            "run": "r1",
            "namespace": "default",
            "count": 20,
            "concurrency": 5,
            "timeout": 30.0,
            "steps": 1,
            "seconds": 1.0,
            "images": ("busybox:1", "busybox:2"),
        }
        return Plan(**{**given, **more})  # type: ignore[arg-type]

    return make
