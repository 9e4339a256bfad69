"""From the objects of one run to its timeline, its critical path, and what its pods tell."""

import time
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

import msgspec

from argoscope.advice.evidence import PodFacts
from argoscope.explain.objects import Objects
from argoscope.explain.pods import pods_of
from argoscope.inspect.reading import Complain
from argoscope.metrics.exemplars import Subject
from argoscope.metrics.model import Labels, Metric
from argoscope.resources._base import (
    Contribution,
    ObjectMeta,
    RunCauses,
    RunRecord,
    Seen,
)
from argoscope.resources._time import unix
from argoscope.resources.workflow.actions import (
    LABEL_ACTION,
    LABEL_RESUBMITTED,
    shutdown_cause,
)
from argoscope.resources.workflow.critical_path import CriticalPath, critical_path
from argoscope.resources.workflow.endings import run_cause
from argoscope.resources.workflow.naming import LABEL_CRON, pipeline_of
from argoscope.resources.workflow.objects import Node, Spec, Workflow, decode
from argoscope.resources.workflow.reading import OVER, read_nodes, read_run
from argoscope.resources.workflow.record import Record
from argoscope.resources.workflow.timeline import Timeline, timeline, with_pods
from argoscope.resources.workflow.waits import observe_locks
from argoscope.resources.world import Key, Run, World

OFFLOADED = "offloaded"
UNREADABLE = "unreadable"


@dataclass(slots=True)
class ExplainedRun:
    """One run attempt, and all that there is to tell of it."""

    line: Timeline
    path: CriticalPath
    raw: bytes
    """The Workflow, JSON."""
    pods: dict[str, tuple[PodFacts, ...]] = field(default_factory=dict)
    """Node id -> its pods."""
    trouble: str = ""
    """Why its steps are not known: ``OFFLOADED`` or ``UNREADABLE``; empty if they are."""
    retried: bool = False
    """`argo retry` has started it again: only the last attempt is explained."""
    _retries: dict[str, str] | None = None

    @property
    def key(self) -> Key:
        return self.line.namespace, self.line.name

    def retry_of(self, name: str) -> str:
        """Id of the Retry node of that name; empty if there is none."""
        if self._retries is None:
            nodes = self.line.nodes.values()
            self._retries = {node.name: node.id for node in nodes if node.type == "Retry"}
        return self._retries.get(name, "")

    def pods_missing(self) -> tuple[int, int]:
        """(steps whose pod is not known, all steps that had one), of this attempt."""
        begin, counts = self.line.begin, Counter[bool]()
        for node in self.line.nodes.values():
            has_pod = node.type == "Pod" and node.phase not in ("Omitted", "Skipped")
            if has_pod and node.started >= begin and not node.memoized:
                counts[node.id in self.line.pods] += 1
        return counts[False], counts.total()


def explained(
    objects: Objects, key: Key, now: float, labels: tuple[str, ...], complain: Complain
) -> ExplainedRun | None:
    """A run, looked at now (Unix seconds); None, and ``complain`` told, if it can't be.

    ``now`` is 0 for objects that nobody knows the age of: a run that goes on is then looked at
    when the last thing happened that they tell of. ``labels``: Workflow labels or annotations that
    name the pipeline.
    """
    raw, where = objects.workflows[key], "/".join(key)
    try:
        workflow = decode(raw)
    except msgspec.MsgspecError as error:
        complain(where, "Workflow", f"can't be read: {error}")
        return None
    sink = _Problems(where, complain)
    for what in workflow.skipped:
        complain(where, "Workflow", f"malformed and left out: {what}")
    record = Record(run=_run(workflow, labels), scope=("", ""), done=array("Q"))
    run, seen = record.run, Seen(at=now or inf)
    read_run(sink, workflow, run, seen)
    if not run.created and not run.started:
        complain(where, "Workflow", "has not run: no creationTimestamp and no status.startedAt")
        return None
    nodes = read_nodes(sink, workflow, record, seen) or {}
    running = run.phase not in OVER or not run.finished
    retried = _retried(workflow, run, nodes)
    if retried:
        record.since = run.started
    pods = pods_of(objects, key, now or time.time(), complain)
    # Clocks differ: what an object tells has happened.
    until = max(now, _latest(run, nodes, pods))
    observe_locks(sink, workflow, record, nodes, Seen(at=until))
    world = World()
    world.pod_ends[key] = {node: known[-1].end for node, known in pods.items()}
    cause = ""
    if not running:
        shutdown = shutdown_cause(world, workflow, run)
        cause = run_cause(world, workflow, run, nodes, shutdown)
    line = timeline(workflow, record, nodes, cause, until=until if running else 0.0)
    lives = {node: tuple(pod.life for pod in known) for node, known in pods.items()}
    line = with_pods(line, lives)
    return ExplainedRun(
        line=line,
        path=critical_path(line),
        raw=raw,
        pods=pods,
        trouble=_trouble(workflow, nodes),
        retried=retried,
    )


