"""Counting the attempts of leaf nodes."""

from array import array

from argoscope.metrics.internal import RUNS_UNOBSERVED
from argoscope.resources._base import Seen, Sink
from argoscope.resources._time import unix
from argoscope.resources.workflow.actions import note_resumed
from argoscope.resources.workflow.causes import cause_of_node
from argoscope.resources.workflow.metrics import (
    RESOURCE_SECONDS,
    RUN_PHASES,
    STEP_GAP,
    TEMPLATE_DURATION,
    TEMPLATE_FAILURES,
    TEMPLATE_RETRIES,
)
from argoscope.resources.workflow.nodes import (
    FEW,
    Predecessors,
    attempt_key,
    finished_attempts,
    new_attempts,
    retry_children,
    retry_index,
    template_of,
)
from argoscope.resources.workflow.objects import Node
from argoscope.resources.workflow.record import REPLACED, Record
from argoscope.resources.world import PodEnd, Run, World

FUTURE = 3600.0
"""Seconds that a timestamp may lie ahead: clocks differ, but not by an hour."""
MAX_NAMES = 50_000
_DECLARED_CAUSES = ("exit_code", "oom", "error")
_CLOCKS = 5.0  # seconds that the clocks of controller and API server may differ


def take_history(sink: Sink, record: Record, nodes: dict[str, Node], seen: Seen) -> bool:
    """Take what had ended as counted, when a workflow is seen for the first time; returns whether
    the run itself had."""
    run = record.run
    over = run.phase in RUN_PHASES
    past = over and seen.is_history(run.finished)
    ended, attempts = nodes, finished_attempts(nodes, over)
    if not seen.all_history:
        ended = {
            key: node for key, node in nodes.items() if seen.is_history(unix(node.finished_at))
        }
        attempts = [n for n in attempts if seen.is_history(unix(n.finished_at) or run.finished)]
    # Of earlier nodes, and of a run that is counted of any, none can be taken for new: derive.py.
    begin = run.finished if past and run.finished else record.since
    attempts = [node for node in attempts if unix(node.started_at) >= begin]
    record.done = array("Q", map(attempt_key, attempts))
    record.pending_seen = run.started > 0 and seen.is_history(run.started)
    note_resumed(sink, record, ended, count=False)
    if past and seen.is_uncertain(run.finished):
        sink.count(RUNS_UNOBSERVED, ("handover",))
    return past


def begins_at(run: Run, nodes: dict[str, Node]) -> float:
    """Unix seconds before which nodes of a workflow that is seen for the first time ran under
    another uid; 0 if there are none.

    `argo archive retry` makes a deleted workflow again: a new object that has the nodes which went
    well before. They were counted when they ended.
    """
    begin = run.created - _CLOCKS
    return begin if any(0 < unix(node.finished_at) < begin for node in nodes.values()) else 0.0


def count_attempts(
    world: World,
    sink: Sink,
    record: Record,
    nodes: dict[str, Node],
    shutdown: str,
    templates: set[tuple[str, str, str]],
    seen: Seen,
) -> None:
    """Count the finished attempts that ``record`` does not hold yet, and add them to it."""
    run = record.run
    replaced = record.nodes == REPLACED
    if len(nodes) != record.nodes:
        record.nodes = len(nodes)
        _declare(sink, run, nodes, templates)
    over = run.phase in RUN_PHASES
    found, record.done = new_attempts(nodes, record.done, record.since, over, replaced=replaced)
    if not found:
        return
    ends = world.pod_ends.get((run.namespace, run.name), {})
    retried = retry_children(nodes)
    graph = Predecessors(nodes, all_nodes=len(found) > FEW)
    for node in found:
        _count(sink, run, node, ends.get(node.id), shutdown, seen)
        index = retry_index(node, retried)
        if index:
            sink.count(TEMPLATE_RETRIES, (run.namespace, run.pipeline, template_of(node)))
        hooked = node.node_flag is not None and node.node_flag.hooked
        if node.type != "Container" and not index and not hooked:
            _observe_gap(sink, run, node, graph, ends)


def _declare(
    sink: Sink, run: Run, nodes: dict[str, Node], templates: set[tuple[str, str, str]]
) -> None:
    """A template's first failure must be seen: its counters exist from its first node on."""
    for node in nodes.values():
        if node.type != "Pod":
            continue
        key = (run.namespace, run.pipeline, template_of(node))
        if key in templates:
            continue
        if len(templates) > MAX_NAMES:  # declaring again does no harm, growing without bound does
            templates.clear()
        templates.add(key)
        for cause in _DECLARED_CAUSES:
            sink.declare(TEMPLATE_FAILURES, (*key, cause))


def _count(sink: Sink, run: Run, node: Node, pod: PodEnd | None, shutdown: str, seen: Seen) -> None:
    ns, pipeline, template = run.namespace, run.pipeline, template_of(node)
    started, finished = unix(node.started_at), _finish(node, pod, run)
    problem = _fault(node, started, finished, seen)
    if problem:
        detail = f"{ns}/{run.name} node {node.id}: {node.started_at} to {node.finished_at}"
        sink.problem("Workflow", problem, detail)
    if problem in ("", "no_finish") and started and finished >= started:
        labels = (ns, pipeline, template, node.type, node.phase or "")
        sink.observe(TEMPLATE_DURATION, labels, finished - started, exemplar=run.subject)
    if node.type == "Container":
        return  # its pod's node tells the cause and the resources of all containers
    if node.phase != "Succeeded":
        cause = cause_of_node(node, pod, shutdown)
        sink.count(TEMPLATE_FAILURES, (ns, pipeline, template, cause), exemplar=run.subject)
    if node.type != "Pod":
        return  # Argo gives every other node the sum of all that came after it
    for resource, seconds in (node.resources_duration or {}).items():
        if seconds > 0:
            sink.count(RESOURCE_SECONDS, (ns, pipeline, resource), float(seconds))


def _fault(node: Node, started: float, finished: float, seen: Seen) -> str:
    """What is wrong with the times of an attempt: the reason of a problem, or empty."""
    if not node.finished_at:
        return "no_finish"
    if not node.started_at:
        return "no_start"
    if not started or not finished:
        return "bad_time"
    if finished > seen.at + FUTURE:
        return "future_time"
    return "negative_duration" if finished < started else ""


def _finish(node: Node, pod: PodEnd | None, run: Run) -> float:
    """Argo leaves finishedAt out when it lost the pod: then the pod's end, or the run's."""
    if node.finished_at:
        return unix(node.finished_at)
    return pod.finished if pod is not None and pod.finished else run.finished


def _observe_gap(
    sink: Sink, run: Run, node: Node, graph: Predecessors, ends: dict[str, PodEnd]
) -> None:
    started = unix(node.started_at)

    def end(before: Node) -> float:
        pod = ends.get(before.id)
        # A daemon's pod ends after those that waited for it to be ready: its node tells when.
        if pod is not None and 0 < pod.finished <= started:
            return pod.finished
        return unix(before.finished_at)

    previous = graph.last_end(node, end)
    # What ended before the attempt of the run began was kept by `argo retry`: the time since then
    # was somebody's decision, and no step waited for it.
    if started and previous and previous >= run.started:
        gap = max(0.0, started - previous)
        sink.observe(STEP_GAP, (run.namespace, run.pipeline), gap, exemplar=run.subject)
