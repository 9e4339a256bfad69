"""Workflows (argoproj.io/v1alpha1): objects, metrics, derivation."""

from argoscope.resources._base import Resource
from argoscope.resources.workflow.derive import WorkflowDeriver
from argoscope.resources.workflow.metrics import METRICS
from argoscope.resources.workflow.objects import Workflow, decode

RESOURCE = Resource(
    name="workflows",
    group="argoproj.io",
    version="v1alpha1",
    plural="workflows",
    kind="Workflow",
    object_type=Workflow,
    metrics=METRICS,
    derive=WorkflowDeriver,
    decode=decode,
    order=10,
)
