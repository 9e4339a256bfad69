"""CronWorkflows and their runs through the real derivations, in virtual time."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from math import inf
from typing import Any

import msgspec

from argoscope.metrics.model import Instrument, Metric
from argoscope.metrics.registry import Registry
from argoscope.resources import cron_workflow, workflow
from argoscope.resources._base import AnyResource, Contribution, Options, Seen
from argoscope.resources.cron_workflow.metrics import MISSED_RUNS
from argoscope.resources.world import World

Event = tuple[float, dict[str, Any]]
"""(arrival time, watch event)."""


def clock(text: str, day: str = "2026-11-22") -> float:
    """Unix seconds of "13:14:00" (UTC) on the day of the recordings."""
    return datetime.fromisoformat(f"{day}T{text}").replace(tzinfo=UTC).timestamp()


class _Counting(Registry):
    renewals = 0

    def own(self, owner: str, gauges: Sequence[Contribution]) -> None:
        self.renewals += owner.startswith("cron-")
        super().own(owner, gauges)


class Crons:
    """A world with the derivations of Workflows and CronWorkflows, ticked once a second."""

    def __init__(self) -> None:
        self.now = 0.0
        kinds: list[AnyResource] = [workflow.RESOURCE, cron_workflow.RESOURCE]
        self.registry = _Counting(
            (metric for kind in kinds for metric in kind.metrics), now=lambda: self.now
        )
        world = World()
        self.world = world
        self._derivers = {
            kind.kind: (kind, kind.derive(world, self.registry, Options())) for kind in kinds
        }

    @property
    def renewals(self) -> int:
        """How often the gauges of a CronWorkflow (uid ``cron-...``) were given anew."""
        return self.registry.renewals

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
            deriver.upsert(typed, Seen(at, len(raw), inf if baseline else 0.0))

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


KEY = ("ci", "nightly")
CRON_LABEL = "workflows.argoproj.io/cron-workflow"
SCHEDULED = "workflows.argoproj.io/scheduled-time"


def stamp(text: str) -> str:
    return f"2026-11-22T{text}Z"


def cron(
    spec: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    *,
    uid: str = "cron-1",
    created: str = "09:00:00",
) -> dict[str, Any]:
    return {
        "kind": "CronWorkflow",
        "metadata": {
            "namespace": KEY[0],
            "name": KEY[1],
            "uid": uid,
            "creationTimestamp": stamp(created),
        },
        "spec": {
            "schedules": ["*/10 * * * *"],
            "workflowSpec": {"entrypoint": "main", "templates": [{"name": "main"}]},
            **(spec or {}),
        },
        "status": status or {},
    }


def run(
    due: str,
    phase: str = "Running",
    *,
    started: str | None = None,
    finished: str | None = None,
    shutdown: str | None = None,
    action: str | None = None,
    name: str | None = None,
    created: str | None = None,
    planned: bool = True,
) -> dict[str, Any]:
    """A child that was due at ``due`` (HH:MM:SS), started then, and has not finished."""
    name = name or f"nightly-{int(clock(due))}"
    labels = {CRON_LABEL: KEY[1]}
    if action:
        labels["workflows.argoproj.io/action"] = action
    status: dict[str, Any] = {"phase": phase}
    if phase:
        status["startedAt"] = stamp(started or due)
    if finished:
        status["finishedAt"] = stamp(finished)
    return {
        "kind": "Workflow",
        "metadata": {
            "namespace": KEY[0],
            "name": name,
            "uid": f"uid-{name}",
            "creationTimestamp": stamp(created or due),
            "labels": labels,
            "annotations": {SCHEDULED: stamp(due)} if planned else {},
        },
        "spec": {"shutdown": shutdown} if shutdown else {},
        "status": status,
    }


def at(moment: str, obj: dict[str, Any], kind: str = "MODIFIED") -> Event:
    return clock(moment), {"type": kind, "object": obj}


def play(*events: Event, until: str) -> Crons:
    crons = Crons()
    for moment, event in sorted(events, key=lambda item: item[0]):
        crons.take(moment, event)
    crons.tick_until(clock(until))
    crons.tick()
    return crons
