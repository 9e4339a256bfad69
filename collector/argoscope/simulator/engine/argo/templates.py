"""Where templates are found: in the workflow, or in (Cluster)WorkflowTemplates."""

from argoscope.simulator.engine.argo.leaves import SpecError
from argoscope.simulator.engine.kernel import Kernel, Object


def resolve(kernel: Kernel, workflow: Object) -> Object | None:
    """The spec that is run: the workflow's own, or its template's, which is stored.

    None if there is no such template.
    """
    ref = workflow["spec"].get("workflowTemplateRef")
    if not ref:
        found: Object = workflow["spec"]
        return found
    plural = "clusterworkflowtemplates" if ref.get("clusterScope") else "workflowtemplates"
    namespace = "" if ref.get("clusterScope") else workflow["metadata"]["namespace"]
    template = kernel.get(plural, namespace, ref["name"])
    if template is None:
        return None
    stored = {
        **template["spec"],
        **{k: v for k, v in workflow["spec"].items() if k != "templates"},
    }
    workflow["status"]["storedWorkflowTemplateSpec"] = stored
    return stored


def template_of(kernel: Kernel, workflow: Object, ref: Object) -> tuple[Object, str]:
    """(template, its scope) of a templateRef. Raises SpecError if there is none."""
    cluster = bool(ref.get("clusterScope"))
    plural = "clusterworkflowtemplates" if cluster else "workflowtemplates"
    namespace = "" if cluster else workflow["metadata"]["namespace"]
    found = kernel.get(plural, namespace, ref["name"])
    if found is None:
        raise SpecError(f'{plural}.argoproj.io "{ref["name"]}" not found')
    templates = found["spec"].get("templates") or ()
    for template in templates:
        if template["name"] == ref["template"]:
            return template, f"{'cluster' if cluster else 'namespaced'}/{ref['name']}"
    raise SpecError(f"template {ref['template']} not found in workflow template {ref['name']}")
