"""What a workflow contributes to the gauges while its object exists."""

from collections.abc import Iterator

from argoscope.resources._base import Contribution
from argoscope.resources._time import unix
from argoscope.resources.workflow.blocked import WAITING, blocked_reason
from argoscope.resources.workflow.metrics import (
    ACTIVE,
    INFO,
    LEAF_TYPES,
    LOCK_HOLDERS,
    LOCK_WAITERS,
    NODES,
    NODES_BLOCKED,
    OBJECT_BYTES,
    OBJECTS,
    RUN_PHASES,
    STATES,
    STORED,
    SUSPENDED_OLDEST,
)
from argoscope.resources.workflow.objects import Node, Workflow
from argoscope.resources.workflow.progress import progress
from argoscope.resources.world import Run

_LEAVES = frozenset(LEAF_TYPES)
_OVER = frozenset(RUN_PHASES)


def unfinished_leaves(nodes: dict[str, Node]) -> list[Node]:
    return [
        node
        for node in nodes.values()
        if node.type in _LEAVES and node.phase in ("Pending", "Running") and not node.daemoned
    ]


def state_of(workflow: Workflow, leaves: list[Node]) -> str:
    """What an unfinished workflow is doing: pending, running, suspended or waiting_lock."""
    status = workflow.status
    if status.phase != "Running":
        return "waiting_lock" if (status.message or "").startswith(WAITING) else "pending"
    if workflow.spec.suspend or (leaves and all(node.type == "Suspend" for node in leaves)):
        return "suspended"
    if leaves and all(blocked_reason(node.message or "") == "lock" for node in leaves):
        return "waiting_lock"
    return "running"


def contributions(
    workflow: Workflow,
    run: Run,
    scope: tuple[str, str],
    nodes: dict[str, Node],
    *,
    size: int,
    storage: str,
    suspended_since: float,
    extra: tuple[Contribution, ...] = (),
) -> tuple[Contribution, ...]:
    """All gauge contributions of one workflow; ``scope`` is (template, scope) of its name."""
    ns, pipeline = run.namespace, run.pipeline
    over = run.phase in _OVER
    found: list[Contribution] = [
        (INFO, (ns, pipeline, scope[0], run.cron, scope[1]), 1.0),
        (OBJECTS, (ns, storage), 1.0),
        (STORED, (ns, _flag(over), _flag(_has_ttl(workflow))), 1.0),
    ]
    if size:
        found.append((OBJECT_BYTES, (ns, pipeline), float(size)))
    if nodes:
        found.append((NODES, (ns, pipeline), float(len(nodes))))
    leaves = [] if over else unfinished_leaves(nodes)
    state = "" if over else state_of(workflow, leaves)
    found.extend((ACTIVE, (ns, pipeline, s), 1.0 if s == state else 0.0) for s in STATES)
    if not over:
        found.extend(_blocked(workflow, run, leaves))
        found.extend(_suspended(run, leaves, suspended_since))
        found.extend(_locks(workflow, leaves))
        found.extend(progress(workflow, run, nodes, leaves, state))
    return (*found, *extra)


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _has_ttl(workflow: Workflow) -> bool:
    stored = workflow.status.stored_workflow_template_spec
    return bool(workflow.spec.ttl_strategy or (stored and stored.ttl_strategy))


def _blocked(workflow: Workflow, run: Run, leaves: list[Node]) -> Iterator[Contribution]:
    counts: dict[str, int] = {}
    whole = blocked_reason(workflow.status.message or "") if run.phase != "Running" else ""
    if whole:
        counts[whole] = 1
    for node in leaves:
        reason = blocked_reason(node.message or "") if node.phase == "Pending" else ""
        if reason:
            counts[reason] = counts.get(reason, 0) + 1
    for reason, count in counts.items():
        yield NODES_BLOCKED, (run.namespace, run.pipeline, reason), float(count)


def _suspended(run: Run, leaves: list[Node], since: float) -> Iterator[Contribution]:
    starts = [unix(n.started_at) for n in leaves if n.type == "Suspend" and n.started_at]
    if since:
        starts.append(since)
    if starts:
        yield SUSPENDED_OLDEST, (run.namespace, run.pipeline), min(starts)


def _locks(workflow: Workflow, leaves: list[Node]) -> Iterator[Contribution]:
    """Holders and waiters of locks. ``waiting`` names who holds, and stays when the lock is taken:
    a workflow waits only for locks that it does not hold."""
    sync = workflow.status.synchronization
    holders: dict[str, int] = {}
    waiters: dict[str, int] = {}
    if sync is not None:
        for held in (sync.mutex and sync.mutex.holding) or ():
            holders[held.mutex] = holders.get(held.mutex, 0) + 1
        for taken in (sync.semaphore and sync.semaphore.holding) or ():
            holders[taken.semaphore] = holders.get(taken.semaphore, 0) + len(taken.holders or ())
        if workflow.status.phase != "Running":
            names = [w.mutex for w in (sync.mutex and sync.mutex.waiting) or ()]
            names += [w.semaphore for w in (sync.semaphore and sync.semaphore.waiting) or ()]
            waiters.update((name, 1) for name in names if name not in holders)
    for node in leaves:
        lock = node.synchronization_status.waiting if node.synchronization_status else ""
        if lock:
            waiters[lock] = waiters.get(lock, 0) + 1
    for metric, counts in ((LOCK_HOLDERS, holders), (LOCK_WAITERS, waiters)):
        for name, count in counts.items():
            namespace, _, lock = name.partition("/")
            yield metric, (namespace, lock or name), float(count)
