"""What the actors of a campaign share: the cluster, the truth, and what the daemon has shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from chaos.truth import Object, Truth

NAMESPACE = "chaos"


@dataclass
class Shown:
    """The newest complete scrape: what was committed, since nothing else is ever exposed."""

    values: Mapping[str, float] = field(default_factory=dict)
    life: int = 0
    """Which start of the daemon answered."""
    at: float = 0.0
    """Unix seconds when it was complete: what it shows had happened by then."""

    def get(self, series: str) -> float:
        return self.values.get(series, 0.0)

    def total(self, name: str, *parts: str) -> float:
        """Sum over the series of that name whose labels hold all of these texts."""
        head = name + "{"
        return sum(
            value
            for line, value in self.values.items()
            if line.startswith(head) and all(part in line for part in parts)
        )


class Writer(Protocol):
    """The part of a ``grounds.Ground`` that is written to."""

    whole: bool

    def put(self, plural: str, obj: Object) -> object: ...
    def remove(self, plural: str, obj: Object) -> None: ...


class Stage:
    """``put`` and ``remove`` write to the cluster, and into the truth."""

    def __init__(self, writer: Writer, random: Random) -> None:
        self._writer = writer
        self.random = random
        self.truth = Truth()
        self.shown = Shown()
        self.alive = False
        """A daemon runs."""
        self.draining = False
        """Nothing new is to be begun: the campaign ends."""

    def put(self, plural: str, obj: Object) -> None:
        if self.has(plural):
            self._writer.put(plural, obj)
        if plural == "workflows":
            self.truth.saw(obj)

    def remove(self, plural: str, obj: Object) -> None:
        if self.has(plural):
            self._writer.remove(plural, obj)

    def has(self, plural: str) -> bool:
        return self._writer.whole or plural in ("workflows", "cronworkflows")

    def settled(self, name: str) -> bool:
        """The daemon has shown, so committed, all that is expected of a pipeline or rollout."""
        expected = self.truth.expected[name]
        return all(abs(self.shown.get(line) - value) < 1e-6 for line, value in expected.items())

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability


class Actor(Protocol):
    """Something in the cluster that goes on with time."""

    def advance(self, now: float) -> None:
        """Write what is due at ``now`` (Unix seconds, the present)."""

    @property
    def idle(self) -> bool:
        """While draining: nothing of it is under way."""
