"""The stable name that the runs of one pipeline have in common."""

from argoscope.resources.workflow.objects import Workflow

LABEL_CRON = "workflows.argoproj.io/cron-workflow"
LABEL_TEMPLATE = "workflows.argoproj.io/workflow-template"
LABEL_CLUSTER_TEMPLATE = "workflows.argoproj.io/cluster-workflow-template"


def pipeline_of(workflow: Workflow, configured: tuple[str, ...]) -> tuple[str, str, str]:
    """(pipeline, template, scope) of a workflow.

    The first of: a configured label or annotation, the WorkflowTemplate or
    ClusterWorkflowTemplate, the CronWorkflow, generateName without its trailing dash, the name.
    ``template`` is the name of the WorkflowTemplate or ClusterWorkflowTemplate, or empty.
    """
    meta = workflow.metadata
    labels = meta.labels or {}
    template, cluster = _template_of(workflow, labels)
    for key in configured:
        value = labels.get(key) or (meta.annotations or {}).get(key)
        if value:
            return value, template, "label"
    if template:
        return template, template, "cluster" if cluster else "namespaced"
    cron = labels.get(LABEL_CRON)
    if cron:
        return cron, "", "cron"
    if meta.generate_name:
        return meta.generate_name.rstrip("-") or meta.name, "", "generate_name"
    return meta.name, "", "name"


def _template_of(workflow: Workflow, labels: dict[str, str]) -> tuple[str, bool]:
    ref = workflow.spec.workflow_template_ref
    if ref and ref.name:
        return ref.name, ref.cluster_scope
    # From 4.1 the label is there too; `argo submit --from` sets it in older versions.
    cluster = labels.get(LABEL_CLUSTER_TEMPLATE, "")
    return labels.get(LABEL_TEMPLATE) or cluster, bool(cluster)
