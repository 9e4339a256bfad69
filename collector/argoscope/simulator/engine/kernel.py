"""Virtual time, what is due when, and who is told of which change.

Everything in the engine happens in a callback that the kernel calls at a virtual time. Callbacks
read and write objects through the kernel only. So a seed and a scenario determine every object, and
days pass in seconds.
"""

import heapq
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count
from math import isnan
from random import Random
from typing import Any, Literal

import msgspec

from argoscope.simulator.cluster import KINDS, Cluster, Kind
from argoscope.simulator.engine.truth import Truth

Object = dict[str, Any]
Change = Literal["ADDED", "MODIFIED", "DELETED"]
Handler = Callable[[Change, Object], None]
Key = tuple[str, str]
Worked = Callable[[str, Key, float], None]

WITHOUT_STATUS_SUBRESOURCE = frozenset(
    {
        "analysisruns",
        "clusterworkflowtemplates",
        "cronworkflows",
        "workflows",
        "workflowtemplates",
    }
)
"""Kinds whose generation rises with every write, also of the status, as their CRDs have it."""


def stamp(unix: float) -> str:
    """A Kubernetes timestamp: RFC 3339 in UTC, in whole seconds, cut off as metav1.Time is."""
    return _stamp(int(unix))


@lru_cache(maxsize=10_000)  # most of what happens is stamped with the same few seconds
def _stamp(unix: int) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unix(text: str) -> float:
    """The Unix time of a Kubernetes timestamp."""
    return datetime.fromisoformat(text).timestamp()


def key_of(obj: Object) -> Key:
    """Namespace (empty for kinds without) and name."""
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


