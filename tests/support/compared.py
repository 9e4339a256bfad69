"""Which of the daemon's metrics are held against the simulator's truth, and how.

Every metric of the catalogue is here: in ``COUNTERS``, ``HISTOGRAMS`` or ``GAUGES`` with what it
has to be, or in ``EXCUSED`` with the reason why it is not compared. A new metric belongs to one of
them, tests/simulator/test_truth.py asks for it: tell its truth in the engine where the thing
happens (``kernel.truth.tell``), count it in ``support.recount``, and name it here.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from argoscope.metrics import internal
from argoscope.metrics.model import Instrument, Metric
from argoscope.resources import analysis_run as analyses
from argoscope.resources import node, workflow_template
from argoscope.resources.cron_workflow import metrics as crons
from argoscope.resources.pod import _metrics as pods
from argoscope.resources.rollout import metrics as rollouts
from argoscope.resources.workflow import metrics as workflows
from support.recount import Crons, Labels, Lines, Pods, Samples, Waits, Workflows
from support.recount.at_work import AtWork
from support.recount.releases import Releases
from support.recount.waits import PATIENCE

_DIVIDED = (
    "time that run durations have, divided among causes: a scheduler of its own in"
    " tests/resources/workflow/test_critical_path_truth.py knows them"
)

EXCUSED: dict[str, str] = {
    "argo_pipeline_findings": "advice, which judges: tests/advice/test_scenarios.py says in "
    "which scenarios there is some",
    "argo_workflow_critical_path_seconds_total": _DIVIDED,
    "argo_workflow_critical_path_share": _DIVIDED,
    "argo_workflow_overhead_ratio": _DIVIDED,
    "argo_pipeline_threshold": "what people set, nothing that happens: tests/resources/"
    "test_limits.py",
}
"""Metrics that are not compared, each with the reason. The daemon's own (``argoscope_...``) are no
matter of the cluster, but for the runs that it says it could not observe."""

SECOND = 1.0
"""What Kubernetes' and Argo's timestamps resolve."""
LOOK = 1.0
"""Seconds between two looks of the virtual daemon."""
PACE = 10.0
"""Seconds between two reconciliations: Argo writes what held a node back until its next look."""
NOTICE = 2.5
"""Seconds until a kubelet has noticed what happened, has reported it, and the daemon has looked."""


@dataclass
class Told:
    """The lines of truth up to a moment, counted in all ways."""

    lines: Lines
    future: Lines
    """With the lines of later, too."""
    now: float
    sizes: dict[tuple[str, str], int]
    """Bytes of the JSON of each workflow that the API server holds."""
    patience: float = PATIENCE

    def __post_init__(self) -> None:
        self.workflows = Workflows(self.lines)
        self.crons = Crons(self.lines)
        self.pods = Pods(self.lines)
        self.waits = Waits(self.lines, self.patience)
        self.releases = Releases(self.lines)
        self.at_work = AtWork(self.lines)


def _largest(told: Told) -> dict[Labels, float]:
    found: dict[Labels, float] = {}
    for key, size in told.sizes.items():
        labels = (key[0], told.lines.pipelines[key])
        found[labels] = max(found.get(labels, 0.0), float(size))
    return found


def _success_due(told: Told) -> dict[Labels, float]:
    return {c: due for c, (due, _) in told.crons.due_after_success(told.future).items() if due}


def _interval(told: Told) -> dict[Labels, float]:
    due = told.crons.due_after_success(told.future)
    return {cron: following - first for cron, (first, following) in due.items() if following}


def _flags(told: Told, field: str) -> dict[Labels, float]:
    return {cron: float(state[field]) for cron, state in told.crons.states().items()}


def _unreadable(told: Told) -> dict[Labels, float]:
    return {(*c, "schedule"): 1.0 for c, s in told.crons.states().items() if not s["readable"]}


def _cron_infos(told: Told) -> set[Labels]:
    return {
        (*cron, ", ".join(state["schedules"]), state["timezone"], state["policy"])
        for cron, state in told.crons.states().items()
    }


def _machines(told: Told) -> Counter[Labels]:
    live = {}
    for line in told.lines.all:
        if line["what"] == "machine_joined":
            labels = line["labels"]
            spot = labels.get("karpenter.sh/capacity-type") == "spot"
            zone = labels.get("topology.kubernetes.io/zone", "")
            live[line["machine"]] = (
                labels.get("karpenter.sh/nodepool", ""),
                zone,
                str(spot).lower(),
            )
        elif line["what"] == "machine_left":
            live.pop(line["machine"], None)
    return Counter(live.values())


def _blocked(told: Told) -> dict[Labels, tuple[int, int, list[float]]]:
    surely = told.at_work.blocked()
    perhaps = told.at_work.blocked(after=told.now - PACE - LOOK)
    return {
        labels: (len(surely.get(labels, ())), len(since), since)
        for labels, since in perhaps.items()
    }


Counts = Callable[[Told], Mapping[Labels, float]]

COUNTERS: dict[Metric, Counts] = {
    workflows.RUNS: lambda told: told.workflows.runs(),
    workflows.FAILURES: lambda told: told.workflows.failures(),
    workflows.TEMPLATE_FAILURES: lambda told: told.workflows.template_failures(),
    workflows.TEMPLATE_RETRIES: lambda told: told.workflows.retries(),
    workflows.WORKFLOW_ACTIONS: lambda told: told.workflows.actions(),
    workflows.RESOURCE_SECONDS: lambda told: told.workflows.spent(),
    internal.RUNS_UNOBSERVED: lambda told: told.workflows.unobserved(),
    crons.MISSED_RUNS: lambda told: told.crons.missed(),
    crons.REPLACED_RUNS: lambda told: told.crons.replaced(),
    pods.EPISODES: lambda told: told.waits.episodes(),
    pods.RESTARTS: lambda told: told.pods.restarts(),
    rollouts.ATTEMPTS: lambda told: told.releases.ended().counts,
    rollouts.ABORTS: lambda told: told.releases.aborted(),
    analyses.RUNS: lambda told: told.releases.analyses().counts,
}
"""Exact."""


@dataclass(frozen=True)
class Timed:
    """The samples of a histogram: their number is exact, their sum within so many seconds each."""

    samples: Callable[[Told], Samples]
    within: float | Callable[[Labels], float] = SECOND

    def limit(self, labels: Labels, count: float) -> float:
        each = self.within(labels) if callable(self.within) else self.within
        return each * count + 1e-6


HISTOGRAMS: dict[Metric, Timed] = {
    workflows.RUN_DURATION: Timed(lambda told: told.workflows.durations()),
    workflows.RUN_PENDING: Timed(lambda told: told.workflows.pending()),
    workflows.TEMPLATE_DURATION: Timed(lambda told: told.workflows.templates()),
    workflows.STEP_GAP: Timed(lambda told: told.workflows.gaps()),
    workflows.LOCK_WAIT: Timed(lambda told: told.workflows.lock_waits(), SECOND + LOOK),
    crons.START_DELAY: Timed(lambda told: told.crons.start_delays()),
    # prepare has two parts, before init and after it
    pods.STAGE_SECONDS: Timed(
        lambda told: told.pods.stages(),
        lambda labels: 2 * SECOND if labels[-1] == "prepare" else SECOND,
    ),
    pods.PENDING_SECONDS: Timed(lambda told: told.waits.seconds(), NOTICE),
    rollouts.DURATION: Timed(lambda told: told.releases.ended(), NOTICE),
    rollouts.STEP_SECONDS: Timed(lambda told: told.releases.steps(), NOTICE),
    rollouts.PAUSED: Timed(lambda told: told.releases.pauses(), NOTICE),
    rollouts.CONVERGENCE: Timed(lambda told: told.releases.converged(), NOTICE),
    analyses.DURATION: Timed(lambda told: told.releases.analyses(), NOTICE),
}


@dataclass(frozen=True)
class Shown:
    """A gauge: exactly ``values``, or with ``since`` the age of each within so many seconds."""

    values: Counts
    since: bool = False
    within: float = 0.0
    only_told: bool = False
    """The truth does not know all of them."""


def _ages(values: Counts, within: float = SECOND + LOOK) -> Shown:
    return Shown(values, since=True, within=within)


def _ones(labels: Callable[[Told], set[Labels]]) -> Shown:
    return Shown(lambda told: dict.fromkeys(labels(told), 1.0))


GAUGES: dict[Metric, Shown] = {
    workflows.ACTIVE: Shown(lambda told: told.at_work.active()),
    workflows.PENDING_OLDEST: _ages(lambda told: told.at_work.pending_since()),
    workflows.SUSPENDED_OLDEST: _ages(lambda told: told.at_work.suspended_since()),
    workflows.IDLE_OLDEST: _ages(lambda told: told.at_work.idle_since()),
    workflows.LOCK_HOLDERS: Shown(lambda told: told.at_work.holders()),
    workflows.LOCK_WAITERS: Shown(lambda told: told.at_work.waiters()),
    workflows.COMPLETED_7D: Shown(lambda told: told.workflows.completed()),
    workflows.FAILED_7D: Shown(lambda told: told.workflows.failed()),
    workflows.OBJECTS: Shown(lambda told: told.at_work.objects()),
    workflows.STORED: Shown(lambda told: told.at_work.stored()),
    workflows.NODES: Shown(lambda told: told.at_work.most_nodes()),
    workflows.OBJECT_BYTES: Shown(_largest),
    workflows.INFO: _ones(lambda told: told.at_work.names()),
    crons.ACTIVE: Shown(lambda told: told.crons.active()),
    crons.LAST_SCHEDULE: Shown(lambda told: told.crons.last_scheduled()),
    crons.LAST_SUCCESS: Shown(lambda told: told.crons.last_success()),
    crons.LAST_FAILURE: Shown(lambda told: told.crons.last_failure()),
    crons.CONSECUTIVE_FAILURES: Shown(lambda told: told.crons.failures_in_a_row()),
    crons.NEXT_SCHEDULE: Shown(lambda told: told.crons.next_due()),
    crons.SUCCESS_DUE: Shown(_success_due),
    crons.INTERVAL: Shown(_interval, only_told=True),
    crons.SUSPENDED: Shown(lambda told: _flags(told, "suspended")),
    crons.INVALID: Shown(_unreadable),
    crons.INFO: _ones(_cron_infos),
    pods.PODS: Shown(lambda told: told.pods.phases()),
    rollouts.PHASE: Shown(lambda told: told.releases.phases()),
    rollouts.PHASE_AGE: _ages(lambda told: told.releases.phases_since(), NOTICE),
    rollouts.WEIGHT: Shown(lambda told: told.releases.weights(), only_told=True),
    node.NODES: Shown(_machines),
}
"""Compared at many moments of a scenario."""


@dataclass(frozen=True)
class Late:
    """How many wait, and the longest of them: ``told`` gives, by labels, how many surely, how many
    at most, and since when any of them, since what ended just now may not have been written."""

    count: Metric
    oldest: Metric
    told: Callable[[Told], dict[Labels, tuple[int, int, list[float]]]]


LATE_GAUGES = (
    Late(
        pods.PENDING,
        pods.PENDING_OLDEST,
        lambda told: told.waits.during(told.now - NOTICE, told.now),
    ),
    Late(workflows.NODES_BLOCKED, workflows.BLOCKED_OLDEST, _blocked),
)

BY_OBJECTS: dict[Metric, str] = {
    rollouts.INFO: "what the spec says",
    rollouts.STEPS: "what the spec says",
    rollouts.STEP: "the steps that were completed or skipped",
    rollouts.REPLICAS: "the pods that there are, when nothing is changing",
    workflow_template.TEMPLATE_INFO: "the templates that there are",
    pods.PENDING_BY_POOL: "the pods that wait, at many moments",
}
"""Compared with objects, in test_truth.py and test_rollouts_truth.py; most of them once."""


LATE = (pods.EPISODES, pods.PENDING_SECONDS)
"""The truth tells when a wait ended, a kubelet reports it up to ``NOTICE`` later; and of one that
lasted hardly as long as normal start-up may, nobody knows in whole seconds whether it did."""
OF_NODES = (
    workflows.TEMPLATE_DURATION,
    workflows.TEMPLATE_FAILURES,
    workflows.TEMPLATE_RETRIES,
    workflows.RESOURCE_SECONDS,
    workflows.STEP_GAP,
    workflows.NODES,
    workflows.ACTIVE,
    workflows.IDLE_OLDEST,
)
"""Of pipelines whose nodes are in a database nobody can see these."""
ALL_GAUGES = [*GAUGES, *(m for late in LATE_GAUGES for m in (late.count, late.oldest))]
assert all(metric.instrument is Instrument.GAUGE for metric in ALL_GAUGES)


def compared() -> set[str]:
    """Prometheus names of all metrics that are held against the truth."""
    metrics = [*COUNTERS, *HISTOGRAMS, *ALL_GAUGES, *BY_OBJECTS]
    return {metric.prometheus for metric in metrics}
