"""Feeds read events through the same store, pipeline and registry as the daemon."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from operator import attrgetter
from typing import Any

import msgspec

from argoscope.catalogue import catalogue
from argoscope.inspect.reading import Complain, Item
from argoscope.metrics.registry import Registry
from argoscope.pipeline import Pipeline
from argoscope.resources._base import AnyResource, ObjectMeta, Options
from argoscope.resources._load import load
from argoscope.watch.delta import decoder
from argoscope.watch.intake import Intake

TICK = 1.0  # seconds of recorded time between ticks, as in the daemon
MAX_TICKS = 3600  # in one gap of a recording: a pause of days needs no ticks a second
_EXPLAINS = ("Node", "Event", "Pod")


class Clock:
    """The time that a replay has reached, in Unix seconds."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class _Versioned(msgspec.Struct, gc=False):
    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)


_decode_meta = msgspec.json.Decoder(_Versioned).decode


class Replay:
    """One run of the derivation over files.

    ``now`` is the time (Unix seconds) at which plain objects are looked at; recorded events bring
    their own.
    """

    def __init__(self, *, now: float, options: Options | None = None, complain: Complain) -> None:
        self.clock = Clock(now)
        self.registry = Registry(catalogue(), now=self.clock)
        self.taken: Counter[str] = Counter()
        """Objects and events, by kind, of the kinds that argoscope watches."""
        self.unwatched: Counter[str] = Counter()
        """Objects of kinds that argoscope does not watch."""
        self._complain = complain
        self._source = ""
        self._resources = {resource.kind: resource for resource in load()}
        self._pipeline = Pipeline(
            tuple(self._resources.values()), self.registry, options, report=self._report
        )
        self.world = self._pipeline.world
        """What kinds know of each other; to listen to."""
        self._intakes = {r.kind: self._intake(r) for r in self._resources.values()}
        self._last_tick = 0.0

    def _report(self, kind: str, reason: str, detail: str) -> None:
        self._complain(self._source, kind, f"{reason}: {detail}")

    def objects(self, items: Iterable[Item]) -> None:
        """Take plain objects: what others are judged by first, versions of one object by age.

        The daemon hears of a pod's end before Argo writes its node's; in files all is over, so
        events and pods go before the workflows whose causes and gaps they explain.
        """
        self._feed(sorted(items, key=self._order), at=self.clock.now)
        self._pipeline.tick(self.clock.now)
        self._pipeline.finish()
        self.registry.publish()

    def recorded(self, items: Iterable[Item]) -> None:
        """Take recorded events in the order of their times, with ticks in between."""
        timed = sorted(items, key=attrgetter("at"))
        if timed:
            self.clock.now = self._last_tick = timed[0].at
        self._feed(timed, at=None)
        self._advance(self.clock.now + TICK)
        self._pipeline.finish()
        self.registry.publish()

    def _order(self, item: Item) -> tuple[int, int]:
        resource = self._resources.get(item.kind)
        if resource is None:
            return 1000, 0
        try:
            version = _decode_meta(item.raw).metadata.resource_version
        except msgspec.MsgspecError:
            version = ""
        order = _EXPLAINS.index(item.kind) if item.kind in _EXPLAINS else resource.order
        return order, int(version) if version.isdigit() else 0

    def _feed(self, items: Iterable[Item], at: float | None) -> None:
        for item in items:
            if at is None:
                self._advance(item.at)
            self._source = item.source
            resource = self._resources.get(item.kind)
            if resource is not None:
                self.taken[item.kind] += 1
                self._intakes[item.kind].event(
                    item.type, item.raw, len(item.raw), item.at if at is None else at
                )
            elif item.kind:
                self.unwatched[item.kind] += 1
            else:
                self._complain(item.source, "", "has no kind, and its fields tell none")

    def _intake(self, resource: AnyResource) -> Intake:
        """The daemon's own intake; objects printed without a uid get one of their own here."""
        decode = decoder(resource)

        def named(raw: bytes | msgspec.Raw) -> Any:
            obj = decode(raw)
            meta = obj.metadata
            if not meta.uid:
                meta.uid = f"{self._source}/{resource.kind}/{meta.namespace}/{meta.name}"
            return obj

        return Intake(replace(resource, decode=named), self._pipeline)

    def _advance(self, to: float) -> None:
        gap = to - self._last_tick
        step = max(TICK, gap / MAX_TICKS)
        while self._last_tick + step <= to:
            self._last_tick += step
            self.clock.now = self._last_tick
            self._pipeline.tick(self._last_tick)
        self.clock.now = max(self.clock.now, to)
