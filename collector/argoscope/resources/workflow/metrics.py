"""The metrics of Workflows."""

import re

from argoscope.metrics.labels import CRON, NAMESPACE, PIPELINE, TEMPLATE
from argoscope.metrics.model import Combine, Instrument, Label, Metric

_NOT_IN_LABELS = re.compile(r"[^a-zA-Z0-9_]")

CAUSES = (
    "oom",
    "evicted",
    "preempted",
    "deadline",
    "image",
    "input",
    "output",
    "exit_code",
    "node_lost",
    "invalid_spec",
    "stopped",
    "terminated",
    "replaced",
    "error",
)
COMMON_CAUSES = ("oom", "evicted", "deadline", "image", "exit_code", "error")
POLICY_CAUSES = frozenset({"stopped", "terminated", "replaced"})
"""What people and policies did: kept out of the 7-day failures, the streaks and the alerts."""
RUN_PHASES = ("Succeeded", "Failed", "Error")
STATES = ("pending", "running", "suspended", "waiting_lock")
ACTIONS = ("stop", "terminate", "retry", "resubmit", "suspend", "resume")
LEAF_TYPES = ("Pod", "Container", "HTTP", "Plugin", "Suspend")

PATH_CAUSES = (
    "queue",
    "lock",
    "approval",
    "backoff",
    "schedule",
    "prepare",
    "pull",
    "init",
    "main",
    "wait",
    "gap",
    "retry",
    "unknown",
)
RULE = Label(name="rule", help="Rule of advice, a section of docs/advice.md")
PATH_CAUSE = Label(
    name="cause",
    help="What the time on the critical path went to; docs/critical-path.md says what each is",
    values=PATH_CAUSES,
)
PHASE = Label(name="phase", help="Phase in which the attempt ended", values=RUN_PHASES)
STATE = Label(name="state", help="What an unfinished workflow is doing", values=STATES)
CAUSE = Label(name="cause", help="Why it failed", values=CAUSES)
NODE_TYPE = Label(name="node_type", help="Argo's type of the leaf node", values=LEAF_TYPES)
ACTION = Label(name="action", help="What somebody did to the workflow", values=ACTIONS)
BLOCKED_REASONS = ("quota", "forbidden", "lock", "parallelism")
BLOCKED = Label(name="reason", help="What keeps the node from starting", values=BLOCKED_REASONS)
WAITS_FOR = Label(
    name="waits_for",
    help="Whose turn it is: running_nodes (a pod runs), pending_nodes (none runs yet), controller "
    "(no node is unfinished: Argo should go on)",
    values=("running_nodes", "pending_nodes", "controller"),
)
STORAGE = Label(
    name="storage",
    help="Where the nodes of the status are",
    values=("inline", "compressed", "offloaded"),
)
COMPLETED = Label(name="completed", help="The workflow is over", values=("true", "false"))
TTL = Label(name="ttl", help="A ttlStrategy will delete it", values=("true", "false"))
RESOURCE_NAME = Label(name="resource", help="Resource name, as in the container's requests")
SCOPE = Label(
    name="scope",
    help="What the pipeline's name comes from",
    values=("label", "namespaced", "cluster", "cron", "generate_name", "name"),
)
LOCK = Label(name="lock", help="Mutex or semaphore, as Kind/name", open=True)

SECONDS_TO_A_DAY = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400)
SECONDS_TO_AN_HOUR = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1800, 3600)

