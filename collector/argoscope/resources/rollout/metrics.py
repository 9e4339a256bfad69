"""The metrics of Rollouts."""

from argoscope.metrics.labels import NAMESPACE, ROLLOUT
from argoscope.metrics.model import Combine, Instrument, Label, Metric
from argoscope.resources._limits import PIPELINE_THRESHOLD

PHASES = ("Healthy", "Progressing", "Paused", "Degraded", "Unknown")
RESULTS = ("created", "promoted", "aborted", "superseded", "rolled_back")
CONCLUSIVE = ("Healthy", "Degraded", "Paused")
ABORT_CAUSES = (
    "user",
    "analysis_failed",
    "analysis_error",
    "progress_deadline",
    "experiment",
    "step_plugin",
    "other",
)
PAUSE_CAUSES = (
    "user",
    "canary_pause_step",
    "blue_green_pause",
    "inconclusive_analysis",
    "inconclusive_experiment",
    "other",
)
STEP_TYPES = (
    "setWeight",
    "pause",
    "analysis",
    "experiment",
    "setCanaryScale",
    "setHeaderRoute",
    "setMirrorRoute",
    "plugin",
    "_other",
)
REPLICA_STATES = ("desired", "current", "updated", "ready", "available")

PHASE_LABEL = Label(
    name="phase", help="Phase of the rollout; Unknown before the controller set one", values=PHASES
)
RESULT_LABEL = Label(
    name="result",
    help="How an attempt to release ended; created is the first revision becoming healthy",
    values=RESULTS,
)
CONCLUSIVE_LABEL = Label(
    name="phase",
    help="First phase that needs no more patience, but perhaps a person",
    values=CONCLUSIVE,
)
ABORT_CAUSE_LABEL = Label(name="cause", help="Why the attempt was aborted", values=ABORT_CAUSES)
PAUSE_CAUSE_LABEL = Label(name="cause", help="Why the rollout was paused", values=PAUSE_CAUSES)
STEP_TYPE_LABEL = Label(
    name="step_type",
    help="Kind of canary step, as in spec.strategy.canary.steps",
    values=STEP_TYPES,
)
REPLICA_STATE_LABEL = Label(
    name="state", help="desired is spec.replicas, the others are the status", values=REPLICA_STATES
)
ROLE_LABEL = Label(name="role", help="Which pods get the weight", values=("canary", "stable"))
STRATEGY_LABEL = Label(
    name="strategy",
    help="Strategy of the rollout; empty when the spec has none",
    values=("canary", "blueGreen", ""),
)
WORKLOAD_REF_LABEL = Label(
    name="workload_ref",
    help="Kind and name of the workload it takes its pod template from",
    open=True,
)
TRAFFIC_ROUTER_LABEL = Label(
    name="traffic_router",
    help="Traffic routers of the canary, joined by +; empty for none",
    open=True,
)

# Releases take from seconds (a canary without pauses) to a day (pauses over night).
_SECONDS_TO_A_DAY = (
    5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0,
    86400.0,
)  # fmt: skip
# Pauses wait for people: up to a long weekend.
_SECONDS_TO_DAYS = (
    1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0,
    86400.0, 259200.0,
)  # fmt: skip

_PER_ROLLOUT = 50_000
_ID = (NAMESPACE, ROLLOUT)

