"""The spans of a run attempt: the run, its nodes as they lie in each other, and the pods' stages.

Parents hold their children: a virtual node lasts as long as what is in it, and what outlives the
run (the pods of daemons) is cut at its end. Argo keeps the nodes of earlier attempts in the status;
a trace has those of its own attempt only.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from argoscope.metrics.exemplars import span_id
from argoscope.resources._pod_life import GAP, INIT, MAIN, UNKNOWN, WAIT, PodLife, Stage, stages
from argoscope.resources.workflow.causes import cause_of_message
from argoscope.resources.workflow.critical_path import CriticalPath
from argoscope.resources.workflow.timeline import LEAVES, NodeSpan, Timeline, ms
from argoscope.traces import semconv as names
from argoscope.traces.choice import MAX_SPANS, Weight, choose
from argoscope.traces.span import SERVER, Attributes, Event, Link, Span

_FAILED = ("Failed", "Error")
_OPENING = re.compile(r"[\[(.]")
_INDEX = re.compile(r"\((\d+)(:.*)?\)\Z", re.DOTALL)
_EVENTS = frozenset({"oom", "evicted", "preempted", "node_lost"})
"""Causes that are something that happened to the pod."""
_LONGEST = 500
"""Characters of a message or a name; items of a fan-out are in names and can be whole documents."""

_MOST_RETRIES = 128
"""Events of a span, as OpenTelemetry's SDKs bound them: a step can be tried thousands of times, and
a single span be larger than a receiver takes."""


class Tree(NamedTuple):
    """The spans of a trace, the run's own first."""

    spans: list[Span]
    left_out: int
    """How many there would be more, without MAX_SPANS."""


def tree(line: Timeline, path: CriticalPath, limit: int = MAX_SPANS) -> Tree:
    """The trace of an attempt with ``line.trace``."""
    return _Tree(line, path).build(limit)


