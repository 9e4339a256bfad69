"""A cluster's story told to a daemon in a box that is killed at random moments."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from argoscope.metrics.model import Labels, Metric
from support.box import KINDS, Box, Event, Life

PLACES = ("between events", "between commit and publish", "in the middle of the lists")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How often, and for how long; seconds of the story's time."""

    crashes: int
    away: tuple[float, float]
    """Least and most seconds until the daemon is back."""
    tick: float = 1.0


class Story:
    """Tells events in order; the box may be dead while the cluster goes on."""

    def __init__(
        self, told: Sequence[Event], path: Path, seed: int, begin: float | None = None
    ) -> None:
        """``begin``: when the daemon is first started; by default with the first event."""
        self.box = Box(path)
        self.live: dict[tuple[str, str], Event] = {}
        """What the cluster holds at this moment, also while nobody looks."""
        self._told = told
        self._chance = random.Random(seed)
        self._version = 0
        self._at = told[0].at
        self._begin = told[0].at if begin is None else begin

    def run(self, plan: Plan) -> Box:
        """All of it; the box's last life can be asked what it counted."""
        try:
            self._tell(plan)
        finally:
            self.box.end()
        return self.box

    def _tell(self, plan: Plan) -> None:
        doomed = set(self._chance.sample(range(1, len(self._told)), plan.crashes))
        back_at = self._begin
        next_tick = 0.0
        for place, event in enumerate(self._told):
            if not self.box.life and event.at >= back_at:
                self._wake(max(back_at, self._at))
                next_tick = back_at + plan.tick
            while self.box.life and next_tick <= event.at:
                self.box.tick(next_tick)
                next_tick += plan.tick * self._chance.uniform(0.2, 1.8)
            self._happens(event)
            if self.box.life and place in doomed:
                back_at = event.at + self._chance.uniform(*plan.away)
                self._die(event.at)
        if not self.box.life:
            self._wake(self._at)
        self.box.tick(self._at + 1.0)

    def _happens(self, event: Event) -> None:
        key = (event.kind, event.uid)
        if event.type == "DELETED":
            self.live.pop(key, None)
        else:
            self.live[key] = event
        self._version = max(self._version, event.version)
        self._at = max(self._at, event.at)
        if self.box.life:
            self.box.take(event)

    def _die(self, now: float) -> None:
        place = self._chance.choice(PLACES)
        if place == "between commit and publish":
            self.box.tick(now, publish=False)
        self.box.crash()
        if place == "in the middle of the lists":
            self._wake(now, until=self._chance.randrange(len(KINDS)))
            self.box.crash()

    def _wake(self, now: float, until: int = len(KINDS)) -> None:
        """Starts and lists, kind after kind, with ticks in between; perhaps not to the end."""
        self.box.start(now)
        self.box.tick(now)
        for kind in list(KINDS)[:until]:
            live = [event for (of, _), event in self.live.items() if of == kind]
            self.box.list_kind(kind, live, self._version, now)
            if self._chance.random() < 0.2:
                self.box.tick(now)
        if until == len(KINDS):
            self.box.listed()


def differences(
    box: Life, witness: Life, *, but_for: Sequence[Metric] = ()
) -> dict[object, tuple[object, object]]:
    """What the two have counted differently, or show differently in gauges."""
    left_out = {metric.prometheus for metric in but_for}
    found: dict[object, tuple[object, object]] = {}
    ours: dict[tuple[str, Labels], object] = {**box.counters(), **box.gauges()}
    theirs: dict[tuple[str, Labels], object] = {**witness.counters(), **witness.gauges()}
    for key in ours.keys() | theirs.keys():
        if key[0] not in left_out and ours.get(key) != theirs.get(key):
            found[key] = (ours.get(key), theirs.get(key))
    return found
