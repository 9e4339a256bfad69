"""Which kind of trouble a reason for waiting is: who is asked about it, and which alert it is.

Every reason of ``_reasons.ADVICE`` is in one class, or has a reason for being in none.
"""

from argoscope.resources._reasons import (
    BACKOFF,
    CREATING,
    CREATING_PULL,
    CREATING_SANDBOX,
    CREATING_VOLUME,
    GATED,
    INITIALIZING,
    OTHER,
    SCHEDULING,
)

CLASSES: dict[str, tuple[str, ...]] = {
    "image": (
        CREATING_PULL,
        "ErrImagePull: pull QPS exceeded",
        "ErrImagePull: not found",
        "ErrImagePull: unauthorized",
        "ErrImagePull: rate limited",
        "ErrImagePull: registry unreachable",
        "ErrImagePull: registry certificate",
        "ErrImagePull: wrong platform",
        "ErrImagePull: disk full",
        "ErrImagePull: other",
        BACKOFF,
        "ImageInspectError",
        "ErrImageNeverPull",
        "InvalidImageName",
        "SignatureValidationFailed",
    ),
    "scheduling": (
        SCHEDULING,
        "Unschedulable: insufficient cpu",
        "Unschedulable: insufficient memory",
        "Unschedulable: insufficient gpu",
        "Unschedulable: insufficient ephemeral storage",
        "Unschedulable: insufficient extended resource",
        "Unschedulable: too many pods",
        "Unschedulable: taint",
        "Unschedulable: node not ready",
        "Unschedulable: node cordoned",
        "Unschedulable: node selector",
        "Unschedulable: pod affinity",
        "Unschedulable: topology spread",
        "Unschedulable: host port",
        "Unschedulable: resource claim",
        "Unschedulable: no nodes",
        "Unschedulable: scheduler error",
        "Unschedulable: other",
    ),
    "volume": (CREATING_VOLUME, "Unschedulable: volume", "CreateContainerConfigError: subPath"),
    "quota": (GATED,),
    "configuration": (
        "CreateContainerConfigError: missing configmap",
        "CreateContainerConfigError: missing secret",
        "CreateContainerConfigError: missing key",
        "CreateContainerConfigError: runs as root",
        "CreateContainerConfigError: other",
        "CreateContainerError",
        "RunContainerError: command not found",
        "RunContainerError",
        "PostStartHookError",
        "CrashLoopBackOff",
    ),
    "node": (CREATING, CREATING_SANDBOX),
}

UNCLASSED: dict[str, str] = {
    INITIALIZING: "init containers run: Argo's may load artifacts for hours",
    OTHER: "nobody knows what it is",
}
"""Reasons in no class, and why."""
