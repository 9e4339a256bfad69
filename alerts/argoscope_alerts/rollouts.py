"""Rollouts that get stuck, stay degraded or paused, or are aborted too often."""

from collections.abc import Iterator

from argoscope.resources.analysis_run import RUNS as ANALYSIS_RUNS
from argoscope.resources.rollout.metrics import ABORTS, ATTEMPTS, PHASE, PHASE_AGE
from argoscope_alerts._promql import Query, select
from argoscope_alerts._rule import Alert, Group, Rule

OF = ("namespace", "rollout")
_WHICH = "{{ $labels.namespace }}/{{ $labels.rollout }}"
_FOR = "{{ $value | humanizeDuration }}"


def _age(query: Query, phase: str) -> str:
    """Since when the rollout is in the phase, in seconds."""
    within = query.max(select(PHASE, ("phase", "=", phase)), *OF)
    age = query.max(select(PHASE_AGE), *OF)
    return f"(\n  {age}\n  and on {query.labels(*OF)} ({within} == 1)\n)"


def _aborting(query: Query) -> Alert:
    name = "ArgoRolloutAbortRateHigh"
    on = query.labels(*OF)
    aborts = select(ABORTS, ("cause", "!=", "user"))
    attempts = select(ATTEMPTS, ("result", "=~", "promoted|aborted|rolled_back"))
    aborted = f"round({query.sum(f'increase({aborts}[1d])', *OF)})"
    share = (
        f"(\n  ({aborted} > 1)\n  / on {on}\n"
        f"  round({query.sum(f'increase({attempts}[1d])', *OF)})\n)"
    )
    return Alert(
        name=name,
        expr=query.above(share, name),
        severity="warning",
        wait="5m",
        keep="30m",
        summary=f"{{{{ $value | humanizePercentage }}}} of the releases of {_WHICH} are aborted",
        description="Of the attempts to release {{ $labels.rollout }} in namespace "
        "{{ $labels.namespace }} that ended within a day, {{ $value | humanizePercentage }} were "
        "aborted, at least 2, by an analysis or a deadline. Aborts by people are left out.",
        dashboard="argoscope-rollouts",
        variables=OF,
        happens="at least 2 releases of a rollout, and more than 30 % of them, are aborted by "
        "analyses or deadlines within a day",
    )


def _degraded(query: Query) -> Alert:
    name = "ArgoRolloutDegraded"
    by_people = query.sum(f"increase({select(ABORTS, ('cause', '=', 'user'))}[1d])", *OF)
    on = query.labels(*OF)
    degraded = f"(\n{_age(query, 'Degraded')}\nunless on {on} ({by_people} > 0.5)\n)"
    return Alert(
        name=name,
        expr=query.above(degraded, name),
        severity="warning",
        wait="1m",
        keep="5m",
        summary=f"Rollout {_WHICH} has been degraded for {_FOR}",
        description="Rollout {{ $labels.rollout }} in namespace {{ $labels.namespace }} has been "
        f"Degraded for {_FOR}: its release was aborted, can't make progress, or its spec is "
        "invalid. What people aborted within a day is left out.",
        dashboard="argoscope-rollouts",
        variables=OF,
        happens="an analysis fails or the progress deadline passes, and nobody releases again for "
        "16 minutes",
    )


def _rules(query: Query) -> Iterator[Rule]:
    yield Alert(
        name="ArgoRolloutStuck",
        expr=query.above(_age(query, "Progressing"), "ArgoRolloutStuck"),
        severity="warning",
        wait="1m",
        keep="5m",
        summary=f"Rollout {_WHICH} has been progressing for {_FOR}",
        description="Rollout {{ $labels.rollout }} in namespace {{ $labels.namespace }} has been "
        f"Progressing for {_FOR} without reaching a pause or its end.",
        dashboard="argoscope-rollouts",
        variables=OF,
        happens="new pods of a rollout do not become ready for 31 minutes",
    )
    yield _degraded(query)
    yield Alert(
        name="ArgoRolloutPausedTooLong",
        expr=query.above(_age(query, "Paused"), "ArgoRolloutPausedTooLong"),
        severity="warning",
        wait="1m",
        keep="5m",
        summary=f"Rollout {_WHICH} has been paused for {_FOR}",
        description="Rollout {{ $labels.rollout }} in namespace {{ $labels.namespace }} has been "
        f"Paused for {_FOR}: it serves two revisions until somebody promotes or aborts it.",
        dashboard="argoscope-rollouts",
        variables=OF,
        happens="a canary waits at a pause step for 4 hours",
    )
    yield _aborting(query)
    errors = select(ANALYSIS_RUNS, ("phase", "=", "Error"))
    yield Alert(
        name="ArgoAnalysisRunErroring",
        expr=f"round({query.sum(f'increase({errors}[30m])', *OF)}) > 0",
        severity="warning",
        wait="0m",
        keep="15m",
        summary=f"{{{{ $value }}}} analysis runs of {_WHICH} could not measure",
        description="{{ $value }} analysis runs of rollout {{ $labels.rollout }} in namespace "
        "{{ $labels.namespace }} ended within 30 minutes in phase Error: the metric provider did "
        "not answer, or the query or condition is wrong. That aborts releases that may be good.",
        dashboard="argoscope-rollouts",
        variables=OF,
        happens="the metric provider of an analysis can't be reached",
    )


GROUP = Group(name="argoscope-rollouts", title="Rollouts", rules=_rules)
