"""Reflectors' states as metrics of the daemon itself, and as log lines when they change."""

from collections.abc import Sequence

import structlog

from argoscope import __version__
from argoscope.metrics.internal import BUILD_INFO, RELISTS, SHARDS, WATCH_LAG, WATCH_UP
from argoscope.metrics.registry import Contribution, Registry
from argoscope.sharding import Shard
from argoscope.watch.status import ReflectorStatus, State

log = structlog.get_logger()

_RELIST_REASONS = ("expired", "restored", "reappeared", "error")


class Monitor:
    """Reads statuses about once a second and tells the registry and the log what changed."""

    def __init__(self, registry: Registry, shard: Shard | None = None) -> None:
        self._registry = registry
        self._states: dict[str, State] = {}
        self._synced_at: dict[str, float] = {}
        self._relists: dict[tuple[str, str], int] = {}
        registry.own(BUILD_INFO.name, [(BUILD_INFO, (__version__,), 1.0)])
        if shard is not None and not shard.is_spare:
            registry.own(SHARDS.name, [(SHARDS, (), float(shard.shards))])

    def update(self, statuses: Sequence[ReflectorStatus]) -> None:
        for status in statuses:
            key = f"watch/{status.resource}/{status.stream}"
            self._tell(key, status)
            self._count_relists(key, status)
            self._registry.own(key, self._gauges(key, status))

    def _tell(self, key: str, status: ReflectorStatus) -> None:
        before = self._states.get(key)
        if status.state is before:
            return
        self._states[key] = status.state
        facts = {"resource": status.resource, "stream": status.stream}
        facts = {name: value for name, value in facts.items() if value}
        if status.state is State.SYNCED:
            took = round(status.initial_list_seconds, 2)
            log.info("watching", objects=status.objects, first_list_seconds=took, **facts)
        elif status.state is State.ABSENT or (status.optional and status.ready):
            log.info("not watched", state=status.state.value, reason=status.reason, **facts)
        elif status.state is not State.SYNCING:
            log.warning("watch failing", state=status.state.value, reason=status.reason, **facts)

    def _count_relists(self, key: str, status: ReflectorStatus) -> None:
        for reason in (*_RELIST_REASONS, *status.relists):
            labels = (status.resource, reason)
            seen = status.relists.get(reason, 0)
            new = seen - self._relists.get((key, reason), 0)
            self._relists[key, reason] = seen
            if new:
                self._registry.count(RELISTS, labels, new)
            else:
                self._registry.declare(RELISTS, labels)

    def _gauges(self, key: str, status: ReflectorStatus) -> list[Contribution]:
        if not status.has_synced and status.ready:
            return []  # not installed, or not allowed and not needed: nothing that could be down
        up = status.has_synced and status.up
        gauges: list[Contribution] = [(WATCH_UP, (status.resource,), float(up))]
        if status.has_synced:
            synced = self._synced_at.setdefault(key, self._registry.now())
            heard = max(synced, status.last_event, status.last_bookmark)
            gauges.append((WATCH_LAG, (status.resource,), heard))
        return gauges
