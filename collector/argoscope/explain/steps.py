"""What steps are called."""

import re

from argoscope.resources.workflow.timeline import NodeSpan, Timeline

_GROUP = re.compile(r"\[\d+\](?=\.|\Z)")


def step_name(line: Timeline, node_id: str) -> str:
    """A step as people know it: ``run[1].build(0:linux)`` is ``build(0:linux)``, what is inside a
    template ``outer.inner``; the run's own node, and its attempts, are named by their template."""
    node = line.nodes.get(node_id)
    return _name(line, node) if node is not None else node_id


def _name(line: Timeline, node: NodeSpan) -> str:
    if node.name == line.name:
        return node.template or node.name
    inside = _GROUP.sub("", node.name.removeprefix(line.name)).lstrip(".")
    if inside.startswith("("):
        entrypoint = line.nodes.get(line.name)
        inside = f"{entrypoint.template if entrypoint is not None else ''}{inside}"
    return inside or node.name