INFO = Metric(
    name="argo.rollout.info",
    instrument=Instrument.GAUGE,
    unit="{rollout}",
    labels=(*_ID, STRATEGY_LABEL, WORKLOAD_REF_LABEL, TRAFFIC_ROUTER_LABEL),
    help="Constant 1 for every rollout, with how it releases",
    budget=_PER_ROLLOUT,
)
PHASE = Metric(
    name="argo.rollout.phase",
    instrument=Instrument.GAUGE,
    unit="{rollout}",
    labels=(*_ID, PHASE_LABEL),
    help="1 for the phase the rollout is in, 0 for the others; Progressing while the controller "
    "has not observed the newest spec",
    budget=_PER_ROLLOUT,
    cardinality="5 series per rollout",
)
PHASE_AGE = Metric(
    name="argo.rollout.phase.age",
    instrument=Instrument.GAUGE,
    unit="s",
    labels=_ID,
    help="Time since the rollout entered its phase",
    combine=Combine.MIN,
    age=True,
    budget=_PER_ROLLOUT,
)
REPLICAS = Metric(
    name="argo.rollout.replicas",
    instrument=Instrument.GAUGE,
    unit="{replica}",
    labels=(*_ID, REPLICA_STATE_LABEL),
    help="Replicas of the rollout by state; 0 when the rollout is scaled to none",
    budget=_PER_ROLLOUT,
    cardinality="5 series per rollout",
)
WEIGHT = Metric(
    name="argo.rollout.weight",
    instrument=Instrument.GAUGE,
    unit="{percent}",
    labels=(*_ID, ROLE_LABEL),
    help="Share of the canary and the stable revision of a canary rollout in percent: what the "
    "traffic router was given, or the last setWeight before it was, or without a router the "
    "share of the pods",
    budget=_PER_ROLLOUT,
)
STEP = Metric(
    name="argo.rollout.step",
    instrument=Instrument.GAUGE,
    unit="{step}",
    labels=_ID,
    help="Index of the current canary step, from 0; equal to argo_rollout_steps after the last",
    budget=_PER_ROLLOUT,
)
STEPS = Metric(
    name="argo.rollout.steps",
    instrument=Instrument.GAUGE,
    unit="{step}",
    labels=_ID,
    help="Number of steps of the canary",
    budget=_PER_ROLLOUT,
)
ATTEMPTS = Metric(
    name="argo.rollouts",
    instrument=Instrument.COUNTER,
    unit="{attempt}",
    labels=(*_ID, RESULT_LABEL),
    help="Attempts to release a revision that ended, by result; a retry after an abort is another "
    "attempt",
    budget=_PER_ROLLOUT,
    cardinality="5 series per rollout",
)
DURATION = Metric(
    name="argo.rollout.duration",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    labels=(*_ID, RESULT_LABEL),
    help="Time from the start of an attempt to its end, pauses included",
    buckets=_SECONDS_TO_A_DAY,
)
# The plain name would be that of the gauge above: Prometheus keeps them apart by unit only.
STEP_SECONDS = Metric(
    name="argo.rollout.step.seconds",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    labels=(*_ID, STEP_TYPE_LABEL),
    help="Time a completed canary step took; steps that were skipped or aborted are left out",
    buckets=_SECONDS_TO_A_DAY,
)
PAUSED = Metric(
    name="argo.rollout.paused",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    labels=(*_ID, PAUSE_CAUSE_LABEL),
    help="How long pauses that ended had lasted; user is spec.paused",
    buckets=_SECONDS_TO_DAYS,
)
CONVERGENCE = Metric(
    name="argo.rollout.convergence",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    labels=(*_ID, CONCLUSIVE_LABEL),
    help="Time from the start of a release to its first conclusive phase: Healthy, Degraded, or "
    "Paused until a person goes on",
    buckets=_SECONDS_TO_A_DAY,
)
ABORTS = Metric(
    name="argo.rollout.aborts",
    instrument=Instrument.COUNTER,
    unit="{abort}",
    labels=(*_ID, ABORT_CAUSE_LABEL),
    help="Aborted attempts by cause",
    budget=_PER_ROLLOUT,
)

METRICS = (
    INFO,
    PHASE,
    PHASE_AGE,
    REPLICAS,
    WEIGHT,
    STEP,
    STEPS,
    ATTEMPTS,
    DURATION,
    STEP_SECONDS,
    PAUSED,
    CONVERGENCE,
    ABORTS,
    PIPELINE_THRESHOLD,
)