class Due:
    """Something that will be done at a time, unless it is cancelled."""

    __slots__ = ("_call", "at")

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self._call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self._call = None

    @property
    def waiting(self) -> bool:
        return self._call is not None

    def run(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()


class Kernel:
    """One simulated cluster.

    ``start`` is the virtual Unix time at which it begins. Controllers subscribe to kinds and are
    told of every change of them, by whomever, after the callback that made it has ended.

    Objects are plain dicts, one a key: who holds one sees what others write. A controller drops
    what is over with ``forget``; the cluster then keeps its JSON only.
    """

    def __init__(
        self,
        *,
        seed: int,
        start: float,
        kinds: tuple[Kind, ...] = KINDS,
        truth: Truth | None = None,
        history: int = 20_000,
    ) -> None:
        self.now = start
        self.random = Random(seed)  # noqa: S311 - a scenario, not a secret
        self.truth = truth or Truth()
        self.truth.clock = lambda: self.now
        self.cluster = Cluster(kinds, seed=seed, clock=lambda: self.now, history=history)
        self.failed: Callable[[Exception], None] | None = None
        """Told of what a callback raised; all else goes on. Without it, it is raised."""
        self._live: dict[str, dict[Key, Object]] = {kind.plural: {} for kind in kinds}
        self._handlers: dict[str, list[Handler]] = {}
        self._workers: list[Worked] = []
        self._heap: list[tuple[float, int, Due]] = []
        self._order = count()

    # Time

    def at(self, when: float, call: Callable[[], None]) -> Due:
        """Calls at a virtual time; what is due at the same time is done in the order of asking.

        Raises ValueError for NaN, which would leave the queue in disorder: others would be lost.
        """
        if isnan(when):
            raise ValueError("that is no time")
        due = Due(max(when, self.now), call)
        heapq.heappush(self._heap, (due.at, next(self._order), due))
        return due

    def after(self, seconds: float, call: Callable[[], None]) -> Due:
        return self.at(self.now + seconds, call)

    def run_until(self, when: float) -> None:
        """Does all that is due up to ``when``, which is the time afterwards."""
        while self._heap and self._heap[0][0] <= when:
            at, _, due = heapq.heappop(self._heap)
            self.now = max(self.now, at)
            try:
                due.run()
            except Exception as error:
                if self.failed is None:
                    raise
                self.failed(error)
        self.now = max(self.now, when)

    @property
    def next_at(self) -> float | None:
        """When the next thing is due."""
        while self._heap and not self._heap[0][2].waiting:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    # Objects

    def subscribe(self, plural: str, handler: Handler) -> None:
        self._handlers.setdefault(plural, []).append(handler)

    def follow(self, plural: str, handler: Handler) -> None:
        """Subscribes, and tells of what is there already, as an informer does."""
        self.subscribe(plural, handler)
        if plural in self._live:
            for key in list(self.cluster.collections[plural].objects):
                found = self.get(plural, *key)
                if found is not None:
                    handler("ADDED", found)

    def on_work(self, told: Worked) -> None:
        """Tells (queue, key, seconds of real time) of each item that a controller worked on."""
        self._workers.append(told)

    @contextmanager
    def work(self, queue: str, key: Key) -> Iterator[None]:
        """What a controller does with an item of one of its work queues."""
        began = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - began
            for told in self._workers:
                told(queue, key, took)

    def get(self, plural: str, namespace: str, name: str) -> Object | None:
        """The live object; changing it changes nothing for others until it is ``put``."""
        found = self._live[plural].get((namespace, name))
        if found is None:
            stored = self.cluster.get(plural, name, namespace)
            if stored is None:
                return None
            found = self._live[plural][(namespace, name)] = msgspec.json.decode(stored.json)
        return found

    def put(self, plural: str, obj: Object, *, stored_as: Object | None = None) -> None:
        """Creates or replaces an object, as a controller or a person would, and tells of it.

        ``stored_as`` is what the API shows of it, where that is not the same (compressed nodes);
        it shares its metadata.
        """
        meta, key = obj["metadata"], key_of(obj)
        before = self.cluster.collections[plural].objects.get(key)
        if "uid" not in meta:
            meta["uid"] = self.uid()
        if "creationTimestamp" not in meta:
            meta["creationTimestamp"] = stamp(self.now)
        if plural in WITHOUT_STATUS_SUBRESOURCE:
            meta["generation"] = meta.get("generation", 0) + 1 if before else 1
        stored = self.cluster.put(plural, stored_as or obj)
        meta["resourceVersion"] = str(stored.version)
        self._live[plural][key] = obj
        self._tell(plural, "MODIFIED" if before else "ADDED", obj)

    def remove(self, plural: str, obj: Object) -> None:
        """Deletes an object at once; deletion with grace is its controller's business."""
        key = key_of(obj)
        self._live[plural].pop(key, None)
        if self.cluster.collections[plural].objects.get(key) is not None:
            self.cluster.remove(plural, obj)
            self._tell(plural, "DELETED", obj)

    def forget(self, plural: str, obj: Object) -> None:
        """Drops the live dict of an object that nobody works on any more; it stays in the API."""
        self._live[plural].pop(key_of(obj), None)

    def live(self, *plurals: str) -> int:
        """How many live objects of these kinds are kept."""
        return sum(len(self._live[plural]) for plural in plurals)

    def written_by_client(self, change: Change, plural: str, obj: Object) -> None:
        """A client of the API has written: the new state takes the place of the live one."""
        if plural not in self._live:
            return
        if change == "DELETED":
            self._live[plural].pop(key_of(obj), None)
        else:
            self._live[plural][key_of(obj)] = obj
        self._tell(plural, change, obj)

    def _tell(self, plural: str, change: Change, obj: Object) -> None:
        for handler in self._handlers.get(plural, ()):
            self.at(self.now, lambda handler=handler: handler(change, obj))  # type: ignore[misc]

    # Names

    def uid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def suffix(self, length: int = 5) -> str:
        """Random characters as the API server appends them to a generateName."""
        return "".join(self.random.choices("bcdfghjklmnpqrstvwxz2456789", k=length))

    def hex(self, length: int) -> str:
        return f"{self.random.getrandbits(4 * length):0{length}x}"

    def between(self, low: float, high: float) -> float:
        return self.random.uniform(low, high)
