"""What the API server and the network before it do meanwhile."""

import asyncio
from random import Random
from typing import Any

from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.faults import Fault

_PLURALS = ("", "workflows", "workflows", "pods", "cronworkflows", "rollouts")
_FAULTS: tuple[dict[str, Any], ...] = (
    {"verb": "watch", "cut": True},
    {"verb": "watch", "end": True},
    {"verb": "watch", "duplicate": True},
    {"verb": "watch", "duplicate": True, "cut": True},
    {"verb": "watch", "chunk": 700},
    {"verb": "watch", "error": 410},
    {"verb": "watch", "error": 500},
    {"verb": "watch", "status": 503},
    {"verb": "list", "status": 500},
    {"status": 429, "retry_after": 1},
    {"verb": "watch", "status": 410},
)


class Disturbance:
    """Cuts, duplicates and reorders streams, refuses requests, forgets history."""

    def __init__(self, api: ApiServer, random: Random) -> None:
        self._api = api
        self._random = random
        self._active = True

    async def run(self) -> None:
        while self._active:
            await asyncio.sleep(self._random.uniform(0.2, 1.0))
            self._disturb()

    def stop(self) -> None:
        self._active = False
        self._api.faults.clear()

    def _disturb(self) -> None:
        random = self._random
        if random.random() < 0.1:
            self._api.compact()
            return
        # What no request has met yet is over: else faults would pile up until nothing works.
        self._api.faults.clear()
        for _ in range(random.randint(1, 3)):
            kind, after = random.choice(_FAULTS), random.randint(0, 20)
            self._api.fail(Fault(**kind, plural=random.choice(_PLURALS), after=after))
        self._api.gone_as_status = random.random() < 0.5
        self._api.streaming_lists = random.random() < 0.7
