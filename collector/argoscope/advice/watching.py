"""Advice about each pipeline's latest run, as the daemon shows it.

What tells of the manifest is judged when a run ends, while its object is at hand; what tells of its
time when the ends of its pods are known. What was found is kept in the ledger: a nightly pipeline
has its advice through the day, also after a restart.
"""

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Iterator
from math import inf
from typing import Any

import msgspec

from argoscope.advice.advising import advise
from argoscope.advice.evidence import Evidence
from argoscope.advice.manifest import EMPTY, manifest_of
from argoscope.resources._base import PastRun, Seen, Sink
from argoscope.resources._records import Codec, Journal
from argoscope.resources.workflow.critical_path import CriticalPath
from argoscope.resources.workflow.metrics import FINDINGS
from argoscope.resources.workflow.timeline import Timeline
from argoscope.resources.world import ClosedRun, EndedRun, Key, World

NAME = "advice"
"""Under which the ledger keeps it, beside the kinds."""
FORGOTTEN = 8 * 86400.0
"""Seconds without a run after which a pipeline's advice goes: a weekly one keeps it."""
MOST_PIPELINES = 20_000
MOST_WAITING = 5_000
"""Runs whose pods are waited for; of more the oldest lose what their manifests told."""
_NO_PATH = CriticalPath(())
_EVERY = 60.0


class Latest(msgspec.Struct, array_like=True, gc=False):
    """What was found about a pipeline's latest run."""

    finished: float
    """Unix seconds."""
    rules: tuple[str, ...]


CODEC: Codec[Latest] = Codec(1, Latest)


class Advisor:
    """A ``Deriver`` that takes ended runs in place of objects."""

    def __init__(self, world: World, sink: Sink, silenced: Collection[str]) -> None:
        self._world = world
        self._sink = sink
        self._silenced = frozenset(silenced)
        self._journal: Journal[Latest] = Journal(NAME, sink, CODEC)
        self._latest: OrderedDict[str, Latest] = OrderedDict()
        """"/<namespace>/<pipeline>" -> its latest run, in the order in which they were told."""
        self._of_manifest: OrderedDict[str, Latest] = OrderedDict()
        """uid and end of a run whose pods are waited for -> what its manifest told."""
        self._stored: Counter[Key] = Counter()
        """(namespace, pipeline) -> finished runs that are still there, as of the last look."""
        self._next_look = 0.0
        world.on_run_closed(self._closed)
        world.on_run_ended(self._ended)

    def _closed(self, closed: ClosedRun) -> None:
        line = closed.line
        manifest = manifest_of(closed.raw)
        ends = self._world.pod_ends.get((line.namespace, line.name), {})
        found = self._rules(
            Evidence(
                line,
                _NO_PATH,
                manifest,
                size=closed.size,
                pod_causes=tuple(end.cause for end in ends.values() if end.cause),
                stored=self._stored[line.namespace, line.pipeline],
                cron_policy=self._world.cron_policies.get((line.namespace, line.cron), ""),
                cron_runs=tuple(self._cron_runs(line)),
            )
        )
        if found:
            key = _waiting(line)
            self._of_manifest[key] = Latest(line.finished, found)
            self._journal.changed.add(key)
            if len(self._of_manifest) > MOST_WAITING:
                self._journal.changed.add(self._of_manifest.popitem(last=False)[0])

    def _ended(self, ended: EndedRun) -> None:
        line = ended.line
        rules: tuple[str, ...] = ()
        if told := self._of_manifest.pop(_waiting(line), None):
            rules = told.rules
            self._journal.changed.add(_waiting(line))
        key = f"/{line.namespace}/{line.pipeline}"
        known = self._latest.get(key)
        if known is not None and known.finished > line.finished:
            return
        rules = tuple(sorted({*rules, *self._rules(Evidence(line, ended.path, EMPTY))}))
        self._latest[key] = Latest(line.finished, rules)
        self._latest.move_to_end(key)
        self._journal.changed.add(key)
        self._show(key)
        if len(self._latest) > MOST_PIPELINES:
            self._drop(next(iter(self._latest)))

    def _cron_runs(self, line: Timeline) -> Iterator[tuple[float, float]]:
        """The other runs of its cron."""
        if line.cron:
            for (namespace, name), run in self._world.runs.items():
                if run.cron == line.cron and namespace == line.namespace and name != line.name:
                    yield run.created, run.finished or inf

    def _rules(self, evidence: Evidence) -> tuple[str, ...]:
        return tuple(finding.rule.id for finding in advise(evidence, self._silenced))

    def _show(self, key: str) -> None:
        _, namespace, pipeline = key.split("/", 2)
        rules = (rule for rule in self._latest[key].rules if rule not in self._silenced)
        gauges = [(FINDINGS, (namespace, pipeline, rule), 1.0) for rule in rules]
        self._sink.own(f"{NAME}{key}", gauges)

    def _drop(self, key: str) -> None:
        del self._latest[key]
        self._journal.changed.add(key)
        self._sink.own(f"{NAME}{key}", ())

    # -- as a Deriver

    def upsert(self, obj: Any, seen: Seen) -> None:
        """There are no objects of this kind."""

    def delete(self, uid: str, obj: Any | None, seen: Seen) -> None:
        """There are no objects of this kind."""

    def tick(self, now: float) -> None:
        if now < self._next_look:
            return
        self._next_look = now + _EVERY
        runs = self._world.runs.values()
        self._stored = Counter((run.namespace, run.pipeline) for run in runs if run.finished)
        old = [k for k, latest in self._latest.items() if latest.finished < now - FORGOTTEN]
        for key in old:
            self._drop(key)

    def changes(self) -> Iterator[tuple[str, bytes | None]]:
        return self._journal.changes(
            lambda key: self._latest.get(key) or self._of_manifest.get(key)
        )

    def restore(self, records: Iterable[tuple[str, bytes]]) -> None:
        for key, latest in self._journal.read(records):
            if key.startswith("/"):
                self._latest[key] = latest
                self._show(key)
            else:
                self._of_manifest[key] = latest

    def recall(self, runs: Iterable[PastRun]) -> None:
        """Not needed: what was found is kept itself."""


def _waiting(line: Timeline) -> str:
    """Key of a run attempt; unlike a pipeline's it does not begin with a slash."""
    return f"{line.uid}@{line.finished}"
