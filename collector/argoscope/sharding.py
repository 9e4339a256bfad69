"""Which of several daemons has a series: decided by the series' own labels, so that none can have
two owners and none can be without one.

Every daemon derives from all objects, and so remembers all of them (a run of a pipeline that is
another's is still the run that a cron of ours has made); only its own series are counted, served,
exported and kept. So the number of daemons can change without anything to hand over.
"""

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from argoscope.kube.errors import ConfigError
from argoscope.metrics.exemplars import Subject
from argoscope.metrics.model import Labels, Metric
from argoscope.resources._base import Contribution, Sink

SCOPES = ("pipeline", "cron", "rollout")
"""Labels that, with the namespace, say what a series is about: whole pipelines move, not parts."""
_KNOWN = 1 << 16
"""Scopes whose owner is remembered; of further ones it is worked out again."""

_NUMBERED = re.compile(r".*-(\d{1,4})\Z")


@lru_cache(_KNOWN)
def owner(scope: str, shards: int) -> int:
    """The shard with the highest weight for this scope (rendezvous hashing): with one shard more
    only what that one gets moves, with one fewer only what it had."""

    def weight(shard: int) -> bytes:
        return blake2b(f"{shard}/{scope}".encode(), digest_size=8).digest()

    return max(range(shards), key=weight)


@dataclass(frozen=True)
class Shard:
    """One of several daemons."""

    number: int
    shards: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "_positions", {})

    @property
    def is_spare(self) -> bool:
        """It has no series, and remembers what it needs to have some."""
        return self.number >= self.shards

    @property
    def note(self) -> str:
        """A line for /readyz."""
        if self.is_spare:
            return f"ok spare {self.number}: the series are divided among {self.shards}"
        return f"ok shard {self.number} of {self.shards}"

    def has(self, metric: Metric, labels: Labels) -> bool:
        """Whether the series is this daemon's. Of the cluster as a whole are the first one's."""
        positions: dict[str, tuple[int, int]] = self._positions  # type: ignore[attr-defined]
        found = positions.get(metric.name)
        if found is None:
            found = positions[metric.name] = _find(metric)
        namespace, scope = found
        if namespace < 0:
            return self.number == 0
        name = labels[scope] if scope >= 0 else ""
        return owner(f"{labels[namespace]}/{name}", self.shards) == self.number


def _find(metric: Metric) -> tuple[int, int]:
    """Where among the labels namespace and scope are; -1 for neither."""
    names = [label.name for label in metric.labels]
    scope = next((names.index(name) for name in SCOPES if name in names), -1)
    return (names.index("namespace") if "namespace" in names else -1), scope


class ShardedSink:
    """A ``Sink`` that lets through what a shard has. Problems and run records are everybody's."""

    def __init__(self, sink: Sink, shard: Shard) -> None:
        self.register = sink.register
        self.problem = sink.problem
        self.record = sink.record
        self.attribute = sink.attribute
        self._sink = sink
        self._has = shard.has

    def declare(self, metric: Metric, labels: Labels) -> None:
        if self._has(metric, labels):
            self._sink.declare(metric, labels)

    def count(
        self, metric: Metric, labels: Labels, amount: float = 1.0, *, exemplar: Subject = ""
    ) -> None:
        if self._has(metric, labels):
            self._sink.count(metric, labels, amount, exemplar=exemplar)

    def observe(
        self, metric: Metric, labels: Labels, value: float, *, exemplar: Subject = ""
    ) -> None:
        if self._has(metric, labels):
            self._sink.observe(metric, labels, value, exemplar=exemplar)

    def own(self, owner: str, gauges: Sequence[Contribution]) -> None:
        self._sink.own(owner, [one for one in gauges if self._has(one[0], one[1])])


def configured(shards: int, shard: str, host: str = "") -> Shard | None:
    """Of the settings; None when nothing is divided. Raises ConfigError."""
    if not shard:
        if shards > 1:
            raise ConfigError("sharding.shard: must be set where sharding.shards is more than 1")
        return None
    if shard != "auto":
        return Shard(int(shard), shards)
    host = host or socket.gethostname()
    numbered = _NUMBERED.match(host)
    if numbered is None:
        raise ConfigError(
            f"sharding.shard: auto needs a host name such as argoscope-0, and not {host!r}: run it"
            " in a StatefulSet, or give the number"
        )
    return Shard(int(numbered[1]), shards)
