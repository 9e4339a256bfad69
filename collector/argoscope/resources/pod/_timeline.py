"""The times of one pod, kept while it lives, and the stages they make.

All times are the status's own (a kubelet may report a container long after it ended):

    created -> scheduled          schedule
            -> first start        prepare (sandbox, volumes), less the pulls in it
            -> init finished      init: first start to last finish of the init containers,
                                  less the pulls in between
            -> main started       prepare again (a loaded kubelet takes long here), less the pulls
            -> main finished      main: first start to last finish over restarts
            -> wait finished      wait: artifact upload, what the executor's container lasts
                                  beyond main; named supervisor where it runs without init

``pull`` is the union of the image pulls, in the time before main started, that events told of in
time; a pod whose images were all present has no pull sample. The stages of a finished pod do not
overlap and add up to the time from creation to the last finish of main and wait. A stage with an
end that nobody wrote down (deadline, eviction, forced deletion) is left out, not guessed.

``main`` is the container of that name, or, in pods without one, all but ``wait``. A container
that could not be started has 1970 as its start: that is none.
"""

import sys
from zlib import crc32

import msgspec

from argoscope.resources._base import Seen
from argoscope.resources._pod_life import PodLife, PodTimes, pod_life
from argoscope.resources._reasons import disruption_cause, is_image, pod_cause
from argoscope.resources._time import unix
from argoscope.resources.pod._object import Condition, ContainerStatus, Pod, PodStatus
from argoscope.resources.world import PodEvent

_EXECUTORS = ("wait", "supervisor")
_HEARD = 16
_SKEW = 2.0  # seconds: one-second resolution, and the clocks of API server and node differ


class Episode(msgspec.Struct, gc=False, array_like=True):
    """A time of waiting that has not ended."""

    reason: str
    since: float
    changed: float
    """When ``reason`` became the current one."""
    spent: dict[str, float] | None = None
    """Seconds under earlier reasons of the same trouble."""
    pool: str = ""
    """The node pool that it waits in, "" where nothing tells."""


class Record(msgspec.Struct, gc=False, array_like=True, tag=0):
    """What is kept of a live pod. Times: Unix seconds, 0 for none.

    The ledger keeps it as it is, by position: see ``_stored``.
    """

    namespace: str
    name: str
    workflow: str
    template: str
    pipeline: str | None = None
    """None until the pod's Workflow is known."""
    phase: str = ""
    cause: str = ""
    """Failure cause that only the pod knows."""
    hint: str = ""
    """What events say about a container that is being created."""
    created: float = 0.0
    scheduled: float = 0.0
    init_start: float = 0.0
    init_end: float = 0.0
    main_start: float = 0.0
    main_end: float = 0.0
    wait_end: float = 0.0
    last_end: float = 0.0
    episode: Episode | None = None
    pulls: tuple[tuple[float, float], ...] = ()
    flags: int = 0
    heard: bytes = b""
    """Four bytes for each of the latest events that were applied: after a restart all events of
    the last hour are told again."""
    schedule_reason: str = ""
    """Why it waited for a node, longest; empty if that was no trouble."""
    startup_reason: str = ""
    """What its containers waited for, longest; empty if that was no trouble."""


SUPERVISED = 1
"""The executor's container is ``supervisor``."""
INIT_RUNS = 2
"""An init container ran when last seen."""
STARTUP_COUNTED = 4
COUNTED = 8
MAIN_RUNS = 16
"""Main ran when last seen, and how that run ended has not been seen."""


def intern(record: Record) -> None:
    """A record that was decoded shares the strings that thousands have in common."""
    record.namespace = sys.intern(record.namespace)
    record.workflow = sys.intern(record.workflow)
    record.template = sys.intern(record.template)
    record.phase = sys.intern(record.phase)
    record.schedule_reason = sys.intern(record.schedule_reason)
    record.startup_reason = sys.intern(record.startup_reason)
    if record.pipeline is not None:
        record.pipeline = sys.intern(record.pipeline)


