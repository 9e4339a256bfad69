"""Measurements that wait for the pod's Workflow, which alone knows the pipeline.

The streams of pods and workflows are not ordered among each other. A measurement waits until the
workflow is known. When it has not come ``PATIENCE`` later, or ``GRACE`` after the pod is gone, or
too many wait, the workflow's name stands in for the pipeline: the number stays right, only its
label is coarser.
"""

from collections import OrderedDict
from dataclasses import dataclass

from argoscope.metrics.model import Instrument, Metric
from argoscope.resources._base import Sink
from argoscope.resources._pod_life import PodLife
from argoscope.resources.pod._timeline import Record
from argoscope.resources.world import Key, PodEnd, PodEvent, Run, World

PATIENCE = 600.0
"""Seconds that measurements wait for a workflow."""
GRACE = 30.0
"""Seconds that the measurements of a pod that is gone wait for its workflow."""
_BOUND = 50_000
_UNKNOWN_EVENTS = 5_000
PIPELINE = "\0pipeline"
"""Stands for the pipeline in label values."""
TEMPLATE = "\0template"
"""Stands for the template that is the workflow's entrypoint."""


@dataclass(frozen=True, slots=True)
class Measurement:
    metric: Metric
    labels: tuple[str, ...]
    value: float
    unless_started_after: float = 0.0
    """Not counted if the workflow's current attempt started later than this; 0 for always."""


@dataclass(frozen=True, slots=True)
class End:
    """A pod's end, for ``world.pod_ends`` and ``world.pod_lives``."""

    node_id: str
    end: PodEnd
    life: PodLife


class EarlyEvents:
    """Events of pods that are not known (yet, or not ours): bounded, the oldest go.

    A ledger need not keep them: after a restart they are listed again.
    """

    def __init__(self) -> None:
        self._events: OrderedDict[str, list[PodEvent]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: PodEvent) -> None:
        if event.reason == "Pulled" and not event.pull_seconds and event.uid not in self._events:
            return  # the image was there: nothing to remember
        events = self._events.setdefault(event.uid, [])
        events.append(event)
        del events[:-8]
        self._events.move_to_end(event.uid)
        if len(self._events) > _UNKNOWN_EVENTS:
            self._events.popitem(last=False)

    def take(self, uid: str) -> list[PodEvent]:
        return self._events.pop(uid, [])


class Joins:
    def __init__(self, world: World, sink: Sink) -> None:
        self._world = world
        self._sink = sink
        self.now = 0.0
        """The time of what is being handled, Unix seconds."""
        self._waiting: dict[Key, list[Measurement | End]] = {}
        self._size = 0
        self._deadlines: dict[Key, float] = {}
        self._held = False
        self.changed: set[Key] = set()
        """Workflows for which something else waits than when a ledger last asked."""

    def add(self, key: Key, pipeline: str | None, item: Measurement | End) -> None:
        """Count ``item`` now if the pipeline is known, else later. An end is told at once to a run
        that has ended and waits for it: it may be gone, and known to nobody any more."""
        awaited = isinstance(item, End) and key in self._world.awaiting_pods
        if pipeline is not None or awaited:
            self._settle(key, pipeline or "", self._world.runs.get(key), item)
            return
        if self._size >= _BOUND:
            self._give_up(next(iter(self._waiting)))
        if key not in self._waiting:
            self._waiting[key] = []
            self._deadlines[key] = self.now + PATIENCE
        self._waiting[key].append(item)
        self._size += 1
        self.changed.add(key)

    def measure(
        self,
        record: Record,
        metric: Metric,
        labels: tuple[str, ...],
        value: float,
        unless_started_after: float = 0.0,
    ) -> None:
        """Count ``value`` of a pod as soon as its pipeline is known."""
        key = (record.namespace, record.workflow or record.name)
        self.add(key, record.pipeline, Measurement(metric, labels, value, unless_started_after))

    def pod_gone(self, key: Key) -> None:
        """A pod was deleted whose workflow is not known."""
        if key in self._waiting:
            self._deadlines[key] = self.now + GRACE
            self.changed.add(key)

    def run_known(self, run: Run) -> None:
        self._flush((run.namespace, run.name), run.pipeline, run)

    def tick(self, now: float) -> None:
        self.now = now
        if self._held:
            # What was to come while nobody watched comes with the list.
            if "workflows" not in self._world.listed:
                return
            self._held = False
        for key in [key for key, deadline in self._deadlines.items() if deadline <= now]:
            self._give_up(key)

    def finish(self) -> None:
        """Nothing more will come: settle all with what is known."""
        for key in list(self._waiting):
            self._give_up(key)

    def waiting(self, key: Key) -> tuple[float, list[Measurement | End]]:
        """(deadline, what waits for that workflow)."""
        return self._deadlines.get(key, 0.0), self._waiting.get(key, [])

    def restore(self, key: Key, deadline: float, items: list[Measurement | End]) -> None:
        """Take back what ``waiting`` gave; no deadline passes before workflows were listed."""
        self._held = True
        self._deadlines[key], self._waiting[key] = deadline, items
        self._size += len(items)

    def _give_up(self, key: Key) -> None:
        self._flush(key, key[1], None)

    def _flush(self, key: Key, pipeline: str, run: Run | None) -> None:
        self._deadlines.pop(key, None)
        items = self._waiting.pop(key, None)
        if items:
            self.changed.add(key)
            self._size -= len(items)
            for item in items:
                self._settle(key, pipeline, run, item)

    def _settle(self, key: Key, pipeline: str, run: Run | None, item: Measurement | End) -> None:
        if isinstance(item, End):
            # Nobody asks once the run has been counted, nor would anybody drop the entry.
            live = run and not run.gone and not (run.finished and run.finished == run.counted)
            if live:
                self._world.set_pod_end(key, item.node_id, item.end)
            # Pods of an `argo retry` can be told before their workflow says that it goes on.
            retried = run and not run.gone and item.life.created > run.counted
            if live or retried or key in self._world.awaiting_pods:
                self._world.add_pod_life(key, item.node_id, item.life)
            return
        # An `argo retry` makes pods again too, but moves the workflow's start.
        if item.unless_started_after and run and run.started > item.unless_started_after:
            return
        entrypoint = run.entrypoint if run else ""
        subject = run.subject if run else key[1]
        labels = tuple(
            pipeline if value is PIPELINE else entrypoint if value is TEMPLATE else value
            for value in item.labels
        )
        if item.metric.instrument is Instrument.HISTOGRAM:
            self._sink.observe(item.metric, labels, item.value, exemplar=subject)
        else:
            self._sink.count(item.metric, labels, item.value, exemplar=subject)
