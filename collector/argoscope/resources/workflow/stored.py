"""Workflows as the ledger keeps them: live objects' records, and run attempts that ended."""

import sys
from array import array
from sys import intern

import msgspec

from argoscope.resources._base import RunRecord
from argoscope.resources._records import Codec
from argoscope.resources._time import unix
from argoscope.resources.workflow.actions import LABEL_ACTION
from argoscope.resources.workflow.nodes import finished_attempts, retry_children, retry_index
from argoscope.resources.workflow.objects import Node, Workflow
from argoscope.resources.workflow.record import REPLACED, Record
from argoscope.resources.world import Run

LABEL_ACTOR = "workflows.argoproj.io/actor"

_BY_USER, _PENDING_SEEN, _WAITED, _OFFLOADED, _DISPLACED, _LOCKED = (1 << bit for bit in range(6))


class Stored(msgspec.Struct, array_like=True, gc=False):
    """A ``Record`` and its ``Run``, field by field; see there."""

    namespace: str
    name: str
    pipeline: str
    cron: str
    entrypoint: str
    phase: str
    shutdown: str
    template: str
    scope: str
    scheduled: float
    created: float
    started: float
    finished: float
    counted: float
    since: float
    suspended_since: float
    resumed: int
    flags: int
    done: bytes
    """Little-endian 64-bit integers."""
    waiting: dict[str, float] | None
    held: dict[str, tuple[str, float]] | None = None
    suspensions: tuple[tuple[float, float], ...] = ()
    traced: str = ""


CODEC: Codec[Stored] = Codec(1, Stored)


def pack(record: Record, *, displaced: bool) -> Stored:
    """``displaced``: another object of the name came before this one's deletion was seen."""
    run = record.run
    flags = (
        run.by_user * _BY_USER
        | record.pending_seen * _PENDING_SEEN
        | record.waited * _WAITED
        | record.offloaded * _OFFLOADED
        | displaced * _DISPLACED
        | record.was_locked * _LOCKED
    )
    return Stored(
        namespace=run.namespace,
        name=run.name,
        pipeline=run.pipeline,
        cron=run.cron,
        entrypoint=run.entrypoint,
        phase=run.phase,
        shutdown=run.shutdown,
        template=record.scope[0],
        scope=record.scope[1],
        scheduled=run.scheduled,
        created=run.created,
        started=run.started,
        finished=run.finished,
        counted=record.counted,
        since=record.since,
        suspended_since=record.suspended_since,
        resumed=record.resumed,
        flags=flags,
        done=_ordered(record.done).tobytes(),
        waiting=record.waiting,
        held=record.held,
        suspensions=record.suspensions,
        traced=record.traced,
    )


def unpack(uid: str, stored: Stored) -> tuple[Record, bool]:
    """The record again, and whether it was displaced."""
    flags = stored.flags
    run = Run(
        namespace=intern(stored.namespace),
        name=stored.name,
        uid=uid,
        pipeline=intern(stored.pipeline),
        cron=intern(stored.cron),
        scheduled=stored.scheduled,
        phase=intern(stored.phase),
        created=stored.created,
        started=stored.started,
        finished=stored.finished,
        shutdown=intern(stored.shutdown),
        by_user=bool(flags & _BY_USER),
        entrypoint=intern(stored.entrypoint),
        counted=stored.counted,
    )
    done = array("Q")
    done.frombytes(stored.done)
    record = Record(
        run=run,
        scope=(intern(stored.template), intern(stored.scope)),
        done=_ordered(done),
        counted=stored.counted,
        since=stored.since,
        nodes=REPLACED,
        pending_seen=bool(flags & _PENDING_SEEN),
        suspended_since=stored.suspended_since,
        waiting=stored.waiting,
        waited=bool(flags & _WAITED),
        was_locked=bool(flags & _LOCKED),
        held=stored.held,
        suspensions=stored.suspensions,
        resumed=stored.resumed,
        offloaded=bool(flags & _OFFLOADED),
        traced=stored.traced,
    )
    return record, bool(flags & _DISPLACED)


def _ordered(done: "array[int]") -> "array[int]":
    """From the machine's byte order to little-endian, or back."""
    if sys.byteorder == "big":
        done = array("Q", done)
        done.byteswap()
    return done


def run_record(
    workflow: Workflow, record: Record, nodes: dict[str, Node], cause: str, *, counted: bool
) -> RunRecord:
    """The attempt of the run that has just ended; of its nodes those that it ran itself."""
    run, labels = record.run, workflow.metadata.labels or {}
    ran = finished_attempts(nodes, True)
    if record.since:
        ran = [node for node in ran if unix(node.started_at) >= record.since]
    retried = retry_children(nodes)
    return RunRecord(
        uid=run.uid,
        namespace=run.namespace,
        pipeline=run.pipeline,
        name=run.name,
        cron=run.cron,
        phase=run.phase,
        cause=cause,
        created=run.created,
        started=run.started,
        finished=record.counted,
        retries=sum(1 for node in ran if retry_index(node, retried)),
        resources=_resources(ran),
        actor=labels.get(LABEL_ACTOR, ""),
        action=labels.get(LABEL_ACTION, ""),
        counted=counted,
    )


def _resources(nodes: list[Node]) -> dict[str, float]:
    total: dict[str, float] = {}
    for node in nodes:
        if node.type == "Pod":  # Argo gives every other node the sum of all that came after it
            for resource, seconds in (node.resources_duration or {}).items():
                if seconds > 0:
                    total[resource] = total.get(resource, 0.0) + seconds
    return total
