"""The objects of one kind with their history, in the bytes in which they go over the wire.

An object is encoded once for each version. Lists join these bytes, all watchers share them.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from argoscope.simulator.kinds import Kind
from argoscope.simulator.selectors import field_reader, field_test, label_test

Object = dict[str, Any]
Key = tuple[str, str]
"""Namespace (empty for kinds without) and name."""

HISTORY_BYTES = 64 << 20
"""Of objects that a kind's history holds; older changes are forgotten, as by compaction."""


class Stored(NamedTuple):
    """One version of an object; the JSON is what goes over the wire."""

    version: int
    namespace: str
    name: str
    uid: str
    labels: dict[str, str]
    json: bytes
    created: str = ""
    owners: tuple[str, ...] = ()
    """uids"""

    @property
    def key(self) -> Key:
        return self.namespace, self.name

    def decode(self) -> Object:
        found: Object = msgspec.json.decode(self.json)
        return found


class Change(NamedTuple):
    """``old`` is None for a new object, ``new`` has the deletion's version if ``gone``."""

    version: int
    old: Stored | None
    new: Stored
    gone: bool


@dataclass(slots=True)
class Collection:
    """The objects of one kind."""

    kind: Kind
    objects: dict[Key, Stored] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    dropped: int = 0
    """Changes that are no longer in the list, which starts at that offset."""
    compacted: int = 0
    """Versions below this are forgotten."""
    waiting: set["asyncio.Future[None]"] = field(default_factory=set)
    _bytes: int = 0

    def end(self) -> int:
        return self.dropped + len(self.changes)

    def append(self, change: Change, most: int) -> None:
        """Adds to the history, of which the older half is forgotten at so many changes."""
        self.changes.append(change)
        self._bytes += len(change.new.json)
        if len(self.changes) > most or (self._bytes > HISTORY_BYTES and len(self.changes) > 1):
            self._forget(len(self.changes) // 2)
        self.wake()

    def compact(self, version: int) -> None:
        self.dropped = self.end()
        self.changes.clear()
        self._bytes = 0
        self.compacted = version
        self.wake()

    def sorted(self) -> list[Stored]:
        """In the order of etcd's keys, as lists have it."""
        return [self.objects[key] for key in sorted(self.objects)]

    def at(self, version: int) -> list[Stored]:
        """The objects as they were at a version that is not compacted, in order."""
        objects = dict(self.objects)
        for change in reversed(self.changes):
            if change.version <= version:
                break
            if change.old is None:
                objects.pop(change.new.key, None)
            else:
                objects[change.new.key] = change.old
        return [objects[key] for key in sorted(objects)]

    async def changed(self) -> None:
        """Returns at the next change, or when the collection is woken."""
        future = asyncio.get_running_loop().create_future()
        self.waiting.add(future)
        try:
            await future
        finally:
            self.waiting.discard(future)

    def wake(self) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_result(None)

    def _forget(self, count: int) -> None:
        self.compacted = self.changes[count - 1].version
        self._bytes -= sum(len(change.new.json) for change in self.changes[:count])
        del self.changes[:count]
        self.dropped += count


class Selection:
    """Namespace, label and field selector of a request. Raises ValueError for a bad selector."""

    def __init__(self, namespace: str, label: str = "", field_: str = "") -> None:
        self.everything = not (label or field_)
        self.namespace = namespace
        self._label = label_test(label) if label else None
        self._field: Callable[[Any], bool] | None = field_test(field_) if field_ else None
        self._read = field_reader(field_) if field_ else None

    def matches(self, stored: Stored) -> bool:
        if self.namespace and stored.namespace != self.namespace:
            return False
        if self._label is not None and not self._label(stored.labels):
            return False
        return self._field is None or self._read is None or self._field(self._read(stored.json))

    def of(self, objects: list[Stored]) -> Iterator[Stored]:
        return (stored for stored in objects if self.matches(stored))


def at_version(stored: Stored, version: int) -> Stored:
    """The same object with another resourceVersion, which is the first of that name in it."""
    before = b'"resourceVersion":"%d"' % stored.version
    after = b'"resourceVersion":"%d"' % version
    return stored._replace(version=version, json=stored.json.replace(before, after, 1))
