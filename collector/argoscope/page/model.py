"""What the landing page and /api/summary show."""

from typing import Generic, TypeVar

import msgspec

Row = TypeVar("Row")


class Top(msgspec.Struct, Generic[Row], frozen=True):
    """The most important rows, and how many there are in all."""

    rows: list[Row]
    total: int

    @property
    def hidden(self) -> int:
        return self.total - len(self.rows)


class Active(msgspec.Struct, frozen=True, kw_only=True):
    """Workflows of a pipeline that are not over."""

    namespace: str
    pipeline: str
    states: dict[str, int]
    blocked: dict[str, int]
    """Nodes without a pod, by reason."""
    oldest_approval: float
    """Seconds that somebody has been waited for; 0 for nobody."""

    @property
    def count(self) -> int:
        return sum(self.states.values())


class Failures(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of a pipeline that ended within the last 7 days."""

    namespace: str
    pipeline: str
    failed: int
    completed: int
    cause: str
    """The most frequent cause since the daemon started; empty when none was seen."""


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A template's leaf nodes since the daemon started. Times in seconds."""

    namespace: str
    pipeline: str
    template: str
    count: int
    mean: float
    p95: float
    """Estimated within its bucket, like PromQL's histogram_quantile."""


class Cron(msgspec.Struct, frozen=True, kw_only=True):
    """A CronWorkflow. Times are Unix seconds, 0 for never."""

    namespace: str
    name: str
    schedule: str
    last: float
    last_success: float
    last_failure: float
    next: float
    missed: dict[str, int]
    """Since the daemon started, by reason."""
    failures_in_a_row: int
    active: int
    suspended: bool
    invalid: list[str]


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """Pods that wait for one reason."""

    reason: str
    pods: int
    advice: str
    where: list[str]
    """namespace/pipeline, those with most pods first."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A Rollout that is not simply healthy."""

    namespace: str
    name: str
    phase: str
    seconds: float
    """In this phase."""
    step: int
    steps: int
    weight: float
    """Per cent of the canary; -1 when it has none."""


class Advised(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline about whose latest run there is something to say."""

    namespace: str
    pipeline: str
    rules: list[str]
    """Ids of the rules that fired: sections of docs/advice.md."""
    titles: list[str]
    """What each of them advises, in the same order."""


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """One stream of objects."""

    resource: str
    stream: str
    state: str
    reason: str
    ready: bool
    optional: bool
    objects: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    at: float
    """Unix seconds."""
    ready: bool
    workflows: dict[str, int]
    """Workflows that are not over, by state."""
    pods: dict[str, int]
    pending_pods: int
    failed_7d: int
    completed_7d: int
    crons: int
    missed: int
    releases: int
    active: Top[Active]
    failures: Top[Failures]
    templates: Top[Template]
    cron: Top[Cron]
    pending: Top[Pending]
    rollouts: Top[Release]
    advice: Top[Advised]
    watches: list[Watch]
    problems: list[str]
