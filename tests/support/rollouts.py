"""Rollouts through the real derivation and registry, with a journal of what was counted."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

from argoscope.metrics.model import Labels, Metric
from argoscope.metrics.registry import Registry
from argoscope.resources._base import Options, Seen
from argoscope.resources.rollout import RESOURCE
from argoscope.resources.rollout.metrics import (
    ABORTS,
    ATTEMPTS,
    CONVERGENCE,
    DURATION,
    PAUSED,
    STEP_SECONDS,
)
from argoscope.resources.rollout.objects import decode
from argoscope.resources.world import World
from support.recordings import events

Object = dict[str, Any]
Event = tuple[float, Object]
Sample = tuple[str, float]
CREATED = 1_800_000_000.0
"""When the synthetic rollout was created, in Unix seconds."""


class Journal(Registry):
    """A registry that also keeps each count and each sample, in order."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        super().__init__(metrics, now=lambda: 0.0)
        self.entries: list[tuple[Metric, Labels, float]] = []

    def count(
        self, metric: Metric, labels: Labels, amount: float = 1.0, *, exemplar: str = ""
    ) -> None:
        super().count(metric, labels, amount, exemplar=exemplar)
        self.entries.append((metric, labels, amount))

    def observe(self, metric: Metric, labels: Labels, value: float, *, exemplar: str = "") -> None:
        super().observe(metric, labels, value, exemplar=exemplar)
        self.entries.append((metric, labels, value))

    def of(self, metric: Metric, rollout: str) -> list[Sample]:
        """(last label, value) of each entry of a rollout."""
        return [
            (labels[-1], value)
            for entry, labels, value in self.entries
            if entry is metric and labels[1] == rollout
        ]

    def of_attempts(self, rollout: str) -> list[Sample]:
        return self.of(ATTEMPTS, rollout)

    def results(self, rollout: str) -> Counter[str]:
        return Counter(result for result, _ in self.of(ATTEMPTS, rollout))

    def aborts(self, rollout: str) -> list[str]:
        return [cause for cause, _ in self.of(ABORTS, rollout)]

    def durations(self, rollout: str) -> list[Sample]:
        return self.of(DURATION, rollout)

    def steps(self, rollout: str) -> list[Sample]:
        return self.of(STEP_SECONDS, rollout)

    def pauses(self, rollout: str) -> list[Sample]:
        return self.of(PAUSED, rollout)

    def converged(self, rollout: str) -> list[Sample]:
        return self.of(CONVERGENCE, rollout)


class Watcher:
    """The derivation as the daemon drives it."""

    def __init__(self) -> None:
        self.journal = Journal(RESOURCE.metrics)
        self._deriver = RESOURCE.derive(World(), self.journal, Options())

    def see(self, event: Event, *, baseline: bool = False) -> None:
        """Take one watch event."""
        at, change = event
        obj = change.get("decoded") or decode(json.dumps(change["object"]).encode())
        obj.metadata.uid = obj.metadata.uid or f"{obj.metadata.namespace}/{obj.metadata.name}"
        if change["type"] == "DELETED":
            self._deriver.delete(obj.metadata.uid, obj, Seen(at))
        else:
            self._deriver.upsert(obj, Seen(at, history_until=inf if baseline else 0.0))

    def vanish(self, uid: str, at: float) -> None:
        """The object is gone at a relist; nobody saw it go."""
        self._deriver.delete(uid, None, Seen(at))


def watch(recorded: Sequence[Event]) -> Journal:
    watcher = Watcher()
    for event in recorded:
        watcher.see(event)
    return watcher.journal


def recorded_rollouts(*, controller_times: bool = True) -> dict[str, list[Event]]:
    """The recorded watch events by rollout; without status.duration as 1.5 to 1.9 write it."""
    streams: dict[str, list[Event]] = {}
    for at, event in events("argo-4.1-loaded", "rollouts"):
        if not controller_times:
            event["object"].get("status", {}).pop("duration", None)
        event["decoded"] = decode(json.dumps(event["object"]).encode())  # once for many replays
        streams.setdefault(event["object"]["metadata"]["name"], []).append((at, event))
    return streams


def at(second: float) -> str:
    """A Kubernetes time that many seconds after the synthetic rollout was created."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(CREATED + second))


def condition(kind: str, status: str, reason: str, second: float, message: str = "") -> Object:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": at(second),
        "lastUpdateTime": at(second),
    }


def aborted(second: float, why: str = "", revision: int = 2) -> Object:
    """The part of a status that says that the controller aborted."""
    message = f"Rollout aborted update to revision {revision}" + (f": {why}" if why else "")
    return {
        "phase": "Degraded",
        "message": f"RolloutAborted: {message}",
        "abort": True,
        "abortedAt": at(second),
        "conditions": [
            condition("Healthy", "False", "RolloutHealthy", 10),
            condition("Progressing", "False", "RolloutAborted", second, message),
        ],
    }


STEPS = [{"setWeight": 25}, {"pause": {}}, {"setWeight": 50}]


def canary(second: float, revision: int, current: str, stable: str, **status: Any) -> Event:
    """A watch event of the rollout shop/web, as a controller before 1.10 writes its status."""
    conditions = [condition("Healthy", "False", "RolloutHealthy", 10)] if revision > 1 else []
    if current == stable and status.get("phase") == "Healthy":
        conditions = [
            condition("Healthy", "True", "RolloutHealthy", second),
            condition("Completed", "True", "RolloutCompleted", second),
        ]
    return CREATED + second, {
        "type": "MODIFIED",
        "object": {
            "metadata": {
                "name": "web",
                "namespace": "shop",
                "uid": "u-1",
                "generation": revision,
                "creationTimestamp": at(0),
                "annotations": {"rollout.argoproj.io/revision": str(revision)},
            },
            "spec": {"replicas": 4, "strategy": {"canary": {"steps": STEPS}}},
            "status": {
                "phase": "Progressing",
                "observedGeneration": str(revision),
                "currentPodHash": current,
                "stableRS": stable,
                "conditions": conditions,
                **status,
            },
        },
    }


def created() -> Event:
    """The first revision, "a", healthy 5 s after its creation."""
    return canary(5, 1, "a", "a", phase="Healthy", currentStepIndex=3)
