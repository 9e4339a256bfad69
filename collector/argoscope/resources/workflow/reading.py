"""From a Workflow object to what derivations work with: the run's state, and its nodes."""

from sys import intern

from argoscope.resources._base import Seen, Sink
from argoscope.resources._time import unix
from argoscope.resources.workflow.actions import stopped_by_user
from argoscope.resources.workflow.attempts import FUTURE
from argoscope.resources.workflow.metrics import RUN_PHASES
from argoscope.resources.workflow.objects import Node, Workflow, inflate
from argoscope.resources.workflow.record import Record
from argoscope.resources.world import Run

INFLATE_EVERY = 5.0  # seconds: inflating is 60 times the cost of the rest of an event
OVER = frozenset(RUN_PHASES)
_PHASES = frozenset((*RUN_PHASES, "Pending", "Running", ""))


def report_malformed(sink: Sink, workflow: Workflow) -> None:
    where = f"{workflow.metadata.namespace}/{workflow.metadata.name}"
    for what in workflow.skipped:
        sink.problem("Workflow", "malformed", f"{where} {what}")
    phase = workflow.status.phase or ""
    if phase not in _PHASES:
        sink.problem("Workflow", "unknown_phase", f"{where} status.phase {phase!r}")


def read_run(sink: Sink, workflow: Workflow, run: Run, seen: Seen) -> None:
    """Bring ``run`` to the state of the object."""
    status = workflow.status
    phase = status.phase or ""
    if phase in _PHASES:
        run.phase = intern(phase)
    run.started = _time(sink, workflow, "startedAt", status.started_at, seen)
    run.finished = _time(sink, workflow, "finishedAt", status.finished_at, seen)
    run.shutdown = intern(workflow.spec.shutdown)
    run.by_user = stopped_by_user(workflow)
    if not run.entrypoint:
        stored = status.stored_workflow_template_spec
        run.entrypoint = intern(stored.entrypoint) if stored else ""


def _time(sink: Sink, workflow: Workflow, field: str, text: str | None, seen: Seen) -> float:
    value = unix(text)
    problem = ""
    if text and not value:
        problem = "bad_time"
    elif value > seen.at + FUTURE:
        problem, value = "future_time", 0.0
    if problem:
        meta = workflow.metadata
        where = f"{meta.namespace}/{meta.name} status.{field} {text!r}"
        sink.problem("Workflow", problem, where)
    return value


def read_nodes(
    sink: Sink, workflow: Workflow, record: Record, seen: Seen
) -> dict[str, Node] | None:
    """The nodes of the status; None when it is too early to inflate them again."""
    status = workflow.status
    if status.nodes:
        for key, node in status.nodes.items():
            if not node.id:
                node.id = key
        return status.nodes
    if status.compressed_nodes:
        if record.run.phase not in OVER and seen.at < record.next_inflate:
            return None
        record.next_inflate = seen.at + INFLATE_EVERY
        return _inflate(sink, status.compressed_nodes, record.run)
    return {}


def _inflate(sink: Sink, compressed: str, run: Run) -> dict[str, Node]:
    skipped: list[str] = []
    nodes: dict[str, Node] = {}
    try:
        nodes = inflate(compressed, skipped)
    except ValueError as error:
        problem(sink, "compressed_nodes", run, str(error))
    for what in skipped:
        problem(sink, "malformed", run, what)
    return nodes


def problem(sink: Sink, reason: str, run: Run, detail: str) -> None:
    """Count something of a run that was skipped."""
    sink.problem("Workflow", reason, f"{run.namespace}/{run.name} {detail}")
