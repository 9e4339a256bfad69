"""How long workflows waited: to start, and for locks."""

from argoscope.resources._base import Seen, Sink
from argoscope.resources._time import unix
from argoscope.resources.workflow.blocked import WAITING, blocked_reason
from argoscope.resources.workflow.metrics import LOCK_WAIT, RUN_PENDING
from argoscope.resources.workflow.objects import Node, Workflow
from argoscope.resources.workflow.record import Record


def observe_pending(sink: Sink, record: Record, nodes: dict[str, Node]) -> None:
    run = record.run
    if record.pending_seen or not run.started or not run.created:
        return
    record.pending_seen = True
    # Nodes that are older than the run's start are those that an `argo retry` has kept.
    if any(0 < unix(node.started_at) < run.started - 1 for node in nodes.values()):
        return
    if run.started < run.created:
        detail = f"{run.namespace}/{run.name} startedAt before creationTimestamp"
        sink.problem("Workflow", "negative_duration", detail)
        return
    key = (run.namespace, run.pipeline)
    sink.observe(RUN_PENDING, key, run.started - run.created, exemplar=run.subject)


def observe_locks(
    sink: Sink, workflow: Workflow, record: Record, nodes: dict[str, Node], seen: Seen
) -> None:
    run = record.run
    key = (run.namespace, run.pipeline)
    if not run.started and (workflow.status.message or "").startswith(WAITING):
        record.waited = record.was_locked = True
    elif record.waited and run.started:
        record.waited = False
        sink.observe(LOCK_WAIT, key, max(0.0, run.started - run.created))
    pending = [node for node in nodes.values() if node.phase == "Pending"]
    _note_held(record, pending, seen)
    waiting = {
        node.id: unix(node.started_at)
        for node in pending
        if node.synchronization_status is not None and node.synchronization_status.waiting
    }
    for node_id, since in (record.waiting or {}).items():
        node = nodes.get(node_id)
        if node_id not in waiting and node is not None and not run.shutdown:
            # Argo writes no time: the wait ends with the reconciliation that shows it.
            end = min(seen.at, unix(node.finished_at) or seen.at)
            sink.observe(LOCK_WAIT, key, max(0.0, end - since))
    record.waiting = waiting or None


def _note_held(record: Record, pending: list[Node], seen: Seen) -> None:
    """Which nodes wait for a lock or a quota: when that is over no status tells of it."""
    holds = {}
    for node in pending:
        sync = node.synchronization_status
        reason = "lock" if sync is not None and sync.waiting else blocked_reason(node.message or "")
        if reason:
            holds[node.id] = ("lock" if reason == "lock" else "queue", 0.0)
    held = record.held
    if held is None:
        record.held = holds or None
        return
    for node_id, (cause, until) in held.items():
        if node_id not in holds:
            holds[node_id] = (cause, until or seen.at)
    if holds != held:
        record.held = holds
