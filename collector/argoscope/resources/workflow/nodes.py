"""Leaf nodes: which are attempts, which of them are new, and the gaps before them."""

import re
from array import array
from collections.abc import Callable
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
    name = node.id
    try:
        digest = int(name[name.rfind("-") + 1 :]) & 0xFFFFFFFF
    except ValueError:
        digest = crc32(name.encode())
    return digest << 32 | int(unix(node.started_at)) & SECOND


def finished_attempts(nodes: dict[str, Node], run_over: bool) -> list[Node]:
    """The leaf nodes that are a finished attempt, in the nodes' order.

    A daemon has a finishedAt while it is Running; a Failed node without finishedAt may still
    become Succeeded (`argo terminate`), so it counts only once the run is over. Skipped, omitted
    and memoized nodes ran nothing.
    """
    return [
        node
        for node in nodes.values()
        if (node.finished_at or run_over) and node.type in _LEAVES and node.phase in _TERMINAL
        if node.memoization_status is None or not node.memoization_status.hit
    ]


def new_attempts(
    nodes: dict[str, Node],
    done: "array[int]",
    since: float,
    run_over: bool,
    *,
    replaced: bool = False,
) -> tuple[list[Node], "array[int]"]:
    """The finished attempts that are not in ``done`` and started at ``since`` or later (Unix
    seconds; 0 for all); and the new ``done``, the keys of all such attempts in the nodes' order.

    ``replaced``: some of ``done`` may be gone, or in another order.
    """
    finished = finished_attempts(nodes, run_over)
    if since:
        finished = [node for node in finished if unix(node.started_at) >= since]
    more = len(finished) - len(done)
    if not more and not replaced:
        return [], done  # within an attempt of the run no finished node goes away
    if 0 < more <= FEW and not replaced:
        found = _few_new(finished, done, more)
        if found is not None:
            return found
    known = set(done)
    keys = array("Q", map(attempt_key, finished))
    return [n for n, key in zip(finished, keys, strict=True) if key not in known], keys


FEW = 5


def _few_new(
    finished: list[Node], done: "array[int]", more: int
) -> tuple[list[Node], "array[int]"] | None:
    """The ``more`` nodes of ``finished`` that are not in ``done``; None if the order differs.

    The API server writes nodes in the order of their ids, so what was finished before is found by
    halving, without the keys of all the others: an event finishes few nodes of many.
    """
    keys, found = done[:], []
    for _ in range(more):
        low, high = 0, len(keys)
        while low < high:
            middle = (low + high) // 2
            if attempt_key(finished[middle]) == keys[middle]:
                low = middle + 1
            else:
                high = middle
        key = attempt_key(finished[low])
        if key in done:
            return None
        keys.insert(low, key)
        found.append(finished[low])
    return found, keys


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
    """The graph of a workflow, walked against its direction; virtual nodes are looked through.

    With ``all_nodes`` the edges are turned round once; without, they are searched for each node
    that is asked about, which costs less for a few.
    """

    def __init__(self, nodes: dict[str, Node], *, all_nodes: bool = True) -> None:
        self._forks = [node for node in nodes.values() if node.children]
        self._parents: dict[str, list[Node]] = {}
        self._shared: dict[str, list[Node]] = {}
        self._complete = all_nodes
        if all_nodes:
            self._turn_round()

    def _turn_round(self) -> None:
        parents = self._parents
        for node in self._forks:
            for child in node.children or ():
                if child in parents:
                    parents[child].append(node)
                else:
                    parents[child] = [node]

    def _parents_of(self, identity: str) -> list[Node]:
        found = self._parents.get(identity)
        if found is not None:
            return found
        if self._complete:
            return []
        found = [node for node in self._forks if identity in (node.children or ())]
        self._parents[identity] = found
        return found

    def last_end(self, node: Node, end: Callable[[Node], float]) -> float:
        """The latest ``end`` among the leaf nodes that ``node`` waited for; 0 if there is none."""
        leaves = self._before(node.id)
        return max(map(end, leaves)) if leaves else 0.0

    def _before(self, identity: str) -> list[Node]:
        parents = self._parents_of(identity)
        if not parents:
            return []
        if len(parents) > 1:
            return self._leaves_before(identity)
        # A fan-out: what all of them waited for is looked up once.
        shared = parents[0].id
        leaves = self._shared.get(shared)
        if leaves is None:
            leaves = self._shared[shared] = self._leaves_before(identity)
        return leaves

    def _leaves_before(self, identity: str) -> list[Node]:
        queue, visited, leaves = [identity], {identity}, []
        while queue:
            for parent in self._parents_of(queue.pop()):
                if parent.id in visited:
                    continue
                visited.add(parent.id)
                if parent.type in _LEAVES:
                    leaves.append(parent)
                else:
                    queue.append(parent.id)
        return leaves
