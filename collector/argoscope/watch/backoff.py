"""How long to wait after failures."""

import random

RETRY_AFTER_MOST = 300.0
"""Seconds. A Retry-After beyond it is a proxy's mistake more often than a wish."""

_DOUBLINGS = 20
"""Enough to reach any sensible maximum; keeps the power from overflowing."""


class Backoff:
    """Exponential, with jitter so that many daemons and streams do not come back together."""

    def __init__(self, first: float, most: float, rng: random.Random) -> None:
        self._first = first
        self._most = most
        self._rng = rng
        self.failures = 0
        """Failures since the last success."""

    def reset(self) -> None:
        self.failures = 0

    def next(self, retry_after: float | None = None) -> float:
        """Counts a failure; returns the seconds to wait, never less than the server asked for."""
        pause = min(self._most, self._first * 2 ** min(self.failures, _DOUBLINGS))
        self.failures += 1
        asked = min(retry_after or 0.0, RETRY_AFTER_MOST)
        return self.spread(pause) if pause > asked else asked + self._first * self._rng.random()

    def spread(self, pause: float) -> float:
        """The pause, give or take a half."""
        return pause * (0.5 + self._rng.random())
