"""A daemon in a box: intakes, pipeline, registry and a ledger file, in virtual time.

``crash`` is what ``kill -9`` does: memory is lost, the file is as the last commit left it. The box
keeps a journal of what it was told, up to the last commit as the ledger does, so that a witness
without a ledger that never crashed can be told the same.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from argoscope.catalogue import catalogue
from argoscope.ledger.ledger import Ledger
from argoscope.metrics.internal import DECODE_ERRORS
from argoscope.metrics.model import Instrument, Labels, Metric
from argoscope.metrics.registry import Registry
from argoscope.pipeline import Pipeline
from argoscope.resources._load import load
from argoscope.watch.delta import Origin
from argoscope.watch.intake import Intake
from argoscope.watch.selection import stream_name

KINDS = {resource.name: resource for resource in load()}
Value = float | tuple[tuple[int, ...], float]
Counters = dict[tuple[str, Labels], Value]


@dataclass(frozen=True, slots=True)
class Event:
    """One watch event. ``at``: when it arrives, in Unix seconds."""

    at: float
    kind: str
    type: str
    uid: str
    version: int
    raw: bytes
    stream: str = ""
    object: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    listing: bool = False
    """Not everything has been listed yet since the start."""


@dataclass(frozen=True, slots=True)
class Begin:
    kind: str
    stream: str


@dataclass(frozen=True, slots=True)
class Item:
    event: Event
    at: float


@dataclass(frozen=True, slots=True)
class Complete:
    kind: str
    stream: str
    version: int
    at: float


Step = Event | Tick | Begin | Item | Complete


def streams(kind: str) -> list[str]:
    return [stream_name("", selector) for selector in KINDS[kind].selectors]


class Life:
    """One process of the daemon; without a ledger it is the witness."""

    def __init__(self, now: float, ledger: Ledger | None = None) -> None:
        self.now = now
        self.ledger = ledger
        self.problems: list[tuple[str, str, str]] = []
        self.registry = Registry(catalogue(), now=lambda: self.now)
        self.pipeline = Pipeline(
            tuple(KINDS.values()),
            self.registry,
            report=lambda *problem: self.problems.append(problem),
            memory=ledger,
        )
        if ledger is not None:
            ledger.restore(self.registry)
            self.pipeline.restore(now)
        rosters = self.pipeline.rosters
        self._before = {
            (kind, stream): rosters[kind].listed_before(stream)
            for kind in KINDS
            for stream in streams(kind)
        }
        self._intakes = {
            (kind, stream): Intake(KINDS[kind], self.pipeline, stream, rosters[kind])
            for kind, stream in self._before
        }

    def do(self, step: Step) -> None:
        if isinstance(step, Begin):
            before = self._before[step.kind, step.stream]
            origin = Origin.RELIST if before else Origin.FIRST_LIST
            self._intakes[step.kind, step.stream].begin_list(origin)
            return
        self.now = step.at
        if isinstance(step, Event):
            intake = self._intakes[step.kind, step.stream]
            intake.event(step.type, step.raw, len(step.raw), step.at)
        elif isinstance(step, Tick):
            self.pipeline.tick(step.at)
        elif isinstance(step, Item):
            self._intakes[step.event.kind, step.event.stream].item(step.event.raw, step.at)
        else:
            self._intakes[step.kind, step.stream].complete_list(str(step.version), step.at)
            self._before[step.kind, step.stream] = True

    def counters(self) -> Counters:
        """Every counter and histogram, as it is counted now.

        Left out is what a restart may count again because it looks at an object again: how often
        something in it could not be used.
        """
        found: Counters = {}
        for metric in kept():
            for labels, value in self.registry.samples(metric):
                found[metric.prometheus, labels] = (
                    value if metric.instrument is Instrument.COUNTER else self._sums(metric, labels)
                )
        return found

    def _sums(self, metric: Metric, labels: Labels) -> Value:
        series = self.registry.cumulative(metric)[labels]
        return tuple(series.counts), round(series.total, 6)  # type: ignore[union-attr]

    def gauges(self) -> dict[tuple[str, Labels], float]:
        return {
            (metric.prometheus, labels): value
            for kind in KINDS.values()
            for metric in kind.metrics
            if metric.instrument is Instrument.GAUGE
            for labels, value in self.registry.samples(metric)
        }

    def exposed(self) -> Counters:
        """What a scrape shows of counters and histograms."""
        found: Counters = {}
        for metric in kept():
            for labels, series in self.registry.cumulative(metric).items():
                shown = series.published
                if shown is not None:
                    found[metric.prometheus, labels] = (
                        shown if isinstance(shown, float) else (shown[0], shown[1])
                    )
        return found


def kept() -> Iterator[Metric]:
    for metric in catalogue():
        cumulative = metric.instrument is not Instrument.GAUGE and not metric.volatile
        if cumulative and metric is not DECODE_ERRORS and "ledger" not in metric.name:
            yield metric


class Box:
    """Lives one after the other over one ledger file."""

    def __init__(self, path: Path) -> None:
        self.journal: list[Step] = []
        self.crashes = 0
        self.life: Life | None = None
        self.path = path
        self._committed = 0
        self._exposed: Counters = {}
        self._listing = False

    def start(self, now: float) -> None:
        life = self.life = Life(now, Ledger.open(self.path, now=lambda: life.now))
        self._listing = True
        self._assert_nothing_went_back()

    def take(self, step: Step) -> None:
        assert self.life is not None
        self.journal.append(step)
        self.life.do(step)

    def list_kind(self, kind: str, live: Iterable[Event], version: int, at: float) -> None:
        """One kind's first list of this life, as the reflectors would make it."""
        objects = sorted(live, key=lambda event: event.uid)  # as etcd: not by age
        for stream in streams(kind):
            self.take(Begin(kind, stream))
            for event in objects:
                if event.stream == stream:
                    self.take(Item(event, at))
            self.take(Complete(kind, stream, version, at))

    def listed(self) -> None:
        """Everything has been listed."""
        self._listing = False

    def tick(self, now: float, *, publish: bool = True) -> None:
        """As the daemon's: derive, commit, and then publish, unless it dies just before."""
        life = self.life
        assert life is not None
        assert life.ledger is not None
        self.take(Tick(now, self._listing))
        held = life.registry.hold()
        life.ledger.commit(held, life.pipeline.changes())
        self._committed = len(self.journal)
        if publish:
            life.registry.publish(held)
            self._assert_nothing_went_back()

    def crash(self) -> None:
        assert self.life is not None
        assert self.life.ledger is not None
        self.life.ledger.close()
        self.life = None
        del self.journal[self._committed :]
        self.crashes += 1

    def end(self) -> None:
        """Closes the file; the life that was can still be looked at."""
        if self.life is not None and self.life.ledger is not None:
            self.life.ledger.close()

    def witness(self) -> Life:
        """Was told what the box was told in its committed times, and had no reason to crash."""
        life = Life(self.journal[0].at if isinstance(self.journal[0], Tick) else 0.0)
        for step in self.journal:
            if not (isinstance(step, Tick) and step.listing):
                life.do(step)
        return life

    def told(self) -> Iterator[Event]:
        """All states of objects that it was told in its committed times, in order."""
        for step in self.journal:
            if isinstance(step, Event):
                yield step
            elif isinstance(step, Item):
                yield step.event

    def unobserved(self) -> Counter[str]:
        """How many runs of which nobody can know how they ended it was told of, by reason: found
        in the journal, by other means than the daemon's."""
        found: Counter[str] = Counter()
        known: dict[str, dict[str, Any]] = {}
        listed: set[str] = set()
        for step in self.journal:
            if isinstance(step, Begin) and step.kind == "workflows":
                listed = set()
            elif isinstance(step, Complete) and step.kind == "workflows":
                for uid in known.keys() - listed:
                    found["deleted_unseen"] += not _is_over(known.pop(uid))
            event = step.event if isinstance(step, Item) else step
            if not isinstance(event, Event) or event.kind != "workflows":
                continue
            listed.add(event.uid)
            before = known.get(event.uid, {})
            status = known[event.uid] = event.object.get("status") or {}
            moved = before.get("startedAt") not in (None, status.get("startedAt"))
            found["retried_unseen"] += moved and not _is_over(before)
            if event.type == "DELETED":
                found["deleted_running"] += not _is_over(known.pop(event.uid))
        return +found

    def _assert_nothing_went_back(self) -> None:
        assert self.life is not None
        exposed = self.life.exposed()
        for series, before in self._exposed.items():
            after = exposed.get(series)
            assert after is not None, f"{series} is no longer exposed"
            assert _not_less(after, before), f"{series} went back from {before} to {after}"
        self._exposed = exposed


def _is_over(status: dict[str, Any]) -> bool:
    return status.get("phase") in ("Succeeded", "Failed", "Error")


def _not_less(after: Value, before: Value) -> bool:
    if isinstance(after, tuple) and isinstance(before, tuple):
        counts = zip(after[0], before[0], strict=True)
        return all(now >= was for now, was in counts) and after[1] >= before[1]
    return not isinstance(after, tuple) and not isinstance(before, tuple) and after >= before
