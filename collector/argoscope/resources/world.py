"""What one kind's derivation may know of another's.

Streams of different kinds are not ordered among each other: every join here must give the same
result whichever side comes first. Each table is written by one kind only.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import msgspec

from argoscope.metrics.exemplars import Subject, Traced
from argoscope.resources._pod_life import PodLife
from argoscope.resources._pod_lives import PodLives

if TYPE_CHECKING:
    from argoscope.resources.workflow.critical_path import CriticalPath
    from argoscope.resources.workflow.timeline import Timeline

Key = tuple[str, str]


class Run(msgspec.Struct, gc=False):
    """A Workflow as other kinds see it; written by workflow.py. Times: Unix seconds, 0 for none."""

    namespace: str
    name: str
    uid: str
    pipeline: str
    cron: str = ""
    """CronWorkflow that made it (label workflows.argoproj.io/cron-workflow)."""
    scheduled: float = 0.0
    """Annotation workflows.argoproj.io/scheduled-time."""
    phase: str = ""
    created: float = 0.0
    started: float = 0.0
    finished: float = 0.0
    shutdown: str = ""
    """spec.shutdown: Stop, Terminate or empty."""
    by_user: bool = False
    """Somebody stopped it by hand (label workflows.argoproj.io/action)."""
    entrypoint: str = ""
    gone: bool = False
    """The object was deleted."""
    counted: float = 0.0
    """When the last attempt that was counted ended: nothing is asked about it any more."""
    trace_id: str = ""
    """Of the latest attempt, 32 hexadecimal digits; empty if nothing is traced."""
    traced: bool = False
    """That attempt is traced, or, while it goes on, surely will be."""

    @property
    def subject(self) -> Subject:
        """For exemplars."""
        return Traced(self.name, self.trace_id) if self.traced else self.name


class PodEnd(msgspec.Struct, gc=False, frozen=True):
    """How the latest pod of a workflow node ended. Written by pod.py."""

    finished: float
    """Last finish among its containers; 0 when no container ran."""
    cause: str = ""
    """Failure cause that only the pod knows (oom, evicted, preempted, node_lost, image, ...)."""


class PodEvent(msgspec.Struct, gc=False, frozen=True):
    """What an Event says about a pod. Written by event.py. Times: Unix seconds, 0 for none."""

    uid: str
    """The pod's."""
    reason: str
    """Pulling, Pulled, FailedMount, Preempted, ... (Event.reason)."""
    at: float
    """When it last happened."""
    pull_seconds: float = 0.0
    """Of Pulled: how long the pull took, waiting included; 0 if the image was there."""
    pull_error: str = ""
    """Of Failed: why the image could not be pulled, a reason of ``_reasons.ADVICE``."""


