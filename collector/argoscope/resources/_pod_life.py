"""The life of a workflow's pod, small enough to be kept until its run ends, and its stages.

podGC deletes pods long before that. So of each pod that has ended 150 bytes stay: the times of its
status in whole seconds, as Kubernetes writes them, and why it waited.
"""

import struct
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

import msgspec

SCHEDULE, PREPARE, PULL, INIT, MAIN, WAIT = "schedule", "prepare", "pull", "init", "main", "wait"
GAP = "gap"
UNKNOWN = "unknown"

_TIMES = Struct("<8I")
_PULL = Struct("<qI")  # milliseconds: start in Unix time, length
_MOST_PULLS = 8


class PodTimes(NamedTuple):
    """Unix seconds, 0 for what is not known."""

    created: int
    scheduled: int = 0
    init_start: int = 0
    init_end: int = 0
    main_start: int = 0
    main_end: int = 0
    """0 too when main was last seen running: a deadline or an eviction writes no end."""
    wait_end: int = 0
    last_end: int = 0
    """Of all containers: sidecars can end last."""


class PodLife(msgspec.Struct, gc=False, frozen=True, array_like=True):
    """What is kept of a pod that has ended. The ledger keeps it as it is, by position."""

    packed: bytes
    schedule_reason: str = ""
    """Why it waited for a node, of ``_reasons.ADVICE``; empty if it was no trouble."""
    startup_reason: str = ""
    """What its containers waited for, of ``_reasons.ADVICE``; empty if it was no trouble."""

    @property
    def times(self) -> PodTimes:
        return PodTimes._make(_TIMES.unpack_from(self.packed))

    @property
    def created(self) -> int:
        found: int = _TIMES.unpack_from(self.packed)[0]
        return found

    @property
    def pulls(self) -> tuple[tuple[int, int], ...]:
        """(start, end) of image pulls before main started: Unix milliseconds, in order."""
        found = _PULL.iter_unpack(self.packed[_TIMES.size :])
        return tuple((start, start + length) for start, length in found)


def pod_life(
    times: PodTimes,
    pulls: tuple[tuple[float, float], ...] = (),
    *,
    schedule_reason: str = "",
    startup_reason: str = "",
) -> PodLife:
    """``pulls`` in Unix seconds, without overlaps."""
    try:
        packed = _TIMES.pack(*times)
    except struct.error:  # a time before 1970 or after 2106
        packed = _TIMES.pack(*(min(max(0, time), 0xFFFFFFFF) for time in times))
    for start, end in pulls[:_MOST_PULLS]:
        begin = round(start * 1000)
        packed += _PULL.pack(begin, min(max(0, round(end * 1000) - begin), 0xFFFFFFFF))
    return PodLife(packed, schedule_reason, startup_reason)


class Stage(NamedTuple):
    """A part of a pod's life. Unix milliseconds."""

    name: str
    start: int
    end: int
    reason: str = ""
    """Of schedule, prepare and pull, where it was trouble: as in argo_pods_pending."""


def stages(life: PodLife, begin: int, end: int) -> Iterator[Stage]:
    """The stages between two times (Unix milliseconds), without a hole: they add up to the whole.

    What can't be told is ``unknown``; what comes after the last container's end is ``gap``, since
    only Argo can be late then.
    """
    at = begin
    for stage, until, reason in _ends(life):
        to = end if until is None else min(until * 1000, end)
        if to <= at:
            continue
        if stage in (PREPARE, INIT, PULL):
            yield from _with_pulls(stage, at, to, reason, life.pulls)
        else:
            yield Stage(stage, at, to, reason)
        at = to
    if at < end:
        yield Stage(GAP, at, end)


def _ends(life: PodLife) -> Iterator[tuple[str, int | None, str]]:
    """(stage, when it ended, reason), in order; None for the end of all."""
    t = life.times
    image = "image" in life.startup_reason.lower() or life.startup_reason.startswith("ErrImage")
    stuck = PULL if image else PREPARE
    first = min(t.init_start or t.main_start, t.main_start or t.init_start)
    if t.scheduled:
        yield SCHEDULE, t.scheduled, life.schedule_reason
    elif not first:
        # Neither is known of a pod that was evicted before it was seen.
        yield (SCHEDULE if life.schedule_reason else UNKNOWN), None, life.schedule_reason
        return
    else:
        yield UNKNOWN, first, ""
    if not first:
        yield stuck, None, life.startup_reason
        return
    # A pull that went wrong for a while is told by events; without them by the pod's waiting.
    yield PREPARE, first, life.startup_reason
    init_end = min(t.init_end, t.main_start) if t.main_start else t.init_end
    if t.init_start:
        yield INIT, (init_end or t.main_start or None), ""
        if not init_end and not t.main_start:
            return
    if not t.main_start:
        if life.startup_reason:
            yield stuck, None, life.startup_reason
        return
    yield PREPARE, t.main_start, life.startup_reason
    yield MAIN, (t.main_end or None), ""
    if t.main_end:
        yield WAIT, max(t.wait_end, t.last_end), ""


def _with_pulls(
    stage: str, at: int, to: int, reason: str, pulls: tuple[tuple[int, int], ...]
) -> Iterator[Stage]:
    for low, high in pulls:
        start, end = max(low, at), min(high, to)
        if start >= end:
            continue
        if at < start:
            yield Stage(stage, at, start, reason)
        yield Stage(PULL, start, end, reason)
        at = end
    if at < to:
        yield Stage(stage, at, to, reason)
