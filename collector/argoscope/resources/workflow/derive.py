"""Workflows to measurements: every run attempt and every node attempt once.

A run attempt is (uid, finishedAt), a node attempt (uid, node id, startedAt). While an attempt of
the run is going on, ``Record.done`` holds the node attempts that were counted. When the run ends
all of them are counted, so the set is dropped and that time takes its place: after `argo retry`
only nodes that started at or after the end of the attempt before are new, since the retry deletes
what it makes again. The retry's own time, which becomes the workflow's startedAt, can't serve: it
may come from the clock of somebody's laptop.
"""

from array import array
from collections.abc import Iterable, Iterator
from itertools import chain
from sys import intern

from argoscope.metrics.internal import RUNS_UNOBSERVED
from argoscope.resources._base import Contribution, Options, PastRun, Seen, Sink
from argoscope.resources._records import Journal
from argoscope.resources._time import unix
from argoscope.resources.workflow import gauges as gauge
from argoscope.resources.workflow.actions import (
    count_action,
    note_actions,
    note_resumed,
    shutdown_cause,
)
from argoscope.resources.workflow.attempts import MAX_NAMES, begins_at, count_attempts, take_history
from argoscope.resources.workflow.attribution import PREFIX, Attribution
from argoscope.resources.workflow.endings import count_end, run_cause
from argoscope.resources.workflow.history import WeekHistory
from argoscope.resources.workflow.metrics import (
    COMMON_CAUSES,
    FAILURES,
    RUN_PHASES,
    RUNS,
    labels_metric,
)
from argoscope.resources.workflow.naming import LABEL_CRON, pipeline_of
from argoscope.resources.workflow.nodes import SECOND
from argoscope.resources.workflow.objects import Node, Workflow
from argoscope.resources.workflow.reading import OVER, read_nodes, read_run, report_malformed
from argoscope.resources.workflow.record import REPLACED, Record
from argoscope.resources.workflow.stored import CODEC, Stored, pack, run_record, unpack
from argoscope.resources.workflow.timeline import timeline
from argoscope.resources.workflow.tracing import Trace, Tracing
from argoscope.resources.workflow.waits import observe_locks, observe_pending
from argoscope.resources.world import ClosedRun, Key, Run, World

SCHEDULED_TIME = "workflows.argoproj.io/scheduled-time"
_NOTHING = array("Q")  # shared by all that have nothing to remember; arrays are never changed here


