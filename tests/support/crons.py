"""CronWorkflows and their runs through the real derivations, in virtual time."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from argoscope.metrics.model import Instrument, Metric
from argoscope.metrics.registry import Registry
from argoscope.resources import cron_workflow, workflow
from argoscope.resources._base import AnyResource, Options, Seen
from argoscope.resources.cron_workflow.metrics import MISSED_RUNS
from argoscope.resources.world import World

Event = tuple[float, dict[str, Any]]
"""(arrival time, watch event)."""


def clock(text: str, day: str = "2026-11-22") -> float:
    """Unix seconds of "13:14:00" (UTC) on the day of the recordings."""
    return datetime.fromisoformat(f"{day}T{text}").replace(tzinfo=UTC).timestamp()


class Crons:
    """A world with the derivations of Workflows and CronWorkflows, ticked once a second."""

    def __init__(self) -> None:
        self.now = 0.0
        kinds: list[AnyResource] = [workflow.RESOURCE, cron_workflow.RESOURCE]
        self.registry = Registry(
            (metric for kind in kinds for metric in kind.metrics), now=lambda: self.now
        )
        world = World()
        self.world = world
        self._derivers = {
            kind.kind: (kind, kind.derive(world, self.registry, Options())) for kind in kinds
        }

    def take(self, at: float, event: dict[str, Any], *, baseline: bool = False) -> None:
        """Give one watch event that arrives at ``at``, after the ticks until then."""
        self.tick_until(at)
        obj = event["object"]
        kind, deriver = self._derivers[obj["kind"]]
        raw = json.dumps(obj).encode()
        typed = kind.decode(raw) if kind.decode else msgspec.json.decode(raw, type=kind.object_type)
        if event["type"] == "DELETED":
            deriver.delete(obj["metadata"]["uid"], typed, Seen(at, len(raw)))
        else:
            deriver.upsert(typed, Seen(at, len(raw), baseline))

    def gone(self, at: float, obj: dict[str, Any]) -> None:
        """The object is missing in a relist."""
        self.tick_until(at)
        self._derivers[obj["kind"]][1].delete(obj["metadata"]["uid"], None, Seen(at))

    def tick_until(self, at: float) -> None:
        if not self.now:
            self.now = at
        while self.now < at:
            self.now = min(at, float(int(self.now) + 1))
            self.tick()

    def jump(self, at: float) -> None:
        self.now = at
        self.tick()

    def tick(self) -> None:
        for _, deriver in self._derivers.values():
            deriver.tick(self.now)
        self.registry.publish()

    def replay(self, events: Iterable[Event]) -> "Crons":
        for at, event in events:
            self.take(at, event)
        self.tick()
        return self

    def value(self, metric: Metric, *labels: str) -> float | None:
        return self.registry.value(metric, labels)

    def totals(self) -> dict[tuple[str, tuple[str, ...]], float]:
        """Every series of CronWorkflows; of histograms the count and the sum."""
        found: dict[tuple[str, tuple[str, ...]], float] = {}
        for metric in cron_workflow.RESOURCE.metrics:
            for labels, value in self.registry.samples(metric):
                found[metric.prometheus, labels] = value
                if metric.instrument is Instrument.HISTOGRAM:
                    found[metric.prometheus + "_sum", labels] = self.registry.sum(metric, labels)
        return found

    def missed(self, namespace: str, name: str) -> dict[str, int]:
        """Missed runs by reason, those that are not 0."""
        return {
            labels[2]: int(value)
            for labels, value in self.registry.samples(MISSED_RUNS)
            if labels[:2] == (namespace, name) and value
        }
