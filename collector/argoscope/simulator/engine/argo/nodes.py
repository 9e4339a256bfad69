"""The nodes of one workflow's status, as the controller writes them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from argoscope.simulator.engine.hashes import fnv32
from argoscope.simulator.engine.kernel import Object, stamp

LEAVES = frozenset({"Pod", "HTTP", "Plugin", "Suspend"})
"""Types that count in ``progress``."""
FULFILLED = frozenset({"Succeeded", "Failed", "Error", "Skipped", "Omitted"})
FAILED = frozenset({"Failed", "Error"})


@lru_cache(maxsize=50_000)  # asked for every node at every look
def node_id(workflow: str, node_name: str) -> str:
    """Argo's id of a node: the workflow's name and the 32-bit FNV-1a hash of the node's."""
    if workflow == node_name:
        return workflow
    return f"{workflow}-{fnv32(node_name.encode())}"


def pod_name(workflow: str, node_name: str, template: str) -> str:
    """The pod's name in format v2: workflow, template, hash."""
    if workflow == node_name:
        return workflow
    digest = node_id(workflow, node_name).rpartition("-")[2]
    return f"{workflow}-{template}"[: 253 - len(digest) - 1] + f"-{digest}"


class Nodes:
    """Reads and changes ``status.nodes`` of a workflow; ``changed`` says whether anything did.

    ``whys`` is kept from one reconciliation to the next: why each node failed, in one word.
    """

    def __init__(
        self, workflow: str, found: dict[str, Object], whys: dict[str, str] | None = None
    ) -> None:
        self._workflow = workflow
        self.by_id = found
        self.changed = False
        self.ended: list[Object] = []
        """Nodes that were fulfilled in this reconciliation."""
        self.unsynced: set[str] = set()
        """Failed in this reconciliation before their containers ended: not over until the next."""
        self.whys = {} if whys is None else whys
        self.made: list[tuple[Object, tuple[str, ...]]] = []
        """Nodes of this reconciliation, each with the ids of those that it had waited for."""
        self.ran: list[Object] = []
        """Leaves whose pod was seen running for the first time."""
        self.failed: list[Object] = []
        """Nodes that have failed, of which it is not known yet when they ended."""
        self._after: tuple[str, ...] = ()

    @contextmanager
    def waiting_for(self, nodes: Iterable[str] | None) -> Iterator[None]:
        """What is made inside could be made because these had ended; None: nothing more to say."""
        before = self._after
        if nodes is not None:
            self._after = tuple(nodes)
        try:
            yield
        finally:
            self._after = before

    def get(self, name: str) -> Object | None:
        return self.by_id.get(node_id(self._workflow, name))

    def add(
        self,
        name: str,
        display: str,
        kind: str,
        now: float,
        *,
        phase: str,
        template: str = "",
        scope: str = "",
        ref: Object | None = None,
        boundary: str = "",
        message: str = "",
        flag: Object | None = None,
        why: str = "",
    ) -> Object:
        found: Object = {
            "id": node_id(self._workflow, name),
            "name": name,
            "displayName": display,
            "type": kind,
            "templateScope": scope,
            "phase": phase,
            "startedAt": stamp(now),
            "progress": "0/1",
        }
        if ref:
            found["templateRef"] = ref
        elif template:
            found["templateName"] = template
        if boundary:
            found["boundaryID"] = boundary
        if message:
            found["message"] = message
        if flag is not None:
            found["nodeFlag"] = flag
        if kind == "Pod":
            found["taskResultSynced"] = True
        if phase in FULFILLED:
            found["finishedAt"] = stamp(now)
            self.ended.append(found)
        if why:
            self.whys[found["id"]] = why
        self.by_id[found["id"]] = found
        self.made.append((found, self._after))
        self.changed = True
        return found

    def mark(
        self,
        node: Object,
        phase: str,
        now: float,
        message: str | None = None,
        *,
        ends: bool = True,
        why: str = "",
    ) -> Object:
        """Moves a node to a phase; ``message`` None leaves it as it is, empty takes it away.

        ``why`` is the cause of a failure; the first one that a node has stays.
        """
        if why and phase in FAILED:
            self.whys.setdefault(node["id"], why)
        if node["phase"] != phase:
            if phase == "Running" and node["type"] in LEAVES:
                self.ran.append(node)
            if phase in FAILED and not ends:
                self.failed.append(node)
            node["phase"] = phase
            self.changed = True
        if message is not None and node.get("message", "") != message:
            node["message"] = message
            if not message:
                del node["message"]
            self.changed = True
        if ends and phase in FULFILLED and "finishedAt" not in node:
            node["finishedAt"] = stamp(now)
            self.ended.append(node)
            self.changed = True
        return node

    def wait_for_lock(self, node: Object, lock: str) -> None:
        """Says which lock a node waits for; empty: none any more."""
        status = {"waiting": lock} if lock else None
        if node.get("synchronizationStatus") != status:
            self.changed = True
            node["synchronizationStatus"] = status
            if status is None:
                del node["synchronizationStatus"]

    def connect(self, parent: Object, child: Object) -> None:
        children = parent.setdefault("children", [])
        if child["id"] not in children:
            children.append(child["id"])
            self.changed = True

    def fulfilled(self, node: Object) -> bool:
        if node.get("daemoned"):
            return True
        return node["phase"] in FULFILLED and node["id"] not in self.unsynced

    def outbound(self, node: Object) -> list[str]:
        """Ids of the nodes that what comes next hangs on."""
        if node["type"] in ("Pod", "Skipped", "Suspend", "HTTP", "Plugin"):
            return [node["id"]]
        if node["type"] in ("TaskGroup", "Retry"):
            children = [self.by_id[i] for i in node.get("children", ())]
            if node["type"] == "Retry":
                return self.outbound(children[-1]) if children else [node["id"]]
            return [i for child in children for i in self.outbound(child)] or [node["id"]]
        return node.get("outboundNodes") or [node["id"]]

    def totals(self) -> None:
        """``progress`` and ``resourcesDuration``: of a leaf its own, else of all below it."""
        sums: dict[str, tuple[int, int, int, int]] = {}

        def below(start: Object) -> set[str]:
            seen: set[str] = set()
            stack = [start["id"]]
            while stack:
                at = stack.pop()
                if at not in seen and at in self.by_id:
                    seen.add(at)
                    stack.extend(self.by_id[at].get("children", ()))
            return seen

        for found in self.by_id.values():
            if found["type"] in LEAVES:
                done = int(found["phase"] == "Succeeded")
                spent = found.get("resourcesDuration") or {}
                sums[found["id"]] = (done, 1, spent.get("cpu", 0), spent.get("memory", 0))
                found["progress"] = f"{done}/1"
        for found in self.by_id.values():
            if found["type"] not in LEAVES:
                parts = [sums[i] for i in below(found) if i in sums]
                done, total, cpu, memory = (sum(p[k] for p in parts) for k in range(4))
                found["progress"] = f"{done}/{total}" if total else "0/1"
                if found["phase"] in FULFILLED and total and (cpu or memory):
                    found["resourcesDuration"] = {"cpu": cpu, "memory": memory}

    def total(self) -> tuple[str, dict[str, Any]]:
        """``progress`` and ``resourcesDuration`` of the whole workflow."""
        leaves = [n for n in self.by_id.values() if n["type"] in LEAVES]
        done = sum(n["phase"] == "Succeeded" for n in leaves)
        spent: dict[str, int] = {}
        for leaf in leaves:
            for resource, seconds in (leaf.get("resourcesDuration") or {}).items():
                spent[resource] = spent.get(resource, 0) + seconds
        return (f"{done}/{len(leaves)}" if leaves else "0/1"), spent
