"""Which nodes of a run have spans when there are too many for one trace.

Backends refuse traces over a size (Tempo: 5 MB by default), and nobody reads 30,000 spans. First
stages of pods give way, then nodes: those that lasted least first, and last of all those on the
critical path and those that failed. A node's parents stay with it.
"""

from typing import NamedTuple

MAX_SPANS = 10_000
"""Spans of one trace."""
MAX_BYTES = 4_500_000
"""Of OTLP in one trace: room for what Tempo, which refuses 5 MB, keeps around spans."""


class Weight(NamedTuple):
    """What a node is worth."""

    id: str
    telling: bool
    """It is on the critical path, or failed."""
    length: int
    """Milliseconds."""
    parts: int
    """Spans in it that are no nodes."""


def choose(weights: list[Weight], parents: dict[str, str], room: int) -> tuple[set[str], set[str]]:
    """(ids of the nodes that have a span, of those that have spans of their parts too); in all at
    most ``room`` spans. ``parents``: node id -> id of the node that it is in."""
    order = sorted(weights, key=lambda weight: (not weight.telling, -weight.length, weight.id))
    kept: set[str] = set()
    for weight in order:
        chain = []
        at: str | None = weight.id
        while at is not None and at not in kept:
            chain.append(at)
            at = parents.get(at)
        if len(kept) + len(chain) <= room:
            kept.update(chain)
    left, whole = room - len(kept), set()
    for weight in order:
        if weight.id in kept and weight.parts <= left:
            whole.add(weight.id)
            left -= weight.parts
    return kept, whole
