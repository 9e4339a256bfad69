"""What a reflector says about itself: read by /readyz, ``doctor`` and the metrics."""

from dataclasses import dataclass, field
from enum import Enum


class State(Enum):
    """Where a reflector stands."""

    SYNCING = "syncing"
    """The first list is under way."""
    SYNCED = "synced"
    """Everything was listed, and the watch follows."""
    ABSENT = "absent"
    """The API server does not serve the kind: its CRD is not installed."""
    FORBIDDEN = "forbidden"
    """RBAC does not allow to list or watch it."""
    FAILING = "failing"
    """The API server can't be reached, refuses or answers with errors."""


@dataclass(slots=True)
class ReflectorStatus:
    """One stream (kind, namespace, selector). Times are Unix seconds, 0 for never."""

    resource: str
    stream: str = ""
    """Namespace and selector; empty when there is one stream for all of the kind."""
    optional: bool = False
    state: State = State.SYNCING
    reason: str = "the first list has not been completed yet"
    """Why it is not synced and what to do about it; empty when it is."""
    has_synced: bool = False
    """A list was complete at least once."""
    up: bool = False
    """A watch is open at this moment."""
    last_event: float = 0.0
    last_bookmark: float = 0.0
    heard: float = 0.0
    """When anything came last: an object of a list, the end of one, an event, a bookmark. No state
    of an object is known that was written later."""
    position: str = ""
    """resourceVersion up to which everything was handed on; kept while a new list is under way."""
    initial_list_seconds: float = 0.0
    """From the start, or from when the kind became readable, to the first complete list."""
    objects: int = 0
    """Live objects known."""
    reconnects: int = 0
    """Watches opened again from where the last one ended."""
    relists: dict[str, int] = field(default_factory=dict)
    """New lists by reason: expired (410), restored (etcd went back), reappeared, error."""
    failures: dict[str, int] = field(default_factory=dict)
    """Failed requests and broken streams by kind of error."""

    @property
    def ready(self) -> bool:
        """Nothing to wait for: complete, not installed, or optional and not allowed."""
        if self.has_synced or self.state is State.ABSENT:
            return True
        return self.optional and self.state is State.FORBIDDEN
