"""What is kept in memory of one CronWorkflow."""

from dataclasses import dataclass, field

from argoscope.resources.cron_workflow.due import Calendar
from argoscope.resources.cron_workflow.objects import Definition, Finding
from argoscope.resources.cron_workflow.runs import CronRuns
from argoscope.resources.world import Key


@dataclass(slots=True)
class Cron:
    """What is kept of one CronWorkflow. Without uid: children are known, the object is not."""

    namespace: str
    name: str
    uid: str = ""
    since: float = 0.0
    """When it was first seen."""
    created: float = 0.0
    """When it was made; 0 before it was listed. Not kept."""
    baseline: bool = False
    inherited: float = 0.0
    """Until when an earlier daemon, which left no ledger, had counted; 0 for none."""
    spec: Definition = field(default_factory=Definition)
    stopped: bool = False
    active: frozenset[str] = frozenset()
    """Uids in ``status.active``."""
    findings: tuple[Finding, ...] = ()
    last_schedule: float = 0.0
    calendar: Calendar = field(default_factory=Calendar)
    runs: CronRuns = field(default_factory=CronRuns)
    going_since: float = 0.0
    """When it was first seen, resumed or given another schedule: what was due before does not
    count against it."""
    success_due: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """After when, and the two due times that follow: kept, since a schedule is slow to walk."""
    queued: float = 0.0
    """Earliest wake-up that is in the queue; 0 for none."""

    @property
    def key(self) -> Key:
        return (self.namespace, self.name)

    @property
    def broken(self) -> bool:
        return any(reason != "never_fires" for reason, _ in self.findings)

    @property
    def idle(self) -> bool:
        """Nothing is due: somebody suspended it, it has stopped, or it can't run as written."""
        return self.spec.suspended or self.stopped or self.broken

    def due_after_success(self) -> tuple[float, float]:
        """The first two times at which a run is due after the latest success; 0 for none.

        With ``when`` nobody outside the controller knows what is due.
        """
        if self.idle or self.spec.conditional:
            return 0.0, 0.0
        after = max(self.runs.last_success(), self.going_since)
        if self.success_due[0] != after:
            first = self.calendar.after(after)
            self.success_due = (after, first, self.calendar.after(first) if first else 0.0)
        return self.success_due[1:]

    def walk(self, now: float) -> None:
        self.calendar.walk(now, self.spec, self.stopped, self.active)
