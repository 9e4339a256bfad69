"""Every threshold of the alerts, in one place: default, bounds, and whose it is.

The rules compare with ``argo_pipeline_threshold`` where it exists, else with the default. The
daemon makes that metric from the setting ``alerts.thresholds`` and from annotations
``argoscope.dev/threshold-<alert>``, so nobody edits rules for one pipeline.
"""

from dataclasses import dataclass
from typing import Literal

Subject = Literal["pipeline", "cron", "rollout", ""]


@dataclass(frozen=True, kw_only=True, slots=True)
class Threshold:
    """A limit that an alert compares with."""

    alert: str
    """The alert's name: key in files, annotations and in the label ``alert``."""
    of: Subject
    """Whose limit can be overridden one by one; empty for one limit for all."""
    default: float
    lowest: float
    highest: float
    unit: str
    """UCUM as for metrics: ``s``, ``By``, ``1`` for a ratio, ``{run}``."""
    text: str
    """What is compared, as the end of "fires when"."""


_DAY = 86400.0
_WEEK = 7 * _DAY

_TABLE = (
    Threshold(
        alert="ArgoPipelineFailureRatioHigh",
        of="pipeline",
        default=0.2,
        lowest=0.0,
        highest=1.0,
        unit="1",
        text="more than this share of a pipeline's runs failed",
    ),
    Threshold(
        alert="ArgoPipelineSlowerThanUsual",
        of="pipeline",
        default=1.5,
        lowest=1.0,
        highest=100.0,
        unit="{times}",
        text="the 95th percentile of a pipeline's duration is more than this many times the usual",
    ),
    Threshold(
        alert="ArgoTemplateOOMRepeating",
        of="pipeline",
        default=2.0,
        lowest=0.0,
        highest=1e6,
        unit="{attempt}",
        text="more attempts than this of one template ran out of memory within 6 hours",
    ),
    Threshold(
        alert="ArgoTemplateEvictionsRepeating",
        of="pipeline",
        default=2.0,
        lowest=0.0,
        highest=1e6,
        unit="{attempt}",
        text="more attempts than this of one template lost their pod within 6 hours",
    ),
    Threshold(
        alert="ArgoWorkflowStuck",
        of="pipeline",
        default=1800.0,
        lowest=60.0,
        highest=30 * _DAY,
        unit="s",
        text="no node of a running workflow has made progress for longer than this",
    ),
    Threshold(
        alert="ArgoWorkflowNodeRunningTooLong",
        of="pipeline",
        default=3.0,
        lowest=1.0,
        highest=1000.0,
        unit="{times}",
        text="nodes run, and none has changed for this many times the pipeline's usual duration",
    ),
    Threshold(
        alert="ArgoWorkflowNotStarted",
        of="pipeline",
        default=1800.0,
        lowest=60.0,
        highest=30 * _DAY,
        unit="s",
        text="a workflow has been pending for longer than this",
    ),
    Threshold(
        alert="ArgoWorkflowApprovalWaiting",
        of="pipeline",
        default=4 * 3600.0,
        lowest=60.0,
        highest=365 * _DAY,
        unit="s",
        text="an approval or suspension has waited for longer than this",
    ),
    Threshold(
        alert="ArgoWorkflowLockStarved",
        of="pipeline",
        default=3600.0,
        lowest=60.0,
        highest=30 * _DAY,
        unit="s",
        text="a workflow or node has waited for a lock for longer than this",
    ),
    Threshold(
        alert="ArgoWorkflowObjectNearLimit",
        of="pipeline",
        default=1.25 * 2**20,
        lowest=1024.0,
        highest=64 * 2**20,
        unit="By",
        text="a stored workflow is larger than this; etcd refuses more than 1.5 MiB",
    ),
    Threshold(
        alert="ArgoWorkflowsStoredTooMany",
        of="",
        default=5000.0,
        lowest=0.0,
        highest=1e7,
        unit="{workflow}",
        text="a namespace stores more completed workflows than this",
    ),
    Threshold(
        alert="ArgoWorkflowsStoredWithoutTTL",
        of="",
        default=500.0,
        lowest=0.0,
        highest=1e7,
        unit="{workflow}",
        text="a namespace stores more completed workflows than this that nothing will delete",
    ),
    Threshold(
        alert="ArgoCronMissed",
        of="cron",
        default=0.0,
        lowest=0.0,
        highest=1e6,
        unit="{run}",
        text="a cron missed more runs than this within an hour",
    ),
    Threshold(
        alert="ArgoCronLate",
        of="cron",
        default=300.0,
        lowest=1.0,
        highest=_WEEK,
        unit="s",
        text="a cron's runs of the last hour started later than this, on average",
    ),
    Threshold(
        alert="ArgoCronFailingRepeatedly",
        of="cron",
        default=2.0,
        lowest=0.0,
        highest=1e6,
        unit="{run}",
        text="more of a cron's runs than this failed in a row",
    ),
    Threshold(
        alert="ArgoCronSuccessOverdue",
        of="cron",
        default=0.5,
        lowest=0.0,
        highest=1000.0,
        unit="{interval}",
        text="this much of the time between two runs has passed since a run was due that has not "
        "succeeded",
    ),
    Threshold(
        alert="ArgoPodsPendingImage",
        of="pipeline",
        default=600.0,
        lowest=30.0,
        highest=30 * _DAY,
        unit="s",
        text="a pod has been without its image for longer than this",
    ),
    Threshold(
        alert="ArgoPodsPendingScheduling",
        of="pipeline",
        default=900.0,
        lowest=30.0,
        highest=30 * _DAY,
        unit="s",
        text="a pod has found no node for longer than this",
    ),
    Threshold(
        alert="ArgoPodsPendingVolume",
        of="pipeline",
        default=900.0,
        lowest=30.0,
        highest=30 * _DAY,
        unit="s",
        text="a pod has waited for a volume for longer than this",
    ),
    Threshold(
        alert="ArgoPodsPendingQuota",
        of="pipeline",
        default=3600.0,
        lowest=30.0,
        highest=30 * _DAY,
        unit="s",
        text="a pod or node has been held back by a quota or gate for longer than this",
    ),
    Threshold(
        alert="ArgoPodsPendingConfiguration",
        of="pipeline",
        default=300.0,
        lowest=30.0,
        highest=30 * _DAY,
        unit="s",
        text="a pod has been unable to start as it is written for longer than this",
    ),
    Threshold(
        alert="ArgoPodsPendingNode",
        of="pipeline",
        default=900.0,
        lowest=30.0,
        highest=30 * _DAY,
        unit="s",
        text="a pod has a node that has not started it for longer than this",
    ),
    Threshold(
        alert="ArgoClusterSchedulingFailing",
        of="",
        default=0.25,
        lowest=0.0,
        highest=1.0,
        unit="1",
        text="more than this share of the cluster's unfinished pods find no node",
    ),
    Threshold(
        alert="ArgoRolloutStuck",
        of="rollout",
        default=1800.0,
        lowest=60.0,
        highest=30 * _DAY,
        unit="s",
        text="a release has been progressing for longer than this without a pause or an end",
    ),
    Threshold(
        alert="ArgoRolloutDegraded",
        of="rollout",
        default=900.0,
        lowest=60.0,
        highest=30 * _DAY,
        unit="s",
        text="a rollout has been degraded for longer than this",
    ),
    Threshold(
        alert="ArgoRolloutPausedTooLong",
        of="rollout",
        default=4 * 3600.0,
        lowest=60.0,
        highest=365 * _DAY,
        unit="s",
        text="a release has been paused for longer than this",
    ),
    Threshold(
        alert="ArgoRolloutAbortRateHigh",
        of="rollout",
        default=0.3,
        lowest=0.0,
        highest=1.0,
        unit="1",
        text="more than this share of the last day's attempts to release were aborted",
    ),
)

THRESHOLDS: dict[str, Threshold] = {threshold.alert: threshold for threshold in _TABLE}
"""By the alert's name."""