class WorkflowDeriver:
    def __init__(self, world: World, sink: Sink, options: Options) -> None:
        self._world = world
        self._sink = sink
        self._options = options
        self._records: dict[str, Record] = {}
        self._journal: Journal[Stored] = Journal("Workflow", sink, CODEC)
        self._pipelines: set[Key] = set()
        self._scopes: dict[tuple[str, str], tuple[str, str]] = {}
        self._templates: set[tuple[str, str, str]] = set()
        self._week = WeekHistory(sink)
        self._attribution = Attribution(world, sink)
        self._tracing = Tracing(options.traces, world, sink) if options.traces else None
        self._shared: dict[Contribution, Contribution] = {}
        self._next_expiry = 0.0
        self._labels = labels_metric(options.workflow_labels) if options.workflow_labels else None
        if self._labels is not None:
            sink.register(self._labels)

    # -- the three ways in

    def upsert(self, workflow: Workflow, seen: Seen) -> None:
        report_malformed(self._sink, workflow)
        uid = workflow.metadata.uid
        record = self._records.get(uid)
        first = record is None
        if record is None:
            seen = self._journal.met(uid, seen)
            record = self._records[uid] = self._new_record(workflow)
        self._journal.changed.add(uid)
        run = record.run
        before = (run.phase, run.started, run.finished, run.shutdown)
        note_actions(self._world, self._sink, workflow, record, first, seen)
        read_run(self._sink, workflow, run, seen)
        nodes = read_nodes(self._sink, workflow, record, seen)
        if first and nodes:
            record.since = begins_at(run, nodes)
        self._note_retry(record, started_before=before[1])
        changed = first or before != (run.phase, run.started, run.finished, run.shutdown)
        if self._tracing is not None and (changed or not run.trace_id):
            self._tracing.begin(workflow, record)
        if changed:
            # Before anything is counted: what pods waited to tell about this run is told now.
            self._world.run_changed(run)
        if nodes is not None:
            self._derive(workflow, record, nodes, seen, first)
            self._own(workflow, record, nodes, seen)

    def delete(self, uid: str, workflow: Workflow | None, seen: Seen) -> None:
        if workflow is not None:
            if known := self._records.get(uid):
                known.next_inflate = 0.0  # nothing comes after this state
            self.upsert(workflow, seen)
        record = self._records.pop(uid, None)
        if record is None:
            self._journal.missed(uid)
            return
        self._journal.changed.add(uid)
        self._sink.own(uid, ())
        run = record.run
        if run.phase not in OVER:
            # Its end was not written anywhere: counted, never guessed.
            reason = "deleted_running" if workflow is not None else "deleted_unseen"
            self._sink.count(RUNS_UNOBSERVED, (reason,))
        run.gone = True
        key = (run.namespace, run.name)
        if self._world.runs.get(key) is run:  # the name may already belong to a newer object
            del self._world.runs[key]
        self._world.run_changed(run)

    def changes(self) -> Iterator[tuple[str, bytes | None]]:
        return chain(self._journal.changes(self._stored), self._attribution.changes())

    def _stored(self, uid: str) -> Stored | None:
        record = self._records.get(uid)
        if record is None:
            return None
        run = record.run
        return pack(record, displaced=self._world.runs.get((run.namespace, run.name)) is not run)

    def restore(self, records: Iterable[tuple[str, bytes]]) -> None:
        live: list[tuple[str, bytes]] = []
        waiting: list[tuple[str, bytes]] = []
        for row in records:
            (waiting if row[0].startswith(PREFIX) else live).append(row)
        self._attribution.restore(waiting)
        for uid, stored in self._journal.read(live):
            record, displaced = unpack(uid, stored)
            self._records[uid] = record
            if not displaced:
                self._world.runs[stored.namespace, stored.name] = record.run

    def recall(self, runs: Iterable[PastRun]) -> None:
        self._week.recall(runs)

    def finish(self) -> None:
        """The input has ended: no attempt gets to know more of its pods."""
        self._attribution.finish()

    def settle(self, now: float) -> None:
        """Attempts that have waited for their pods are attributed."""
        self._attribution.tick(now)

    def tick(self, now: float) -> None:
        if now >= self._next_expiry:
            self._next_expiry = now + 60.0
            self._week.expire(now)
            if "workflows" in self._world.listed:
                self._week.forget_recalled()
        self._week.expose()

    # -- reading

    def _new_record(self, workflow: Workflow) -> Record:
        meta = workflow.metadata
        labels = meta.labels or {}
        pipeline, template, scope = pipeline_of(workflow, self._options.pipeline_labels)
        stored = workflow.status.stored_workflow_template_spec
        # Each object brings its own copy of names that thousands share.
        run = Run(
            namespace=intern(meta.namespace),
            name=meta.name,
            uid=meta.uid,
            pipeline=intern(pipeline),
            cron=intern(labels.get(LABEL_CRON, "")),
            scheduled=unix((meta.annotations or {}).get(SCHEDULED_TIME)),
            created=unix(meta.creation_timestamp),
            entrypoint=intern(workflow.spec.entrypoint or (stored.entrypoint if stored else "")),
        )
        if displaced := self._world.runs.get((run.namespace, run.name)):
            self._journal.changed.add(displaced.uid)
        self._world.runs[run.namespace, run.name] = run
        self._declare(run)
        named = (intern(template), scope)
        return Record(run=run, scope=self._scopes.setdefault(named, named), done=_NOTHING)

    def _declare(self, run: Run) -> None:
        """The first failure must be seen: all phases and common causes start at 0."""
        key = (run.namespace, run.pipeline)
        if key in self._pipelines:
            return
        if len(self._pipelines) > MAX_NAMES:
            self._pipelines.clear()
            self._scopes.clear()
        self._pipelines.add(key)
        for phase in RUN_PHASES:
            self._sink.declare(RUNS, (*key, phase))
        for cause in COMMON_CAUSES:
            self._sink.declare(FAILURES, (*key, cause))

    # -- deriving

    def _derive(
        self,
        workflow: Workflow,
        record: Record,
        nodes: dict[str, Node],
        seen: Seen,
        first: bool,
    ) -> None:
        run = record.run
        if first and seen.history_until:
            self._take_history(workflow, record, nodes, seen)
            if record.counted or not seen.inherited:
                return
        observe_pending(self._sink, record, nodes)
        observe_locks(self._sink, workflow, record, nodes, seen)
        if record.counted:
            return
        shutdown = shutdown_cause(self._world, workflow, run)
        trace = None
        if run.phase in OVER and self._tracing is not None:
            trace = self._tracing.decide(workflow, record)
        count_attempts(self._world, self._sink, record, nodes, shutdown, self._templates, seen)
        note_resumed(self._sink, record, nodes, count=True)
        if run.phase in OVER:
            cause = run_cause(self._world, workflow, run, nodes, shutdown)
            count_end(self._sink, workflow, record, nodes, cause)
            self._close_attempt(workflow, record, nodes, cause, seen, trace)

    def _take_history(
        self, workflow: Workflow, record: Record, nodes: dict[str, Node], seen: Seen
    ) -> None:
        """The first list of a daemon without a ledger: what had ended is not counted."""
        run = record.run
        if take_history(self._sink, record, nodes, seen) and (run.finished or seen.inherited):
            shutdown = shutdown_cause(self._world, workflow, run)
            cause = run_cause(self._world, workflow, run, nodes, shutdown)
            self._close_attempt(workflow, record, nodes, cause, seen, counted=False)

    def _note_retry(self, record: Record, started_before: float) -> None:
        """`argo retry` moves startedAt and takes phase and finishedAt away for a while.

        An attempt whose end was hidden by a cut is known to have been: it is unobserved.
        """
        run = record.run
        moved = started_before > 0 and run.started > 0 and run.started != started_before
        if record.counted:
            if not moved and run.phase in OVER:
                return
            record.since, record.counted = record.counted, 0.0
        elif moved:
            self._sink.count(RUNS_UNOBSERVED, ("retried_unseen",))
        else:
            return
        record.nodes = REPLACED
        count_action(self._sink, run, "retry")

    def _close_attempt(
        self,
        workflow: Workflow,
        record: Record,
        nodes: dict[str, Node],
        cause: str,
        seen: Seen,
        trace: Trace | None = None,
        *,
        counted: bool = True,
    ) -> None:
        run = record.run
        record.counted = run.counted = run.finished or seen.at
        # Only what started in the very second of the end could be taken for a retry's.
        left = array("Q", (key for key in record.done if key & SECOND >= record.counted))
        record.done = left or _NOTHING
        record.waiting = None
        # Before what is known of its pods is dropped: it may wait for more of that.
        if counted and run.finished:
            line = timeline(workflow, record, nodes, cause, trace=trace)
            self._world.run_closed(ClosedRun(line, workflow.raw, seen.size))
            self._attribution.add(line, seen.at)
        record.held, record.suspensions, record.was_locked = None, (), False
        # Pods of an `argo retry` may have been told before the end of the attempt that it revives.
        self._world.drop_pod_ends((run.namespace, run.name), record.counted)
        # Recalled: of an earlier life, or imported while the daemon was away.
        if not self._week.is_recalled(run.uid, record.counted):
            self._week.add((run.namespace, run.pipeline), record.counted, cause)
        self._sink.record(run_record(workflow, record, nodes, cause, counted=counted))

    # -- gauges

    def _own(self, workflow: Workflow, record: Record, nodes: dict[str, Node], seen: Seen) -> None:
        status = workflow.status
        storage = "inline"
        if status.compressed_nodes:
            storage = "compressed"
        elif status.offload_node_status_version and not status.nodes:
            storage = "offloaded"
        found = gauge.contributions(
            workflow,
            record.run,
            record.scope,
            nodes,
            size=seen.size,
            storage=storage,
            suspended_since=record.suspended_since,
            extra=self._configured_labels(workflow, record.run),
        )
        self._sink.own(workflow.metadata.uid, tuple(self._share(c) for c in found))

    def _configured_labels(self, workflow: Workflow, run: Run) -> tuple[Contribution, ...]:
        if self._labels is None:
            return ()
        labels = workflow.metadata.labels or {}
        values = (labels.get(key, "") for key in self._options.workflow_labels)
        return ((self._labels, (run.namespace, run.pipeline, *values), 1.0),)

    def _share(self, contribution: Contribution) -> Contribution:
        """One tuple for what thousands of workflows of a pipeline contribute alike."""
        if contribution[2] > 1.0:
            return contribution
        if len(self._shared) > 50_000:
            self._shared.clear()
        return self._shared.setdefault(contribution, contribution)
