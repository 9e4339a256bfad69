"""What is kept in memory of one Workflow object."""

from array import array

import msgspec

from argoscope.resources.world import Run

REPLACED = -1
"""In place of the number of nodes: some of those that were counted may be gone."""


class Record(msgspec.Struct, gc=False):
    """What is kept of one Workflow object. Times are Unix seconds, 0 for none."""

    run: Run
    scope: tuple[str, str]
    done: "array[int]"
    counted: float = 0.0
    """finishedAt of the last run attempt that was counted or is history."""
    since: float = 0.0
    """Nodes that started before belong to attempts that were counted."""
    nodes: int = 0
    """How many there were when they were last looked through."""
    pending_seen: bool = False
    suspended_since: float = 0.0
    waiting: dict[str, float] | None = None
    """Node id -> since when it waits for a lock."""
    waited: bool = False
    """The workflow as a whole was seen waiting for a lock."""
    was_locked: bool = False
    """It waited for one before its first attempt started."""
    held: dict[str, tuple[str, float]] | None = None
    """Node id -> (lock or queue, until when): as ``timeline.Timeline.held``."""
    suspensions: tuple[tuple[float, float], ...] = ()
    """(since, until) of this attempt, as far as they have ended."""
    resumed: int = 0
    """Suspend nodes that were resumed by somebody, counted."""
    offloaded: bool = False
    traced: str = ""
    """Trace id of the attempt that was traced last; empty for none."""
    next_inflate: float = 0.0
