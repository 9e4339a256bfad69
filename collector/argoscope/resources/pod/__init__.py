"""Pods: object, metrics, derivation; RESOURCE last."""

from argoscope.resources._base import Resource, Selector
from argoscope.resources.pod._derive import PodDeriver
from argoscope.resources.pod._metrics import (
    EPISODES,
    METRICS,
    PENDING,
    PENDING_BY_POOL,
    PENDING_SECONDS,
    PODS,
    RESTARTS,
    STAGE_SECONDS,
)
from argoscope.resources.pod._object import Pod

__all__ = [
    "EPISODES",
    "METRICS",
    "PENDING",
    "PENDING_BY_POOL",
    "PENDING_SECONDS",
    "PODS",
    "RESOURCE",
    "RESTARTS",
    "STAGE_SECONDS",
    "Pod",
    "PodDeriver",
]

RESOURCE = Resource(
    name="pods",
    group="",
    version="v1",
    plural="pods",
    kind="Pod",
    object_type=Pod,
    metrics=METRICS,
    derive=PodDeriver,
    selectors=(
        Selector(label="workflows.argoproj.io/workflow"),
        Selector(label="rollouts-pod-template-hash"),
    ),
    order=60,
)
