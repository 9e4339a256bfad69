"""Rows of the page's timeline: a step each, with the stretches of its time."""

from collections.abc import Iterator

import msgspec

from argoscope.explain.runs import ExplainedRun
from argoscope.explain.steps import step_name
from argoscope.resources._pod_life import stages
from argoscope.resources.workflow.timeline import NodeSpan, ms

_GROUPS = frozenset({"Steps", "DAG", "Retry"})
_PASSED_OVER = frozenset({"StepGroup", "TaskGroup", "Container"})
_DEEPEST = 100


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds are after the beginning of the run."""

    name: str
    template: str
    type: str
    phase: str
    message: str
    depth: int
    machine: str
    """Kubernetes node of its pod."""
    pulls: list[str]
    start: float
    end: float
    parts: list[tuple[str, float, float, str]]
    """(cause, start, length, reason); of a group none."""
    critical: bool
    """It lies on the critical path."""


def path_rows(run: ExplainedRun) -> list[Row]:
    """The critical path: neighbours of one step are a row."""
    found: list[tuple[str, list[tuple[str, float, float, str]]]] = []
    begin = run.line.begin_ms
    for part in run.path.parts:
        drawn = (part.cause, (part.start - begin) / 1000, (part.end - part.start) / 1000)
        if found and found[-1][0] == part.node:
            found[-1][1].append((*drawn, part.reason))
        else:
            found.append((part.node, [(*drawn, part.reason)]))
    return [_row(run, node, parts, 0, critical=True) for node, parts in found]


def all_rows(run: ExplainedRun) -> list[Row]:
    """All steps, those inside a template below it."""
    inside: dict[str, list[NodeSpan]] = {}
    nodes = run.line.nodes
    for node in nodes.values():
        if node.started and node.type not in _PASSED_OVER:
            inside.setdefault(_outer(run, node), []).append(node)
    critical = set(run.path.nodes())
    rows: list[Row] = []
    # Not by recursion: templates nest deeper than Python's stack would bear with one of us.
    waiting = [(node, 0) for node in sorted(inside.get("", []), key=_order, reverse=True)]
    while waiting:
        node, depth = waiting.pop()
        parts = [] if node.type in _GROUPS else list(_stretches(run, node))
        rows.append(_row(run, node.id, parts, depth, critical=node.id in critical))
        children = inside.pop(node.id, [])
        waiting += [(n, depth + 1) for n in sorted(children, key=_order, reverse=True)]
    return rows


def _order(node: NodeSpan) -> tuple[float, int, str]:
    return node.started, len(node.name), node.name  # so that item 10 comes after item 9


def _outer(run: ExplainedRun, node: NodeSpan) -> str:
    """Id of the row that this one is below: its template, or the Retry node that it is in."""
    outer = node.boundary if node.boundary in run.line.nodes else ""
    at = node.name.rfind("(")
    if at > 0 and (retry := run.retry_of(node.name[:at])) and retry != node.id:
        return retry
    return outer if outer != node.id else ""


def _stretches(run: ExplainedRun, node: NodeSpan) -> Iterator[tuple[str, float, float, str]]:
    begin = run.line.begin_ms
    start, end = ms(node.started), ms(node.finished) or run.line.end_ms
    lives = run.line.pods.get(node.id, ())
    if node.type != "Pod" or not lives:
        cause = {"Suspend": "approval", "Pod": "unknown"}.get(node.type, "main")
        yield cause, (start - begin) / 1000, max(0, end - start) / 1000, ""
        return
    life = lives[-1]
    created = min(max(life.created * 1000, start), end)
    if start < created:
        yield "gap", (start - begin) / 1000, (created - start) / 1000, ""
    for stage in stages(life, created, max(created, end)):
        length = (stage.end - stage.start) / 1000
        yield stage.name, (stage.start - begin) / 1000, length, stage.reason


def _row(
    run: ExplainedRun,
    node_id: str,
    parts: list[tuple[str, float, float, str]],
    depth: int,
    *,
    critical: bool,
) -> Row:
    node = run.line.nodes.get(node_id)
    begin = run.line.begin
    pods = run.pods.get(node_id, ())
    if parts:
        start, end = parts[0][1], parts[-1][1] + parts[-1][2]
    else:
        start = node.started - begin if node else 0.0
        end = (node.finished or run.line.finished) - begin if node else 0.0
    edge = "before the first step" if start == 0 else "after the last step"
    return Row(
        name=step_name(run.line, node_id) if node else edge,
        template=node.template if node else "",
        type=node.type if node else "",
        phase=node.phase if node else "",
        message=node.message[:500] if node else "",
        depth=min(depth, _DEEPEST),
        machine=pods[-1].node if pods else "",
        pulls=[f"{pull.image} {pull.seconds:.1f} s" for pull in pods[-1].pulls] if pods else [],
        start=round(start, 3),
        end=round(max(start, end), 3),
        parts=parts,
        critical=critical,
    )
