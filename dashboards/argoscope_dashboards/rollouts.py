"""Rollouts: what is being released and how far it is, how releases end, how long they wait."""

from collections.abc import Iterator, Sequence

from argoscope.resources import analysis_run
from argoscope.resources.rollout import metrics as rollout
from argoscope_dashboards import _links as links
from argoscope_dashboards._common import SLOW, releases
from argoscope_dashboards._dashboard import Annotation, Dashboard, Section, Variable
from argoscope_dashboards._fields import BAD, OK, WARNING, Column, limit
from argoscope_dashboards._grafana import Panel, Stat, StateTimeline, Table, TimeSeries
from argoscope_dashboards._query import Scope, ratio
from argoscope_dashboards._target import queries, target

_PHASES = (
    ("Healthy", OK),
    ("Progressing", "blue"),
    ("Paused", "yellow"),
    ("Degraded", BAD),
    ("Unknown", "text"),
)
_CAUSES = (
    ("analysis_failed", "red"),
    ("analysis_error", "purple"),
    ("progress_deadline", "orange"),
    ("experiment", "dark-red"),
    ("step_plugin", "yellow"),
    ("user", "blue"),
    ("other", "text"),
)
_RESULTS = (
    ("promoted", "green"),
    ("created", "blue"),
    ("aborted", "red"),
    ("rolled_back", "orange"),
    ("superseded", "yellow"),
)


def _now(q: Scope) -> Iterator[Panel]:
    ended = q.increase(rollout.ATTEMPTS)
    yield Stat(
        title="Rollouts",
        description="Rollouts that exist.",
        decimals=0,
        targets=[target(f"count({q.series(rollout.INFO)})", "Rollouts", instant=True)],
    )
    for phase, bad in (("Progressing", ()), ("Paused", ()), ("Degraded", limit(1))):
        yield Stat(
            title=phase,
            description=f"Rollouts that are {phase} now.",
            decimals=0,
            sparkline=True,
            steps=bad,
            targets=[target(q.sum(rollout.PHASE, phase=phase), phase)],
        )
    yield Stat(
        title="Releases that ended",
        description="Attempts to release a revision that ended in the time range. A retry after an "
        "abort is another attempt.",
        decimals=0,
        targets=[target(ended, "Releases", instant=True)],
    )
    yield Stat(
        title="Abort ratio",
        description="Share of the time range's attempts that were aborted. Red: the alert "
        "ArgoRolloutAbortRateHigh.",
        unit="percentunit",
        decimals=1,
        steps=limit(q.config.threshold("ArgoRolloutAbortRateHigh")),
        targets=[target(ratio(q.increase(rollout.ABORTS), ended), "Aborted", instant=True)],
    )


def _table(q: Scope) -> Table:
    by = q.keys("namespace", "rollout")
    here = links.row(q.config, links.ROLLOUTS, "Only this one", "namespace", "rollout")
    return Table(
        title="Rollouts",
        description="One row for each. Step counts from 0 and equals Steps after the last. Weight "
        "is what the canary gets.",
        no_value="No Rollout in these namespaces",
        size=(24, 9),
        names=[
            Column(title="Cluster", field=q.config.cluster_label, width=100),
            Column(title="Namespace", field="namespace"),
            Column(title="Rollout", field="rollout", links=[here]),
            Column(
                title="Phase",
                field="phase",
                value_names=[(phase, phase, colour) for phase, colour in _PHASES],
            ),
            Column(title="Strategy", field="strategy", width=110),
            Column(title="Traffic router", field="traffic_router", width=120),
        ],
        cells=[
            Column(title="", query=q.sum(rollout.PHASE, *by, "phase") + " > 0"),
            Column(title="", query=q.sum(rollout.INFO, *by, "strategy", "traffic_router")),
            Column(title="In phase for", query=q.min(rollout.PHASE_AGE, *by), unit="s"),
            Column(title="Step", query=q.max(rollout.STEP, *by), decimals=0),
            Column(title="Steps", query=q.max(rollout.STEPS, *by), decimals=0),
            Column(
                title="Canary weight",
                query=q.max(rollout.WEIGHT, *by, role="canary"),
                unit="percent",
                decimals=0,
            ),
            Column(title="Ready", query=q.sum(rollout.REPLICAS, *by, state="ready"), decimals=0),
            Column(
                title="Desired", query=q.sum(rollout.REPLICAS, *by, state="desired"), decimals=0
            ),
            Column(
                title="Aborts",
                query=q.increase(rollout.ABORTS, *by),
                decimals=0,
                steps=limit(0.5, WARNING),
            ),
        ],
        sorted_by="Aborts",
    )


def _phases(q: Scope) -> StateTimeline:
    """The state set as one number for each rollout, which the panel shows as a word."""
    by = q.keys("namespace", "rollout")
    parts = (
        f"{number} * {q.sum(rollout.PHASE, *by, phase=phase)}"
        for number, (phase, _) in enumerate(_PHASES)
        if number
    )
    return StateTimeline(
        title="Phases",
        description="Phase of each rollout over time.",
        size=(24, 8),
        no_value="No Rollout in these namespaces",
        value_names=[
            (str(number), phase, colour) for number, (phase, colour) in enumerate(_PHASES)
        ],
        targets=[
            target(
                " + ".join(parts),
                f"{{{{namespace}}}}/{{{{rollout}}}} {{{{{q.config.cluster_label}}}}}",
            )
        ],
    )