def _retried(workflow: Workflow, run: Run, nodes: dict[str, Node]) -> bool:
    """Whether `argo retry` has moved the start: nodes that it kept are older. It keeps none of a
    run whose only step had failed; then the label tells, which Argo sets from 3.6 on."""
    if any(0 < unix(node.started_at) < run.started - 1 for node in nodes.values()):
        return True
    labels = workflow.metadata.labels or {}
    # `argo resubmit` copies labels.
    return labels.get(LABEL_ACTION) == "Retry" and LABEL_RESUBMITTED not in labels


def _latest(run: Run, nodes: dict[str, Node], pods: dict[str, tuple[PodFacts, ...]]) -> float:
    """The last time that anything is known to have happened, Unix seconds."""
    times = [run.created, run.started, run.finished]
    times += (max(unix(node.started_at), unix(node.finished_at)) for node in nodes.values())
    times += (float(max(pod.life.times)) for known in pods.values() for pod in known)
    return max(times)


def head_of(raw: bytes, labels: tuple[str, ...]) -> tuple[str, float] | None:
    """(pipeline, when it finished, 0 for not yet) of a Workflow; None if it can't be read."""
    try:
        head = _decode_head(raw)
        workflow = Workflow(metadata=head.metadata, spec=head.spec)
        phase, finished = head.status.phase, head.status.finished_at
    except msgspec.ValidationError:
        try:
            workflow = decode(raw)
        except msgspec.MsgspecError:
            return None
        phase, finished = workflow.status.phase, workflow.status.finished_at
    except msgspec.MsgspecError:
        return None
    return pipeline_of(workflow, labels)[0], unix(finished) if phase in OVER else 0.0


class _HeadStatus(msgspec.Struct, gc=False, rename="camel"):
    phase: str | None = None
    finished_at: str | None = None


class _Head(msgspec.Struct, gc=False):
    """A Workflow without its nodes."""

    metadata: ObjectMeta
    spec: Spec = msgspec.field(default_factory=Spec)
    status: _HeadStatus = msgspec.field(default_factory=_HeadStatus)


_decode_head = msgspec.json.Decoder(_Head).decode


def _run(workflow: Workflow, labels: tuple[str, ...]) -> Run:
    meta, stored = workflow.metadata, workflow.status.stored_workflow_template_spec
    return Run(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        pipeline=pipeline_of(workflow, labels)[0],
        cron=(meta.labels or {}).get(LABEL_CRON, ""),
        created=unix(meta.creation_timestamp),
        entrypoint=workflow.spec.entrypoint or (stored.entrypoint if stored else ""),
    )


def _trouble(workflow: Workflow, nodes: dict[str, Node]) -> str:
    if nodes:
        return ""
    if workflow.status.compressed_nodes:
        return UNREADABLE
    return OFFLOADED if workflow.status.offload_node_status_version else ""


class _Problems:
    """A sink that measures nothing and passes problems on."""

    def __init__(self, where: str, complain: Complain) -> None:
        self._where = where
        self._complain = complain

    def problem(self, kind: str, reason: str, detail: str) -> None:
        self._complain(self._where, kind, f"{reason}: {detail}")

    def register(self, metric: Metric) -> None: ...

    def declare(self, metric: Metric, labels: Labels) -> None: ...

    def count(
        self, metric: Metric, labels: Labels, amount: float = 1.0, *, exemplar: Subject = ""
    ) -> None: ...

    def observe(
        self, metric: Metric, labels: Labels, value: float, *, exemplar: Subject = ""
    ) -> None: ...

    def own(self, owner: str, gauges: Sequence[Contribution]) -> None: ...

    def record(self, run: RunRecord) -> None: ...

    def attribute(self, found: RunCauses) -> None: ...
