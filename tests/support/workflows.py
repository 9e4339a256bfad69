"""Workflow deltas through the real derivation into a real registry, and what came out of it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from argoscope.metrics.internal import RUNS_UNOBSERVED
from argoscope.metrics.model import Labels, Metric
from argoscope.metrics.registry import Registry
from argoscope.resources._base import Options, Seen
from argoscope.resources.workflow import RESOURCE
from argoscope.resources.workflow import metrics as m
from argoscope.resources.workflow.derive import WorkflowDeriver
from argoscope.resources.workflow.objects import decode
from argoscope.resources.world import World
from support.workflow_objects import BASE

Total = tuple[int, float]
"""(how many, seconds in all)"""


@dataclass
class Totals:
    """What the derivation counted, with the labels that tell pipelines apart left out."""

    runs: dict[str, Total] = field(default_factory=dict)
    """By phase."""
    causes: dict[str, int] = field(default_factory=dict)
    attempts: dict[tuple[str, str, str], Total] = field(default_factory=dict)
    """By template, type of the node and phase."""
    failures: dict[tuple[str, str], int] = field(default_factory=dict)
    """By template and cause."""
    retries: dict[str, int] = field(default_factory=dict)
    gaps: Total = (0, 0.0)
    locks: Total = (0, 0.0)
    pending: Total = (0, 0.0)
    actions: dict[str, int] = field(default_factory=dict)
    unobserved: dict[str, int] = field(default_factory=dict)


def totals(registry: Registry, pipelines: Iterable[str] | None = None) -> Totals:
    """All that was counted, or only that of ``pipelines``; what is 0 is left out."""
    wanted = None if pipelines is None else set(pipelines)

    def rows(metric: Metric) -> Iterable[tuple[Labels, int, float]]:
        place = metric.label_names.index("pipeline") if "pipeline" in metric.label_names else None
        for labels, number in registry.samples(metric):
            if number and (wanted is None or place is None or labels[place] in wanted):
                yield labels, int(number), registry.sum(metric, labels)

    def counts(metric: Metric, *places: int) -> Counter[Any]:
        found: Counter[Any] = Counter()
        for labels, number, _ in rows(metric):
            key = tuple(labels[i] for i in places)
            found[key if len(places) > 1 else key[0]] += number
        return found

    def sums(metric: Metric, *places: int) -> dict[Any, Total]:
        found: dict[Any, Total] = {}
        for labels, number, total in rows(metric):
            picked = tuple(labels[i] for i in places)
            key = picked if len(places) > 1 else picked[0]
            before = found.get(key, (0, 0.0))
            found[key] = (before[0] + number, before[1] + total)
        return found

    def overall(metric: Metric) -> Total:
        found = list(rows(metric))
        return sum(n for _, n, _ in found), sum(s for _, _, s in found)

    durations = sums(m.RUN_DURATION, 2)
    return Totals(
        runs={p: (n, durations.get(p, (0, 0.0))[1]) for p, n in counts(m.RUNS, 2).items()},
        causes=dict(counts(m.FAILURES, 2)),
        attempts=sums(m.TEMPLATE_DURATION, 2, 3, 4),
        failures=dict(counts(m.TEMPLATE_FAILURES, 2, 3)),
        retries=dict(counts(m.TEMPLATE_RETRIES, 2)),
        gaps=overall(m.STEP_GAP),
        locks=overall(m.LOCK_WAIT),
        pending=overall(m.RUN_PENDING),
        actions=dict(counts(m.WORKFLOW_ACTIONS, 2)),
        unobserved=dict(counts(RUNS_UNOBSERVED, 0)),
    )


class Feed:
    """One derivation of Workflows over a registry, fed with objects as Python dicts."""

    def __init__(self, options: Options | None = None) -> None:
        self.now = BASE + 600.0
        self.problems: list[tuple[str, str, str]] = []
        self.registry = Registry(
            m.METRICS, now=lambda: self.now, on_problem=lambda *p: self.problems.append(p)
        )
        self.world = World()
        self.deriver = WorkflowDeriver(self.world, self.registry, options or Options())

    def upsert(self, obj: Mapping[str, Any], at: float | None = None, **seen: Any) -> None:
        raw = msgspec.json.encode(obj)
        self.now = at if at is not None else self.now
        self.deriver.upsert(decode(raw), Seen(at=self.now, size=len(raw), **seen))

    def delete(self, obj: Mapping[str, Any] | None, uid: str = "", at: float | None = None) -> None:
        """A deletion with its last state, or with None a tombstone for ``uid``."""
        self.now = at if at is not None else self.now
        last = None if obj is None else decode(msgspec.json.encode(obj))
        self.deriver.delete(uid or obj["metadata"]["uid"], last, Seen(at=self.now))  # type: ignore[index]

    def event(self, at: float, event: Mapping[str, Any]) -> None:
        """A watch event as the API server sends it."""
        if event["type"] == "DELETED":
            self.delete(event["object"], at=at)
        else:
            self.upsert(event["object"], at=at)

    def totals(self) -> Totals:
        return totals(self.registry)

    def value(self, metric: Metric, *labels: str) -> float | None:
        return self.registry.value(metric, labels)

    def gauges(self) -> dict[str, dict[Labels, float]]:
        """Every gauge series of the kind, by the metric's Prometheus name."""
        found = {}
        for metric in RESOURCE.metrics:
            if metric.instrument == "gauge":
                series = dict(self.registry.samples(metric))
                if series:
                    found[metric.prometheus] = series
        return found
