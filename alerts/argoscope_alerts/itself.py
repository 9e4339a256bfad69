"""argoscope itself: what would make the other alerts silent or wrong."""

from collections.abc import Iterator

from argoscope.lease.metrics import HELD
from argoscope.ledger.metrics import UP as LEDGER_UP
from argoscope.metrics.internal import (
    BUILD_INFO,
    DECODE_ERRORS,
    EXPORT_FAILURES,
    RUNS_UNOBSERVED,
    SERIES_FOLDED,
    SHARDS,
    WATCH_UP,
)
from argoscope_alerts._promql import Query, select
from argoscope_alerts._rule import Alert, Group, Rule

_DASHBOARD = "argoscope-self"


def _absent(query: Query) -> Alert:
    build = select(BUILD_INFO)
    by = query.labels()
    seen = f"group by {by} (present_over_time({build}[1d]))"
    return Alert(
        name="ArgoscopeAbsent",
        expr=f"(\n  {seen}\n  unless on {by}\n  group by {by} ({build})\n)\n"
        f"or on ()\nabsent({build})",
        severity="critical",
        wait="5m",
        summary="argoscope is not scraped",
        description="No metrics of argoscope have come for 5 minutes: it does not run, or "
        "Prometheus does not reach it. No other alert about Argo can fire.",
        dashboard=_DASHBOARD,
        happens="the daemon is down, or its scrape fails, for 5 minutes",
    )


def _shard_absent(query: Query) -> Alert:
    there = f"count by {query.labels()} ({select(SHARDS)})"
    return Alert(
        name="ArgoscopeShardAbsent",
        expr=f"{there}\n< on {query.labels()}\n{query.max(select(SHARDS))}",
        severity="critical",
        wait="5m",
        summary="A shard of argoscope is not scraped",
        description="The series are divided among several daemons, and for 5 minutes only "
        "{{ $value }} of them have been scraped. The pipelines, crons and rollouts of the others "
        "are without metrics and alerts.",
        dashboard=_DASHBOARD,
        happens="one of several shards is down, or its scrape fails, for 5 minutes",
    )


def _lease(query: Query) -> Alert:
    # Each shard has a lease of its own.
    held, on = select(HELD), query.labels()
    shards = f"{query.max(select(SHARDS))}\n  or on {on}\n  0 * {query.max(held)} + 1"
    return Alert(
        name="ArgoscopeLeaseNotHeld",
        expr=f"{query.sum(held)}\n< on {on}\n(\n  {shards}\n)",
        severity="warning",
        wait="10m",
        summary="No argoscope holds the lease",
        description="No daemon, or none for one of the shards, has held or renewed the Lease for "
        "10 minutes: all of them stand by, or can't write it. Counters stand still or lose their "
        "watermark.",
        dashboard=_DASHBOARD,
        happens="the daemon may not update its Lease for 10 minutes",
    )


def _failing(query: Query) -> Iterator[Rule]:
    watch = query.min(select(WATCH_UP), "resource")
    yield Alert(
        name="ArgoscopeWatchDown",
        expr=f"{watch} == 0",
        severity="critical",
        wait="10m",
        summary="argoscope does not see {{ $labels.resource }}",
        description="The watch of {{ $labels.resource }} has been down for 10 minutes: its metrics "
        "stand still, and the alerts made of them are blind.",
        dashboard=_DASHBOARD,
        happens="the API server refuses or breaks the watch of a kind for 10 minutes, for instance "
        "after its RBAC rule was removed",
    )
    yield Alert(
        name="ArgoscopeLedgerFailing",
        expr=f"{query.min(select(LEDGER_UP))} == 0",
        severity="critical",
        wait="5m",
        summary="argoscope can't write its ledger",
        description="Commits to the ledger have failed for 5 minutes: counters and histograms "
        "stand still, and what is counted meanwhile is lost if the daemon ends.",
        dashboard=_DASHBOARD,
        happens="the ledger's volume is full, read-only or gone for 5 minutes",
    )
    exports = query.sum(f"increase({select(EXPORT_FAILURES)}[15m])", "reason")
    yield Alert(
        name="ArgoscopeExportFailing",
        expr=f"round({exports}) > 2",
        severity="warning",
        wait="5m",
        keep="10m",
        summary="argoscope can't export ({{ $labels.reason }})",
        description="{{ $value }} OTLP exports failed within 15 minutes: {{ $labels.reason }}. "
        "Prometheus still scrapes; the OTLP backend has gaps.",
        dashboard=_DASHBOARD,
        happens="the OTLP endpoint is down or refuses for some minutes",
    )
    yield _lease(query)


def _losing(query: Query) -> Iterator[Rule]:
    folded = query.sum(f"increase({select(SERIES_FOLDED)}[1h])", "metric")
    yield Alert(
        name="ArgoscopeSeriesFolded",
        expr=f"round({folded}) > 0",
        severity="warning",
        wait="0m",
        keep="30m",
        summary="{{ $labels.metric }} is over its series budget",
        description="{{ $value }} measurements of {{ $labels.metric }} were put under _other "
        "within an hour, because the metric has used its series budget: the names they belong to "
        "are lost, and alerts for them can't fire.",
        dashboard=_DASHBOARD,
        happens="there are more pipelines or templates than the series budget of a metric",
    )
    unseen = select(RUNS_UNOBSERVED, ("reason", "!=", "deleted_running"))
    yield Alert(
        name="ArgoscopeRunsUnobserved",
        expr=f"round({query.sum(f'increase({unseen}[1h])', 'reason')}) > 0",
        severity="info",
        wait="0m",
        keep="30m",
        summary="The end or the nodes of {{ $value }} runs were not seen ({{ $labels.reason }})",
        description="{{ $value }} runs are missing from other metrics, in whole or in part, within "
        "the last hour: {{ $labels.reason }}.",
        dashboard=_DASHBOARD,
        happens="a run is deleted while the daemon is down, or its nodes are offloaded to a "
        "database",
    )
    # Argo leaves the end out of every node whose pod it lost or that was evicted; the daemon takes
    # the pod's then, and nothing is missing.
    skipped = select(DECODE_ERRORS, ("reason", "!=", "no_finish"))
    errors = query.sum(f"increase({skipped}[1h])", "kind", "reason")
    yield Alert(
        name="ArgoscopeDecodeErrors",
        expr=f"round({errors}) > 0",
        severity="info",
        wait="10m",
        keep="30m",
        summary="argoscope skips parts of objects: {{ $labels.kind }}, {{ $labels.reason }}",
        description="{{ $value }} times within an hour something of a {{ $labels.kind }} could not "
        "be used ({{ $labels.reason }}) and was left out. The log names the object.",
        dashboard=_DASHBOARD,
        happens="an object has a malformed field, or an annotation a threshold that is no number",
    )


def _rules(query: Query) -> Iterator[Rule]:
    yield _absent(query)
    yield _shard_absent(query)
    yield from _failing(query)
    yield from _losing(query)


GROUP = Group(name="argoscope-itself", title="argoscope itself", rules=_rules)
