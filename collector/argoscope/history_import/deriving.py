"""Archived Workflow objects to run records, by the daemon's own derivation."""

from collections.abc import Callable, Sequence
from math import inf

from argoscope.kube.decoding import UNREADABLE
from argoscope.metrics.exemplars import Subject
from argoscope.metrics.model import Labels, Metric
from argoscope.resources._base import Contribution, Options, RunCauses, RunRecord, Seen
from argoscope.resources.workflow.derive import WorkflowDeriver
from argoscope.resources.workflow.metrics import RUN_PHASES
from argoscope.resources.workflow.objects import Workflow, decode
from argoscope.resources.world import World

Complain = Callable[[str, str, str], None]
"""(where, kind, reason) of something that was left out."""

UNFINISHED = "not finished"
MALFORMED = "malformed"


class History:
    """Takes workflows as the first list of a daemon does: what has ended is history."""

    def __init__(self, options: Options, complain: Complain) -> None:
        self._sink = _Records()
        self.complain = complain
        self._deriver = WorkflowDeriver(World(), self._sink, options)

    def derive(self, raw: bytes, where: str, now: float) -> tuple[Workflow, RunRecord] | str:
        """The object and the record of its last attempt, or in one word why there is none.

        ``now``: Unix seconds; times that lie far ahead of it are malformed.
        """
        try:
            workflow = decode(raw)
        except UNREADABLE as error:
            self.complain(where, "Workflow", f"{MALFORMED}: {error}")
            return MALFORMED
        if not workflow.metadata.uid:
            self.complain(where, "Workflow", f"{MALFORMED}: has no metadata.uid")
            return MALFORMED
        try:
            records, problems = self._derived(workflow, now)
        except Exception as error:  # noqa: BLE001 - a bug must cost one object, not the import
            self.complain(where, "Workflow", f"bug, please report it: {error!r}")
            return MALFORMED
        for problem in problems:
            self.complain(where, "Workflow", problem)
        if records:
            return workflow, records[0]
        over = (workflow.status.phase or "") in RUN_PHASES
        if over and not problems:
            self.complain(where, "Workflow", "no_finish: has ended without status.finishedAt")
        return MALFORMED if over or problems else UNFINISHED

    def _derived(self, workflow: Workflow, now: float) -> tuple[list[RunRecord], list[str]]:
        self._sink.begin()
        seen = Seen(at=now, history_until=inf)
        try:
            self._deriver.upsert(workflow, seen)
        finally:
            self._deriver.delete(workflow.metadata.uid, None, seen)
            self._deriver.changes()  # nobody asks for them: forgotten
        return self._sink.records, self._sink.problems


class _Records:
    """A sink that keeps run records and problems, and drops all measurements."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.records: list[RunRecord] = []
        self.problems: list[str] = []

    def register(self, metric: Metric) -> None: ...

    def declare(self, metric: Metric, labels: Labels) -> None: ...

    def count(
        self, metric: Metric, labels: Labels, amount: float = 1.0, *, exemplar: Subject = ""
    ) -> None: ...

    def observe(
        self, metric: Metric, labels: Labels, value: float, *, exemplar: Subject = ""
    ) -> None: ...

    def own(self, owner: str, gauges: Sequence[Contribution]) -> None: ...

    def problem(self, kind: str, reason: str, detail: str) -> None:
        self.problems.append(f"{reason}: {detail}")

    def record(self, run: RunRecord) -> None:
        self.records.append(run)

    def attribute(self, found: RunCauses) -> None:
        """What comes from an archive has no pods, and is history."""
