"""One run attempt as it went: what attribution, explain, advice and traces are made from.

It is built once, when the attempt has ended, from the Workflow object and from what was kept of
its pods; or of a run that goes on, to look at it now. It is small and never changes, so that it can
be kept, passed on and written to the ledger. Times are Unix seconds, 0 for none, unless a name says
``_ms``: sums are made of whole milliseconds, so that parts add up exactly.
"""

from collections.abc import Iterator

import msgspec

from argoscope.metrics.exemplars import Subject, Traced
from argoscope.resources._pod_life import PodLife
from argoscope.resources._time import unix
from argoscope.resources.workflow.nodes import template_of
from argoscope.resources.workflow.objects import Node, Workflow
from argoscope.resources.workflow.record import Record
from argoscope.resources.workflow.tracing import Trace

LEAVES = frozenset(("Pod", "HTTP", "Plugin", "Suspend"))
"""Types of the nodes that take time of their own. A Container runs inside its Pod node; all others
are virtual: they last as long as what is in them."""

NOT_RUN = frozenset(("Omitted", "Skipped"))
"""Phases of nodes that were never begun."""

HOOKED, DAEMONED, MEMOIZED = 1, 2, 4

_END = ("(", "[", ".")


class NodeSpan(msgspec.Struct, gc=False, frozen=True, array_like=True):
    """A node of the run (Argo NodeStatus)."""

    id: str
    name: str
    """As Argo builds it: ``run[1].step(0:item)``; what is inside a node begins with its name."""
    type: str
    phase: str
    template: str
    started: float
    """When Argo made the node, not when its pod ran."""
    finished: float
    """0 if it has not ended, or if Argo lost its pod."""
    children: tuple[str, ...] = ()
    """Ids of what comes after it, and of what is in it: Argo does not tell them apart."""
    boundary: str = ""
    """Id of the Steps, DAG or Retry node, or of the pod, that it is inside of."""
    message: str = ""
    flags: int = 0

    @property
    def hooked(self) -> bool:
        """A lifecycle hook or an exit handler."""
        return bool(self.flags & HOOKED)

    @property
    def daemoned(self) -> bool:
        """``finished`` says when it was ready; its pod runs on."""
        return bool(self.flags & DAEMONED)

    @property
    def memoized(self) -> bool:
        """A result of an earlier run stood in for it."""
        return bool(self.flags & MEMOIZED)

    def is_inside(self, other: "NodeSpan") -> bool:
        return self.name.startswith(other.name) and self.name[len(other.name) :].startswith(_END)


class Timeline(msgspec.Struct, frozen=True, array_like=True):
    """One run attempt."""

    namespace: str
    name: str
    uid: str
    pipeline: str
    cron: str
    phase: str
    """Succeeded, Failed or Error; Running or Pending of one that goes on."""
    cause: str
    """Why it failed, as in argo_workflow_failures_total; empty for a success."""
    message: str
    created: float
    started: float
    """Of this attempt: `argo retry` moves it."""
    finished: float
    """Of a run that goes on: until when it was looked at."""
    first: bool
    """The first attempt: its time begins with the creation, that of a later one with its start."""
    nodes: dict[str, NodeSpan]
    """By id; those that an `argo retry` kept of earlier attempts too."""
    nodes_known: bool = True
    """False if Argo keeps the nodes elsewhere (offloaded), or they can't be read."""
    pods: dict[str, tuple[PodLife, ...]] = {}
    """Node id -> its pods of this attempt, in the order of their creation; the last one counts."""
    held: dict[str, tuple[str, float]] = {}
    """Node id -> (lock or queue, until when): nodes that were seen held back before their pod was
    made. Argo writes no time, so it is when the daemon saw the end; 0 for not yet."""
    suspensions: tuple[tuple[float, float], ...] = ()
    """(since, until) when the whole workflow was suspended (spec.suspend), as the daemon saw it."""
    waited: bool = False
    """The workflow waited for a lock before it started."""
    parallelism: int = 0
    """spec.parallelism; 0 for no limit."""
    running: bool = False
    """It has not ended."""
    trace: Trace | None = None
    """What it becomes; None if it is not traced."""

    @property
    def subject(self) -> Subject:
        """For exemplars."""
        return Traced(self.name, self.trace.id) if self.trace is not None else self.name

    @property
    def begin(self) -> float:
        return (self.created or self.started) if self.first else self.started

    @property
    def begin_ms(self) -> int:
        return ms(self.begin)

    @property
    def end_ms(self) -> int:
        return max(ms(self.finished), self.begin_ms)

    def pod(self, node_id: str) -> PodLife | None:
        """The pod that did a node's work."""
        lives = self.pods.get(node_id)
        return lives[-1] if lives else None


