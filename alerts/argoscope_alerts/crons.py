"""CronWorkflows that are missed, late, failing, overdue, or can't run at all."""

from collections.abc import Iterator

from argoscope.resources.cron_workflow.metrics import (
    ACTIVE,
    CONSECUTIVE_FAILURES,
    INTERVAL,
    INVALID,
    MISSED_RUNS,
    ON_PURPOSE,
    START_DELAY,
    SUCCESS_DUE,
)
from argoscope_alerts._promql import Query, select
from argoscope_alerts._rule import Alert, Group, Rule

OF = ("namespace", "cron")
_WHICH = "{{ $labels.namespace }}/{{ $labels.cron }}"
_GRACE = 600
"""Seconds that any run may take to succeed, however short its interval."""


def _missed(query: Query) -> Alert:
    name = "ArgoCronMissed"
    missed = select(MISSED_RUNS, ("reason", "!~", "|".join(ON_PURPOSE)))
    count = query.sum(f"increase({missed}[1h])", *OF, "reason")
    return Alert(
        name=name,
        expr=query.above(f"round({count})", name),
        severity="warning",
        wait="0m",
        summary=f"Cron {_WHICH} missed {{{{ $value }}}} runs within an hour "
        "({{ $labels.reason }})",
        description="{{ $value }} runs of CronWorkflow {{ $labels.cron }} in namespace "
        "{{ $labels.namespace }} were due within the last hour and never made. Reason: "
        "{{ $labels.reason }}.",
        dashboard="argoscope-cron-workflows",
        variables=OF,
        happens="a run is due and is not made: the controller is down, or the policy Forbid finds "
        "one that still runs",
    )


def _late(query: Query) -> Alert:
    name = "ArgoCronLate"
    total = query.sum(f"increase({select(START_DELAY, part='sum')}[1h])", *OF)
    count = query.sum(f"increase({select(START_DELAY, part='count')}[1h])", *OF)
    mean = f"(\n  {total}\n  / on {query.labels(*OF)}\n  ({count} > 0.5)\n)"
    return Alert(
        name=name,
        expr=query.above(mean, name),
        severity="warning",
        wait="1m",
        summary=f"Runs of cron {_WHICH} start {{{{ $value | humanizeDuration }}}} late",
        description="Runs of CronWorkflow {{ $labels.cron }} in namespace {{ $labels.namespace }} "
        "that were made within the last hour started {{ $value | humanizeDuration }} after they "
        "were due, on average.",
        dashboard="argoscope-cron-workflows",
        variables=OF,
        happens="a scheduled run starts more than 5 minutes after it was due",
    )


def _overdue(query: Query) -> Alert:
    name = "ArgoCronSuccessOverdue"
    on = query.labels(*OF)
    overdue = f"(time() - {query.min(select(SUCCESS_DUE), *OF)} - {_GRACE})"
    interval = query.min(select(INTERVAL), *OF)
    # A run that is going on gets four times the patience.
    patience = f"(1 + 3 * clamp_max({query.max(select(ACTIVE), *OF)}, 1))"
    times = f"(\n  {overdue}\n  / on {on}\n  {interval}\n  / on {on}\n  {patience}\n)"
    return Alert(
        name=name,
        expr=query.above(times, name),
        severity="warning",
        wait="2m",
        keep="5m",
        summary=f"Cron {_WHICH} has not succeeded when its schedule wanted it to",
        description="A run of CronWorkflow {{ $labels.cron }} in namespace {{ $labels.namespace }} "
        "was due, and none has succeeded since: "
        "{{ $value | humanizePercentage }} of the time until the run after it has passed "
        "(a quarter of that while a run is going on).",
        dashboard="argoscope-cron-workflows",
        variables=OF,
        happens="a run of a daily cron fails or is missed, and 12 hours and 12 minutes later none "
        "has succeeded",
    )


def _rules(query: Query) -> Iterator[Rule]:
    yield _missed(query)
    yield _late(query)
    failures = query.max(select(CONSECUTIVE_FAILURES), *OF)
    yield Alert(
        name="ArgoCronFailingRepeatedly",
        expr=query.above(failures, "ArgoCronFailingRepeatedly"),
        severity="warning",
        wait="1m",
        keep="5m",
        summary=f"The last {{{{ $value }}}} runs of cron {_WHICH} failed",
        description="The last {{ $value }} runs of CronWorkflow {{ $labels.cron }} in namespace "
        "{{ $labels.namespace }} failed, one after the other. Runs that were stopped, terminated "
        "or replaced do not count.",
        dashboard="argoscope-cron-workflows",
        variables=OF,
        happens="3 scheduled runs of a cron fail one after the other",
    )
    yield _overdue(query)
    yield Alert(
        name="ArgoCronInvalid",
        expr=f"{query.max(select(INVALID), *OF, 'reason')} > 0",
        severity="warning",
        wait="10m",
        keep="5m",
        summary=f"Cron {_WHICH} can't run as it is written ({{{{ $labels.reason }}}})",
        description="CronWorkflow {{ $labels.cron }} in namespace {{ $labels.namespace }} never "
        "runs as it is written: its {{ $labels.reason }} is wrong. Argo says so only in the "
        "controller's log.",
        dashboard="argoscope-cron-workflows",
        variables=OF,
        happens="a CronWorkflow has a schedule, time zone or template that does not exist for 10 "
        "minutes",
    )


GROUP = Group(name="argoscope-crons", title="CronWorkflows", rules=_rules)
