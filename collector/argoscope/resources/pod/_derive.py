"""From pods to stages, pending episodes and ends.

A pod (uid) counts its stages once: when its phase is terminal or it is deleted, and the start-up
of pods that belong to no workflow (rollouts live for weeks) as soon as they are ready. What a
deadline or an eviction wipes out of the status has been kept. A pod whose deletion was not seen
counts what was known of it.

Pods of the first list: those that had ended are history. An episode or a pod that was live then
counts when it ends: nobody has counted it before, but for the start-up that an earlier daemon saw.
"""

import sys
from collections.abc import Iterable, Iterator

from argoscope.resources import _reasons
from argoscope.resources._base import Options, PastRun, Seen, Sink
from argoscope.resources._time import unix
from argoscope.resources.pod import _joins, _metrics, _object, _pending, _timeline
from argoscope.resources.pod._census import Census
from argoscope.resources.pod._joins import EarlyEvents, End, Joins
from argoscope.resources.pod._metrics import PODS, RESTARTS
from argoscope.resources.pod._object import Pod
from argoscope.resources.pod._pool import pool_of
from argoscope.resources.pod._stored import Counted, Keeper
from argoscope.resources.pod._timeline import Record
from argoscope.resources.pod._waits import Waits
from argoscope.resources.world import Key, PodEnd, PodEvent, Run, World

_TERMINAL = ("Succeeded", "Failed")
_FUTURE = 3600.0
"""Seconds that a node's clock may be ahead of ours."""


