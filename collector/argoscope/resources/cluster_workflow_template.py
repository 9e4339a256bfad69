"""ClusterWorkflowTemplates: they share object, metric and derivation with WorkflowTemplates."""

from argoscope.resources._base import Resource
from argoscope.resources._limits import PIPELINE_THRESHOLD
from argoscope.resources.workflow_template import TEMPLATE_INFO, TemplateInfos, WorkflowTemplate

RESOURCE = Resource(
    name="clusterworkflowtemplates",
    group="argoproj.io",
    version="v1alpha1",
    plural="clusterworkflowtemplates",
    kind="ClusterWorkflowTemplate",
    object_type=WorkflowTemplate,
    metrics=(TEMPLATE_INFO, PIPELINE_THRESHOLD),
    derive=TemplateInfos,
    namespaced=False,
    optional=True,
    order=59,
)
