"""The daemon's own intake, derivations and registry, fed by a simulated cluster in virtual time."""

from collections.abc import Callable, Iterable
from typing import Any

from argoscope.metrics.model import Labels, Metric
from argoscope.metrics.registry import Registry
from argoscope.pipeline import Pipeline
from argoscope.resources._base import AnyResource
from argoscope.resources._load import load
from argoscope.simulator.engine.kernel import Kernel
from argoscope.watch.delta import Origin
from argoscope.watch.intake import Intake


class VirtualDaemon:
    """Sees every change within a virtual second, as a daemon with a good connection does."""

    def __init__(self, kernel: Kernel, resources: Iterable[AnyResource] | None = None) -> None:
        self.kernel = kernel
        self.problems: list[tuple[str, str, str]] = []
        chosen = tuple(
            resource
            for resource in (load() if resources is None else resources)
            if resource.plural in kernel.cluster.collections
        )
        metrics = [metric for resource in chosen for metric in resource.metrics]
        self.registry = Registry(metrics, now=lambda: kernel.now)
        self._pipeline = Pipeline(
            chosen, self.registry, report=lambda *problem: self.problems.append(problem)
        )
        self._intakes = {resource.plural: Intake(resource, self._pipeline) for resource in chosen}
        self._read = dict.fromkeys(self._intakes, 0)
        self.publish: Callable[[], object] = self.registry.publish
        """What shows the values after each look; with a ledger, it commits them first."""
        for plural, intake in self._intakes.items():
            self._list(plural, intake)

    def _list(self, plural: str, intake: Intake) -> None:
        collection, now = self.kernel.cluster.collections[plural], self.kernel.now
        intake.begin_list(Origin.FIRST_LIST)
        for stored in collection.objects.values():
            intake.item(stored.json, now)
        intake.complete_list(str(self.kernel.cluster.version), now)
        self._read[plural] = collection.end()

    def run_until(self, when: float, every: float = 1.0) -> None:
        """Lets time pass, and looks at what has changed after each ``every`` seconds."""
        while self.kernel.now < when:
            self.kernel.run_until(min(self.kernel.now + every, when))
            self.catch_up()

    def catch_up(self) -> None:
        """Takes all changes since the last time, in the order in which they were made."""
        found = []
        for plural in self._intakes:
            collection = self.kernel.cluster.collections[plural]
            new = collection.changes[self._read[plural] - collection.dropped :]
            found += [(change, plural) for change in new]
            self._read[plural] = collection.end()
        now = self.kernel.now
        for change, plural in sorted(found, key=lambda pair: pair[0].version):
            kind = "DELETED" if change.gone else "MODIFIED" if change.old else "ADDED"
            raw = change.new.json
            self._intakes[plural].event(kind, raw, len(raw), now)
        self._pipeline.tick(now)
        self.publish()

    def counts(self, metric: Metric) -> dict[Labels, float]:
        """A counter's values, or the number of a histogram's samples; what is 0 is left out."""
        return {labels: value for labels, value in self.registry.samples(metric) if value}

    def sums(self, metric: Metric) -> dict[Labels, float]:
        """The sums of a histogram's samples."""
        return {labels: self.registry.sum(metric, labels) for labels in self.counts(metric)}

    def gauges(self, metric: Metric) -> dict[Labels, Any]:
        return dict(self.registry.samples(metric))
