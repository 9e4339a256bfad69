"""Finished workflows that stay for ever."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import ARGO_DOCS, Found, Rule


def _find(run: Evidence) -> Found | None:
    known = run.manifest.setting("ttlStrategy")
    # Of a cron's runs only the last few are kept anyway (successfulJobsHistoryLimit).
    if known or run.manifest.is_empty or run.line.cron:
        return None
    return Found(
        evidence="Neither the Workflow nor its template sets ttlStrategy.",
        saves="saves memory of the controller and the API server, which hold all that are stored",
    )


RULE = Rule(
    id="no-ttl",
    title="Delete finished workflows after a while",
    source="objects",
    fires="ttlStrategy is set neither in the Workflow nor in its template (workflowDefaults of the"
    " controller are in the Workflow's spec), and it is no run of a CronWorkflow, which keeps few",
    action="Set ttlStrategy.secondsAfterCompletion, in workflowDefaults for all; the archive keeps"
    " what has to be kept.",
    docs=f"{ARGO_DOCS}/fields/#ttlstrategy",
    find=_find,
)
