"""CronWorkflows: when runs were due, when they started, how they ended, and which never came."""

from argoscope.resources._base import Resource
from argoscope.resources.cron_workflow.derive import CronWorkflows
from argoscope.resources.cron_workflow.metrics import METRICS
from argoscope.resources.cron_workflow.objects import CronWorkflow

RESOURCE = Resource(
    name="cronworkflows",
    group="argoproj.io",
    version="v1alpha1",
    plural="cronworkflows",
    kind="CronWorkflow",
    object_type=CronWorkflow,
    metrics=METRICS,
    derive=CronWorkflows,
    order=5,  # before the Workflows: a cron tells that it replaced one, and not a person
)
