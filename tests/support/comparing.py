"""The daemon's values beside what they have to be, as ``support.compared`` says."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from argoscope.metrics.model import Labels, Metric
from support.compared import (
    COUNTERS,
    GAUGES,
    HISTOGRAMS,
    LATE,
    LATE_GAUGES,
    NOTICE,
    OF_NODES,
    Counts,
    Timed,
    Told,
)
from support.recount import Samples
from support.recount.waits import PATIENCE
from support.virtual_daemon import VirtualDaemon

LEAST, MOST = PATIENCE - 1.0, PATIENCE + 1.0
"""What normal start-up may take, by clocks in whole seconds."""


@dataclass
class Differences:
    """What does not agree, by metric."""

    found: list[str] = field(default_factory=list)

    def add(self, metric: Metric, labels: Labels, daemon: object, truth: object) -> None:
        where = ", ".join(labels)
        self.found.append(f"{metric.prometheus}{{{where}}}: {daemon}, in truth {truth}")

    def counts(
        self, metric: Metric, daemon: Mapping[Labels, float], truth: Mapping[Labels, float]
    ) -> None:
        for labels in sorted(daemon.keys() | truth.keys()):
            if daemon.get(labels, 0.0) != truth.get(labels, 0.0):
                self.add(metric, labels, daemon.get(labels, 0.0), truth.get(labels, 0.0))


def compare_totals(
    daemon: VirtualDaemon, told: Told, before: Told, unseen: set[Labels]
) -> list[str]:
    """Counters and histograms; ``unseen`` are pipelines whose nodes nobody could see. What has
    happened since ``before`` can't all be reported yet."""
    found = Differences()
    versions = (told, before, replace(told, patience=LEAST), replace(told, patience=MOST))
    for metric, timed in {**COUNTERS, **HISTOGRAMS}.items():
        ours = _seen(metric, unseen, daemon.counts(metric))
        truths = [_samples(timed, each) for each in (versions if metric in LATE else (told,))]
        truth = _seen(metric, unseen, truths[0].counts)
        sums = daemon.sums(metric)
        for labels in sorted(ours.keys() | truth.keys()):
            count = ours.get(labels, 0.0)
            counts = [each.counts.get(labels, 0) for each in truths]
            if not min(counts) <= count <= max(counts):
                found.add(metric, labels, count, truth.get(labels, 0.0))
            elif isinstance(timed, Timed):
                total, limit = sums.get(labels, 0.0), timed.limit(labels, count)
                near = [e.sums[labels] for e in truths if e.counts.get(labels, 0) == count]
                near = near or [each.sums[labels] for each in truths]
                if not min(near) - limit <= total <= max(near) + limit:
                    found.add(metric, labels, f"{total:.1f} s", f"{near[0]:.1f} s")
    return found.found


def _samples(of: Counts | Timed, told: Told) -> Samples:
    """A counter has no sum."""
    return of.samples(told) if isinstance(of, Timed) else Samples(Counter(of(told)))


def _seen(
    metric: Metric, unseen: set[Labels], counts: Mapping[Labels, float]
) -> dict[Labels, float]:
    hidden = unseen if metric in OF_NODES else set()
    return {k: v for k, v in counts.items() if k[:2] not in hidden and v}


def compare_gauges(
    shown: Mapping[Metric, Mapping[Labels, float]], told: Told, unseen: set[Labels]
) -> list[str]:
    """The gauges of one moment."""
    found = Differences()
    for metric, gauge in GAUGES.items():
        ours = _seen(metric, unseen, shown[metric])
        truth = _seen(metric, unseen, gauge.values(told))
        if gauge.since:
            _compare_ages(found, metric, gauge.within, ours, truth, told.now)
        elif gauge.only_told:
            found.counts(metric, {k: v for k, v in ours.items() if k in truth}, truth)
        else:
            found.counts(metric, ours, truth)
    return found.found


def _compare_ages(
    found: Differences,
    metric: Metric,
    within: float,
    ours: Mapping[Labels, float],
    truth: Mapping[Labels, float],
    now: float,
) -> None:
    for labels in sorted(ours.keys() | truth.keys()):
        age = now - truth.get(labels, now)
        if abs(ours.get(labels, 0.0) - age) > within:
            found.add(metric, labels, ours.get(labels), f"{age:.1f} s")


def compare_late(shown: Mapping[Metric, Mapping[Labels, float]], told: Told) -> list[str]:
    """What waits at a moment: what was so for a while is seen for sure, what changed just now
    perhaps."""
    found = Differences()
    for late in LATE_GAUGES:
        expected, count = late.told(told), shown[late.count]
        for labels in sorted(expected.keys() | count.keys()):
            low, high, since = expected.get(labels, (0, 0, []))
            value = count.get(labels, 0.0)
            if not low <= value <= high:
                found.add(late.count, labels, value, f"{low} to {high}")
            elif value:
                age = shown[late.oldest].get(labels, 0.0)
                if all(abs(age - (told.now - begun)) > NOTICE for begun in since):
                    found.add(late.oldest, labels, age, [round(told.now - s, 1) for s in since])
    return found.found