def _ends(q: Scope) -> Iterator[Panel]:
    yield TimeSeries(
        title="Releases that ended, by result",
        description="created: first revision. superseded: a newer revision came before it was "
        "through. rolled_back: a newer attempt went back to an older revision.",
        decimals=0,
        interval=SLOW,
        bars=True,
        stack=True,
        colours=_RESULTS,
        no_value="No release ended in this time range",
        calcs=("sum",),
        sort="Total",
        targets=[
            target(
                q.increase(rollout.ATTEMPTS, "result", window="$__rate_interval") + " > 0",
                "{{result}}",
            )
        ],
    )
    yield TimeSeries(
        title="Aborts, by cause",
        description="analysis_failed: an analysis said no. analysis_error: it could not be "
        "measured. progress_deadline: pods did not become ready in time. user: somebody aborted.",
        decimals=0,
        interval=SLOW,
        bars=True,
        stack=True,
        no_value="No release was aborted in this time range",
        colours=_CAUSES,
        calcs=("sum",),
        sort="Total",
        targets=[
            target(
                q.increase(rollout.ABORTS, "cause", window="$__rate_interval") + " > 0", "{{cause}}"
            )
        ],
    )
    yield TimeSeries(
        title="Analysis runs, by phase",
        description="AnalysisRuns that ended. Inconclusive ones pause the release until somebody "
        "decides.",
        decimals=0,
        interval=SLOW,
        bars=True,
        stack=True,
        no_value="No analysis ended in this time range",
        calcs=("sum",),
        sort="Total",
        targets=[
            target(
                q.increase(analysis_run.RUNS, "phase", window="$__rate_interval") + " > 0",
                "{{phase}}",
            )
        ],
    )
    yield TimeSeries(
        title="Duration of analyses",
        description="From the start of an analysis run to its last measurement.",
        unit="s",
        interval=SLOW,
        no_value="No analysis ended in this time range",
        targets=queries(
            (q.quantile(0.95, analysis_run.DURATION), "p95"),
            (q.quantile(0.5, analysis_run.DURATION), "p50"),
        ),
    )


def _times(q: Scope) -> Iterator[Panel]:
    yield TimeSeries(
        title="Duration of releases, by result",
        description="95th percentile from the start of an attempt to its end, pauses included.",
        unit="s",
        interval=SLOW,
        no_value="No release ended in this time range",
        targets=[target(q.quantile(0.95, rollout.DURATION, "result"), "{{result}}")],
    )
    yield TimeSeries(
        title="Convergence",
        description="From the start of a release to its first conclusive phase: Healthy, Degraded, "
        "or Paused until a person goes on. 95th percentile.",
        unit="s",
        interval=SLOW,
        no_value="No release came to a conclusion in this time range",
        targets=[target(q.quantile(0.95, rollout.CONVERGENCE, "phase"), "{{phase}}")],
    )
    yield TimeSeries(
        title="Pauses, by who or what paused",
        description="95th percentile of how long pauses had lasted that ended. user is "
        "spec.paused; canary_pause_step a pause in the steps.",
        unit="s",
        interval=SLOW,
        no_value="No pause ended in this time range",
        targets=[target(q.quantile(0.95, rollout.PAUSED, "cause"), "{{cause}}")],
    )
    yield TimeSeries(
        title="Canary steps, by type",
        description="Mean time that a completed step took.",
        unit="s",
        interval=SLOW,
        no_value="No canary step was completed in this time range",
        targets=[target(q.mean(rollout.STEP_SECONDS, "step_type"), "{{step_type}}")],
    )


def _progress(q: Scope) -> Iterator[Panel]:
    yield TimeSeries(
        title="Canary weight",
        description="Share that the canary gets: of the traffic where a router gave it, else of "
        "the replicas.",
        unit="percent",
        minimum=0,
        maximum=100,
        no_value="No canary in these namespaces",
        targets=[
            target(
                q.max(rollout.WEIGHT, "namespace", "rollout", role="canary"),
                "{{namespace}}/{{rollout}}",
            )
        ],
    )
    yield TimeSeries(
        title="Replicas",
        description="Replicas of the chosen rollouts by state. Ready below desired for long: look "
        "at Pending pods.",
        decimals=0,
        no_value="No Rollout in these namespaces",
        targets=[target(q.sum(rollout.REPLICAS, "state"), "{{state}}")],
    )


def _sections(q: Scope) -> Sequence[Section]:
    return (
        Section(title="At a glance", panels=list(_now(q))),
        Section(title="All of them", panels=[_table(q), _phases(q)]),
        Section(title="How releases end", panels=list(_ends(q))),
        Section(title="How long they take", panels=list(_times(q))),
        Section(title="In progress", panels=list(_progress(q))),
    )


def _annotations(q: Scope) -> Sequence[Annotation]:
    ended = q.increase(
        rollout.ATTEMPTS, "rollout", "result", window="$__rate_interval", result="aborted"
    )
    return (releases(ended, "rollout", "result", shown=True),)


DASHBOARD = Dashboard(
    uid=links.ROLLOUTS,
    title="Argo / Rollouts",
    description="What is being released and how far it is, how releases end and why, how long they "
    "wait for somebody.",
    tags=("argo-rollouts",),
    cluster_from=rollout.INFO,
    variables=(
        Variable(label="namespace", metric=rollout.INFO, title="Namespace"),
        Variable(label="rollout", metric=rollout.INFO, title="Rollout"),
    ),
    sections=_sections,
    annotations=_annotations,
    begin="now-24h",
)
