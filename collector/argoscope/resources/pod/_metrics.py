"""The metrics of pods."""

from argoscope.metrics.labels import NAMESPACE, PIPELINE, TEMPLATE
from argoscope.metrics.model import Combine, Instrument, Label, Metric
from argoscope.resources._pools import POOL
from argoscope.resources._reasons import REASONS

PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
STAGES = ("schedule", "prepare", "pull", "init", "main", "wait", "supervisor")

PHASE = Label(name="phase", help="Phase of the pod", values=PHASES)
REASON = Label(name="reason", help="Why the pod waits; docs say what to do", values=REASONS)
STAGE = Label(name="stage", help="Part of the pod's life", values=STAGES)

PODS = Metric(
    name="argo.pods",
    instrument=Instrument.GAUGE,
    unit="{pod}",
    labels=(NAMESPACE, PHASE),
    help="Pods of workflows and rollouts by phase",
)
PENDING = Metric(
    name="argo.pods.pending",
    instrument=Instrument.GAUGE,
    unit="{pod}",
    labels=(NAMESPACE, PIPELINE, REASON),
    help="Pods whose main container has not started, by what they wait for",
)
PENDING_BY_POOL = Metric(
    name="argo.pods.pending_by_pool",
    instrument=Instrument.GAUGE,
    unit="{pod}",
    labels=(NAMESPACE, POOL, REASON),
    help="Pods whose main container has not started, by the node pool that they have a node of or "
    "may run in alone; of others no pool is known",
)
PENDING_OLDEST = Metric(
    name="argo.pods.pending_oldest",
    instrument=Instrument.GAUGE,
    unit="s",
    labels=(NAMESPACE, PIPELINE, REASON),
    help="How long the pod has waited, by the trouble that it is in, that waits longest",
    combine=Combine.MIN,
    age=True,
)
EPISODES = Metric(
    name="argo.pod.pending.episodes",
    instrument=Instrument.COUNTER,
    unit="{episode}",
    labels=(NAMESPACE, PIPELINE, REASON),
    help="Ended times of waiting, one per pod and contiguous trouble; normal start-up under 30 s "
    "is none",
)
PENDING_SECONDS = Metric(
    name="argo.pod.pending",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    labels=(NAMESPACE, REASON),
    help="How long pods waited, per episode",
    buckets=(1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400),
)
STAGE_SECONDS = Metric(
    name="argo.pod.stage",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    labels=(NAMESPACE, PIPELINE, TEMPLATE, STAGE),
    help="How long each part of a pod's life took; the parts do not overlap",
    buckets=(1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400),
    cardinality="one series per template and stage, each with 16 buckets",
)
RESTARTS = Metric(
    name="argo.pod.restarts.before.start",
    instrument=Instrument.COUNTER,
    unit="{pod}",
    labels=(NAMESPACE, PIPELINE),
    help="Pods that were deleted before their main container started and made again",
)
METRICS = (
    PODS,
    PENDING,
    PENDING_BY_POOL,
    PENDING_OLDEST,
    EPISODES,
    PENDING_SECONDS,
    STAGE_SECONDS,
    RESTARTS,
)
