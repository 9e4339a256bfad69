"""A cluster in virtual time, and a daemon with a ledger that is told of it, or is dead."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from support.box import KINDS, Box, Event, Life
from support.stories import event_of

NOW = 1_795_000_020.0
_PLURAL = {resource.kind: name for name, resource in KINDS.items()}


class Cluster:
    """What there is, and a daemon that is told of it, or is dead."""

    def __init__(self, path: Path) -> None:
        self.now = NOW
        self.box = Box(path / "ledger.db")
        self.live: dict[str, Event] = {}
        self._version = 100

    def put(self, obj: dict[str, Any]) -> None:
        self._happens(obj, "MODIFIED")

    def remove(self, obj: dict[str, Any]) -> None:
        self._happens(obj, "DELETED")

    def _happens(self, obj: dict[str, Any], type_: str) -> None:
        self._version += 1
        obj = json.loads(json.dumps(obj))
        obj["metadata"]["resourceVersion"] = str(self._version)
        event = event_of(self.now, _PLURAL[obj["kind"]], type_, obj)
        assert event is not None
        self.live[event.uid] = event
        if type_ == "DELETED":
            del self.live[event.uid]
        if self.box.life:
            self.box.take(event)

    def start(self, kinds: Iterable[str] = tuple(KINDS)) -> Life:
        """The daemon comes back, and lists the kinds in that order."""
        self.box.start(self.now)
        self.box.tick(self.now)
        for kind in kinds:
            live = [event for event in self.live.values() if event.kind == kind]
            self.box.list_kind(kind, live, self._version, self.now)
        self.box.listed()
        self.box.tick(self.now)
        assert self.box.life is not None
        return self.box.life

    def wait(self, seconds: float) -> None:
        """Time goes by, a tick a second if there is a daemon."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + 1.0)
            if self.box.life:
                self.box.tick(self.now)
