"""Pods as the ledger keeps them: live objects by uid, and under other keys what outlives them."""

import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator

import msgspec

from argoscope.resources._base import Sink
from argoscope.resources._pod_life import PodLife, PodTimes, pod_life
from argoscope.resources._records import Codec, Journal
from argoscope.resources.pod import _joins
from argoscope.resources.pod._joins import End, Joins, Measurement
from argoscope.resources.pod._metrics import METRICS
from argoscope.resources.pod._timeline import Record
from argoscope.resources.world import Key, PodEnd, World

_UNSTARTED = 10_000
_METRICS = {metric.name: metric for metric in METRICS}
_MARKS = {mark: mark for mark in (_joins.PIPELINE, _joins.TEMPLATE)}


class Counted(msgspec.Struct, array_like=True, tag=1, gc=False, frozen=True):
    """A pod that succeeded and has been counted: all that is kept of it."""

    namespace: str
    phase: str


class Ends(msgspec.Struct, array_like=True, tag=2, gc=False):
    """``World.pod_ends`` and ``World.pod_lives`` of one workflow."""

    ends: dict[str, tuple[float, str]]
    lives: bytes = b""


class Waiting(msgspec.Struct, array_like=True, tag=3, gc=False):
    """What waits for one workflow in ``Joins``."""

    deadline: float
    measurements: list[tuple[str, tuple[str, ...], float, float]]
    ends: list[tuple[str, float, str]]
    lives: list[PodLife] = []
    """One for each of ``ends``."""


class Unstarted(msgspec.Struct, array_like=True, tag=4, gc=False, frozen=True):
    """A pod that was deleted before it started; the one that stands in for it has its name."""

    uid: str
    created: float


Stored = Record | Counted | Ends | Waiting | Unstarted
CODEC: Codec[Stored] = Codec(1, Stored)


class Keeper:
    """What the pods' derivation knows beside the live pods, and the journal of all of it."""

    def __init__(self, world: World, sink: Sink, joins: Joins) -> None:
        self.journal: Journal[Stored] = Journal("Pod", sink, CODEC)
        self._world = world
        self._joins = joins
        self._unstarted: OrderedDict[Key, Unstarted] = OrderedDict()

    def remember_unstarted(self, uid: str, record: Record) -> None:
        """Bounded: the oldest go."""
        key = (record.namespace, record.name)
        self._unstarted[key] = Unstarted(uid, record.created)
        self.journal.changed.add(_row("unstarted", key))
        if len(self._unstarted) > _UNSTARTED:
            oldest, _ = self._unstarted.popitem(last=False)
            self.journal.changed.add(_row("unstarted", oldest))

    def stands_in(self, uid: str, record: Record) -> Unstarted | None:
        """The pod that this one was made for again, if there is one; told once."""
        key = (record.namespace, record.name)
        before = self._unstarted.get(key)
        if before is None or before.uid == uid or before.created > record.created:
            return None
        del self._unstarted[key]
        self.journal.changed.add(_row("unstarted", key))
        return before

    def changes(self, pods: dict[str, Record | Counted]) -> Iterator[tuple[str, bytes | None]]:
        changed = self.journal.changed
        for name, keys in (("end", self._world.changed_pod_ends), ("join", self._joins.changed)):
            changed.update(_row(name, key) for key in keys)
            keys.clear()

        def lookup(key: str) -> Stored | None:
            return self._stored(key) if key[0] == "/" else pods.get(key)

        return self.journal.changes(lookup)

    def _stored(self, row: str) -> Stored | None:
        name, namespace, workflow = row[1:].split("/", 2)
        key = (namespace, workflow)
        if name == "end":
            ends = self._world.pod_ends.get(key, {})
            lives = self._world.pod_lives.packed(key)
            known = {node: (end.finished, end.cause) for node, end in ends.items()}
            return Ends(known, lives) if known or lives else None
        if name == "join":
            return _waiting(*self._joins.waiting(key))
        return self._unstarted.get(key)

    def restore(
        self, records: Iterable[tuple[str, bytes]]
    ) -> Iterator[tuple[str, Record | Counted]]:
        """Takes back what belongs to no live pod; yields the live ones by uid."""
        for row, stored in self.journal.read(records):
            if isinstance(stored, Record | Counted):
                yield row, stored
                continue
            _, namespace, workflow = row[1:].split("/", 2)
            key = (sys.intern(namespace), sys.intern(workflow))
            if isinstance(stored, Ends):
                self._world.restore_pods(
                    key, {n: PodEnd(*end) for n, end in stored.ends.items()}, stored.lives
                )
            elif isinstance(stored, Waiting):
                self._joins.restore(key, stored.deadline, list(_items(stored)))
            else:
                self._unstarted[key] = stored


def _row(name: str, key: Key) -> str:
    return f"/{name}/{key[0]}/{key[1]}"


def _waiting(deadline: float, items: list[Measurement | End]) -> Waiting | None:
    if not items:
        return None
    stored = Waiting(deadline, [], [], [])
    for item in items:
        if isinstance(item, End):
            stored.ends.append((item.node_id, item.end.finished, item.end.cause))
            stored.lives.append(item.life)
        else:
            stored.measurements.append(
                (item.metric.name, item.labels, item.value, item.unless_started_after)
            )
    return stored


def _items(stored: Waiting) -> Iterator[Measurement | End]:
    for name, labels, value, unless in stored.measurements:
        if name in _METRICS:  # else a later version has given it up
            marked = tuple(_MARKS.get(label, label) for label in labels)
            yield Measurement(_METRICS[name], marked, value, unless)
    lives = stored.lives or [pod_life(PodTimes(0))] * len(stored.ends)  # of an older version
    for (node, finished, cause), life in zip(stored.ends, lives, strict=True):
        yield End(node, PodEnd(finished, cause), life)
