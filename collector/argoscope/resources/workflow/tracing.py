"""Which run attempts become a trace, and under which id: decided once, when the attempt ends.

The spans themselves are made elsewhere (traces/); derivations need to know the id and the decision,
because exemplars of metrics must lead to traces that exist.
"""

import re
from array import array
from hashlib import blake2b
from math import ceil

import msgspec

from argoscope.metrics.internal import TRACES_DECIDED
from argoscope.resources._base import Sink, TraceOptions
from argoscope.resources.workflow.actions import LABEL_RESUBMITTED
from argoscope.resources.workflow.objects import Workflow
from argoscope.resources.workflow.record import Record
from argoscope.resources.world import Key, Run, World

TRACE_ID = "workflows.argoproj.io/trace-id"
POD_NAMES = "workflows.argoproj.io/pod-name-format"

FAILURE, SLOW, RARE, SHARE, NOT = "failure", "slow", "rare", "share", "none"
"""Why an attempt is traced; NOT if it is not."""
RETRY, RESUBMIT, PARENT = "retry", "resubmit", "parent"
"""What a link says: the attempt before, the run that it repeats, the workflow that made it."""

RARELY = 3600.0
"""Seconds after which the next run of a pipeline is traced whatever its luck."""
_REMEMBERED = 64  # durations of a pipeline: its running 95th percentile is one of the highest four
_ENOUGH = 20  # durations before "slow" means anything
_MOST_PIPELINES = 10_000

_VALID_ID = re.compile(r"(?!0{32})[0-9a-f]{32}\Z")


class Trace(msgspec.Struct, frozen=True, array_like=True):
    """The trace that a run attempt becomes."""

    id: str
    """32 hexadecimal digits."""
    why: str
    """FAILURE, SLOW, RARE or SHARE."""
    links: tuple[tuple[str, str], ...] = ()
    """(RETRY, RESUBMIT or PARENT, trace id)."""
    old_pod_names: bool = False
    """Pods are named like their node's id, as Argo did before 3.4 and can be told to do."""


class Tracing:
    """Decides for each run attempt; a pipeline's usual duration is learnt anew after a start."""

    def __init__(self, options: TraceOptions, world: World, sink: Sink) -> None:
        self._options = options
        self._world = world
        self._sink = sink
        self._pipelines: dict[Key, _Pipeline] = {}
        for why in (FAILURE, SLOW, RARE, SHARE, NOT):
            sink.declare(TRACES_DECIDED, (why,))

    def begin(self, workflow: Workflow, record: Record) -> None:
        """Keep the id of the attempt that goes on, or was the last, for links and exemplars."""
        run = record.run
        if record.counted and record.traced:
            run.trace_id = record.traced
        else:
            run.trace_id = trace_id(
                workflow, run, first=not record.since, others=self._others(workflow, record)
            )
        if record.counted:
            run.traced = run.trace_id == record.traced
        else:
            run.traced = self._has_luck((run.namespace, run.pipeline), run.trace_id)

    def decide(self, workflow: Workflow, record: Record) -> Trace | None:
        """The trace of the attempt that has just ended; None if it is not to be one."""
        run = record.run
        self.begin(workflow, record)
        why = self._why(run)
        self._sink.count(TRACES_DECIDED, (why,))
        run.traced = why != NOT
        before, record.traced = record.traced, "" if why == NOT else run.trace_id
        if why == NOT:
            return None
        links = [(RETRY, before)] if before and record.since else []
        links += self._links(workflow)
        annotations = workflow.metadata.annotations or {}
        old = annotations.get(POD_NAMES) == "v1"
        return Trace(run.trace_id, why, tuple(links), old)

    def _why(self, run: Run) -> str:
        key = (run.namespace, run.pipeline)
        pipeline = self._pipelines.pop(key, None) or _Pipeline()
        self._pipelines[key] = pipeline  # the one that ran last is the last to be forgotten
        if len(self._pipelines) > _MOST_PIPELINES:
            del self._pipelines[next(iter(self._pipelines))]
        if run.phase != "Succeeded":
            return FAILURE
        why = self._why_success(key, pipeline, run)
        pipeline.add(run.finished - run.started)
        if why != NOT:
            pipeline.traced = max(pipeline.traced, run.finished)
        return why

    def _why_success(self, key: Key, pipeline: "_Pipeline", run: Run) -> str:
        if run.finished - run.started > pipeline.quantile(self._options.slow):
            return SLOW
        if self._has_luck(key, run.trace_id):
            return SHARE
        # A share of 0 means that nobody wants any of those that went well.
        wanted = self._options.shares.get(key, self._options.share) > 0
        return RARE if wanted and run.finished >= pipeline.traced + RARELY else NOT

    def _has_luck(self, key: Key, identity: str) -> bool:
        """By the random part of the id (W3C Trace Context 2), as OpenTelemetry's samplers do."""
        share = self._options.shares.get(key, self._options.share)
        return int(identity[-14:], 16) < share * 2**56

    def _others(self, workflow: Workflow, record: Record) -> tuple[str, ...]:
        """Ids that the annotation may still hold though they are not this attempt's. `argo
        resubmit` copies it and `argo retry` leaves it; Argo writes its own when the run starts, but
        none for one that it had postponed."""
        name = (workflow.metadata.labels or {}).get(LABEL_RESUBMITTED, "")
        repeated = self._world.runs.get((workflow.metadata.namespace, name)) if name else None
        return record.traced, repeated.trace_id if repeated is not None else ""

    def _links(self, workflow: Workflow) -> list[tuple[str, str]]:
        meta = workflow.metadata
        named = [(RESUBMIT, (meta.labels or {}).get(LABEL_RESUBMITTED, ""))]
        owners = meta.owner_references or ()
        named += [(PARENT, owner.name) for owner in owners if owner.kind == "Workflow"]
        found = []
        for kind, name in named:
            other = self._world.runs.get((meta.namespace, name)) if name else None
            if other is not None and other.trace_id:
                found.append((kind, other.trace_id))
        return found


def trace_id(workflow: Workflow, run: Run, *, first: bool, others: tuple[str, ...]) -> str:
    """Argo's own id of the attempt, where it has written one (4.1) that is not of ``others``; else
    one that always comes out the same for the attempt: `argo retry` keeps the uid and moves the
    start."""
    given = (workflow.metadata.annotations or {}).get(TRACE_ID, "")
    if _VALID_ID.match(given) and given not in others:
        return given
    attempt = run.uid if first else f"{run.uid}/{run.started:.0f}"
    return blake2b(attempt.encode(), digest_size=16, person=b"argoscope-trace").hexdigest()


class _Pipeline:
    """The latest durations of a pipeline's successful runs."""

    __slots__ = ("_durations", "_next", "traced")

    def __init__(self) -> None:
        self._durations = array("f")
        self._next = 0
        self.traced = 0.0
        """When the last of them that was traced ended (Unix seconds)."""

    def add(self, seconds: float) -> None:
        if len(self._durations) < _REMEMBERED:
            self._durations.append(seconds)
            return
        self._durations[self._next] = seconds
        self._next = (self._next + 1) % _REMEMBERED

    def quantile(self, q: float) -> float:
        """Seconds; infinite as long as too few are known."""
        count = len(self._durations)
        if count < _ENOUGH or q >= 1.0:
            return float("inf")
        return sorted(self._durations)[max(0, ceil(q * count) - 1)]
