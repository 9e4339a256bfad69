"""What steps are called."""

import re

from argoscope.resources.workflow.timeline import NodeSpan, Timeline

_GROUP = re.compile(r"\[\d+\](?=\.|\Z)")


def step_name(line: Timeline, node_id: str) -> str:
    """A step as people know it: ``run[1].build(0:linux)`` is ``build(0:linux)``, what is inside a
    template ``outer.inner``; the run's own node is named by its template."""
    node = line.nodes.get(node_id)
    return _name(line.name, node) if node is not None else node_id


def _name(run: str, node: NodeSpan) -> str:
    if node.name == run:
        return node.template or node.name
    inside = node.name.removeprefix(run)
    return _GROUP.sub("", inside).lstrip(".") or node.name
