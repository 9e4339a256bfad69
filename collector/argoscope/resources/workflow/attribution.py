"""Run attempts that have ended: their time divided among causes, counted once.

The streams of pods and workflows are not ordered, and a pod can outlive its run: a daemon gets the
time to shut down. So an attempt waits, bounded, until the ends of all its pods have been told. What
is still missing then is counted as unknown, and never guessed. What waits is in the ledger, so that
a restart, or the deletion of the object, loses nothing of it.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from zlib import compress, decompress

import msgspec

from argoscope.resources._base import RunCauses, Sink
from argoscope.resources._records import Codec, Journal
from argoscope.resources.workflow.critical_path import critical_path
from argoscope.resources.workflow.metrics import CRITICAL_PATH, CRITICAL_SHARE, OVERHEAD
from argoscope.resources.workflow.timeline import Timeline, missing_pods, with_pods
from argoscope.resources.world import EndedRun, Key, World

PATIENCE = 120.0
"""Seconds that an attempt waits for pods. A container has 30 to shut down; on a node with a load of
90 it took up to 85 until the kubelet said so. The rest is for our own watch to catch up."""
MOST_NODES = 20_000
"""Nodes, some 30 bytes each, of attempts that wait; of more the oldest wait no longer."""
PREFIX = "/path/"
_LEVEL = 1  # the fastest: node ids that begin alike are most of it


class Waiting(msgspec.Struct, array_like=True, gc=False):
    """An attempt that waits for the ends of pods."""

    line: Timeline
    deadline: float
    """Unix seconds."""


CODEC: Codec[Waiting] = Codec(1, Waiting)


class _Kept(NamedTuple):
    """A ``Waiting``, packed and compressed: as objects its nodes would take thirty times the
    memory, and where pods are gone before they were seen all runs wait out their time."""

    key: Key
    deadline: float
    nodes: int
    packed: bytes

    def unpack(self) -> Waiting:
        return CODEC.decode(decompress(self.packed))


class Attribution:
    def __init__(self, world: World, sink: Sink) -> None:
        self.journal: Journal[Waiting] = Journal("Workflow", sink, CODEC)
        self._world = world
        self._sink = sink
        self._waiting: dict[str, _Kept] = {}
        """In the order in which they ended."""
        self._nodes = 0
        self._held = False

    def add(self, line: Timeline, now: float) -> None:
        """Take an attempt that has just ended; ``line`` without its pods."""
        key = (line.namespace, line.name)
        if not missing_pods(line, self._world.pod_lives.of(key)):
            self._settle(line)
            return
        row = f"{PREFIX}{line.uid}/{line.finished}"
        self._wait(row, Waiting(line, now + PATIENCE))
        self.journal.changed.add(row)
        while self._nodes > MOST_NODES:
            self._end_wait(next(iter(self._waiting)))

    def tick(self, now: float) -> None:
        """Settle what has all it needs, or has waited long enough."""
        if self._held:
            if "pods" not in self._world.listed:
                return  # what was to come while nobody watched comes with the list
            self._held = False
        told, self._world.new_pod_lives = self._world.new_pod_lives, set()
        for row, kept in list(self._waiting.items()):
            if kept.deadline <= now or (kept.key in told and self._has_all(kept)):
                self._end_wait(row)

    def finish(self) -> None:
        """Nothing more will come."""
        for row in list(self._waiting):
            self._end_wait(row)

    def changes(self) -> Iterator[tuple[str, bytes | None]]:
        def lookup(row: str) -> Waiting | None:
            kept = self._waiting.get(row)
            return kept.unpack() if kept is not None else None

        return self.journal.changes(lookup)

    def restore(self, records: Iterable[tuple[str, bytes]]) -> None:
        """No patience ends before pods have been listed."""
        for row, waiting in self.journal.read(records):
            self._wait(row, waiting)
            self._held = True

    def _wait(self, row: str, waiting: Waiting) -> None:
        line = waiting.line
        key = (line.namespace, line.name)
        packed = compress(CODEC.encode(waiting), _LEVEL)
        self._waiting[row] = _Kept(key, waiting.deadline, len(line.nodes), packed)
        self._nodes += len(line.nodes)
        self._world.awaiting_pods[key] += 1

    def _end_wait(self, row: str) -> None:
        kept = self._waiting.pop(row)
        self._nodes -= kept.nodes
        self._world.awaiting_pods[kept.key] -= 1
        if not self._world.awaiting_pods[kept.key]:
            del self._world.awaiting_pods[kept.key]
        self.journal.changed.add(row)
        self._settle(kept.unpack().line)

    def _has_all(self, kept: _Kept) -> bool:
        return not missing_pods(kept.unpack().line, self._world.pod_lives.of(kept.key))

    def _settle(self, line: Timeline) -> None:
        key: Key = (line.namespace, line.name)
        line = with_pods(line, self._world.pod_lives.of(key))
        if key not in self._world.awaiting_pods:
            self._world.drop_pod_lives(key, line.finished)
        path = critical_path(line)
        causes = {cause: length / 1000 for cause, length in path.causes_ms().items()}
        total = path.total_ms / 1000
        if total > 0:
            labels = (line.namespace, line.pipeline)
            for cause, seconds in causes.items():
                self._sink.count(CRITICAL_PATH, (*labels, cause), seconds, exemplar=line.subject)
                share = seconds / total
                self._sink.observe(CRITICAL_SHARE, (*labels, cause), share, exemplar=line.subject)
            overhead = 1.0 - causes.get("main", 0.0) / total
            self._sink.observe(OVERHEAD, labels, overhead, exemplar=line.subject)
        self._sink.attribute(RunCauses(uid=line.uid, finished=line.finished, causes=causes))
        self._world.run_ended(EndedRun(line, path))