class PodDeriver:
    def __init__(self, world: World, sink: Sink, options: Options) -> None:
        del options  # the pipeline's name is the workflow's business
        self._world = world
        self._sink = sink
        self._records: dict[str, Record | Counted] = {}
        self._counted: dict[Counted, Counted] = {}
        self._unresolved: dict[Key, dict[str, Record]] = {}
        self._joins = Joins(world, sink)
        self._keeper = Keeper(world, sink, self._joins)
        self._journal = self._keeper.journal
        self._census = Census(sink)
        self._waits = Waits(sink, self._census, self._joins)
        self._early = EarlyEvents()
        world.on_run(self._run_changed)
        world.on_pod_event(self._pod_event)

    # -- deltas

    def upsert(self, obj: Pod, seen: Seen) -> None:
        self._joins.now = seen.at
        uid = obj.metadata.uid
        record = self._records.get(uid)
        if type(record) is Counted:
            return
        if first := record is None:
            seen = self._journal.met(uid, seen)
            record = self._add(obj)
        assert isinstance(record, Record)
        self._journal.changed.add(uid)
        counted = record.flags & _timeline.COUNTED
        if first and seen.history_until:
            _timeline.absorb(record, obj)
            record.flags |= _timeline.counted_before(record, obj, seen)
        told = dict(_timeline.stages(record)) if counted else {}
        self._update(record, obj, seen.at)
        if record.phase in _TERMINAL and not counted:
            self._finish(uid, record, obj, seen.at)
        elif counted:
            # A busy kubelet may report an eviction first and what ran until then afterwards.
            late = [stage for stage in _timeline.stages(record) if stage[0] not in told]
            self._count_stages(record, late)

    def delete(self, uid: str, obj: Pod | None, seen: Seen) -> None:
        self._joins.now = seen.at
        record = self._records.get(uid)
        if record is None:
            self._journal.missed(uid)
            if obj is None:
                return
            record = self._add(obj)
        self._journal.changed.add(uid)
        if isinstance(record, Record):
            if not record.flags & _timeline.COUNTED:
                if obj is not None:
                    self._update(record, obj, seen.at)
                self._finish(uid, record, obj, seen.at, deleted=True)
            elif obj is not None and (not record.last_end or record.flags & _timeline.MAIN_RUNS):
                # Evicted: its containers' times are gone, the deletion is all that is left.
                self._publish_end(record, unix(obj.metadata.deletion_timestamp))
            self._forget(uid, record)
        self._records.pop(uid, None)
        self._census.add(PODS, (record.namespace, record.phase), -1)

    def tick(self, now: float) -> None:
        self._joins.tick(now)
        self._census.publish()

    # -- the ledger

    def changes(self) -> Iterator[tuple[str, bytes | None]]:
        return self._keeper.changes(self._records)

    def restore(self, records: Iterable[tuple[str, bytes]]) -> None:
        for uid, record in self._keeper.restore(records):
            self._records[uid] = record
            if isinstance(record, Counted):
                self._records[uid] = self._counted.setdefault(record, record)
            else:
                self._restore_live(uid, record)
            self._census.add(PODS, (record.namespace, record.phase), 1)

    def _restore_live(self, uid: str, record: Record) -> None:
        _timeline.intern(record)
        if record.pipeline is None:
            self._unresolved.setdefault((record.namespace, record.workflow), {})[uid] = record
        if record.episode:
            self._waits.show(record, record.episode, 1)

    def recall(self, runs: Iterable[PastRun]) -> None:
        """Not needed: the counters have all."""

    def finish(self) -> None:
        """The input has ended: what waits for a workflow takes the workflow's name."""
        self._joins.finish()
        for key in list(self._unresolved):
            self._resolve_all(key, key[1])
        self._census.publish()

    # -- one pod

    def _add(self, obj: Pod) -> Record:
        meta = obj.metadata
        labels = meta.labels
        workflow = labels.workflow if labels else ""
        record = Record(
            namespace=sys.intern(meta.namespace),
            name=meta.name,
            workflow=sys.intern(workflow),
            template=sys.intern(_object.template(obj)),
            created=unix(meta.creation_timestamp),
        )
        self._records[meta.uid] = record
        if not workflow:
            record.pipeline = sys.intern(_object.pipeline_of_owner(obj))
        elif run := self._world.runs.get((meta.namespace, workflow)):
            self._resolve(record, run.pipeline)
        else:
            self._unresolved.setdefault((record.namespace, record.workflow), {})[meta.uid] = record
        # Made again under the same node: how the pod before it ended holds no longer.
        node = _object.node_id(record.name, workflow)
        self._world.drop_pod_end((record.namespace, record.workflow), node)
        for event in self._early.take(meta.uid):
            self._apply(record, event)
        return record

    def _update(self, record: Record, obj: Pod, at: float) -> None:
        unscheduled = _timeline.absorb(record, obj)
        self._set_phase(record, obj)
        if _may_wait(record, obj):
            if obj.metadata.deletion_timestamp is None:
                reason, since = _pending.waiting_for(record, obj, unscheduled, at)
                self._waits.wait_for(record, reason, since, at)
                self._waits.wait_in(record, sys.intern(pool_of(obj.spec, self._world)))
            elif record.episode:
                self._waits.give_up(record, record.episode, _pending.deletion_request(obj) or at)
        elif record.episode:
            if record.main_start:
                self._waits.end(record, record.main_start)
            else:
                ended = record.last_end > record.episode.since
                self._waits.give_up(record, record.episode, record.last_end if ended else at)
        if (
            not record.workflow
            and record.main_start
            and not record.flags & _timeline.STARTUP_COUNTED
            and _timeline.ready(obj.status)
        ):
            self._count_startup(record)

    def _set_phase(self, record: Record, obj: Pod) -> None:
        phase = obj.status.phase
        if phase == record.phase:
            return
        if phase not in _metrics.PHASES:
            # No phase at all: just created. Another one: no Kubernetes version has it.
            if phase:
                detail = f"{record.namespace}/{record.name} status.phase {phase!r}"
                self._sink.problem("Pod", "unknown_phase", detail)
            phase = "Unknown" if phase else "Pending"
            if phase == record.phase:
                return
        if record.phase:
            self._census.add(PODS, (record.namespace, record.phase), -1)
        record.phase = sys.intern(phase)
        self._census.add(PODS, (record.namespace, phase), 1)

    def _finish(
        self, uid: str, record: Record, obj: Pod | None, at: float, *, deleted: bool = False
    ) -> None:
        """Count what the pod's life has shown, once."""
        meta = obj.metadata if obj else None
        requested = meta is not None and meta.deletion_timestamp is not None
        started = record.main_start > 0
        if record.episode:
            # A tombstone does not tell when it ended: counted, but not timed.
            self._waits.give_up(record, record.episode, at, timed=obj is not None)
        self._count_startup(record)
        if not record.flags & _timeline.COUNTED:
            record.flags |= _timeline.COUNTED
            if record.last_end > at + _FUTURE:
                detail = f"{record.namespace}/{record.name} a container's finishedAt"
                self._sink.problem("Pod", "future_time", detail)
            else:
                self._count_stages(record, _timeline.running_stages(record))
            self._count_restart(uid, record)
            if not started and obj is not None and (deleted or requested):
                self._keeper.remember_unstarted(uid, record)
        self._publish_end(record, unix(meta.deletion_timestamp) if meta else 0.0)
        if record.phase == "Succeeded" and record.pipeline is not None:
            counted = Counted(record.namespace, record.phase)
            self._records[uid] = self._counted.setdefault(counted, counted)

    def _forget(self, uid: str, record: Record) -> None:
        if record.pipeline is None:
            key = (record.namespace, record.workflow)
            pods = self._unresolved.get(key, {})
            pods.pop(uid, None)
            if not pods:
                self._unresolved.pop(key, None)
            self._joins.pod_gone(key)

    # -- counting

    def _count_startup(self, record: Record) -> None:
        if not record.flags & _timeline.STARTUP_COUNTED:
            record.flags |= _timeline.STARTUP_COUNTED
            self._count_stages(record, _timeline.startup_stages(record))

    def _count_stages(self, record: Record, stages: list[tuple[str, float]]) -> None:
        template = record.template
        if not template and record.workflow and record.name == record.workflow:
            template = _joins.TEMPLATE
        for stage, seconds in stages:
            value = _timeline.plausible(seconds)
            if value is None:
                detail = f"{record.namespace}/{record.name} stage {stage}: {seconds} s"
                self._sink.problem("Pod", "negative_duration", detail)
                continue
            labels = (record.namespace, _joins.PIPELINE, template, stage)
            self._joins.measure(record, _metrics.STAGE_SECONDS, labels, value)

    def _count_restart(self, uid: str, record: Record) -> None:
        """Whether this pod stands in for one of its name that was deleted before it started."""
        before = self._keeper.stands_in(uid, record)
        if before is not None and record.workflow:
            labels = (record.namespace, _joins.PIPELINE)
            unless = before.created + 1.0
            self._joins.measure(record, RESTARTS, labels, 1.0, unless_started_after=unless)

    def _publish_end(self, record: Record, deletion: float) -> None:
        if not record.workflow:
            return
        node = _object.node_id(record.name, record.workflow)
        if not node:
            return
        ran = record.init_start or record.main_start
        # Of a main whose end nobody wrote down (eviction) the deletion is what is known.
        ended = 0.0 if record.flags & _timeline.MAIN_RUNS else record.last_end
        finished = ended or (deletion if ran else 0.0)
        end = End(node, PodEnd(finished=finished, cause=record.cause), _timeline.life(record))
        self._joins.add((record.namespace, record.workflow), record.pipeline, end)

    # -- other kinds

    def _run_changed(self, run: Run) -> None:
        key = (run.namespace, run.name)
        if run.gone:
            self._world.drop_pod_ends(key)
        self._resolve_all(key, run.pipeline)
        self._joins.run_known(run)

    def _resolve_all(self, key: Key, pipeline: str) -> None:
        for uid, record in self._unresolved.pop(key, {}).items():
            self._journal.changed.add(uid)
            episode = record.episode
            if episode:
                self._waits.show(record, episode, -1)
            self._resolve(record, pipeline)
            if episode:
                self._waits.show(record, episode, 1)

    def _resolve(self, record: Record, pipeline: str) -> None:
        record.pipeline = pipeline
        self._sink.declare(RESTARTS, (record.namespace, pipeline))

    def _pod_event(self, event: PodEvent) -> None:
        record = self._records.get(event.uid)
        if isinstance(record, Record):
            self._apply(record, event)
        elif record is None:
            self._early.add(event)

    def _apply(self, record: Record, event: PodEvent) -> None:
        self._journal.changed.add(event.uid)
        cause = _reasons.event_cause(event.reason)
        if (cause or not record.main_start) and not _timeline.hear(record, event):
            return
        if cause:
            self._blame(record, cause)
            return
        if event.pull_seconds and not record.flags & _timeline.STARTUP_COUNTED:
            _timeline.add_pull(record, event.at - event.pull_seconds, event.at)
        hint = event.pull_error or _reasons.event(event.reason)
        if record.main_start or (not hint and event.reason != "Pulled"):
            return
        if not hint and record.hint != _reasons.CREATING_PULL:
            return  # Pulled: ends nothing but a pull
        record.hint = hint
        episode = record.episode
        if episode and hint and episode.reason != hint:
            told = (_reasons.BACKOFF,) if event.pull_error else _pending.HINTED
            if episode.reason in told:
                self._waits.wait_for(record, hint, event.at, event.at)

    def _blame(self, record: Record, cause: str) -> None:
        record.cause = cause
        if record.flags & _timeline.COUNTED:
            self._publish_end(record, 0.0)


def _may_wait(record: Record, obj: Pod) -> bool:
    """Main has not started. A pod can be Running all the same: its executor is, or a sidecar."""
    if record.main_start or record.phase in _TERMINAL:
        return False
    return record.phase != "Running" or bool(obj.status.container_statuses)
