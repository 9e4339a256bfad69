"""Deltas in, measurements out: the one place where watching meets derivation."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import inf
from typing import Any, Protocol

import msgspec
import structlog

from argoscope.advice import watching as advice
from argoscope.metrics.registry import Registry
from argoscope.resources._base import (
    AnyResource,
    Deriver,
    Options,
    PastCronRun,
    PastRun,
    RunCauses,
    RunRecord,
    Seen,
)
from argoscope.resources._limits import configured
from argoscope.resources.world import World
from argoscope.sharding import Shard, ShardedSink
from argoscope.watch.delta import Origin, Watched
from argoscope.watch.mark import Mark
from argoscope.watch.roster import Roster

Reporter = Callable[[str, str, str], None]
"""(kind, reason, detail) of something that was skipped."""

log = structlog.get_logger()

_SETTINGS = "settings"
"""Owner of the gauges that say what was configured."""
_streams = msgspec.json.Encoder()
WEEK = 7 * 86400.0
"""Seconds of run records that derivations are told at a start."""


class Memory(Protocol):
    """What outlives the process; the ledger is one. What is given to it is kept with the commit
    that keeps the values counted at the same time, or not at all."""

    def record(self, run: RunRecord) -> None:
        """Keep a run attempt."""

    def attribute(self, found: RunCauses) -> None:
        """Keep where the time of a run attempt went."""

    def note(self, key: str, value: str) -> None:
        """Keep a fact; an empty value forgets it."""

    def noted(self, key: str) -> str:
        """A fact, as it was noted last; empty for none."""

    def objects(self, kind: str) -> Iterable[tuple[str, bytes]]:
        """(uid, record) of a kind's objects at the last commit."""

    def past_runs(self, since: float) -> Iterable[PastRun]:
        """Runs that ended at ``since`` (Unix seconds) or later, oldest first."""

    def past_cron_runs(self) -> Iterable[PastCronRun]:
        """All runs of crons of which there is history, oldest end first."""


