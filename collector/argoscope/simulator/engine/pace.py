"""Lets a world go on beside an event loop, faster than life or as fast as it."""

import asyncio
import time
from collections.abc import Callable

from argoscope.simulator.engine.world import World

STEP = 0.05
"""Seconds of real time between two looks at the virtual clock."""


class Pace:
    """Virtual time that runs ``speed`` times as fast as life, from the moment of making it."""

    def __init__(
        self, world: World, speed: float, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._world = world
        self._clock = clock
        self.speed = speed
        self.virtual_start = world.kernel.now
        self.real_start = clock()
        self.behind = 0.0
        """Virtual seconds that the world lagged at the last step: more than a second or two means
        that this machine is too slow for the speed."""

    def now(self) -> float:
        """The virtual time that it should be."""
        return self.virtual_start + (self._clock() - self.real_start) * self.speed

    async def run(self) -> None:
        """Goes on until cancelled. Others get their turn after each virtual second."""
        world = self._world
        while True:
            due = self.now()
            self.behind = max(0.0, due - world.kernel.now - STEP * self.speed)
            while world.kernel.now < due:
                world.run_until(min(due, world.kernel.now + 1.0))
                await asyncio.sleep(0)
                due = self.now()
            await asyncio.sleep(STEP)
