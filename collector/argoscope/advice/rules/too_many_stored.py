"""Finished workflows that pile up."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import ARGO_DOCS, Found, Rule

MANY = 500


def _find(run: Evidence) -> Found | None:
    if run.stored < MANY:
        return None
    return Found(
        evidence=f"{run.stored:,} finished Workflows of this pipeline are stored in the cluster.",
        saves="saves memory of the controller and the API server; lists that take seconds",
    )


RULE = Rule(
    id="too-many-stored",
    title="Keep fewer finished workflows",
    source="cluster",
    fires="500 or more finished Workflows of the pipeline are stored",
    action="Shorten ttlStrategy, or set successfulJobsHistoryLimit of the CronWorkflow; the"
    " archive keeps what has to be kept.",
    docs=f"{ARGO_DOCS}/workflow-archive/",
    find=_find,
)
