"""AnalysisRuns (argoproj.io/v1alpha1): how the analyses of releases ended and how long they took.

Why a rollout was aborted is not joined from here: see rollout/causes.py.
"""

import re
from collections.abc import Iterable, Iterator

import msgspec

from argoscope.metrics.labels import NAMESPACE, ROLLOUT
from argoscope.metrics.model import Instrument, Label, Labels, Metric
from argoscope.resources._base import ObjectMeta, Options, PastRun, Resource, Seen, Sink
from argoscope.resources._records import Codec, Journal
from argoscope.resources._time import unix
from argoscope.resources.world import World

FINAL_PHASES = ("Successful", "Failed", "Error", "Inconclusive")
# An Experiment of a rollout's step: <rollout>-<hash>-<revision>-<step>, after a collision -<n>.
_EXPERIMENT = re.compile(r"(?P<rollout>.+)-[a-z0-9]{5,}-\d+-\d+(?:-\d+)?")


class Measurement(msgspec.Struct, gc=False, rename="camel"):
    finished_at: str | None = None


class MetricResult(msgspec.Struct, gc=False):
    measurements: list[Measurement] | None = None


class Status(msgspec.Struct, gc=False, rename="camel"):
    phase: str = ""
    started_at: str | None = None
    completed_at: str | None = None
    """Only newer versions set it."""
    metric_results: list[MetricResult] | None = None


class AnalysisRun(msgspec.Struct, gc=False):
    metadata: ObjectMeta
    status: Status = msgspec.field(default_factory=Status)


PHASE_LABEL = Label(
    name="phase",
    help="How the analysis ended; Successful also when only dry-run metrics failed, or when it "
    "was stopped with its release",
    values=FINAL_PHASES,
)
RUNS = Metric(
    name="argo.analysis.runs",
    instrument=Instrument.COUNTER,
    unit="{run}",
    labels=(NAMESPACE, ROLLOUT, PHASE_LABEL),
    help="Analysis runs that ended, by rollout (empty for one of its own) and phase",
    budget=50_000,
)
DURATION = Metric(
    name="argo.analysis.run.duration",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    labels=(NAMESPACE, ROLLOUT, PHASE_LABEL),
    help="Time from the start of an analysis run to its last measurement",
    buckets=(1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0),
)


class _Record(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A live run, as the ledger keeps it."""

    ended: bool
    """It ended, and is counted or history."""


_OPEN, _ENDED = _Record(False), _Record(True)
_CODEC: Codec[_Record] = Codec(1, _Record)


class AnalysisRunDeriver:
    """Counts each run when it is first seen in a final phase, which it never leaves."""

    def __init__(self, world: World, sink: Sink, options: Options) -> None:
        del world, options
        self._sink = sink
        self._records: dict[str, _Record] = {}
        self._journal: Journal[_Record] = Journal("AnalysisRun", sink, _CODEC)

    def upsert(self, obj: AnalysisRun, seen: Seen) -> None:
        uid, phase = obj.metadata.uid, obj.status.phase
        record = self._records.get(uid)
        if record is _ENDED:
            return
        labels = (obj.metadata.namespace, rollout_of(obj.metadata))
        first_sight = record is None
        if first_sight:
            seen = self._journal.met(uid, seen)
            for final in FINAL_PHASES:
                self._sink.declare(RUNS, (*labels, final))
        self._records[uid] = _ENDED if phase in FINAL_PHASES else _OPEN
        if self._records[uid] is not record:
            self._journal.changed.add(uid)
        end = max(unix(obj.metadata.creation_timestamp), ended_at(obj.status))
        if phase in FINAL_PHASES and not (first_sight and seen.is_history(end)):
            self._count(obj, (*labels, phase))

    def delete(self, uid: str, obj: AnalysisRun | None, seen: Seen) -> None:
        if uid not in self._records:
            self._journal.missed(uid)
            return  # a second deletion must not count the last state again
        if obj is not None:
            self.upsert(obj, seen)
        del self._records[uid]
        self._journal.changed.add(uid)

    def tick(self, now: float) -> None:
        """Nothing here changes with time."""

    def changes(self) -> Iterator[tuple[str, bytes | None]]:
        return self._journal.changes(self._records.get)

    def restore(self, records: Iterable[tuple[str, bytes]]) -> None:
        for uid, record in self._journal.read(records):
            self._records[uid] = _ENDED if record.ended else _OPEN

    def recall(self, runs: Iterable[PastRun]) -> None:
        """Not needed: runs are those of Workflows."""

    def _count(self, obj: AnalysisRun, labels: Labels) -> None:
        self._sink.count(RUNS, labels)
        start, end = unix(obj.status.started_at), ended_at(obj.status)
        if start and end >= start:
            self._sink.observe(DURATION, labels, end - start)
        elif start and end:
            self._sink.problem("AnalysisRun", "end_before_start", obj.metadata.name)


def rollout_of(meta: ObjectMeta) -> str:
    """The Rollout that owns a run, directly or by the Experiment of a step; empty for none."""
    for owner in meta.owner_references or ():
        if owner.kind == "Rollout":
            return owner.name
        if owner.kind == "Experiment" and (found := _EXPERIMENT.fullmatch(owner.name)):
            return found["rollout"]
    return ""


def ended_at(status: Status) -> float:
    """When a run ended in Unix seconds: status.completedAt, else its last measurement, or 0."""
    return unix(status.completed_at) or max(_measured(status), default=0.0)


def _measured(status: Status) -> Iterator[float]:
    for result in status.metric_results or ():
        for measurement in result.measurements or ():
            yield unix(measurement.finished_at)


RESOURCE = Resource(
    name="analysisruns",
    group="argoproj.io",
    version="v1alpha1",
    plural="analysisruns",
    kind="AnalysisRun",
    object_type=AnalysisRun,
    metrics=(RUNS, DURATION),
    derive=AnalysisRunDeriver,
    # Two counters are not worth being unready where reading them is not allowed.
    optional=True,
)