def ms(seconds: float) -> int:
    return round(seconds * 1000)


def timeline(
    workflow: Workflow,
    record: Record,
    nodes: dict[str, Node],
    cause: str,
    *,
    until: float = 0.0,
    trace: Trace | None = None,
) -> Timeline:
    """The attempt that has just ended, without its pods; or, ``until`` a time, one that goes on."""
    run, status = record.run, workflow.status
    known = bool(nodes) or not (status.offload_node_status_version or status.compressed_nodes)
    suspensions = record.suspensions
    end = until or run.finished
    if record.suspended_since and workflow.spec.suspend:
        suspensions = (*suspensions, (record.suspended_since, end))
    return Timeline(
        namespace=run.namespace,
        name=run.name,
        uid=run.uid,
        pipeline=run.pipeline,
        cron=run.cron,
        phase=run.phase,
        cause=cause,
        message=status.message or "",
        created=run.created,
        started=run.started,
        finished=end,
        first=not record.since,
        nodes=dict(_spans(nodes)),
        nodes_known=known,
        held=record.held or {},
        suspensions=suspensions,
        waited=record.was_locked,
        parallelism=_parallelism(workflow),
        running=bool(until),
        trace=trace,
    )


def _parallelism(workflow: Workflow) -> int:
    stored = workflow.status.stored_workflow_template_spec
    limits = (workflow.spec.parallelism, stored.parallelism if stored else None)
    return next((limit for limit in limits if isinstance(limit, int) and limit > 0), 0)


def _spans(nodes: dict[str, Node]) -> Iterator[tuple[str, NodeSpan]]:
    for node in nodes.values():
        flags = 0
        if node.node_flag is not None and node.node_flag.hooked:
            flags |= HOOKED
        if node.daemoned:
            flags |= DAEMONED
        if node.memoization_status is not None and node.memoization_status.hit:
            flags |= MEMOIZED
        # Positional: half the cost, and a run can have thousands.
        yield (
            node.id,
            NodeSpan(
                node.id,
                node.name,
                node.type,
                node.phase or "",
                template_of(node),
                unix(node.started_at),
                unix(node.finished_at),
                tuple(node.children) if node.children else (),
                node.boundary_id,
                node.message or "",
                flags,
            ),
        )


def missing_pods(line: Timeline, lives: dict[str, tuple[PodLife, ...]]) -> bool:
    """Whether more may come of the pods of this attempt: a node that had one has none in ``lives``,
    or none whose main container ended. Argo makes a pod again that was deleted or evicted before
    that, and a node that failed without one is rare enough to wait for."""
    begin = int(line.begin) - 1
    for node in line.nodes.values():
        if node.type != "Pod" or node.started < begin or node.flags & MEMOIZED:
            continue
        if node.phase in NOT_RUN:
            continue
        known = lives.get(node.id)
        if not known or known[-1].created < begin or not known[-1].times.main_end:
            return True
    return False


def with_pods(line: Timeline, lives: dict[str, tuple[PodLife, ...]]) -> Timeline:
    """The same with those of ``lives`` that were made in this attempt."""
    first, last = line.begin - 1.0, line.finished
    mine = {}
    for node, known in lives.items():
        of_attempt = tuple(life for life in known if first <= life.created <= last)
        if of_attempt:
            mine[node] = of_attempt
    return msgspec.structs.replace(line, pods=mine)