RUNS = Metric(
    name="argo.workflow.runs",
    instrument=Instrument.COUNTER,
    unit="{run}",
    labels=(NAMESPACE, PIPELINE, PHASE),
    help="Run attempts that ended, by phase; an argo retry is another attempt",
)
ACTIVE = Metric(
    name="argo.workflow.active",
    instrument=Instrument.GAUGE,
    unit="{workflow}",
    labels=(NAMESPACE, PIPELINE, STATE),
    help="Workflows that are not over, by what they are doing",
)
RUN_DURATION = Metric(
    name="argo.workflow.run.duration",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    labels=(NAMESPACE, PIPELINE, PHASE),
    help="Time of a run attempt from status.startedAt to status.finishedAt",
    buckets=SECONDS_TO_A_DAY,
)
RUN_PENDING = Metric(
    name="argo.workflow.run.pending",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    labels=(NAMESPACE, PIPELINE),
    help="Time from the creation of a workflow to the start of its first attempt",
    buckets=SECONDS_TO_AN_HOUR,
)
TEMPLATE_DURATION = Metric(
    name="argo.template.duration",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    labels=(NAMESPACE, PIPELINE, TEMPLATE, NODE_TYPE, PHASE),
    help="Time of a leaf node's attempt from its creation by Argo to its end, each attempt once",
    buckets=SECONDS_TO_A_DAY,
    cardinality="pipelines x templates x phases; each with the histogram's buckets",
    budget=20_000,
)
FAILURES = Metric(
    name="argo.workflow.failures",
    instrument=Instrument.COUNTER,
    unit="{run}",
    labels=(NAMESPACE, PIPELINE, CAUSE),
    help="Run attempts that failed, by the cause of the node that made them fail",
)
TEMPLATE_FAILURES = Metric(
    name="argo.template.failures",
    instrument=Instrument.COUNTER,
    unit="{attempt}",
    labels=(NAMESPACE, PIPELINE, TEMPLATE, CAUSE),
    help="Attempts of leaf nodes that failed, retried ones included, by cause",
)
TEMPLATE_RETRIES = Metric(
    name="argo.template.retries",
    instrument=Instrument.COUNTER,
    unit="{attempt}",
    labels=(NAMESPACE, PIPELINE, TEMPLATE),
    help="Finished attempts beyond the first that a retryStrategy made",
)
FAILED_7D = Metric(
    name="argo.workflow.failed_runs_7d",
    instrument=Instrument.GAUGE,
    unit="{run}",
    labels=(NAMESPACE, PIPELINE),
    help="Run attempts that failed within the last 7 days, without those that were stopped",
)
COMPLETED_7D = Metric(
    name="argo.workflow.completed_runs_7d",
    instrument=Instrument.GAUGE,
    unit="{run}",
    labels=(NAMESPACE, PIPELINE),
    help="Run attempts that ended within the last 7 days",
)
NODES_BLOCKED = Metric(
    name="argo.workflow.nodes_blocked",
    instrument=Instrument.GAUGE,
    unit="{node}",
    labels=(NAMESPACE, PIPELINE, BLOCKED),
    help="Nodes that wait without a pod; a workflow held back as a whole counts as one",
)
STEP_GAP = Metric(
    name="argo.step.gap",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    labels=(NAMESPACE, PIPELINE),
    help="Time between the last end among a node's predecessors and its start",
    buckets=(1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600),
)
WORKFLOW_ACTIONS = Metric(
    name="argo.workflow.actions",
    instrument=Instrument.COUNTER,
    unit="{action}",
    labels=(NAMESPACE, PIPELINE, ACTION),
    help="What people and tools did to workflows",
)
OBJECT_BYTES = Metric(
    name="argo.workflow.object",
    instrument=Instrument.GAUGE,
    unit="By",
    labels=(NAMESPACE, PIPELINE),
    combine=Combine.MAX,
    help="Size in JSON of the largest stored workflow; etcd refuses more than 1.5 MiB by default",
)
NODES = Metric(
    name="argo.workflow.nodes",
    instrument=Instrument.GAUGE,
    unit="{node}",
    labels=(NAMESPACE, PIPELINE),
    combine=Combine.MAX,
    help="Nodes of the stored workflow that has most",
)
OBJECTS = Metric(
    name="argo.workflow.objects",
    instrument=Instrument.GAUGE,
    unit="{workflow}",
    labels=(NAMESPACE, STORAGE),
    help="Stored workflows by where their node status is",
)
STORED = Metric(
    name="argo.workflow.stored",
    instrument=Instrument.GAUGE,
    unit="{workflow}",
    labels=(NAMESPACE, COMPLETED, TTL),
    help="Stored workflows; completed ones without a TTL stay until somebody deletes them",
)
SUSPENDED_OLDEST = Metric(
    name="argo.workflow.suspended_oldest",
    instrument=Instrument.GAUGE,
    unit="s",
    labels=(NAMESPACE, PIPELINE),
    combine=Combine.MIN,
    age=True,
    help="Age of the approval or suspension that has waited longest",
)
PENDING_OLDEST = Metric(
    name="argo.workflow.pending_oldest",
    instrument=Instrument.GAUGE,
    unit="s",
    labels=(NAMESPACE, PIPELINE),
    combine=Combine.MIN,
    age=True,
    help="Age of the workflow that has been pending longest, without those that wait for a lock",
)
IDLE_OLDEST = Metric(
    name="argo.workflow.idle_oldest",
    instrument=Instrument.GAUGE,
    unit="s",
    labels=(NAMESPACE, PIPELINE, WAITS_FOR),
    combine=Combine.MIN,
    age=True,
    help="Time since a node last started or ended, of the running workflow for which that is "
    "longest; suspended ones and those that wait for a lock or for a retry's backoff are left out",
)
BLOCKED_OLDEST = Metric(
    name="argo.workflow.blocked_oldest",
    instrument=Instrument.GAUGE,
    unit="s",
    labels=(NAMESPACE, PIPELINE, BLOCKED),
    combine=Combine.MIN,
    age=True,
    help="How long the workflow or node has waited without a pod that waits longest",
)
LOCK_WAIT = Metric(
    name="argo.workflow.lock_wait",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    labels=(NAMESPACE, PIPELINE),
    help="Time that a workflow or a node waited for a mutex or semaphore, once it has it",
    buckets=SECONDS_TO_AN_HOUR,
)
LOCK_HOLDERS = Metric(
    name="argo.lock.holders",
    instrument=Instrument.GAUGE,
    unit="{holder}",
    labels=(NAMESPACE, LOCK),
    help="Workflows and nodes that hold the lock",
)
LOCK_WAITERS = Metric(
    name="argo.lock.waiters",
    instrument=Instrument.GAUGE,
    unit="{waiter}",
    labels=(NAMESPACE, LOCK),
    help="Workflows and nodes that wait for the lock",
)
RESOURCE_SECONDS = Metric(
    name="argo.workflow.resource",
    instrument=Instrument.COUNTER,
    unit="s",
    labels=(NAMESPACE, PIPELINE, RESOURCE_NAME),
    help="Sum of resourcesDuration of pods: requested amount times seconds, indicative",
)
CRITICAL_PATH = Metric(
    name="argo.workflow.critical_path",
    instrument=Instrument.COUNTER,
    unit="s",
    labels=(NAMESPACE, PIPELINE, PATH_CAUSE),
    help="Time of run attempts that ended, from creation to finish, divided among causes along the "
    "critical path; the causes add up to the whole exactly",
)
CRITICAL_SHARE = Metric(
    name="argo.workflow.critical_path.share",
    instrument=Instrument.HISTOGRAM,
    unit="1",
    labels=(NAMESPACE, PIPELINE, PATH_CAUSE),
    help="Part of a run attempt's time that went to a cause, of the attempts in which it took any",
    buckets=(0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1),
    cardinality="pipelines x causes that occur, mostly five; each with the histogram's buckets",
)
OVERHEAD = Metric(
    name="argo.workflow.overhead_ratio",
    instrument=Instrument.HISTOGRAM,
    unit="1",
    labels=(NAMESPACE, PIPELINE),
    help="Part of a run attempt's time in which no main container on its critical path ran: "
    "1 - main / total",
    buckets=(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1),
)
FINDINGS = Metric(
    name="argo.pipeline.findings",
    instrument=Instrument.GAUGE,
    unit="{finding}",
    labels=(NAMESPACE, PIPELINE, RULE),
    combine=Combine.MAX,
    help="1 for each piece of advice about the pipeline's latest run that has ended; absent where "
    "there is nothing to say",
    cardinality="pipelines x rules that fire, mostly none to three",
)
INFO = Metric(
    name="argo.workflow.info",
    instrument=Instrument.GAUGE,
    unit="{pipeline}",
    labels=(NAMESPACE, PIPELINE, TEMPLATE, CRON, SCOPE),
    combine=Combine.MAX,
    help="Where a pipeline's name comes from; constant 1",
)


def labels_metric(keys: tuple[str, ...]) -> Metric:
    """The info metric of configured workflow labels: ``team`` becomes ``label_team``.

    Raises ValueError when two keys become one label.
    """
    names = [f"label_{_NOT_IN_LABELS.sub('_', key).lower()}" for key in keys]
    if len(set(names)) != len(names):
        raise ValueError(f"two of the workflow labels {', '.join(keys)} become one label")
    own = (
        Label(name=name, help=f"Workflow label {key}", open=True)
        for key, name in zip(keys, names, strict=True)
    )
    return Metric(
        name="argo.workflow.labels",
        instrument=Instrument.GAUGE,
        unit="{pipeline}",
        labels=(NAMESPACE, PIPELINE, *own),
        combine=Combine.MAX,
        help="Labels of a pipeline's workflows, to join with on namespace and pipeline; constant 1",
        unused_because="its labels are the user's choice",
    )


METRICS = tuple(value for value in list(vars().values()) if isinstance(value, Metric))
