"""What the tests of leases share."""

from collections.abc import AsyncIterator

import pytest

from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.cluster import Cluster
from support.api_server import virtual_clock


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    async with ApiServer(Cluster(clock=virtual_clock)) as running:
        running.cluster.put("namespaces", {"metadata": {"name": "argo"}})
        yield running
