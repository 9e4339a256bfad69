"""Since when a live workflow makes no progress, from the object alone.

Nothing is kept for it: Argo writes when each node started and ended, so a restart changes nothing.
"""

from collections.abc import Iterator

from argoscope.resources._base import Contribution
from argoscope.resources._time import unix
from argoscope.resources.workflow.blocked import blocked_reason
from argoscope.resources.workflow.metrics import BLOCKED_OLDEST, IDLE_OLDEST, PENDING_OLDEST
from argoscope.resources.workflow.objects import Node, Workflow
from argoscope.resources.world import Run

_BACKOFF = "Backoff for "


def progress(
    workflow: Workflow, run: Run, nodes: dict[str, Node], leaves: list[Node], state: str
) -> Iterator[Contribution]:
    """What an unfinished workflow that is in ``state`` waits for, and since when.

    ``leaves`` are its unfinished leaf nodes.
    """
    key = (run.namespace, run.pipeline)
    if state == "pending" and run.created:
        yield PENDING_OLDEST, key, run.created
    for reason, since in _blocked_since(workflow, run, leaves).items():
        yield BLOCKED_OLDEST, (*key, reason), since
    if state == "running":
        turn, since = _waits_for(leaves), _last_change(run, nodes)
        if since and not (turn == "controller" and _waits_on_purpose(workflow, nodes)):
            yield IDLE_OLDEST, (*key, turn), since


def _blocked_since(workflow: Workflow, run: Run, leaves: list[Node]) -> dict[str, float]:
    """By reason, since when the workflow or the first of its nodes has been held back."""
    oldest: dict[str, float] = {}
    whole = blocked_reason(workflow.status.message or "") if run.phase != "Running" else ""
    if whole and run.created:
        oldest[whole] = run.created
    for node in leaves:
        reason = blocked_reason(node.message or "") if node.phase == "Pending" else ""
        since = unix(node.started_at)
        if reason and since:
            oldest[reason] = min(since, oldest.get(reason, since))
    return oldest


def _waits_on_purpose(workflow: Workflow, nodes: dict[str, Node]) -> bool:
    """Argo waits before the next attempt of a retryStrategy, or the nodes are kept elsewhere."""
    if not nodes and workflow.status.offload_node_status_version:
        return True
    retries = (n for n in nodes.values() if n.type == "Retry" and n.phase == "Running")
    return any((node.message or "").startswith(_BACKOFF) for node in retries)


def _last_change(run: Run, nodes: dict[str, Node]) -> float:
    """When a node last started or ended; of a run without nodes when it started."""
    told = {node.started_at for node in nodes.values()}  # thousands of nodes share few seconds
    told.update(node.finished_at for node in nodes.values())
    return max(run.started, max(map(unix, told), default=0.0))


def _waits_for(leaves: list[Node]) -> str:
    working = [node for node in leaves if node.type != "Suspend"]
    if any(node.phase == "Running" for node in working):
        return "running_nodes"
    return "pending_nodes" if working else "controller"
