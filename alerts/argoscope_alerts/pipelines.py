"""Pipelines whose runs fail, slow down, or lose their pods."""

from collections.abc import Iterator

from argoscope.resources.workflow.metrics import FAILURES, RUNS, TEMPLATE_FAILURES
from argoscope_alerts._promql import POLICY, Query, select
from argoscope_alerts._rule import Alert, Group, Record, Rule
from argoscope_alerts.history import MEAN, MEAN_USUAL, P95, P95_USUAL

OF = ("namespace", "pipeline")
_RUNS_ENOUGH = 3.5
"""More completions than this make a ratio; a half, since increases are extrapolated."""
_OWN_PACE = 15
"""Seconds: Argo looks at a workflow every 10, so differences below this say nothing."""


def _ratios(query: Query) -> Iterator[Rule]:
    on = query.labels(*OF)
    for window in ("1h", "6h"):
        runs = query.sum(f"increase({select(RUNS)}[{window}])", *OF)
        policy = select(FAILURES, ("cause", "=~", POLICY))
        stopped = query.sum(f"increase({policy}[{window}])", *OF)
        failed = select(FAILURES, ("cause", "!~", POLICY))
        completions = f"pipeline:argo_workflow_completions:increase{window}"
        failures = f"pipeline:argo_workflow_failures:increase{window}"
        yield Record(
            name=completions,
            expr=f"{runs}\n- on {on}\n(\n  {stopped}\n  or on {on}\n  0 * {runs}\n)",
        )
        yield Record(name=failures, expr=query.sum(f"increase({failed}[{window}])", *OF))
        yield Record(
            name=f"pipeline:argo_workflow_failures:ratio{window}",
            expr=f"{failures}\n/ on {on}\n({completions} > {_RUNS_ENOUGH})",
        )


def _failing(query: Query) -> Alert:
    name = "ArgoPipelineFailureRatioHigh"
    # A busy pipeline is judged by its last hour; one with few runs by its last six.
    ratio = (
        "(\n  pipeline:argo_workflow_failures:ratio1h\n"
        f"  or on {query.labels(*OF)}\n"
        "  pipeline:argo_workflow_failures:ratio6h\n)"
    )
    return Alert(
        name=name,
        expr=query.above(ratio, name),
        severity="warning",
        wait="5m",
        keep="15m",
        summary="{{ $value | humanizePercentage }} of the runs of pipeline "
        "{{ $labels.namespace }}/{{ $labels.pipeline }} fail",
        description="Of the runs of {{ $labels.pipeline }} in namespace {{ $labels.namespace }} "
        "that ended within the last hour (or 6 hours, if there were fewer than 4), "
        "{{ $value | humanizePercentage }} failed. Runs that somebody stopped, terminated or "
        "replaced are left out.",
        dashboard="argoscope-pipeline",
        variables=OF,
        happens="at least 4 runs of one pipeline end within an hour, and more than a fifth of them "
        "fail",
    )


def _slow(query: Query) -> Alert:
    name = "ArgoPipelineSlowerThanUsual"
    on = query.labels(*OF)
    # Buckets are coarse: the exact mean has to agree with the percentile.
    slower = (
        f"(\n  {P95}\n  / on {on}\n  {P95_USUAL}\n)\n"
        f"and on {on} ({MEAN} > on {on} 1.2 * {MEAN_USUAL})\n"
        f"and on {on} ({MEAN} - on {on} {MEAN_USUAL} > {_OWN_PACE})"
    )
    return Alert(
        name=name,
        expr=query.above(f"(\n{slower}\n)", name),
        severity="warning",
        wait="10m",
        keep="30m",
        summary="Pipeline {{ $labels.namespace }}/{{ $labels.pipeline }} takes "
        '{{ $value | printf "%.1f" }} times as long as usual',
        description="The 95th percentile of the duration of successful runs of "
        "{{ $labels.pipeline }} in namespace {{ $labels.namespace }} over the last hour is "
        '{{ $value | printf "%.1f" }} times that of the same hour of the same weekday in the last '
        "4 weeks (or of all hours, where that hour has fewer than 5 runs). The mean agrees.",
        dashboard="argoscope-pipeline",
        variables=OF,
        happens="runs that took about the same for at least 5 runs within 4 weeks take more than "
        "1.5 times as long for an hour",
    )


def _lost(query: Query, name: str, causes: str) -> str:
    series = select(TEMPLATE_FAILURES, ("cause", "=~", causes))
    by = (*OF, "template")
    return query.above(f"round({query.sum(f'increase({series}[6h])', *by)})", name)


def _rules(query: Query) -> Iterator[Rule]:
    yield from _ratios(query)
    yield _failing(query)
    yield _slow(query)
    yield Alert(
        name="ArgoTemplateOOMRepeating",
        expr=_lost(query, "ArgoTemplateOOMRepeating", "oom"),
        severity="warning",
        wait="0m",
        keep="15m",
        summary="Template {{ $labels.template }} of {{ $labels.namespace }}/{{ $labels.pipeline }} "
        "ran out of memory {{ $value }} times in 6 hours",
        description="{{ $value }} attempts of template {{ $labels.template }} (pipeline "
        "{{ $labels.pipeline }}, namespace {{ $labels.namespace }}) were killed within 6 hours "
        "because they went over their memory limit, retried attempts included.",
        dashboard="argoscope-pipeline",
        variables=(*OF, "template"),
        happens="3 pods of one template are killed with OOMKilled within 6 hours",
    )
    yield Alert(
        name="ArgoTemplateEvictionsRepeating",
        expr=_lost(query, "ArgoTemplateEvictionsRepeating", "evicted|preempted|node_lost"),
        severity="warning",
        wait="0m",
        keep="15m",
        summary="Template {{ $labels.template }} of {{ $labels.namespace }}/{{ $labels.pipeline }} "
        "lost its pod {{ $value }} times in 6 hours",
        description="{{ $value }} attempts of template {{ $labels.template }} (pipeline "
        "{{ $labels.pipeline }}, namespace {{ $labels.namespace }}) ended within 6 hours because "
        "their pod was evicted or preempted, or its node was lost.",
        dashboard="argoscope-pipeline",
        variables=(*OF, "template"),
        happens="3 pods of one template are evicted, preempted, or lost with their node within 6 "
        "hours",
    )


GROUP = Group(name="argoscope-pipelines", title="Pipelines", rules=_rules)
