"""Why a node or a run failed, from Argo's messages and what the pod knows.

The messages are those of Argo Workflows 3.4 to 4.1: 3.x leaves out the container's name.
"""

import re

from argoscope.resources.workflow.objects import Node
from argoscope.resources.world import PodEnd

# The first pattern that is found decides; the order goes from the specific to the general.
_PATTERNS = tuple(
    (cause, re.compile(pattern, re.IGNORECASE))
    for cause, pattern in (
        ("stopped", r"workflow shutdown with strategy:\s+Stop|Stopped with strategy 'Stop'"),
        (
            "terminated",
            (
                r"workflow shutdown with strategy:\s+Terminate|Stopped with strategy 'Terminate'"
                r"|^terminated$"
            ),
        ),
        ("oom", r"OOMKilled|out of memory"),
        # "preemption: 0/2 nodes are available" is how the scheduler says that it can't place a pod.
        ("preempted", r"\b(preempted|preempting|preemption(?!: | is not helpful))\b"),
        (
            "evicted",
            (
                r"\bevicted\b|Usage of EmptyDir|ephemeral local storage|node was low on resource"
                r"|ephemeral-storage usage exceeds"
            ),
        ),
        (
            "node_lost",
            (
                r"NodeLost|node lost|node (is )?(shutting down|shutdown)|node (is|was) not ready"
                r"|node .* (not found|is gone)|TerminationByKubelet|DeletionByTaintManager"
            ),
        ),
        (
            "invalid_spec",
            (
                r"invalid spec|malformed workflow template|failed to look-up entrypoint/cmd"
                r"|failed to resolve \{\{|template name '.*' undefined|spec\.templates"
            ),
        ),
        (
            "image",
            (
                r"ErrImage|ImagePull|InvalidImageName|pulling image|failed to pull|pull QPS"
                r"|ImageInspectError|RegistryUnavailable"
            ),
        ),
        (
            "deadline",
            (
                r"exceeded its deadline|longer than the specified deadline|DeadlineExceeded"
                r"|max duration limit exceeded|pendingTimeout|exceeded workflow deadline"
                r"|timed? ?out waiting"
            ),
        ),
        ("input", r"^init: |failed to load( \w+)? artifact|artifact .* failed to load"),
        (
            "output",
            r"^wait: |^supervisor: |failed to save output|/argo/outputs/|failed to save artifact",
        ),
        ("exit_code", r"exit code -?\d+|exited with code"),
    )
)
_BY_SHUTDOWN = re.compile(r"^(?!.*OOMKilled).*exit code (143|137|130)\b|^pod deleted")
# These the pod knows better than a message that only says how it ended.
_POD_WINS = frozenset({"oom", "evicted", "preempted", "node_lost", "image"})
_WEAK = frozenset({"deadline", "exit_code"})


def cause_of_message(message: str) -> str:
    """The cause that a message of a node or workflow names; ``error`` when it names none."""
    for cause, pattern in _PATTERNS:
        if pattern.search(message):
            return cause
    return "error"


def cause_of_node(node: Node, pod: PodEnd | None, shutdown_cause: str) -> str:
    """Why a leaf node's attempt failed.

    ``shutdown_cause`` is stopped, terminated or replaced when the workflow was shut down: a
    container that then died of a signal, or a pod that was deleted, did so because of it. A pod
    that knows more than a weak message (an evicted pod's node may only say that its deadline
    passed) decides.
    """
    message = node.message or ""
    cause = cause_of_message(message)
    if shutdown_cause and (cause in ("stopped", "terminated") or _BY_SHUTDOWN.search(message)):
        return shutdown_cause
    if (
        pod is not None
        and pod.cause
        and (cause == "error" or (cause in _WEAK and pod.cause in _POD_WINS))
    ):
        return pod.cause
    return cause


_CHILD = re.compile(r"child '([^']+)' failed")
_MAX_DEPTH = 100


def root_cause(nodes: dict[str, Node], root_id: str) -> Node | None:
    """The leaf that made the run fail, followed down from the root node; None if there is none.

    Steps name the failing child in their message; a Retry fails with its last attempt; of a DAG,
    TaskGroup or StepGroup the part that failed first counts. A run whose main part succeeded
    failed in its exit handler.
    """
    node = nodes.get(root_id)
    if node is None or node.phase not in ("Failed", "Error"):
        exits = [n for n in nodes.values() if n.name.endswith(".onExit") and _failed(n)]
        node = min(exits, key=_end, default=None)
    by_boundary: dict[str, list[Node]] = {}
    for part in nodes.values():
        if part.boundary_id and _failed(part):
            by_boundary.setdefault(part.boundary_id, []).append(part)
    for _ in range(_MAX_DEPTH):  # a malformed status can hold a loop
        if node is None or node.type in ("Pod", "HTTP", "Plugin", "Suspend", "Container"):
            break
        following = _failing_part(node, nodes, by_boundary)
        if following is None or following is node:
            break
        node = following
    return node


def _failing_part(
    node: Node, nodes: dict[str, Node], by_boundary: dict[str, list[Node]]
) -> Node | None:
    named = _CHILD.search(node.message or "")
    if named and named[1] in nodes:
        return nodes[named[1]]
    children = [nodes[c] for c in node.children or () if c in nodes]
    failed = [child for child in children if _failed(child)]
    if node.type == "Retry":
        return max(failed, key=lambda child: child.started_at or "", default=None)
    if not failed and node.type in ("DAG", "Steps"):
        failed = by_boundary.get(node.id, [])
    return min(failed, key=_end, default=None)


def _failed(node: Node) -> bool:
    return node.phase in ("Failed", "Error")


def _end(node: Node) -> str:
    return node.finished_at or node.started_at or "9999"
