"""What the reflector's tests share."""

from collections.abc import AsyncIterator

import pytest

from argoscope.simulator.api_server import ApiServer
from support.api_server import Deltas


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with ApiServer() as running:
        yield running


@pytest.fixture
def deltas() -> Deltas:
    return Deltas()