def absorb(record: Record, pod: Pod) -> Condition | None:
    """Merge a status into the record. Returns the PodScheduled condition if it is False."""
    status = pod.status
    unscheduled = None
    for condition in status.conditions or ():
        if condition.type == "PodScheduled":
            if condition.status == "True":
                record.scheduled = record.scheduled or unix(condition.last_transition_time)
            elif not record.scheduled:
                unscheduled = condition
        elif condition.type == "DisruptionTarget" and condition.status == "True":
            record.cause = disruption_cause(condition.reason)
    if status.reason:
        record.cause = pod_cause(status.reason) or record.cause
    if status.init_container_statuses:
        _absorb_init(record, status.init_container_statuses)
    if status.container_statuses:
        _absorb_main(record, status.container_statuses)
        if record.cause == "deadline" and not record.main_start:
            # That a deadline passed says less than what main still waits for.
            record.cause = _image_trouble(status.container_statuses) or record.cause
    return unscheduled


def _image_trouble(statuses: list[ContainerStatus]) -> str:
    waits = (c.state.waiting for c in statuses if c.state is not None and c.name == "main")
    return "image" if any(w is not None and is_image(w.reason or "") for w in waits) else ""


def counted_before(record: Record, pod: Pod, seen: Seen) -> int:
    """The flags of what is history of a pod that is seen for the first time."""
    ended = pod.status.phase in ("Succeeded", "Failed")
    # An eviction takes the times away: of such a pod only the creation is known for sure.
    if ended and seen.is_history(max(record.last_end, record.created)):
        return COUNTED | STARTUP_COUNTED
    if not seen.inherited or record.workflow or pod.status.phase == "Pending":
        return 0
    # A container that was restarted, or is being removed, does not tell when it first started.
    restarted = any(
        container.last_state and container.last_state.terminated
        for container in pod.status.container_statuses or ()
    )
    started = (0.0 if restarted else record.main_start) or record.created
    return STARTUP_COUNTED if seen.is_history(started) else 0


def _absorb_init(record: Record, statuses: list[ContainerStatus]) -> None:
    runs = False
    for container in statuses:
        start, end, running = _times(record, container)
        if start and (not record.init_start or start < record.init_start):
            record.init_start = start
        if end > record.init_end:
            record.init_end = end
        runs = runs or running
    record.flags = record.flags | INIT_RUNS if runs else record.flags & ~INIT_RUNS


def _absorb_main(record: Record, statuses: list[ContainerStatus]) -> None:
    named = any(container.name == "main" for container in statuses)
    for container in statuses:
        start, end, running = _times(record, container)
        name = container.name
        if name in _EXECUTORS and (named or record.workflow):
            if end > record.wait_end:
                record.wait_end = end
            if name == "supervisor":
                record.flags |= SUPERVISED
        elif name == "main" or not named:
            if start and (not record.main_start or start < record.main_start):
                record.main_start = start
            if running:
                record.flags |= MAIN_RUNS
            if end > record.main_end:
                record.main_end = end
                record.flags &= ~MAIN_RUNS


def _times(record: Record, container: ContainerStatus) -> tuple[float, float, bool]:
    """(first start, last finish if it has finished, whether it runs) of what a status shows."""
    start = end = 0.0
    state, last = container.state, container.last_state
    running = state.running if state else None
    if running:
        start = unix(running.started_at)
    ended = state.terminated if state else None
    if ended:
        start, end = unix(ended.started_at), unix(ended.finished_at)
        if ended.reason == "OOMKilled":
            record.cause = record.cause or "oom"
    if last and last.terminated:
        before = last.terminated
        start = unix(before.started_at) or start
        # While it waits for its next start, the finish of the last one is the best known.
        end = end or (0.0 if running else unix(before.finished_at))
        if before.reason == "OOMKilled":
            record.cause = record.cause or "oom"
    if end > record.last_end:
        record.last_end = end
    return start, end if start else 0.0, running is not None


