"""More nodes than one workflow should have."""

from collections import Counter

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import ARGO_DOCS, Found, Rule

MANY = 1_000


def _find(run: Evidence) -> Found | None:
    nodes = len(run.line.nodes)
    if nodes < MANY:
        return None
    by_template = Counter(node.template for node in run.line.nodes.values() if node.type == "Pod")
    most = by_template.most_common(1)
    told = f", {most[0][1]:,} of them of {most[0][0]}" if most else ""
    return Found(
        evidence=f"{nodes:,} nodes{told}. The controller reads and writes all of them at each"
        " change of one.",
        saves="saves controller time, and pauses between steps for all workflows",
    )


RULE = Rule(
    id="too-many-nodes",
    title="Split the workflow",
    source="objects",
    fires="a run has 1,000 nodes or more",
    action="Let a step take several items, or start workflows of workflows.",
    docs=f"{ARGO_DOCS}/workflow-of-workflows/",
    find=_find,
)
