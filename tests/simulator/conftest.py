"""What the simulator's tests share."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from argoscope.simulator.api_server import ApiServer
from support.rest import Rest


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with ApiServer() as running:
        yield running


@pytest.fixture
async def rest(server: ApiServer) -> AsyncIterator[Rest]:
    async with aiohttp.ClientSession(server.address) as session:
        yield Rest(session)


@pytest.fixture
def told(server: ApiServer) -> list[tuple[str, str, Any]]:
    """What a controller in the server's process hears: (type, plural, object)."""
    heard: list[tuple[str, str, Any]] = []
    server.cluster.on_write(lambda change, plural, obj: heard.append((change, plural, obj)))
    return heard
