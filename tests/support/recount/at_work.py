"""Which workflows there are at a moment, and what each is doing."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from support.recount.lines import Key, Labels, Line, Lines, pipeline, workflow
from support.recount.workflows import LEAVES


@dataclass
class Node:
    type: str
    name: str
    made: float
    changed: float
    """When it was made or ended."""
    runs: bool = False
    ended: bool = False
    daemon: bool = False


@dataclass
class Workflow:
    """What has been told of one that exists."""

    new: Line
    ttl: bool
    suspended_since: float
    started: float = 0.0
    working: bool = False
    """The controller has started it, and since the latest `argo retry` again."""
    over: bool = False
    storage: str = "inline"
    nodes: dict[str, Node] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    """What holds back each node; of the whole workflow: with an empty name."""
    pausing: set[str] = field(default_factory=set)
    """Retry nodes that wait before their next attempt."""
    retried: float = 0.0
    got_pods: list[tuple[float, str, float]] = field(default_factory=list)
    """When nodes that had been held back got a pod: (when, why they were, since when)."""

    @property
    def key(self) -> Labels:
        return self.new["namespace"], pipeline(self.new)

    def unfinished(self) -> dict[str, Node]:
        return {
            name: n
            for name, n in self.nodes.items()
            if n.type in LEAVES and not n.ended and not n.daemon
        }

    def state(self) -> str:
        if not self.working:
            return "waiting_lock" if self.held.get("") == "lock" else "pending"
        leaves = self.unfinished()
        if self.suspended_since or (leaves and all(n.type == "Suspend" for n in leaves.values())):
            return "suspended"
        if leaves and all(self.held.get(name) == "lock" for name in leaves):
            return "waiting_lock"
        return "running"

    def blocked(self) -> Iterator[tuple[str, float]]:
        """(why, since when) of the workflow as a whole, or of its nodes without a pod."""
        if not self.working and "" in self.held:
            yield self.held[""], self.new["created"]
        for name, node in self.unfinished().items():
            if name in self.held and not node.runs:
                yield self.held[name], node.made

    def turn(self) -> str:
        """Whose turn it is."""
        leaves = [n for n in self.unfinished().values() if n.type != "Suspend"]
        if any(n.runs for n in leaves):
            return "running_nodes"
        return "pending_nodes" if leaves else "controller"


class AtWork:
    """The workflows that exist at the time of the last of ``lines``."""

    def __init__(self, lines: Lines) -> None:
        self.workflows: dict[Key, Workflow] = {}
        self._holders: defaultdict[str, set[str]] = defaultdict(set)
        self._waiters: defaultdict[str, set[str]] = defaultdict(set)
        for line in lines.all:
            what = line["what"]
            if what == "workflow_created":
                since = line["t"] if line["suspended"] else 0.0
                self.workflows[workflow(line)] = Workflow(line, line["ttl"], since)
            elif what == "workflow_deleted":
                self.workflows.pop(workflow(line), None)
            elif what.startswith("lock_"):
                self._lock(line)
            elif line.get("workflow") and (found := self.workflows.get(workflow(line))):
                take = getattr(self, f"_{what}", None)
                if take is not None:
                    take(found, line)

    def unfinished(self) -> Iterator[Workflow]:
        return (w for w in self.workflows.values() if not w.over)

    def holders(self) -> Counter[Labels]:
        return _count(self._holders)

    def waiters(self) -> Counter[Labels]:
        return _count(self._waiters)

    # Lines

    def _workflow_started(self, of: Workflow, line: Line) -> None:
        of.started, of.working, of.ttl = line["started"], True, line["ttl"]
        of.held.pop("", None)

    def _workflow_started_again(self, of: Workflow, line: Line) -> None:
        del line
        of.working = True

    def _workflow_ended(self, of: Workflow, line: Line) -> None:
        del line
        of.over = True
        of.held.clear()

    def _retried(self, of: Workflow, line: Line) -> None:
        of.over, of.working, of.retried = False, False, line["t"]
        for node in line["removed"]:
            of.nodes.pop(node, None)

    def _action(self, of: Workflow, line: Line) -> None:
        if line["action"] == "suspend":
            of.suspended_since = line["t"]
        elif line["action"] == "resume":
            of.suspended_since = 0.0

    def _stored(self, of: Workflow, line: Line) -> None:
        of.storage = line["storage"]

    def _held_back(self, of: Workflow, line: Line) -> None:
        of.held[line["node"]] = line["why"]

    def _pod_asked_for(self, of: Workflow, line: Line) -> None:
        why = of.held.pop(line["node"], None)
        node = of.nodes.get(line["node"])
        if why and node:
            of.got_pods.append((line["t"], why, node.made))

    def _node_made(self, of: Workflow, line: Line) -> None:
        over = line["phase"] not in ("Pending", "Running")
        of.nodes[line["node"]] = Node(
            line["type"], line["name"], line["t"], line["t"], line["phase"] == "Running", over
        )
        if line["retried"]:
            of.pausing.discard(line["name"].rpartition("(")[0])

    def _node_running(self, of: Workflow, line: Line) -> None:
        of.nodes[line["node"]].runs = True

    def _node_daemoned(self, of: Workflow, line: Line) -> None:
        node = of.nodes[line["node"]]
        node.daemon, node.changed = True, line["t"]

    def _node_failed(self, of: Workflow, line: Line) -> None:
        """When it ended is told later."""
        of.nodes[line["node"]].ended = True

    def _node_ended(self, of: Workflow, line: Line) -> None:
        of.held.pop(line["node"], None)
        of.pausing.discard(line["name"])
        node = of.nodes.get(line["node"])
        if node is not None:
            node.ended, node.changed = True, max(node.made, line["finished"])

    def _backoff(self, of: Workflow, line: Line) -> None:
        of.pausing.add(line["name"])

    def _lock(self, line: Line) -> None:
        lock, key = line["lock"], line["key"]
        self._waiters[lock].discard(key)
        self._holders[lock].discard(key)
        if line["what"] == "lock_wanted":
            self._waiters[lock].add(key)
        elif line["what"] == "lock_taken":
            self._holders[lock].add(key)

    # Gauges

    def active(self) -> Counter[Labels]:
        return Counter((*w.key, w.state()) for w in self.unfinished())

    def blocked(self, after: float = float("inf")) -> dict[Labels, list[float]]:
        """Since when what has waited without a pod, by (namespace, pipeline, why), and what got
        one ``after`` that time."""
        found: defaultdict[Labels, list[float]] = defaultdict(list)
        for w in self.unfinished():
            for why, since in w.blocked():
                found[(*w.key, why)].append(since)
            for when, why, since in w.got_pods:
                if when >= after:
                    found[(*w.key, why)].append(since)
        return found

    def pending_since(self) -> dict[Labels, float]:
        pending = (w for w in self.unfinished() if w.state() == "pending")
        return _oldest((w.key, w.new["created"]) for w in pending)

    def suspended_since(self) -> dict[Labels, float]:
        return _oldest(
            (w.key, since)
            for w in self.unfinished()
            for since in (
                w.suspended_since,
                *(n.made for n in w.unfinished().values() if n.type == "Suspend"),
            )
            if since
        )

    def idle_since(self) -> dict[Labels, float]:
        def all_idle() -> Iterator[tuple[Labels, float]]:
            for w in self.unfinished():
                waits = w.turn() == "controller" and (w.pausing or w.storage == "offloaded")
                if w.state() == "running" and not waits:
                    since = max(w.started, w.retried, *(n.changed for n in w.nodes.values()), 0.0)
                    yield (*w.key, w.turn()), since

        return _oldest(all_idle())

    def objects(self) -> Counter[Labels]:
        return Counter((w.key[0], w.storage) for w in self.workflows.values())

    def stored(self) -> Counter[Labels]:
        return Counter(
            (w.key[0], str(w.over).lower(), str(w.ttl).lower()) for w in self.workflows.values()
        )

    def most_nodes(self) -> dict[Labels, float]:
        found: dict[Labels, float] = {}
        for w in self.workflows.values():
            if w.nodes and w.storage != "offloaded":
                found[w.key] = max(found.get(w.key, 0.0), float(len(w.nodes)))
        return found

    def names(self) -> set[Labels]:
        """(namespace, pipeline, template, cron, scope) of what a pipeline's name comes from."""
        return {(*w.key, *_scope(w.new)) for w in self.workflows.values()}


def _scope(new: Line) -> Labels:
    cron = str(new["labels"].get("workflows.argoproj.io/cron-workflow", ""))
    if new["template"]:
        return new["template"], cron, "cluster" if new["cluster_scope"] else "namespaced"
    return "", cron, "cron" if cron else "generate_name" if new["generate_name"] else "name"


def _count(keys: dict[str, set[str]]) -> Counter[Labels]:
    found: Counter[Labels] = Counter()
    for lock, who in keys.items():
        namespace, _, name = lock.partition("/")
        found[(namespace, name)] = len(who)
    return found


def _oldest(found: Iterator[tuple[Labels, float]]) -> dict[Labels, float]:
    oldest: dict[Labels, float] = {}
    for labels, since in found:
        oldest[labels] = min(since, oldest.get(labels, since))
    return oldest
