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
    queued: float = 0.0
    """Earliest wake-up that is in the queue; 0 for none."""

    @property
    def key(self) -> Key:
        return (self.namespace, self.name)

    @property
    def broken(self) -> bool:
        return any(reason != "never_fires" for reason, _ in self.findings)

    def walk(self, now: float) -> None:
        self.calendar.walk(now, self.spec, self.stopped, self.active)