def startup_stages(record: Record) -> list[tuple[str, float]]:
    """(stage, seconds) of the stages before main, as far as both their ends are known."""
    stages = []
    scheduled, init_start, main_start = record.scheduled, record.init_start, record.main_start
    # A native sidecar is an init container that goes on beside main.
    init_end = min(record.init_end, main_start) if main_start else record.init_end
    if init_start - _SKEW <= init_end < init_start:
        init_end = init_start  # a finish one second before its start does occur
    init_done = bool(init_start and init_end) and (main_start > 0 or not record.flags & INIT_RUNS)
    if record.created and scheduled:
        stages.append(("schedule", scheduled - record.created))
    first = min(init_start or main_start, main_start or init_start)
    pulls_init = 0.0
    horizon = first
    if init_done or not init_start:
        horizon = main_start or init_end
    pulls = _pulled(record.pulls, scheduled, horizon)
    if init_done:
        pulls_init = _pulled(record.pulls, init_start, init_end)
        stages.append(("init", init_end - init_start - pulls_init))
    if scheduled and first:
        prepare = first - scheduled - (pulls - pulls_init)
        if init_done and main_start:
            prepare += main_start - init_end
        stages.append(("prepare", prepare))
        if record.pulls:
            stages.append(("pull", pulls))
    return stages


def running_stages(record: Record) -> list[tuple[str, float]]:
    """(stage, seconds) of main and what comes after it."""
    if not record.main_start or not record.main_end or record.flags & MAIN_RUNS:
        return []
    stages = [("main", record.main_end - record.main_start)]
    if record.wait_end:
        name = "supervisor" if record.flags & SUPERVISED else "wait"
        # Killed sidecars and lost artifacts: the executor may end before main does.
        stages.append((name, max(0.0, record.wait_end - record.main_end)))
    return stages


def stages(record: Record) -> list[tuple[str, float]]:
    """(stage, seconds) of all that is known of the pod's life."""
    return startup_stages(record) + running_stages(record)


def life(record: Record) -> PodLife:
    """What is kept of the pod until its run ends."""
    times = PodTimes(
        created=int(record.created),
        scheduled=int(record.scheduled),
        init_start=int(record.init_start),
        init_end=0 if record.flags & INIT_RUNS else int(record.init_end),
        main_start=int(record.main_start),
        main_end=0 if record.flags & MAIN_RUNS else int(record.main_end),
        wait_end=int(record.wait_end),
        last_end=int(record.last_end),
    )
    return pod_life(
        times,
        record.pulls,
        schedule_reason=record.schedule_reason,
        startup_reason=record.startup_reason,
    )


def plausible(seconds: float) -> float | None:
    """A duration with the skew of clocks taken out; None when the times contradict each other."""
    if seconds >= 0.0:
        return seconds
    return 0.0 if seconds >= -_SKEW else None


def hear(record: Record, event: PodEvent) -> bool:
    """Whether the event is news; it is none the second time."""
    told = f"{event.reason} {event.at} {event.pull_seconds} {event.pull_error}"
    code = crc32(told.encode()).to_bytes(4, "little")
    heard = record.heard
    if any(heard[place : place + 4] == code for place in range(0, len(heard), 4)):
        return False
    record.heard = (heard + code)[-4 * _HEARD :]
    return True


def add_pull(record: Record, start: float, end: float) -> None:
    """Note an image pull; the union, since containers can pull side by side and events repeat."""
    merged: list[tuple[float, float]] = []
    for low, high in sorted((*record.pulls, (start, end))):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    record.pulls = tuple(merged)


def _pulled(pulls: tuple[tuple[float, float], ...], low: float, high: float) -> float:
    return sum(max(0.0, min(high, end) - max(low, start)) for start, end in pulls)


def initialized(status: PodStatus) -> bool:
    """All init containers have succeeded."""
    return any(
        condition.type == "Initialized" and condition.status == "True"
        for condition in status.conditions or ()
    )


def ready(status: PodStatus) -> bool:
    return any(
        condition.type == "Ready" and condition.status == "True"
        for condition in status.conditions or ()
    )
