"""Mutexes and semaphores: who holds them, who waits, and what the status says of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from argoscope.simulator.engine.kernel import Object


@dataclass(slots=True, eq=False)
class Lock:
    """One mutex (limit 1) or semaphore."""

    name: str
    """Namespace/Kind/name, as Argo writes it."""
    mutex: bool
    limit: int
    holders: list[str] = field(default_factory=list)
    """Keys of workflows (namespace/name) or of nodes of them (namespace/name/node id)."""
    waiting: list[str] = field(default_factory=list)

    def message(self) -> str:
        free = self.limit - len(self.holders)
        return f"Waiting for {self.name} lock. Lock status: {free}/{self.limit}"


def _nobody(what: str, **fields: object) -> None:
    """Wants to know."""


class Locks:
    """All locks of the controller; first come, first served."""

    def __init__(
        self,
        limits: dict[str, int] | None = None,
        tell: Callable[..., None] = _nobody,
    ) -> None:
        self._tell = tell
        """Gets a line of truth: lock_wanted, lock_taken, lock_let_go, each with lock and key."""
        self.limits = limits or {}
        """Of semaphores, by ``namespace/ConfigMap/name/key``; 1 where none is given."""
        self._locks: dict[str, Lock] = {}
        self._touched: dict[str, dict[Lock, None]] = {}
        """The locks that a workflow, or a node of it, has asked for."""

    def wanted(self, namespace: str, synchronization: Object | None) -> list[Lock]:
        mutexes = self._listed(synchronization, "mutex", "mutexes")
        found = [self._lock(f"{namespace}/Mutex/{m['name']}", mutex=True) for m in mutexes]
        for semaphore in self._listed(synchronization, "semaphore", "semaphores"):
            ref = semaphore.get("configMapKeyRef") or {}
            name = f"{namespace}/ConfigMap/{ref.get('name')}/{ref.get('key')}"
            found.append(self._lock(name, mutex=False))
        return found

    def _listed(self, synchronization: Object | None, one: str, many: str) -> list[Object]:
        found = list((synchronization or {}).get(many) or ())
        if (synchronization or {}).get(one):
            found.append((synchronization or {})[one])
        return found

    def _lock(self, name: str, *, mutex: bool) -> Lock:
        limit = 1 if mutex else self.limits.get(name, 1)
        return self._locks.setdefault(name, Lock(name, mutex, limit))

    def lock(self, name: str) -> Lock | None:
        """A lock that somebody asked for and has not done with."""
        return self._locks.get(name)

    def acquire(self, locks: list[Lock], key: str) -> Lock | None:
        """Takes all or none. Returns the lock that is waited for."""
        for lock in locks:
            self._touched.setdefault(_workflow(key), {})[lock] = None
        for lock in locks:
            if key in lock.holders:
                continue
            first = not lock.waiting or lock.waiting[0] == key
            if len(lock.holders) >= lock.limit or not first:
                for other in locks:
                    if key not in other.waiting and key not in other.holders:
                        other.waiting.append(key)
                        self._tell("lock_wanted", lock=other.name, key=key)
                return lock
        for lock in locks:
            if key not in lock.holders:
                lock.holders.append(key)
                self._tell("lock_taken", lock=lock.name, key=key)
            if key in lock.waiting:
                lock.waiting.remove(key)
        return None

    def release(self, key: str) -> list[str]:
        """Lets go what a workflow or node holds or waits for. Returns who is next."""
        next_keys = []
        for lock in self._touched.get(_workflow(key), ()):
            if key in lock.waiting:
                lock.waiting.remove(key)
                self._tell("lock_let_go", lock=lock.name, key=key)
            if key in lock.holders:
                lock.holders.remove(key)
                self._tell("lock_let_go", lock=lock.name, key=key)
                next_keys += lock.waiting[:1]
        return next_keys

    def _drop_unused(self, locks: Iterable[Lock]) -> None:
        """A lock that a name of its own was made for (one a run) is not kept for ever."""
        asked = {lock for touched in self._touched.values() for lock in touched}
        for lock in locks:
            if not (lock.holders or lock.waiting or lock in asked):
                self._locks.pop(lock.name, None)

    def release_all(self, workflow_key: str) -> list[str]:
        """The same for a workflow and all nodes of it, which is over."""
        keys = {
            key
            for lock in self._touched.get(workflow_key, ())
            for key in (*lock.holders, *lock.waiting)
            if _belongs(key, workflow_key)
        }
        next_keys = [key for held in sorted(keys) for key in self.release(held)]
        self._drop_unused(self._touched.pop(workflow_key, {}))
        return next_keys

    def status(self, workflow_key: str, old: Object | None) -> Object | None:
        """``status.synchronization`` of a workflow. ``waiting`` keeps naming who held when it was
        last looked at; it is left behind while the lock is held, as the controller does."""
        found: dict[str, dict[str, Any]] = {}
        for lock in self._touched.get(workflow_key, ()):
            kind = "mutex" if lock.mutex else "semaphore"
            mine = [k for k in lock.holders if _belongs(k, workflow_key)]
            waits = any(_belongs(k, workflow_key) for k in lock.waiting)
            if mine:
                holds = {"holder": mine[0]} if lock.mutex else {"holders": mine}
                held = {kind: lock.name, **holds}
                found.setdefault(kind, {}).setdefault("holding", []).append(held)
            if waits:
                held_by = {"holder": lock.holders[0]} if lock.mutex and lock.holders else {}
                who = held_by if lock.mutex else {"holders": list(lock.holders)}
                wait = {kind: lock.name, **who}
                found.setdefault(kind, {}).setdefault("waiting", []).append(wait)
            elif mine and (left := ((old or {}).get(kind) or {}).get("waiting")):
                found[kind]["waiting"] = left
        return found or None


def _belongs(key: str, workflow_key: str) -> bool:
    return key == workflow_key or key.startswith(workflow_key + "/")


def _workflow(key: str) -> str:
    return "/".join(key.split("/")[:2])
