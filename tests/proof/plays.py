"""Which scenarios are played, and which of them each alert is proven by."""

from argoscope.simulator.scenarios import names
from proof import faults
from proof.playing import Play

QUIET = "quiet"
"""No alert may fire here."""

WITHOUT_DATA = {
    ("Pipeline", "Stages by template", "G"): "executors of Argo that run without init "
    "(supervisor) are not simulated; tests/resources/pod/test_stages.py has them",
    ("argoscope itself", "Traces given up", "B"): "a trace of more than 10,000 spans, which no "
    "scenario's run is large enough for; tests/traces/test_tree.py has one",
}
"""Queries for which no scenario has data: dashboard, panel, query, and why that is right."""

_OWN = (
    Play(name="slower", shown=4 * 3600.0),
    Play(
        name="stuck",
        fault=faults.hanging,
        injected="FailedMount Events of one pod; error counters of Argo's controllers",
    ),
    Play(name="full"),
    Play(name="offloaded"),
    Play(name="hoard", scenario=QUIET, fault=faults.hoarding, injected="the finished workflows"),
    Play(
        name="blind",
        scenario="evictions",
        fault=faults.blind,
        injected="state of the watch of pods, argoscope_lease_held, the watermark, dropped runs, "
        "argoscope_shards, argoscope_export_... (the ledger's failure and folded series are real)",
    ),
    Play(name="gone", scenario="oom", fault=faults.gone, injected="nothing: scrapes that fail"),
)
_LEFT_OUT = {"company-day", "huge"}  # the others at once; offloaded shows as much in a minute less


def plays() -> list[Play]:
    """The proof's own and the shipped scenarios, the longest first."""
    shipped = [Play(name=name) for name in names() if name not in _LEFT_OUT]
    return [*_OWN, *shipped]


PROVEN_BY = {
    "ArgoCronMissed": "crons",
    "ArgoCronLate": "stuck",
    "ArgoCronFailingRepeatedly": "crons",
    "ArgoCronSuccessOverdue": "stuck",
    "ArgoCronInvalid": "stuck",
    "ArgoscopeAbsent": "gone",
    "ArgoscopeShardAbsent": "blind",
    "ArgoscopeWatchDown": "blind",
    "ArgoscopeLedgerFailing": "blind",
    "ArgoscopeExportFailing": "blind",
    "ArgoscopeLeaseNotHeld": "blind",
    "ArgoscopeSeriesFolded": "blind",
    "ArgoscopeRunsUnobserved": "offloaded",
    "ArgoscopeDecodeErrors": "stuck",
    "ArgoTemplateOOMRepeating": "oom",
    "ArgoTemplateEvictionsRepeating": "evictions",
    "ArgoClusterSchedulingFailing": "full",
    "ArgoImageRegistryRateLimited": "registry-rate-limit",
    "ArgoRolloutStuck": "stuck",
    "ArgoRolloutDegraded": "canary",
    "ArgoRolloutPausedTooLong": "stuck",
    "ArgoRolloutAbortRateHigh": "canary",
    "ArgoAnalysisRunErroring": "stuck",
    "ArgoWorkflowStuck": "stuck",
    "ArgoWorkflowNotStarted": "stuck",
    "ArgoWorkflowApprovalWaiting": "stuck",
    "ArgoWorkflowLockStarved": "stuck",
    "ArgoWorkflowObjectNearLimit": "stuck",
    "ArgoWorkflowsStoredTooMany": "hoard",
    "ArgoWorkflowsStoredWithoutTTL": "hoard",
    "ArgoPodsPendingImage": "stuck",
    "ArgoPodsPendingScheduling": "node-shortage",
    "ArgoPodsPendingVolume": "stuck",
    "ArgoPodsPendingQuota": "stuck",
    "ArgoPodsPendingConfiguration": "stuck",
    "ArgoPodsPendingNode": "stuck",
    "ArgoPipelineFailureRatioHigh": "oom",
    "ArgoPipelineSlowerThanUsual": "slower",
    "ArgoWorkflowNodeRunningTooLong": "slower",
}
"""Alert -> the play in which it must fire."""
