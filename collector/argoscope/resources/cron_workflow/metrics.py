"""Metrics of CronWorkflows."""

from argoscope.metrics.labels import CRON, NAMESPACE
from argoscope.metrics.model import Combine, Instrument, Label, Metric
from argoscope.resources._limits import PIPELINE_THRESHOLD
from argoscope.resources.cron_workflow.objects import POLICIES

MISSED_REASONS = (
    "forbidden",
    "forbidden_stale",
    "suspended",
    "when_false",
    "stopped",
    "deadline",
    "controller",
)
ON_PURPOSE = ("suspended", "stopped", "when_false")
"""Reasons that somebody wanted: no alert counts these, and no number turns orange for them."""
INVALID_REASONS = ("schedule", "timezone", "never_fires", "spec")

_MISSED = Label(
    name="reason",
    help="Why the run was not made: forbidden (one was still active), forbidden_stale (the "
    "controller believed so, it had finished), suspended, when_false, stopped, deadline (made up "
    "later or never), controller (none of these: it was down, or refused the spec)",
    values=MISSED_REASONS,
)
_INVALID = Label(name="reason", help="What is wrong with the CronWorkflow", values=INVALID_REASONS)
_SCHEDULE = Label(name="schedule", help="Its schedules, joined by commas", open=True)
_TIMEZONE = Label(name="timezone", help="Its time zone, empty for the controller's", open=True)
_POLICY = Label(name="concurrency_policy", help="Its concurrency policy", values=POLICIES)
_CRON = (NAMESPACE, CRON)


def _gauge(
    name: str, unit: str, text: str, *labels: Label, combine: Combine = Combine.MAX
) -> Metric:
    return Metric(
        name=name,
        instrument=Instrument.GAUGE,
        unit=unit,
        labels=(*_CRON, *labels),
        help=text,
        combine=combine,
    )


LAST_SCHEDULE = _gauge(
    "argo.cron.last_schedule.timestamp", "s", "Scheduled time of the latest run, Unix seconds"
)
LAST_SUCCESS = _gauge(
    "argo.cron.last_success.timestamp",
    "s",
    "When the latest scheduled run that succeeded finished, Unix seconds",
)
LAST_FAILURE = _gauge(
    "argo.cron.last_failure.timestamp",
    "s",
    "When the latest scheduled run that failed finished, Unix seconds",
)
NEXT_SCHEDULE = _gauge(
    "argo.cron.next_schedule.timestamp",
    "s",
    "When the next run is due, Unix seconds; absent while suspended, stopped or invalid",
    combine=Combine.MIN,
)
SUCCESS_DUE = _gauge(
    "argo.cron.success_due.timestamp",
    "s",
    "When the first run after the latest success was or is due, Unix seconds: in the past while "
    "what was due has not succeeded; absent while suspended, stopped or invalid, and with when",
    combine=Combine.MIN,
)
INTERVAL = _gauge(
    "argo.cron.interval",
    "s",
    "From the first due time after the latest success to the one that follows it",
    combine=Combine.MIN,
)
START_DELAY = Metric(
    name="argo.cron.start_delay",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    labels=_CRON,
    help="From a run's scheduled time to its start",
    buckets=(1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200),
)
MISSED_RUNS = Metric(
    name="argo.cron.missed_runs",
    instrument=Instrument.COUNTER,
    unit="{run}",
    labels=(*_CRON, _MISSED),
    help="Runs that were due and never made",
)
REPLACED_RUNS = Metric(
    name="argo.cron.replaced_runs",
    instrument=Instrument.COUNTER,
    unit="{run}",
    labels=_CRON,
    help="Runs that the controller terminated because the next one was due",
)
CONSECUTIVE_FAILURES = _gauge(
    "argo.cron.consecutive_failures",
    "{run}",
    "Failed runs since the latest success; stopped and replaced ones do not count",
)
ACTIVE = _gauge("argo.cron.active", "{run}", "Runs that have not finished", combine=Combine.SUM)
SUSPENDED = _gauge(
    "argo.cron.suspended", "{cron}", "1 while the CronWorkflow is suspended", combine=Combine.SUM
)
INVALID = _gauge(
    "argo.cron.invalid",
    "{cron}",
    "1 while the CronWorkflow cannot run as written",
    _INVALID,
    combine=Combine.SUM,
)
INFO = _gauge(
    "argo.cron.info", "{cron}", "What a CronWorkflow says, always 1", _SCHEDULE, _TIMEZONE, _POLICY
)

METRICS = (
    LAST_SCHEDULE,
    LAST_SUCCESS,
    LAST_FAILURE,
    NEXT_SCHEDULE,
    SUCCESS_DUE,
    INTERVAL,
    START_DELAY,
    MISSED_RUNS,
    REPLACED_RUNS,
    CONSECUTIVE_FAILURES,
    ACTIVE,
    SUSPENDED,
    INVALID,
    INFO,
    PIPELINE_THRESHOLD,
)
