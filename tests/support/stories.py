"""What happens in a cluster, as watch events of all kinds: recorded, or made up from a seed."""

import json
import random
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

from argoscope.resources.event import RESOURCE as EVENTS
from argoscope.simulator.cluster import Change, Cluster
from argoscope.simulator.selectors import field_test, label_test
from support.box import KINDS, Event, streams
from support.recordings import events
from support.scripted import objects as make
from support.scripted.workload import Workload

Object = dict[str, Any]
BEGIN = 1_795_000_020.0
"""When made-up stories begin: 20 s past a full minute."""

_PLURAL = {resource.kind: name for name, resource in KINDS.items()}
_event_wanted = field_test(EVENTS.selectors[0].field)
_pod_wanted = [label_test(selector.label) for selector in KINDS["pods"].selectors]


def stream_of(kind: str, obj: Object) -> str | None:
    """Which of the kind's streams has the object; None if no selection takes it."""
    found = streams(kind)
    if kind == "events":
        return found[0] if _event_wanted(obj) else None
    if kind == "pods":
        labels = obj["metadata"].get("labels") or {}
        return next(
            (s for s, wanted in zip(found, _pod_wanted, strict=True) if wanted(labels)), None
        )
    return found[0]


def event_of(at: float, kind: str, type_: str, obj: Object) -> Event | None:
    stream = stream_of(kind, obj)
    if stream is None:
        return None
    meta = obj["metadata"]
    raw = json.dumps(obj).encode()
    return Event(at, kind, type_, meta["uid"], int(meta["resourceVersion"]), raw, stream, obj)


@cache
def recorded(recording: str) -> tuple[Event, ...]:
    """All that a daemon is sent of a recorded cluster."""
    found = (
        event_of(at, _PLURAL[event["object"]["kind"]], event["type"], event["object"])
        for at, event in events(recording, *KINDS)
    )
    return tuple(event for event in found if event is not None)


@cache
def made_up(seed: int, *, seconds: int = 600, meddled: bool = True) -> tuple[Event, ...]:
    """The simulator's workload, with people and collectors at work on it; see ``Meddler``.

    It begins with a week's history.
    """
    return tuple(_made_up(seed, seconds, meddled))


def _made_up(seed: int, seconds: int, meddled: bool) -> Iterator[Event]:
    now = BEGIN
    cluster = Cluster(seed=seed, clock=lambda: now)
    meddler = Meddler(cluster, seed)
    workload = Workload(seed, meddler.put, cluster.remove, now)
    watched = {kind: found for kind, found in cluster.collections.items() if kind in KINDS}
    taken = dict.fromkeys(watched, 0)
    for second in range(seconds):
        now = BEGIN + second
        if second:
            workload.advance(now)
            if meddled:
                meddler.advance(now)
        changes: list[tuple[str, Change]] = []
        for kind, collection in watched.items():
            changes += [(kind, change) for change in collection.changes[taken[kind] :]]
            taken[kind] = len(collection.changes)
        for kind, change in sorted(changes, key=lambda change: change[1].new.version):
            type_ = "DELETED" if change.gone else "MODIFIED" if change.old else "ADDED"
            event = event_of(now + 0.3, kind, type_, json.loads(change.new.json))
            if event is not None:
                yield event


class Meddler:
    """What people, podGC and TTL do to the runs of the workload: `argo retry` of failed runs, also
    while they are being collected; collection of a run and its pods the moment that it ends;
    deletion of runs that go on."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._chance = random.Random(seed + 1)
        self._deleted: set[str] = set()
        self._looked_at: set[str] = set()
        self._retried: list[tuple[float, Object, Object]] = []

    def put(self, kind: str, obj: Object) -> None:
        """The workload does not know what was deleted meanwhile."""
        if obj["metadata"]["name"] not in self._deleted:
            self._cluster.put(kind, obj)

    def advance(self, now: float) -> None:
        for due in [due for due in self._retried if due[0] <= now]:
            self._retried.remove(due)
            self._end_again(due[1], due[2], now)
        for stored in list(self._cluster.collections["workflows"].objects.values()):
            obj = json.loads(stored.json)
            status = obj["status"]
            if status["phase"] == "Running":
                if self._chance.random() < 0.0005:
                    self._delete(obj)
            elif stored.uid not in self._looked_at:
                self._looked_at.add(stored.uid)
                if now - _seconds(status["finishedAt"]) < 30.0:  # not of the history
                    self._meddle_with(obj, now)

    def _meddle_with(self, obj: Object, now: float) -> None:
        fate = self._chance.random()
        if fate < 0.15:
            self._delete(obj)
        elif fate < 0.35:
            self._delete_pods(obj)
        elif obj["status"]["phase"] == "Failed" and fate < 0.9:
            self._retry(obj, now)

    def _delete(self, obj: Object) -> None:
        self._deleted.add(obj["metadata"]["name"])
        self._cluster.remove("workflows", obj)
        self._delete_pods(obj)

    def _delete_pods(self, obj: Object) -> None:
        name = obj["metadata"]["name"]
        for stored in list(self._cluster.collections["pods"].objects.values()):
            if stored.labels.get("workflows.argoproj.io/workflow") == name:
                self._deleted.add(stored.name)
                self._cluster.remove("pods", json.loads(stored.json))

    def _retry(self, obj: Object, now: float) -> None:
        """The failed leaves are made again under their ids, later; the run's start moves."""
        status = obj["status"]
        failed = [
            n for n in status["nodes"].values() if n["type"] == "Pod" and n["phase"] == "Failed"
        ]
        if not failed:
            return
        again = self._chance.choice(failed)
        del status["nodes"][again["id"]]
        status |= {"phase": "Running", "startedAt": make.stamp(now), "finishedAt": None}
        self._cluster.put("workflows", obj)
        self._retried.append((now + self._chance.uniform(2.0, 40.0), obj, again))

    def _end_again(self, obj: Object, node: Object, now: float) -> None:
        meta = obj["metadata"]
        if self._cluster.get("workflows", meta["name"], meta["namespace"]) is None:
            return
        phase = self._chance.choice(["Succeeded", "Failed"])
        began = max(_seconds(obj["status"]["startedAt"]) + 1.0, now - 5.0)
        ended = {"phase": phase, "finishedAt": make.stamp(now)}
        obj["status"]["nodes"][node["id"]] = node | ended | {"startedAt": make.stamp(began)}
        obj["status"] |= ended
        self._cluster.put("workflows", obj)
        self._looked_at.discard(meta["uid"])  # and perhaps once more


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
