"""Leaf nodes: which are attempts, which of them are new, and the gaps before them."""

import re
from array import array
from collections.abc import Callable, Iterator
from zlib import crc32

from argoscope.resources._time import unix
from argoscope.resources.workflow.metrics import LEAF_TYPES, RUN_PHASES
from argoscope.resources.workflow.objects import Node

_LEAVES = frozenset(LEAF_TYPES)
_TERMINAL = frozenset(RUN_PHASES)
SECOND = 0xFFFFFFFF
"""The bits of an attempt's key that are its startedAt."""
_RETRY_INDEX = re.compile(r"\((\d+)\)\Z")


def attempt_key(node: Node) -> int:
    """64 bits that identify an attempt: the node id's 32-bit hash, startedAt.

    A node id ends in the FNV hash of the node's name; `argo retry` reuses ids with new times.
    Ids of another form are hashed here.
    """
    tail = node.id.rpartition("-")[2]
    digest = int(tail) & 0xFFFFFFFF if tail.isdecimal() else crc32(node.id.encode())
    return digest << 32 | int(unix(node.started_at)) & SECOND


def is_attempt(node: Node, run_over: bool) -> bool:
    """Whether a leaf node is a finished attempt.

    A daemon has a finishedAt while it is Running; a Failed node without finishedAt may still
    become Succeeded (`argo terminate`), so it counts only once the run is over. Skipped, omitted
    and memoized nodes ran nothing.
    """
    if node.type not in _LEAVES or node.phase not in _TERMINAL:
        return False
    if node.memoization_status is not None and node.memoization_status.hit:
        return False
    return bool(node.finished_at) or run_over


def new_attempts(
    nodes: dict[str, Node], done: "array[int]", since: float, run_over: bool
) -> list[tuple[int, Node]]:
    """(key, node) of the finished attempts that are not in ``done`` and started at ``since`` or
    later (Unix seconds; 0 for all)."""
    known = set(done)
    found = []
    for node in nodes.values():
        if not is_attempt(node, run_over):
            continue
        key = attempt_key(node)
        if key in known or unix(node.started_at) < since:
            continue
        found.append((key, node))
    return found


def template_of(node: Node) -> str:
    """The template's name: scopes of the workflow's own name are collapsed by using only it."""
    if node.template_ref is not None and node.template_ref.template:
        return node.template_ref.template
    return node.template_name or "(inline)"


def retry_index(node: Node, retried: frozenset[str]) -> int:
    """0 for a first attempt, N for the Nth retry (the children of Retry nodes end in ``(N)``)."""
    if node.id not in retried and not (node.node_flag and node.node_flag.retried):
        return 0
    index = _RETRY_INDEX.search(node.name)
    return int(index[1]) if index else 0


def retry_children(nodes: dict[str, Node]) -> frozenset[str]:
    return frozenset(
        child for node in nodes.values() if node.type == "Retry" for child in node.children or ()
    )


class Predecessors:
    """The graph of a workflow, walked against its direction; virtual nodes are looked through."""

    def __init__(self, nodes: dict[str, Node]) -> None:
        self._nodes = nodes
        self._parents: dict[str, list[Node]] = {}
        for node in nodes.values():
            for child in node.children or ():
                self._parents.setdefault(child, []).append(node)

    def last_end(self, node: Node, end: Callable[[Node], float]) -> float:
        """The latest ``end`` among the leaf nodes that ``node`` waited for; 0 if there is none."""
        return max((end(leaf) for leaf in self._leaves_before(node)), default=0.0)

    def _leaves_before(self, node: Node) -> Iterator[Node]:
        queue = [node.id]
        visited = {node.id}
        while queue:
            for parent in self._parents.get(queue.pop(), ()):
                if parent.id in visited:
                    continue
                visited.add(parent.id)
                if parent.type in _LEAVES:
                    yield parent
                else:
                    queue.append(parent.id)
