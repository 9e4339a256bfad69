"""The end of a run attempt: counted once, with its duration and the cause of a failure."""

from argoscope.metrics.internal import RUNS_UNOBSERVED
from argoscope.resources._base import Sink
from argoscope.resources.workflow.causes import cause_of_message, cause_of_node, root_cause
from argoscope.resources.workflow.metrics import FAILURES, RUN_DURATION, RUNS
from argoscope.resources.workflow.objects import Node, Workflow
from argoscope.resources.workflow.reading import problem
from argoscope.resources.workflow.record import Record
from argoscope.resources.world import Run, World


def count_end(
    sink: Sink, workflow: Workflow, record: Record, nodes: dict[str, Node], cause: str
) -> None:
    """Count the attempt that has just ended; ``cause`` is why it failed, empty if it did not."""
    run = record.run
    key = (run.namespace, run.pipeline)
    sink.count(RUNS, (*key, run.phase), exemplar=run.subject)
    duration = run.finished - run.started
    if run.started and run.finished and duration >= 0:
        sink.observe(RUN_DURATION, (*key, run.phase), duration, exemplar=run.subject)
    elif run.started and not workflow.status.finished_at:
        problem(sink, "no_finish", run, f"{run.phase} without status.finishedAt")
    elif run.started and run.finished:
        problem(sink, "negative_duration", run, "finishedAt before startedAt")
    if cause:
        sink.count(FAILURES, (*key, cause), exemplar=run.subject)
    if workflow.status.offload_node_status_version and not nodes and not record.offloaded:
        record.offloaded = True
        sink.count(RUNS_UNOBSERVED, ("offloaded",))


def run_cause(
    world: World, workflow: Workflow, run: Run, nodes: dict[str, Node], shutdown: str
) -> str:
    """Why the run failed; empty if it succeeded."""
    if run.phase == "Succeeded":
        return ""
    if shutdown:
        return shutdown
    leaf = root_cause(nodes, run.name)
    if leaf is not None and leaf.message:
        ends = world.pod_ends.get((run.namespace, run.name), {})
        return cause_of_node(leaf, ends.get(leaf.id), "")
    return cause_of_message(workflow.status.message or "")
