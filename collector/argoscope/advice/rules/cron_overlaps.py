"""Runs of a CronWorkflow that run beside each other."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import ARGO_DOCS, Found, Rule
from argoscope.advice.words import counted, span


def _find(run: Evidence) -> Found | None:
    if run.cron_policy in ("Forbid", "Replace"):
        return None
    begin, end = run.line.begin, run.line.finished
    beside = sum(first < end and begin < last for first, last in run.cron_runs)
    if not beside:
        return None
    return Found(
        evidence=f"While it ran for {span(end - begin)}, {counted(beside, 'other run')} of"
        f" {run.line.cron} ran too.",
        saves="avoids work that is done twice, and runs that are in each other's way",
    )


RULE = Rule(
    id="cron-overlaps",
    title="Let the runs of a cron not overlap",
    source="objects",
    fires="another run of the same CronWorkflow went on at the same time, and concurrencyPolicy is"
    " not Forbid or Replace",
    action="Set concurrencyPolicy: Forbid or Replace, or a schedule that leaves a run the time it"
    " needs.",
    docs=f"{ARGO_DOCS}/cron-workflows/",
    find=_find,
)
