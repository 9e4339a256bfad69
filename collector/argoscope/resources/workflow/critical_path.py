"""Where the time of a run went: its critical path, divided among causes.

The walk begins with the node that finished last and goes back, through the predecessor that
finished last, to the start. Every step of it gives a stretch of time away, from where the last one
began back to where this one begins: so stretches neither overlap nor leave a hole, and their sum is
the time of the run, in whole milliseconds. docs/critical-path.md shows it in pictures.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from argoscope.resources._pod_life import GAP, UNKNOWN, stages
from argoscope.resources.workflow.metrics import PATH_CAUSES
from argoscope.resources.workflow.timeline import LEAVES, NOT_RUN, NodeSpan, Timeline, ms

_AT_ONCE = 2000
"""Milliseconds within which Argo makes the pod of a node that nothing holds back."""
_DEEPEST = 100  # templates in templates: Argo itself stops there
_TEMPLATES = frozenset(("Steps", "DAG"))
_ENDS_ALONE = LEAVES | _TEMPLATES
"""Types whose end is found without asking what is in them."""


class Part(NamedTuple):
    """A stretch of the critical path. Times: Unix milliseconds."""

    cause: str
    start: int
    end: int
    node: str = ""
    """Id of the node whose time it is; of a gap the one that it came before; empty for the run."""
    reason: str = ""
    """Of schedule, prepare and pull, where it was trouble: as in argo_pods_pending."""


class CriticalPath(msgspec.Struct, frozen=True):
    """All of a run attempt's time, in order."""

    parts: tuple[Part, ...]

    @property
    def total_ms(self) -> int:
        return self.parts[-1].end - self.parts[0].start if self.parts else 0

    def causes_ms(self) -> dict[str, int]:
        """Milliseconds by cause, in the order of ``PATH_CAUSES``; they add up to ``total_ms``."""
        found = dict.fromkeys(PATH_CAUSES, 0)
        for part in self.parts:
            found[part.cause] += part.end - part.start
        return {cause: length for cause, length in found.items() if length}

    def nodes(self) -> tuple[str, ...]:
        """Ids of the nodes on the path, in order."""
        return tuple(dict.fromkeys(part.node for part in self.parts if part.node))


def critical_path(line: Timeline) -> CriticalPath:
    """Divide the time of a run attempt among causes."""
    return _Walk(line).path()


class _Level(NamedTuple):
    """A virtual node that was looked through, and what of it was come from."""

    virtual: NodeSpan
    child: NodeSpan


class _Before(NamedTuple):
    """What a node waited for."""

    node: NodeSpan | None
    """The predecessor that finished last; None if there is none."""
    attempt: bool = False
    """It is an attempt that was thrown away, of the same step."""
    levels: tuple[_Level, ...] = ()
    """Between the two, from the inside out."""


