"""What every kind's file is made of: object metadata, the sink, the deriver, the resource."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from argoscope.metrics.exemplars import Subject
from argoscope.metrics.model import Labels, Metric
from argoscope.resources.world import World

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
Contribution = tuple[Metric, Labels, float]
LimitKey = tuple[str, str, str]
"""(namespace, name of a pipeline, cron or rollout, alert)."""


class OwnerReference(msgspec.Struct, gc=False, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


class ObjectMeta(msgspec.Struct, gc=False, rename="camel"):
    """The fields of ``metadata`` that derivations read (Kubernetes ObjectMeta)."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    generate_name: str | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None


class RunRecord(msgspec.Struct, gc=False, kw_only=True):
    """One run attempt that has ended: what the ledger keeps of it after the object is gone.

    (``uid``, ``finished``) tells attempts apart: `argo retry` keeps the uid. Times are Unix
    seconds, 0 for none.
    """

    uid: str
    namespace: str
    pipeline: str
    name: str
    cron: str = ""
    """CronWorkflow that made it; empty for none."""
    phase: str
    """Succeeded, Failed or Error."""
    cause: str = ""
    """Failure cause as in argo_workflow_failures_total; empty for a success."""
    created: float = 0.0
    started: float = 0.0
    finished: float
    retries: int = 0
    """Attempts of leaf nodes beyond the first of each."""
    resources: dict[str, float] = {}
    """Resource seconds by name (status.resourcesDuration: of requests, indicative)."""
    actor: str = ""
    """Who acted on it last (label workflows.argoproj.io/actor)."""
    action: str = ""
    """What was done (label workflows.argoproj.io/action); empty for nothing."""
    counted: bool = True
    """False for history: it had ended before the daemon first looked."""
    causes: dict[str, float] = {}
    """Seconds of its time by cause, as in argo_workflow_critical_path_seconds_total; they add up
    to it. Empty where they are not known: history, and what an older version recorded."""


class RunCauses(msgspec.Struct, gc=False, kw_only=True):
    """Where the time of a run attempt went. Told after its ``RunRecord``: its pods end later."""

    uid: str
    finished: float
    causes: dict[str, float]
    """Seconds by cause."""


class PastRun(msgspec.Struct, gc=False, frozen=True):
    """Of a run record what gauges are made of at a start: a million of these take a second."""

    namespace: str
    pipeline: str
    cron: str
    phase: str
    cause: str
    finished: float
    uid: str = ""


class PastCronRun(msgspec.Struct, gc=False, frozen=True):
    """Of the run record of a cron's run what its last results are made of. Times: Unix seconds."""

    namespace: str
    cron: str
    uid: str
    name: str
    phase: str
    cause: str
    created: float
    finished: float


class Sink(Protocol):
    """Where derivations put what they found out; the registry is one.

    Label values are positional, in the order of ``metric.labels``.
    """

    def register(self, metric: Metric) -> None:
        """Make a metric known whose labels depend on the configuration."""

    def declare(self, metric: Metric, labels: Labels) -> None:
        """Expose a counter or histogram at 0 if it does not exist yet."""

    def count(
        self, metric: Metric, labels: Labels, amount: float = 1.0, *, exemplar: Subject = ""
    ) -> None:
        """Add to a counter."""

    def observe(
        self, metric: Metric, labels: Labels, value: float, *, exemplar: Subject = ""
    ) -> None:
        """Put one sample, in the metric's unit, into a histogram."""

    def own(self, owner: str, gauges: Sequence[Contribution]) -> None:
        """Replace all gauge contributions of ``owner`` (a uid); an empty sequence withdraws them.

        A gauge series is the combination (``metric.combine``) of its owners' contributions and
        vanishes with the last of them.
        """

    def problem(self, kind: str, reason: str, detail: str) -> None:
        """Count an object or field that was skipped; ``detail`` names object and field."""

    def record(self, run: RunRecord) -> None:
        """Keep a run attempt that has ended. Telling the same attempt again changes nothing."""

    def attribute(self, found: RunCauses) -> None:
        """Keep where the time of a run attempt went. Telling it again changes nothing."""


