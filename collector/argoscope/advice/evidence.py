"""What rules look at: one run attempt, what it was asked to do, and what is around it.

The daemon has the timeline and the manifest, when a run has ended; ``explain`` has the pods and
their events too. What is not known is None or empty, and a rule that needs it stays silent.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from argoscope.advice.manifest import Manifest
from argoscope.resources._pod_life import PodLife
from argoscope.resources.workflow.critical_path import CriticalPath
from argoscope.resources.workflow.timeline import NodeSpan, Timeline
from argoscope.resources.world import PodEnd


@dataclass(frozen=True, slots=True)
class Pull:
    """An image that a pod had to wait for."""

    image: str
    seconds: float
    size: int = 0
    """Bytes; 0 if the kubelet does not tell (before Kubernetes 1.30)."""


@dataclass(slots=True)
class PodFacts:
    """One pod of a run."""

    name: str
    node: str
    """Kubernetes node; empty if it got none."""
    raw: bytes
    """The Pod, JSON."""
    life: PodLife
    end: PodEnd
    pulls: list[Pull] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    """Why pulls failed: reasons of ``_reasons.ADVICE``."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step whose pod is known. Seconds."""

    node: NodeSpan
    life: PodLife
    startup: float
    """From when its pod was made until main started."""
    work: float
    after: float
    """From the end of main until the last container ended."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container used, of Prometheus: the highest over its life. None for what it does not
    know: pods shorter than two scrapes have no rate."""

    template: str
    cpu: float | None
    """Cores."""
    memory: float | None
    """Bytes."""


@dataclass
class Evidence:
    """One run attempt that has ended, or that goes on."""

    line: Timeline
    path: CriticalPath
    manifest: Manifest
    size: int = 0
    """Bytes of the object's JSON; 0 if nobody knows."""
    pods: Mapping[str, tuple[PodFacts, ...]] | None = None
    """Node id -> its pods; None where only their lives are known (``line.pods``)."""
    spot_nodes: frozenset[str] = frozenset()
    """Kubernetes nodes that can be taken away at any time."""
    stored: int = 0
    """Finished Workflows of the pipeline that the cluster still keeps; 0 if nobody knows."""
    cron_policy: str = ""
    """concurrencyPolicy of its CronWorkflow; empty if nobody knows."""
    cron_runs: tuple[tuple[float, float], ...] = ()
    """(beginning, end) of other runs of its CronWorkflow, Unix seconds."""
    usage: tuple[Usage, ...] = ()
    pod_causes: tuple[str, ...] = ()
    """Why its pods ended that were not left to end, where ``pods`` is None."""

    @cached_property
    def ends(self) -> list[tuple[str, str]]:
        """(cause, Kubernetes node or empty) of pods that were not left to end."""
        if self.pods is None:
            return [(cause, "") for cause in self.pod_causes]
        return [(pod.end.cause, pod.node) for pod in self.facts() if pod.end.cause]

    @cached_property
    def total(self) -> float:
        return self.path.total_ms / 1000

    @cached_property
    def causes(self) -> dict[str, float]:
        """Cause -> seconds."""
        return {cause: length / 1000 for cause, length in self.path.causes_ms().items()}

    def spent(self, *causes: str) -> float:
        return sum(self.causes.get(cause, 0.0) for cause in causes)

    def share(self, *causes: str) -> float:
        return self.spent(*causes) / self.total if self.total else 0.0

    @cached_property
    def steps(self) -> list[Step]:
        """Of this attempt, those whose pod ran to its end."""
        return [step for node in self.line.nodes.values() if (step := self._step(node))]

    @cached_property
    def path_steps(self) -> list[Step]:
        """Those on the critical path, in its order."""
        nodes = self.line.nodes
        found = (nodes.get(identity) for identity in self.path.nodes())
        return [step for node in found if node is not None and (step := self._step(node))]

    def _step(self, node: NodeSpan) -> Step | None:
        life = self.line.pod(node.id)
        if life is None or node.type != "Pod" or node.daemoned:
            return None
        times = life.times
        if not times.main_start or not times.main_end or not times.created:
            return None
        return Step(
            node,
            life,
            startup=max(0.0, times.main_start - times.created),
            work=max(0.0, times.main_end - times.main_start),
            after=max(0.0, max(times.wait_end, times.last_end) - times.main_end),
        )

    def facts(self) -> Iterator[PodFacts]:
        """All pods of which more than the life is known."""
        for pods in (self.pods or {}).values():
            yield from pods
