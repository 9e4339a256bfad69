"""What people and policies did to a workflow."""

from argoscope.resources._base import Seen, Sink
from argoscope.resources.workflow.metrics import WORKFLOW_ACTIONS
from argoscope.resources.workflow.objects import Node, Workflow
from argoscope.resources.workflow.record import Record
from argoscope.resources.world import Run, World

_MOST_SUSPENSIONS = 20  # of one run: more are kept of nobody who suspends by a script
LABEL_ACTION = "workflows.argoproj.io/action"
LABEL_RESUBMITTED = "workflows.argoproj.io/resubmitted-from-workflow"


def stopped_by_user(workflow: Workflow) -> bool:
    """A person's action leaves a label; a cron's concurrencyPolicy leaves none."""
    return (workflow.metadata.labels or {}).get(LABEL_ACTION) in ("Stop", "Terminate")


def shutdown_cause(world: World, workflow: Workflow, run: Run) -> str:
    """stopped, terminated or replaced if the run was shut down, else empty."""
    strategy = workflow.spec.shutdown
    if not strategy:
        return ""
    if strategy == "Stop":
        return "stopped"
    policy = world.cron_policies.get((run.namespace, run.cron), "")
    return "replaced" if policy == "Replace" and not run.by_user else "terminated"


def count_action(sink: Sink, run: Run, action: str) -> None:
    sink.count(WORKFLOW_ACTIONS, (run.namespace, run.pipeline, action))


def note_actions(
    world: World, sink: Sink, workflow: Workflow, record: Record, first: bool, seen: Seen
) -> None:
    """From what changed in the spec, as all versions do it; 3.4 sets no action label.

    ``record.run.shutdown`` is still that of the state before.
    """
    run = record.run
    suspended = bool(workflow.spec.suspend)
    actions = []
    if first and LABEL_RESUBMITTED in (workflow.metadata.labels or {}):
        actions.append("resubmit")
    # An inherited run may be listed before its cron, which knows whether it replaces its runs.
    unclear = seen.inherited and run.cron and (run.namespace, run.cron) not in world.cron_policies
    if workflow.spec.shutdown and not run.shutdown and not unclear:
        run.by_user = stopped_by_user(workflow)
        cause = shutdown_cause(world, workflow, run)
        actions += {"stopped": ["stop"], "terminated": ["terminate"]}.get(cause, [])
    if suspended and not record.suspended_since:
        record.suspended_since = seen.at
        # A workflow that is created suspended was not suspended by anybody.
        actions += [] if first else ["suspend"]
    elif not suspended and (since := record.suspended_since):
        record.suspensions = (*record.suspensions[-_MOST_SUSPENSIONS:], (since, seen.at))
        record.suspended_since = 0.0
        actions.append("resume")
    # When somebody acted is written nowhere: on first sight only a workflow that is new itself
    # tells of actions that nobody has counted.
    if not (first and seen.is_history(run.created)):
        for action in actions:
            count_action(sink, run, action)


def note_resumed(sink: Sink, record: Record, nodes: dict[str, Node], *, count: bool) -> None:
    """Approvals: a Suspend node says ``Resumed by`` and stays in the status."""
    resumed = sum(
        1
        for node in nodes.values()
        if node.type == "Suspend" and (node.message or "").startswith("Resumed by")
    )
    for _ in range(resumed - record.resumed if count else 0):
        count_action(sink, record.run, "resume")
    record.resumed = resumed
