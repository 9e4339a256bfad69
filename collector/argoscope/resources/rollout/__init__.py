"""Rollouts (argoproj.io): attempts to release, their steps, pauses and aborts."""

from argoscope.resources._base import Resource
from argoscope.resources.rollout.attempts import RolloutDeriver
from argoscope.resources.rollout.metrics import METRICS
from argoscope.resources.rollout.objects import Rollout, decode

RESOURCE = Resource(
    name="rollouts",
    group="argoproj.io",
    version="v1alpha1",
    plural="rollouts",
    kind="Rollout",
    object_type=Rollout,
    metrics=METRICS,
    derive=RolloutDeriver,
    decode=decode,
)