class Pipeline:
    """Takes what the reflectors deliver (``watch.delta.Handler``) to the derivations.

    One bad object never ends the stream: what a derivation can't handle is counted, logged once
    per kind and reason, and the rest goes on.
    """

    def __init__(
        self,
        resources: tuple[AnyResource, ...],
        registry: Registry,
        options: Options | None = None,
        *,
        report: Reporter | None = None,
        memory: Memory | None = None,
        shard: Shard | None = None,
    ) -> None:
        self.registry = registry
        self.world = World()
        self._memory = memory
        self._inherited: Mapping[str, Mark] = {}
        reporting = _ReportingSink(registry, report or _log_once(), memory)
        self._sink = reporting if shard is None else ShardedSink(reporting, shard)
        options = options or Options()
        self._sink.own(_SETTINGS, configured(options.limits))
        self._derivers: dict[str, Deriver[Any]] = {
            resource.name: resource.derive(self.world, self._sink, options)
            for resource in resources
        }
        self._derivers[advice.NAME] = advice.Advisor(
            self.world, self._sink, options.silenced_advice
        )
        self._kinds = {resource.name: resource.kind for resource in resources}
        self._kinds[advice.NAME] = "Advice"
        self.rosters = {name: Roster() for name in self._derivers}
        """What an earlier life knew of each kind; for its reflectors."""

    def upsert(self, watched: Watched, obj: Any, size: int, at: float, origin: Origin) -> None:
        if origin is Origin.FIRST_LIST:
            seen = self._first_sight(watched.name, obj, size, at)
        else:
            seen = Seen(at=at, size=size)
        try:
            self._derivers[watched.name].upsert(obj, seen)
        except Exception as error:  # noqa: BLE001 - a bug must cost one object, not the daemon
            self._failed(watched, obj, error)

    def _first_sight(self, name: str, obj: Any, size: int, at: float) -> Seen:
        mark = self._inherited.get(name)
        if mark is None:
            return Seen(at=at, size=size, history_until=inf)
        version = obj.metadata.resource_version
        known = version.isdecimal() and int(version) <= mark.position
        return Seen(at=at, size=size, history_until=mark.until, unchanged=known)

    def delete(self, watched: Watched, uid: str, obj: Any | None, at: float) -> None:
        try:
            self._derivers[watched.name].delete(uid, obj, Seen(at=at))
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(watched, obj, error)

    def listed(self, watched: Watched, stream: str, origin: Origin, at: float) -> None:
        """After a list the time-driven derivations may look at what they know."""
        roster = self.rosters[watched.name]
        if roster.settled:
            self.world.listed.add(watched.name)
        if self._memory is not None:
            self._memory.note(_listed(watched.name), _streams.encode(roster.known).decode())
        self._derivers[watched.name].tick(at)

    def problem(self, watched: Watched, reason: str, detail: str) -> None:
        self._sink.problem(self._kinds[watched.name], reason, detail)

    def tick(self, now: float) -> None:
        """Time has passed: about once a second.

        What waits for another kind is settled here alone, and not after a list: after a cut that
        kind may be listed a moment later.
        """
        for name, deriver in self._derivers.items():
            self._let_time_pass(name, deriver.tick, now)
            settle = getattr(deriver, "settle", None)
            if settle is not None:
                self._let_time_pass(name, settle, now)
            if self._memory is None:
                deriver.changes()  # nobody asks: what it noted is forgotten

    def _let_time_pass(self, name: str, call: Callable[[float], None], now: float) -> None:
        try:
            call(now)
        except Exception as error:
            self._sink.problem(self._kinds[name], "bug", f"tick: {error!r}")
            log.exception("derivation failed", resource=name)

    def finish(self) -> None:
        """The input has ended: what waits for an object of another kind waits no longer."""
        for deriver in self._derivers.values():
            finish = getattr(deriver, "finish", None)
            if finish is not None:
                finish()

    def restore(self, now: float) -> None:
        """Before anything is watched: takes back what the memory keeps."""
        if self._memory is None:
            return
        for name, deriver in self._derivers.items():
            records = list(self._memory.objects(name))
            deriver.restore(records)
            listed = self._memory.noted(_listed(name))
            streams = msgspec.json.decode(listed, type=list[str]) if listed else ()
            # Keys with a / are no uids.
            self.rosters[name].remember((key for key, _ in records if "/" not in key), streams)
        for deriver in self._derivers.values():
            deriver.recall(self._memory.past_runs(now - WEEK))
            recall_crons = getattr(deriver, "recall_crons", None)
            if recall_crons is not None:
                recall_crons(self._memory.past_cron_runs())

    def inherit(self, marks: Mapping[str, Mark]) -> None:
        """Before anything is watched: up to where an earlier daemon has counted the kinds (by
        name), which left no memory but this."""
        self._inherited = marks
        self.world.counted_until.update((name, mark.until) for name, mark in marks.items())

    def changes(self) -> Iterator[tuple[str, str, bytes | None]]:
        """(kind, uid, record) of what has changed since the last call; None for what is gone."""
        for name, deriver in self._derivers.items():
            try:
                changed = list(deriver.changes())
            except Exception as error:
                # The values of this second are committed all the same: until the objects change
                # again, a crash could count them twice.
                self._sink.problem(self._kinds[name], "bug", f"changes: {error!r}")
                log.exception("derivation can't say what changed", resource=name)
                continue
            for uid, record in changed:
                yield name, uid, record

    def _failed(self, watched: Watched, obj: Any, error: Exception) -> None:
        meta = getattr(obj, "metadata", None)
        where = f"{meta.namespace}/{meta.name}" if meta is not None else "(gone)"
        self._sink.problem(self._kinds[watched.name], "bug", f"{where}: {error!r}")
        log.debug("derivation failed", resource=watched.name, object=where, exc_info=error)


def _listed(name: str) -> str:
    """Of a kind: the fact that tells which of its streams were listed completely."""
    return f"listed/{name}"


class _ReportingSink:
    """The registry, with every problem also told to ``report``."""

    def __init__(self, registry: Registry, report: Reporter, memory: Memory | None) -> None:
        self.register = registry.register
        self.declare = registry.declare
        self.count = registry.count
        self.observe = registry.observe
        self.own = registry.own
        self.record = memory.record if memory is not None else registry.record
        self.attribute = memory.attribute if memory is not None else registry.attribute
        self._registry = registry
        self._report = report

    def problem(self, kind: str, reason: str, detail: str) -> None:
        self._registry.problem(kind, reason, detail)
        self._report(kind, reason, detail)


def _log_once() -> Reporter:
    """Logs the first problem of each kind and reason; the metric counts all of them."""
    known: set[tuple[str, str]] = set()

    def report(kind: str, reason: str, detail: str) -> None:
        if (kind, reason) not in known:
            known.add((kind, reason))
            log.warning("object or field skipped", kind=kind, reason=reason, detail=detail[:500])

    return report
