"""Bounded waiting for processes, in real time."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def until_true(condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Fails when the condition does not come true in that time."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "did not come true in time"
        await asyncio.sleep(0.2)
