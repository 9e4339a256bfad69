"""A Workflow object that comes near the largest that Kubernetes stores."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import ARGO_DOCS, Found, Rule
from argoscope.advice.words import counted, size

NEAR = 2**20
LIMIT = 1.5 * 2**20


def _find(run: Evidence) -> Found | None:
    if run.size < NEAR:
        return None
    return Found(
        evidence=f"The Workflow is {size(run.size)} of JSON with"
        f" {counted(len(run.line.nodes), 'node')}. etcd takes {size(LIMIT)}; above 1 MiB Argo"
        " compresses the nodes, which costs its controller time at each change.",
        saves="avoids a run that can't be written any more",
    )


RULE = Rule(
    id="object-near-limit",
    title="Keep the Workflow object small",
    source="objects",
    fires="the object's JSON is 1 MiB or larger",
    action="Split the workflow, keep parameters short, put templates into a WorkflowTemplate, or"
    " switch on nodeStatusOffLoad.",
    docs=f"{ARGO_DOCS}/offloading-large-workflows/",
    find=_find,
)