LATE = 10.0
"""Seconds after an end in which its status is written, even by a busy controller."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How an object came: when (Unix seconds), how large (bytes of JSON), in which situation.

    What of an object is history, and is not counted: nothing, by default, as for everything that
    is watched, for every later list, and for all input of ``inspect``; with an infinite
    ``history_until`` everything that has ended, as in the very first list of a daemon that has no
    past; and what an earlier daemon had seen, where a watermark tells until when it saw.
    """

    at: float
    size: int = 0
    history_until: float = 0.0
    """What ended at this time (Unix seconds) or before is history."""
    unchanged: bool = False
    """The earlier daemon had seen this very version: all that has ended in it is history."""

    @property
    def inherited(self) -> bool:
        """An earlier daemon has counted, also of what goes on, what it saw until then."""
        return 0.0 < self.history_until < inf

    @property
    def all_history(self) -> bool:
        """All that has ended is."""
        return self.unchanged or self.history_until == inf

    def is_history(self, end: float) -> bool:
        """Whether what ended at ``end`` is history; of an unknown end (0) in doubt it is."""
        return self.unchanged or 0.0 < self.history_until >= end

    def is_uncertain(self, end: float) -> bool:
        """Whether what ended at ``end`` is history only because statuses are written a little
        later than what they tell: the earlier daemon may have ended in between."""
        late = self.history_until - LATE < end <= self.history_until
        return late and self.inherited and not self.unchanged


class Deriver(Protocol[T_contra]):
    """Keeps compact records of one kind's live objects and turns changes into measurements.

    Deltas may be duplicated, may skip states, and objects may vanish unseen; the pipeline has
    already dropped those that are older than what was seen (resourceVersion).
    """

    def upsert(self, obj: T_contra, seen: Seen) -> None:
        """Take an object that was added, modified or listed."""

    def delete(self, uid: str, obj: T_contra | None, seen: Seen) -> None:
        """Take a deletion; ``obj`` is the last state, or None when the object was gone at a relist
        (a tombstone), in which case the end of its life was not seen."""

    def tick(self, now: float) -> None:
        """Time has passed: called about once a second, and after the first sync."""

    def changes(self) -> Iterator[tuple[str, bytes | None]]:
        """(uid, encoded record) of each object whose record changed since the last call, None for
        one that is gone. They are committed together with the series: what ``restore`` gets back
        fits exactly to the counters that are restored.

        A key other than a uid may keep what belongs to no object; it must hold a ``/``.
        """

    def restore(self, records: Iterable[tuple[str, bytes]]) -> None:
        """Take back what ``changes`` gave, once, before the first list. A record that can't be
        read (of an unknown version) is a problem that is counted, never an error."""

    def recall(self, runs: Iterable[PastRun]) -> None:
        """Take the recorded runs of the last 7 days, oldest first; once, after ``restore``."""


class Unrecorded:
    """Base of derivations that need no memory beyond the objects themselves."""

    def changes(self) -> Iterator[tuple[str, bytes | None]]:
        return iter(())

    def restore(self, records: Iterable[tuple[str, bytes]]) -> None:
        """Nothing was given."""

    def recall(self, runs: Iterable[PastRun]) -> None:
        """Not needed."""


@dataclass(frozen=True, kw_only=True)
class TraceOptions:
    """How many runs are traced besides those that failed."""

    share: float = 0.1
    """Of the runs that neither failed nor were slow."""
    shares: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """The same of single pipelines, by (namespace, pipeline)."""
    slow: float = 0.95
    """Quantile of a pipeline's latest durations above which a run is slow; 1 for none."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What derivations can be configured with."""

    pipeline_labels: tuple[str, ...] = ()
    """Workflow labels or annotations whose first present value names the pipeline."""
    workflow_labels: tuple[str, ...] = ()
    """Workflow labels that ``argo_workflow_labels`` shows as ``label_<name>``."""
    silenced_advice: tuple[str, ...] = ()
    """Rules of advice that stay silent."""
    limits: Mapping[LimitKey, float] = field(default_factory=dict)
    """Limits of alerts that are not the default's."""
    traces: TraceOptions | None = None
    """None if nothing is traced."""


@dataclass(frozen=True, kw_only=True)
class Selector:
    """A server-side selection: one list and watch each."""

    label: str = ""
    field: str = ""


@dataclass(frozen=True, kw_only=True)
class Resource(Generic[T]):
    """A watched kind."""

    name: str
    """The API's plural, in lower case: the value of the ``resource`` label."""
    group: str
    version: str
    plural: str
    kind: str
    object_type: type[T]
    metrics: tuple[Metric, ...]
    derive: Callable[[World, Sink, Options], Deriver[T]]
    selectors: tuple[Selector, ...] = (Selector(),)
    namespaced: bool = True
    optional: bool = False
    """Missing permission or a missing kind does not keep the daemon from being ready."""
    order: int = 50
    """Kinds with a lower number are listed first."""
    decode: Callable[[bytes | msgspec.Raw], T] | None = None
    """Own decoder, for kinds that can save a part of a malformed object. Raises
    msgspec.MsgspecError. By default ``object_type`` is decoded strictly."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def path(self) -> str:
        """API path of the whole collection, without a namespace."""
        root = f"/apis/{self.group}" if self.group else "/api"
        return f"{root}/{self.version}/{self.plural}"


AnyResource = Resource[Any]