class _Tree:
    def __init__(self, line: Timeline, path: CriticalPath) -> None:
        assert line.trace is not None
        self._line = line
        self._trace = line.trace
        self._path = path
        self._begin, self._end = line.begin_ms, line.end_ms
        self._on_path = frozenset(path.nodes())
        self._by_name = {node.name: node for node in line.nodes.values()}
        self._parents: dict[str, NodeSpan | None] = {}
        """Node id -> node whose span is the parent; None for the run. Only of nodes that have a
        span."""
        self._times: dict[str, tuple[int, int]] = {}
        """Node id -> (start, end)."""

    def build(self, limit: int) -> Tree:
        self._place()
        parts = {id_: self._parts_of(self._line.nodes[id_]) for id_ in self._parents}
        stretches = list(self._stretches())
        wanted = 1 + len(stretches) + len(parts) + sum(map(len, parts.values()))
        kept = set(parts)
        if wanted > limit:
            above = {id_: node.id for id_, node in self._parents.items() if node is not None}
            weights = [self._weight(id_, len(found)) for id_, found in parts.items()]
            kept, whole = choose(weights, above, limit - 1 - len(stretches))
            parts = {id_: found if id_ in whole else [] for id_, found in parts.items()}
        spans = [span for id_ in parts if id_ in kept for span in self._spans_of(id_, parts[id_])]
        left_out = wanted - 1 - len(stretches) - len(spans)
        return Tree([self._run(left_out), *stretches, *spans], left_out)

    # -- where nodes belong, and when they were

    def _place(self) -> None:
        """Fill ``_parents`` and ``_times``."""
        for node in self._line.nodes.values():
            if self._is_of_attempt(node):
                self._add(node)
        # From the inside out: a parent's name is shorter.
        for id_ in sorted(self._parents, key=lambda id_: -len(self._line.nodes[id_].name)):
            parent = self._parents[id_]
            if parent is not None:
                start, end = self._times[id_]
                low, high = self._times[parent.id]
                self._times[parent.id] = min(low, start), max(high, end)

    def _is_of_attempt(self, node: NodeSpan) -> bool:
        if not node.started and not node.finished:
            return False
        if self._line.first:
            return True
        # A virtual node of an earlier attempt comes in with what is in it.
        return ms(node.started) >= self._begin

    def _add(self, node: NodeSpan | None) -> None:
        while node is not None and node.id not in self._parents:
            parent = self._parent(node)
            self._parents[node.id] = parent
            self._times[node.id] = self._when(node)
            node = parent

    def _parent(self, node: NodeSpan) -> NodeSpan | None:
        """The node that it is inside of; of hooks and exit handlers that of what they belong to,
        since they run when that has ended."""
        around = self._around(node)
        hooked = node.hooked or node.name.endswith(".onExit")
        return self._around(around) if hooked and around is not None else around

    def _around(self, node: NodeSpan) -> NodeSpan | None:
        cuts = [found.start() for found in _OPENING.finditer(node.name)]
        for cut in reversed(cuts):
            outer = self._by_name.get(node.name[:cut])
            if outer is not None and outer.id != node.id:
                return outer
        return None

    def _when(self, node: NodeSpan) -> tuple[int, int]:
        start = ms(node.started) or ms(node.finished)
        end = ms(node.finished)
        if node.daemoned or not end:
            life = self._line.pod(node.id)
            end = life.times.last_end * 1000 if life is not None else 0
            virtual = node.type not in LEAVES and node.type != "Container"
            end = end or (start if virtual else self._end)
        start = min(max(start, self._begin), self._end)
        return start, min(max(end, start), self._end)

    # -- what a node's span has in it besides other nodes

    def _parts_of(self, node: NodeSpan) -> list[Stage]:
        """Stages of its pods, and what held it back before."""
        start, end = self._times[node.id]
        lives = self._line.pods.get(node.id, ())
        births = [min(max(life.created * 1000, start), end) for life in lives]
        found = []
        held = self._line.held.get(node.id)
        if held is not None:
            # Its end is when the daemon saw it; the pod was made earlier.
            until = min([ms(held[1]) if held[1] else end, *births[:1], end])
            if start < until:
                found.append(Stage(held[0], start, until))
        for life, begin, until in zip(lives, births, [*births[1:], end], strict=False):
            for stage in stages(life, begin, max(begin, until)):
                if found and found[-1][::3] == stage[::3] and found[-1].end == stage.start:
                    found[-1] = found[-1]._replace(end=stage.end)
                elif stage.name not in (GAP, UNKNOWN):
                    found.append(stage)
        return found

    def _weight(self, id_: str, parts: int) -> Weight:
        node, (start, end) = self._line.nodes[id_], self._times[id_]
        telling = id_ in self._on_path or node.phase in _FAILED
        return Weight(id_, telling, end - start, parts)

    def _stretches(self) -> Iterator[Span]:
        """What the run as a whole waited for."""
        waits = []
        started = ms(self._line.started)
        if self._line.first and self._begin < started <= self._end:
            waits.append(("lock" if self._line.waited else "queue", self._begin, started))
        for since, until in self._line.suspensions:
            low, high = max(ms(since), self._begin), min(ms(until), self._end)
            if low < high:
                waits.append(("suspended", low, high))
        for number, (name, start, end) in enumerate(waits):
            state: Attributes = {names.RUN_STATE: "executing" if name == "suspended" else "pending"}
            yield Span(self._id(f"/{number}"), self._id(""), name, start, end, state)

    # -- spans

    def _id(self, key: str) -> bytes:
        return span_id(self._trace.id, key)

    def _run(self, left_out: int) -> Span:
        line = self._line
        attributes: Attributes = {
            names.PIPELINE_NAME: line.pipeline,
            names.PIPELINE_ACTION: "RUN",
            names.PIPELINE_RESULT: names.result(line.phase, line.cause),
            names.RUN_ID: line.uid,
            names.NAMESPACE: line.namespace,
            "argo.workflow.name": line.name,
            "argo.workflow.phase": line.phase,
            "argo.workflow.nodes": len(line.nodes),
            "argoscope.trace.reason": self._trace.why,
        }
        if line.cron:
            attributes["argo.cron_workflow.name"] = line.cron
        failed = line.phase in _FAILED
        if failed:
            attributes[names.ERROR_TYPE] = line.cause or "error"
        for cause, length in self._path.causes_ms().items():
            attributes[f"argoscope.critical_path.{cause}"] = length / 1000
        if not line.nodes_known:
            attributes["argoscope.nodes.known"] = False
        if left_out:
            attributes["argoscope.spans.left_out"] = left_out
        links = tuple(Link(to, {"argo.link.reason": why}) for why, to in self._trace.links)
        error = _cut(line.message or self._first_failure()) if failed else None
        name = f"RUN {line.pipeline}"
        span = Span(self._id(""), b"", name, self._begin, self._end, attributes, error)
        return span._replace(links=links, kind=SERVER)

    def _first_failure(self) -> str:
        """A DAG that failed has no message of its own."""
        failed = [self._line.nodes[id_] for id_ in self._parents]
        failed = [node for node in failed if node.type in LEAVES and node.phase in _FAILED]
        first = min(failed, key=lambda node: node.finished or node.started, default=None)
        return first.message if first is not None else ""

    def _spans_of(self, id_: str, parts: list[Stage]) -> Iterator[Span]:
        node, parent = self._line.nodes[id_], self._parents[id_]
        start, end = self._times[id_]
        failed = node.phase in _FAILED
        cause = cause_of_message(node.message) if failed else ""
        name = self._display(node, parent)
        yield Span(
            self._id(id_),
            self._id(parent.id if parent is not None else ""),
            name,
            start,
            end,
            self._attributes(node, name, cause),
            _cut(node.message) if failed else None,
            tuple(self._events(node, cause, end)),
        )
        containers = any(_is_container(self._line.nodes.get(child)) for child in node.children)
        pod = self._pod_name(node)
        for number, part in enumerate(parts):
            attributes: Attributes = {}
            if part.name not in ("lock", "queue"):
                attributes[names.POD] = pod
            if part.name in (INIT, MAIN, WAIT) and not containers:
                attributes[names.CONTAINER] = part.name
            if part.reason:
                attributes["argo.pod.waiting_reason"] = part.reason
            yield Span(
                self._id(f"{id_}/{number}"),
                self._id(id_),
                part.name,
                part.start,
                part.end,
                attributes,
            )

    def _attributes(self, node: NodeSpan, name: str, cause: str) -> Attributes:
        found: Attributes = {
            "argo.node.id": node.id,
            "argo.node.name": _cut(node.name),
            "argo.node.type": node.type,
            "argo.node.phase": node.phase,
        }
        if node.template:
            found["argo.template.name"] = node.template
        if node.type in LEAVES or node.type in ("Container", "Skipped"):
            found[names.TASK_NAME] = _INDEX.sub("", name)
            found[names.TASK_RUN_ID] = node.id
            if result := names.result(node.phase, cause):
                found[names.TASK_RESULT] = result
        if node.type == "Pod" and node.phase not in ("Omitted", "Skipped") and not node.memoized:
            found[names.NAMESPACE] = self._line.namespace
            found[names.POD] = self._pod_name(node)
        if cause and (cause != "error" or node.type in LEAVES):
            found[names.ERROR_TYPE] = cause  # a virtual node only says which of those in it failed
        if node.id in self._on_path:
            found["argoscope.critical_path"] = True
        if node.memoized:
            found["argo.node.memoized"] = True
        if node.daemoned:
            found["argo.node.daemoned"] = True
        return found

    def _events(self, node: NodeSpan, cause: str, end: int) -> Iterator[Event]:
        if node.type == "Retry":
            yield from self._retries(node)
        lives = self._line.pods.get(node.id, ())
        for life in lives[1:]:
            start = self._times[node.id][0]
            at = min(max(life.created * 1000, start), end)
            yield Event("pod_recreated", at, {names.POD: self._pod_name(node)})
        if cause in _EVENTS and node.type in LEAVES:
            at = _died(lives[-1] if lives else None, self._times[node.id])
            yield Event(cause, at, {"message": _cut(node.message)})

    def _retries(self, node: NodeSpan) -> Iterator[Event]:
        known = (self._line.nodes.get(child) for child in node.children)
        tried = [child for child in known if child is not None and child.id in self._times]
        attempts = sorted(
            (child for child in tried if not child.hooked), key=lambda child: child.started
        )
        retries = list(enumerate(pairwise(attempts), 1))
        for number, (before, attempt) in retries[-_MOST_RETRIES:]:
            start, end = self._times[node.id]
            at = min(max(self._times[attempt.id][0], start), end)
            found: Attributes = {"argo.retry.number": number, "message": _cut(before.message)}
            yield Event("retry", at, found)

    def _display(self, node: NodeSpan, parent: NodeSpan | None) -> str:
        """What is new in the name beside the parent's, without items: there can be thousands.
        Where nothing is new the parent's; not by recursion, as many can lie in each other."""
        named = []
        while True:
            own = node.name.removeprefix(parent.name if parent is not None else self._line.name)
            index = _INDEX.search(own)
            if index is not None:
                own = own[: index.start()]
            retried = index is not None and parent is not None and parent.type == "Retry"
            named.append((node, f"({index[1]})" if index is not None and retried else ""))
            if own or parent is None:
                break
            node, parent = parent, self._parents[parent.id]
        for node, attempt in reversed(named):
            # The entrypoint's name is the run's.
            own = _cut((own.lstrip(".") or node.template or node.type) + attempt)
        return own

    def _pod_name(self, node: NodeSpan) -> str:
        """As Argo makes it from 3.4 on (format v2); it is written nowhere in the status."""
        if self._trace.old_pod_names or node.name == self._line.name:
            return node.id
        digest = node.id.rpartition("-")[2]
        prefix = f"{self._line.name}-{node.template}"[: 253 - 11]
        return f"{prefix}-{digest}"


def _is_container(node: NodeSpan | None) -> bool:
    return node is not None and node.type == "Container"


def _died(life: PodLife | None, times: tuple[int, int]) -> int:
    """When the pod's main container ended, as far as that is known."""
    end = life.times.main_end * 1000 if life is not None else 0
    return min(max(end, times[0]), times[1]) if end else times[1]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