class _Walk:
    def __init__(self, line: Timeline) -> None:
        self._line = line
        self._nodes = line.nodes
        self._begin = line.begin_ms
        self._at = line.end_ms
        """Back to where the time has been given away."""
        self._parts: list[Part] = []
        self._parents: dict[str, list[NodeSpan]] = {}
        for node in line.nodes.values():
            for child in node.children:
                if child in self._parents:
                    self._parents[child].append(node)
                else:
                    self._parents[child] = [node]
        self._leaves = [
            node
            for node in line.nodes.values()
            if node.type in LEAVES and node.started and node.phase not in NOT_RUN
        ]
        self._ends: dict[str, int] = {}
        self._inside_ends: dict[str, int] | None = None
        self._begins_and_ends: tuple[list[int], list[int]] | None = None

    def path(self) -> CriticalPath:
        node = self._last(self._leaves)
        seen: set[str] = set()
        after, before = "", _Before(node)
        while node is not None and node.id not in seen and self._end(node) > self._begin:
            seen.add(node.id)
            self._between(node, after, before)
            self._inside(node, thrown_away=before.attempt)
            after, before = node.id, self._before(node, seen)
            node = before.node
            if self._at <= self._begin:
                break
        self._start(after, before)
        self._parts.reverse()
        return CriticalPath(tuple(_joined(self._parts)))

    # -- giving time away, from its end

    def _give(self, cause: str, start: int, node: str = "", reason: str = "") -> None:
        start = max(start, self._begin)
        if start < self._at:
            self._parts.append(Part(cause, start, self._at, node, reason))
            self._at = start

    def _inside(self, node: NodeSpan, *, thrown_away: bool) -> None:
        """The time of the node itself."""
        start, end = max(ms(node.started), self._begin), self._at
        if start >= end:
            return
        if thrown_away:
            self._give("retry", start, node.id)
        elif node.type == "Suspend":
            self._give("approval", start, node.id)
        elif node.memoized:
            self._give(GAP, start, node.id)
        elif node.type == "Pod":
            for part in reversed(list(self._of_pod(node, start, end))):
                self._give(part.cause, part.start, node.id, part.reason)
        else:
            # The agent's pod serves all of them: HTTP and plugin calls are work.
            cause, until = self._held(node)
            self._give("main", max(start, until), node.id)
            self._give(cause, start, node.id)

    def _of_pod(self, node: NodeSpan, start: int, end: int) -> Iterator[Part]:
        cause, until = self._held(node)
        lives = self._line.pods.get(node.id, ())
        if not lives:
            until = min(max(start, until), end)
            yield Part(cause, start, until)
            yield Part(UNKNOWN, until, end)
            return
        first, life = lives[0].created * 1000, lives[-1]
        created = min(max(life.created * 1000, start), end)
        first = min(max(first, start), created)
        # Held back until its first pod could be made; that one, if it was not the last, was
        # deleted before it started.
        if not cause:
            cause = GAP if first - start <= _AT_ONCE else UNKNOWN
        yield Part(cause, start, first)
        yield Part("retry", first, created)
        for stage in stages(life, created, end):
            yield Part(stage.name, stage.start, stage.end, reason=stage.reason)

    def _held(self, node: NodeSpan) -> tuple[str, int]:
        """(cause, until) if the node was held back before it could begin; ("", 0) if not."""
        held = self._line.held.get(node.id)
        if held is None:
            return "", 0
        return held[0], ms(held[1]) if held[1] else self._at

    def _between(self, node: NodeSpan, after: str, before: _Before) -> None:
        """The time from the end of ``node`` to the start of what came after it."""
        end = self._end(node)
        if before.attempt:
            self._idle("backoff", end, after)
            return
        for virtual, _ in before.levels:
            cause, until = self._held(virtual)
            if cause and end <= ms(virtual.started) < self._at:
                self._idle(GAP, min(until, self._at), after)
                self._idle(cause, ms(virtual.started), after)
        since, until = self._no_slot(after, before, end)
        if since < until:
            self._idle(GAP, until, after)
            self._idle("queue", since, after)
        self._idle(GAP, end, after)

    def _idle(self, cause: str, start: int, node: str) -> None:
        """Nothing ran: while the whole workflow was suspended that was the reason."""
        for since, until in reversed(self._line.suspensions):
            low, high = max(ms(since), start), min(ms(until), self._at)
            if low < high:
                self._give(cause, high, node)
                self._give("approval", low, node)
        self._give(cause, start, node)

    def _start(self, after: str, before: _Before) -> None:
        """What is left lies before the first node of the path."""
        started = max(ms(self._line.started), self._begin)
        if self._line.started and not self._line.nodes_known:
            self._give(UNKNOWN, started)
        if self._line.started:
            top = NodeSpan("", "", "", "", "", 0.0, self._line.started)
            self._ends[""] = started
            self._between(top, after, before._replace(attempt=False))
        self._idle("lock" if self._line.waited else "queue", self._begin, "")

    def _no_slot(self, after: str, before: _Before, ready: int) -> tuple[int, int]:
        """(since, until) when a limit of parallelism held ``after`` back; (0, 0) if none did."""
        for virtual, child in before.levels:
            found = self._behind_siblings(virtual, child, ready)
            if found is not None:
                return found
        node = self._nodes.get(after)
        limit = self._line.parallelism
        if not limit or node is None or ms(node.started) <= ready:
            return 0, 0
        start = ms(node.started)
        if self._running_at(ready) < limit:
            return 0, 0
        running = sorted(self._end(n) for n in self._leaves if ms(n.started) <= ready)
        running = [end for end in running if end > ready]
        free = running[len(running) - limit]
        freed = [end for n in self._leaves if free <= (end := self._end(n)) <= start]
        return ready, min(max(freed, default=start), start)

    def _running_at(self, time: int) -> int:
        """How many leaves had begun and not ended; asked at every node of the path."""
        if self._begins_and_ends is None:
            begins = sorted(ms(leaf.started) for leaf in self._leaves)
            ends = sorted(max(self._end(leaf), ms(leaf.started)) for leaf in self._leaves)
            self._begins_and_ends = begins, ends
        begins, ends = self._begins_and_ends
        return bisect_right(begins, time) - bisect_right(ends, time)

    def _behind_siblings(
        self, virtual: NodeSpan, child: NodeSpan, ready: int
    ) -> tuple[int, int] | None:
        """Argo makes all that can start in one go. So what was made later than others that could
        start at the same time, and after some of them had ended, had waited for their place."""
        if virtual.type == "Retry" or child.type == "Skipped":
            return None
        start, since, until = ms(child.started), 0, 0
        for other in map(self._nodes.get, virtual.children):
            if other is None or other.hooked or other.id == child.id:
                continue
            began = ms(other.started)
            if ready <= began < start:
                since = min(since or began, began)
                end = self._end(other)
                if until < end <= start:
                    until = end
        return (since, until) if until else None

    # -- the graph

    def _last(self, nodes: list[NodeSpan]) -> NodeSpan | None:
        """The one that ended last; of several the one that began first: it took longest."""
        ended = [n for n in nodes if not n.daemoned and n.started] or nodes
        return max(ended, key=lambda n: (self._end(n), -n.started, n.id), default=None)

    def _end(self, node: NodeSpan) -> int:
        """When its work ended: its containers tell it better than the reconciliation."""
        known = self._ends.get(node.id)
        if known is None:
            known = self._ends[node.id] = self._find_end(node)
        return known

    def _find_end(self, node: NodeSpan) -> int:
        if node.type in LEAVES:
            end = self._finished(node)
            life = self._line.pod(node.id)
            if life is not None and life.times.main_end and not node.daemoned:
                of_pod = life.times.last_end * 1000
                return min(end, of_pod) if of_pod >= ms(node.started) else end
            return end
        if node.type in _TEMPLATES:
            return self._ends_inside().get(node.id, self._finished(node))
        return self._end_of_group(node)

    def _finished(self, node: NodeSpan) -> int:
        return min(ms(node.finished) or self._line.end_ms, self._line.end_ms)

    def _end_of_group(self, group: NodeSpan) -> int:
        """The last end of what is in it. Not by recursion: groups can lie in groups deeper than
        Python's stack, and anybody who may make a Workflow can write its status."""
        waiting = [group]
        while True:
            node = waiting[-1]
            children = [n for n in map(self._nodes.get, node.children) if n is not None]
            inside = [n for n in children if n.is_inside(node)]
            later = [n for n in inside if n.id not in self._ends and n.type not in _ENDS_ALONE]
            if later:
                waiting += later
                continue
            self._ends[node.id] = max(map(self._end, inside), default=self._finished(node))
            waiting.pop()
            if not waiting:
                return self._ends[group.id]

    def _ends_inside(self) -> dict[str, int]:
        """Id of each Steps and DAG node -> last end of the leaves in it."""
        found = self._inside_ends
        if found is None:
            found = self._inside_ends = {}
            for leaf in self._leaves:
                end, boundary, depth = self._end(leaf), leaf.boundary, 0
                while boundary and depth < _DEEPEST:
                    found[boundary] = max(found.get(boundary, 0), end)
                    outer = self._nodes.get(boundary)
                    boundary, depth = outer.boundary if outer else "", depth + 1
        return found

    def _before(self, node: NodeSpan, seen: set[str]) -> _Before:
        """The predecessor of ``node`` that finished last."""
        found: list[NodeSpan] = []
        levels: list[_Level] = []
        top = node
        queue, visited = [node], {node.id}
        while queue:
            here = queue.pop()
            for parent in self._parents.get(here.id, ()):
                if parent.id in visited:
                    continue
                visited.add(parent.id)
                if parent.type in LEAVES:
                    found.append(parent)
                    continue
                if here.hooked:
                    # It ran when what it belongs to had ended, or beside it.
                    return _Before(self._last(self._ended_before(here, seen, parent)))
                if parent.type == "Retry" and (attempt := self._attempt_before(parent, here)):
                    return _Before(attempt, attempt=True, levels=tuple(levels))
                levels.append(_Level(parent, here))
                queue.append(parent)
                top = parent
        last = self._last([n for n in found if n.id not in seen])
        if last is None and not found and top.name != self._line.name:
            last = self._last(self._ended_before(top, seen, None))
        return _Before(last, levels=tuple(levels))

    def _attempt_before(self, retry: NodeSpan, attempt: NodeSpan) -> NodeSpan | None:
        """The attempt of a Retry node before this one."""
        attempts = [
            n for n in map(self._nodes.get, retry.children) if n is not None and not n.hooked
        ]
        earlier = [n for n in attempts if n.id != attempt.id and n.started < attempt.started]
        return max(earlier, key=lambda n: n.started, default=None)

    def _ended_before(
        self, top: NodeSpan, seen: set[str], inside: NodeSpan | None
    ) -> list[NodeSpan]:
        """For exit handlers and hooks, which nothing leads to: all that had ended by then."""
        start = ms(top.started)
        return [
            n
            for n in self._leaves
            if n.id not in seen
            and self._end(n) <= start
            and not n.is_inside(top)
            and (inside is None or n.is_inside(inside))
        ]


def _joined(parts: list[Part]) -> Iterator[Part]:
    """Neighbours of one cause, node and reason are one."""
    last: Part | None = None
    for part in parts:
        if last is None:
            last = part
        elif (last.cause, last.node, last.reason) == (part.cause, part.node, part.reason):
            last = last._replace(end=part.end)
        else:
            yield last
            last = part
    if last is not None:
        yield last