@dataclass(frozen=True, slots=True)
class ClosedRun:
    """A run attempt that has just ended, while its object is at hand. Written by workflow.py."""

    line: "Timeline"
    """Without its pods, which are told later (``EndedRun``)."""
    raw: bytes | msgspec.Raw
    """The object as JSON: not to be kept."""
    size: int
    """Bytes of it."""


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run attempt that has ended, with all that was told of its pods. Written by workflow.py."""

    line: "Timeline"
    path: "CriticalPath"


class World:
    def __init__(self) -> None:
        self.runs: dict[Key, Run] = {}
        """(namespace, workflow name) -> run; written by workflow.py, dropped when deleted."""
        self.pod_ends: dict[Key, dict[str, PodEnd]] = {}
        """(namespace, workflow name) -> node id -> end of its latest pod; changed only by the
        methods below, so that it is known what a ledger must keep."""
        self.changed_pod_ends: set[Key] = set()
        self.pod_lives = PodLives()
        """Of pods that have ended. Written by pod.py, as ``pod_ends``; kept until the run attempt
        has ended and needs them no longer."""
        self.new_pod_lives: set[Key] = set()
        """Of which workflows there are more of them; for workflow.py, which empties it."""
        self.awaiting_pods: Counter[Key] = Counter()
        """(namespace, workflow name) -> how many ended run attempts wait for lives of pods that
        have not been told yet; written by workflow.py."""
        self.cron_policies: dict[Key, str] = {}
        """(namespace, cron) -> concurrencyPolicy; written by cron_workflow.py."""
        self.node_pools: dict[str, tuple[str, str, str, bool]] = {}
        """Kubernetes node -> (zone, instance type, pool, spot); written by node.py."""
        self.counted_until: dict[str, float] = {}
        """Kind (Resource.name) -> until when (Unix seconds) an earlier daemon has counted that left
        no ledger; written by the pipeline."""
        self.listed: set[str] = set()
        """Kinds (Resource.name) that have been listed completely in this life: what they hold no
        longer is known to be gone."""
        self._run_listeners: list[Callable[[Run], None]] = []
        self._pod_event_listeners: list[Callable[[PodEvent], None]] = []
        self._closed_listeners: list[Callable[[ClosedRun], None]] = []
        self._ended_listeners: list[Callable[[EndedRun], None]] = []

    def set_pod_end(self, key: Key, node_id: str, end: PodEnd) -> None:
        self.pod_ends.setdefault(key, {})[node_id] = end
        self.changed_pod_ends.add(key)

    def drop_pod_end(self, key: Key, node_id: str) -> None:
        ends = self.pod_ends.get(key)
        if ends and ends.pop(node_id, None) is not None:
            self.changed_pod_ends.add(key)

    def drop_pod_ends(self, key: Key, until: float = inf) -> None:
        """Of a workflow, of pods that ended until then (Unix seconds): nobody will ask for them."""
        ends = self.pod_ends.pop(key, None)
        if ends is not None:
            self.changed_pod_ends.add(key)
            if later := {node: end for node, end in ends.items() if end.finished > until}:
                self.pod_ends[key] = later
        if key not in self.awaiting_pods:
            self.drop_pod_lives(key, until)

    def add_pod_life(self, key: Key, node_id: str, life: PodLife) -> None:
        self.pod_lives.add(key, node_id, life)
        self.new_pod_lives.add(key)
        self.changed_pod_ends.add(key)

    def drop_pod_lives(self, key: Key, until: float) -> None:
        """Those of pods that were created until then (Unix seconds)."""
        if self.pod_lives.drop(key, until):
            self.changed_pod_ends.add(key)

    def restore_pods(self, key: Key, ends: dict[str, PodEnd], lives: bytes) -> None:
        """What a ledger has kept of the pods of a workflow."""
        if ends:
            self.pod_ends[key] = ends
        if lives:
            self.pod_lives.restore(key, lives)
            self.new_pod_lives.add(key)

    def on_run(self, listener: Callable[[Run], None]) -> None:
        """Call ``listener`` when a run is first known, changes phase or times, or is deleted."""
        self._run_listeners.append(listener)

    def run_changed(self, run: Run) -> None:
        for listener in self._run_listeners:
            listener(run)

    def on_pod_event(self, listener: Callable[[PodEvent], None]) -> None:
        """Call ``listener`` for each Event of a pod, known or not yet known."""
        self._pod_event_listeners.append(listener)

    def pod_event(self, event: PodEvent) -> None:
        for listener in self._pod_event_listeners:
            listener(event)

    def on_run_closed(self, listener: Callable[[ClosedRun], None]) -> None:
        """Call ``listener`` once for each run attempt that is counted, at its end; ``run_ended``
        follows when its pods are known."""
        self._closed_listeners.append(listener)

    def run_closed(self, closed: ClosedRun) -> None:
        for listener in self._closed_listeners:
            listener(closed)

    def on_run_ended(self, listener: Callable[[EndedRun], None]) -> None:
        """Call ``listener`` once for each run attempt that is counted, up to two minutes after
        its end: when the ends of its pods are known."""
        self._ended_listeners.append(listener)

    def run_ended(self, ended: EndedRun) -> None:
        for listener in self._ended_listeners:
            listener(ended)
