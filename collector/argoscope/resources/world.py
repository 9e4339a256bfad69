"""What one kind's derivation may know of another's.

Streams of different kinds are not ordered among each other: every join here must give the same
result whichever side comes first. Each table is written by one kind only.
"""

from collections.abc import Callable

import msgspec

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


class World:
    def __init__(self) -> None:
        self.runs: dict[Key, Run] = {}
        """(namespace, workflow name) -> run; written by workflow.py, dropped when deleted."""
        self.pod_ends: dict[Key, dict[str, PodEnd]] = {}
        """(namespace, workflow name) -> node id -> end of its latest pod; changed only by the
        methods below, so that it is known what a ledger must keep."""
        self.changed_pod_ends: set[Key] = set()
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

    def set_pod_end(self, key: Key, node_id: str, end: PodEnd) -> None:
        self.pod_ends.setdefault(key, {})[node_id] = end
        self.changed_pod_ends.add(key)

    def drop_pod_end(self, key: Key, node_id: str) -> None:
        ends = self.pod_ends.get(key)
        if ends and ends.pop(node_id, None) is not None:
            self.changed_pod_ends.add(key)

    def drop_pod_ends(self, key: Key) -> None:
        """Of a whole workflow: nobody will ask for them."""
        if self.pod_ends.pop(key, None) is not None:
            self.changed_pod_ends.add(key)

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
