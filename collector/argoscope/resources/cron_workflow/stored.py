"""CronWorkflows as the ledger keeps them.

A row for each cron, by its uid (without one, by its name); one for each of its children, of which
a frequent schedule with a long TTL has thousands; and the daemon's clock, which tells after a
restart whether it was away for longer than is judged.
"""

from collections.abc import Iterable, Iterator

import msgspec

from argoscope.resources._base import Sink
from argoscope.resources._records import Codec, Journal
from argoscope.resources.cron_workflow.due import Calendar, Due
from argoscope.resources.cron_workflow.objects import Definition, Finding, read_schedules
from argoscope.resources.cron_workflow.record import Cron
from argoscope.resources.cron_workflow.runs import Child, CronRuns, Dropped
from argoscope.resources.world import Key

CLOCK_EVERY = 5.0
"""Seconds after which the clock is written although nothing else is."""
_CLOCK = "/clock"


class StoredCron(msgspec.Struct, array_like=True, tag=0, gc=False):
    """A ``Cron``, field by field; see there. The schedules are read from the spec again."""

    namespace: str
    name: str
    uid: str
    since: float
    baseline: bool
    spec: Definition
    stopped: bool
    active: list[str]
    findings: tuple[Finding, ...]
    last_schedule: float
    cursors: list[float]
    pending: list[tuple[float, float, bool, bool, list[str]]]
    reported: list[float]
    newest: float
    dropped: Dropped
    inherited: float = 0.0
    going_since: float = 0.0


class Clock(msgspec.Struct, array_like=True, tag=2, gc=False):
    now: float
    left: float = 0.0
    """As ``Keeper.left``."""


Stored = StoredCron | Child | Clock
CODEC: Codec[Stored] = Codec(1, Stored)


class Keeper:
    """The journal of all rows."""

    def __init__(self, sink: Sink, crons: dict[Key, Cron], keys: dict[str, Key]) -> None:
        self.journal: Journal[Stored] = Journal("CronWorkflow", sink, CODEC)
        self.clock: float | None = None
        """The time of the daemon's latest look, Unix seconds."""
        self.left = 0.0
        """After a restart, when the earlier life ended; 0 once the lists have told what happened
        since. A life that ends before that leaves it to the next."""
        self._crons = crons
        self._keys = keys
        self._written = 0.0

    def touch(self, cron: Cron) -> None:
        """The cron, or children of it, may have changed."""
        changed = self.journal.changed
        changed.add(_row(cron))
        for uid in cron.runs.changed:
            changed.add(f"/{cron.namespace}/{cron.name}/{uid}")
        cron.runs.changed.clear()

    def changes(self) -> Iterator[tuple[str, bytes | None]]:
        now = self.clock
        if now is not None and (self.journal.changed or abs(now - self._written) >= CLOCK_EVERY):
            self.journal.changed.add(_CLOCK)
            self._written = now
        return self.journal.changes(self._stored)

    def _stored(self, row: str) -> Stored | None:
        if row == _CLOCK:
            return Clock(self.clock or 0.0, self.left)
        if row[0] != "/":
            key, child = self._keys.get(row), ""
        else:
            namespace, name, child = f"{row}/".split("/")[1:4]
            key = (namespace, name)
        cron = self._crons.get(key) if key is not None else None
        if cron is None:
            return None
        if child:
            return cron.runs.children.get(child)
        return _pack(cron) if _row(cron) == row else None

    def restore(self, records: Iterable[tuple[str, bytes]]) -> None:
        """Takes back crons and children, and the clock."""
        children: dict[Key, list[Child]] = {}
        for row, stored in self.journal.read(records):
            if isinstance(stored, Clock):
                self.clock = self._written = stored.now
                self.left = stored.left
            elif isinstance(stored, Child):
                _, namespace, name, _ = row.split("/")
                children.setdefault((namespace, name), []).append(stored)
            else:
                self._crons[stored.namespace, stored.name] = _unpack(stored, self.clock or 0.0)
        self.left = self.left or self.clock or 0.0
        for key, found in children.items():
            # A cron whose own record was lost is known by its children, as before its object came.
            cron = self._crons.setdefault(key, Cron(*key))
            cron.runs.children.update((child.uid, child) for child in found)


def _row(cron: Cron) -> str:
    return cron.uid or f"/{cron.namespace}/{cron.name}"


def _pack(cron: Cron) -> StoredCron:
    calendar = cron.calendar
    return StoredCron(
        namespace=cron.namespace,
        name=cron.name,
        uid=cron.uid,
        since=cron.since,
        baseline=cron.baseline,
        spec=cron.spec,
        stopped=cron.stopped,
        active=sorted(cron.active),
        findings=cron.findings,
        last_schedule=cron.last_schedule,
        cursors=calendar.cursors,
        pending=[
            (due.at, due.decide_at, due.suspended, due.stopped, sorted(due.active))
            for due in calendar.pending
        ],
        reported=sorted(calendar.reported),
        newest=cron.runs.newest,
        dropped=cron.runs.dropped,
        inherited=cron.inherited,
        going_since=cron.going_since,
    )


def _unpack(stored: StoredCron, now: float) -> Cron:
    schedules, _ = read_schedules(stored.spec, now)
    pending = [
        Due(at, decide_at, suspended, stopped, frozenset(active))
        for at, decide_at, suspended, stopped, active in stored.pending
    ]
    calendar = Calendar(schedules, stored.cursors, pending, set(stored.reported))
    if len(calendar.cursors) != len(schedules):
        calendar.restart(now)  # an older version could not read what this one can, or other way
    runs = CronRuns(stored.dropped)
    runs.newest = stored.newest
    return Cron(
        stored.namespace,
        stored.name,
        uid=stored.uid,
        since=stored.since,
        baseline=stored.baseline,
        inherited=stored.inherited,
        going_since=stored.going_since or stored.since,
        spec=stored.spec,
        stopped=stored.stopped,
        active=frozenset(stored.active),
        findings=stored.findings,
        last_schedule=stored.last_schedule,
        calendar=calendar,
        runs=runs,
    )
