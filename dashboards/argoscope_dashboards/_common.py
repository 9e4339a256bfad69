"""Panels and values that several dashboards share, so that they look and mean the same."""

from collections.abc import Iterable

from argoscope.resources.cron_workflow import metrics as cron
from argoscope.resources.pod import _metrics as pod
from argoscope.resources.workflow import metrics as workflow
from argoscope_alerts.config import Config
from argoscope_dashboards._dashboard import Annotation
from argoscope_dashboards._fields import BAD, OK, Threshold, limit
from argoscope_dashboards._grafana import TimeSeries
from argoscope_dashboards._query import Scope
from argoscope_dashboards._target import target

FAILED = ("Failed", "Error")
SLOW = "2m"
"""Shortest interval of panels on runs: they end so rarely that finer ones would show needles."""
PHASE_COLOURS = (("Succeeded", "green"), ("Failed", "red"), ("Error", "purple"))
CAUSE_COLOURS = (
    ("exit_code", "red"),
    ("error", "dark-red"),
    ("oom", "purple"),
    ("evicted", "dark-purple"),
    ("node_lost", "semi-dark-purple"),
    ("preempted", "light-purple"),
    ("deadline", "yellow"),
    ("image", "orange"),
    ("input", "dark-orange"),
    ("output", "light-orange"),
    ("invalid_spec", "dark-yellow"),
    ("stopped", "blue"),
    ("terminated", "dark-blue"),
    ("replaced", "light-blue"),
)
"""What people and policies did is blue; no failure is green."""
KIBIBYTE = 1024.0
ETCD_LIMIT = 1.5 * KIBIBYTE * KIBIBYTE


def failure_ratio(config: Config) -> tuple[Threshold, ...]:
    return limit(config.threshold("ArgoPipelineFailureRatioHigh"))


def object_size(config: Config) -> tuple[Threshold, ...]:
    """From where the alert warns, and where etcd refuses."""
    return (
        ("text", None),
        ("orange", config.threshold("ArgoWorkflowObjectNearLimit")),
        (BAD, ETCD_LIMIT),
    )


def up(base: str = BAD) -> tuple[Threshold, ...]:
    """0 is bad, 1 is well."""
    return ((base, None), (OK, 1))


def runs_by_phase(q: Scope, size: tuple[int, int] = (12, 9)) -> TimeSeries:
    return TimeSeries(
        title="Runs that ended, by phase",
        description="Run attempts per interval, by the phase in which they ended. An argo retry is "
        "another attempt.",
        size=size,
        decimals=0,
        interval=SLOW,
        bars=True,
        stack=True,
        no_value="No run ended in this time range",
        colours=PHASE_COLOURS,
        calcs=("sum",),
        sort="Total",
        targets=[
            target(q.increase(workflow.RUNS, "phase", window="$__rate_interval"), "{{phase}}")
        ],
    )


def failures_by_cause(q: Scope, size: tuple[int, int] = (12, 9)) -> TimeSeries:
    return TimeSeries(
        title="Failures by cause",
        description="Failed runs per interval, by the cause of the node that made them fail. "
        "stopped, terminated and replaced are what people and policies did; they raise no alert.",
        size=size,
        decimals=0,
        interval=SLOW,
        bars=True,
        stack=True,
        no_value="No run failed in this time range",
        colours=CAUSE_COLOURS,
        calcs=("sum",),
        sort="Total",
        targets=[
            target(
                q.increase(workflow.FAILURES, "cause", window="$__rate_interval") + " > 0",
                "{{cause}}",
            )
        ],
    )


def pending_by_reason(q: Scope, size: tuple[int, int] = (12, 9)) -> TimeSeries:
    return TimeSeries(
        title="Pods pending, by reason",
        description="Pods whose main container has not started, by what they wait for. "
        "docs/metrics.md says for each reason what to do.",
        size=size,
        decimals=0,
        stack=True,
        no_value="No pod is pending",
        targets=[target(q.sum(pod.PENDING, "reason") + " > 0", "{{reason}}")],
        links_to=[],
    )


def durations(q: Scope, size: tuple[int, int] = (12, 9)) -> TimeSeries:
    return TimeSeries(
        title="Run duration",
        description="Time from a run's start to its end, failed runs included: median, 95th "
        "percentile and mean. Dots are exemplars: each names a run.",
        size=size,
        unit="s",
        interval=SLOW,
        no_value="No run ended in this time range",
        targets=[
            target(q.quantile(0.95, workflow.RUN_DURATION), "p95", exemplar=True),
            target(q.quantile(0.5, workflow.RUN_DURATION), "p50", letter="B"),
            target(q.mean(workflow.RUN_DURATION), "mean", letter="C"),
        ],
    )


def missed_runs(q: Scope, *by: str) -> str:
    """What the alert ArgoCronMissed counts, over the time range."""
    against = tuple(one for one in cron.MISSED_REASONS if one not in cron.ON_PURPOSE)
    return q.increase(cron.MISSED_RUNS, *by, reason=against)


def failed_runs(q: Scope, *by: str, shown: bool = True) -> Annotation:
    """Marks where runs failed."""
    query = q.increase(workflow.RUNS, *by, window="$__rate_interval", phase=FAILED)
    return Annotation(
        title="Runs failed",
        query=f"{query} > 0",
        text=" ".join(f"{{{{{label}}}}}" for label in by),
        colour="red",
        shown=shown,
    )


def releases(query: str, *by: str, shown: bool) -> Annotation:
    """Marks where releases ended."""
    return Annotation(
        title="Releases ended",
        query=f"{query} > 0",
        text=" ".join(f"{{{{{label}}}}}" for label in by),
        colour="blue",
        shown=shown,
    )


def legend(labels: Iterable[str]) -> str:
    return " / ".join(f"{{{{{label}}}}}" for label in labels)
