"""The pod derivation on the real registry and world, fed with raw objects."""

import json
from collections import defaultdict
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

import msgspec

from argoscope.metrics.registry import Registry
from argoscope.resources import event, pod
from argoscope.resources._base import Options, Seen
from argoscope.resources.world import PodEnd, Run, World

Raw = dict[str, Any]


class Pods:
    """Pods and their events in, measurements out."""

    def __init__(self) -> None:
        self.now = 0.0
        self.world = World()
        self.registry = Registry(pod.METRICS, now=lambda: float(self.now))
        self.pods = pod.PodDeriver(self.world, self.registry, Options())
        self.events = event.EventDeriver(self.world, self.registry, Options())
        self._pod = msgspec.json.Decoder(pod.Pod)
        self._event = msgspec.json.Decoder(event.Event)

    def workflow(self, namespace: str, name: str, pipeline: str, **fields: Any) -> Run:
        """Make a workflow known, or change it."""
        run = Run(namespace=namespace, name=name, uid=f"u-{name}", pipeline=pipeline, **fields)
        if run.gone:
            self.world.runs.pop((namespace, name), None)
        else:
            self.world.runs[namespace, name] = run
        self.world.run_changed(run)
        return run

    def upsert(self, obj: Raw, at: float, *, baseline: bool = False) -> None:
        self.now = at
        decoded = self._pod.decode(json.dumps(obj))
        self.pods.upsert(decoded, Seen(at=at, history_until=inf if baseline else 0.0))

    def delete(self, obj: Raw, at: float) -> None:
        self.now = at
        decoded = self._pod.decode(json.dumps(obj))
        self.pods.delete(decoded.metadata.uid, decoded, Seen(at=at))

    def vanish(self, uid: str, at: float) -> None:
        """A relist no longer has the pod."""
        self.now = at
        self.pods.delete(uid, None, Seen(at=at))

    def event(self, obj: Raw, at: float) -> None:
        self.now = at
        self.events.upsert(self._event.decode(json.dumps(obj)), Seen(at=at))

    def take(self, type_: str, obj: Raw, at: float) -> None:
        """A recorded watch event; other kinds than Pod and Event are passed over."""
        if obj["kind"] == "Event":
            self.event(obj, at)
        elif obj["kind"] == "Pod" and type_ == "DELETED":
            self.delete(obj, at)
        elif obj["kind"] == "Pod":
            self.upsert(obj, at)

    def finish(self) -> None:
        self.pods.finish()
        self.registry.publish()

    # -- what came out

    def stages(self) -> dict[str, tuple[int, float]]:
        """Stage -> (samples, seconds), over all pods."""
        return self._histogram(pod.STAGE_SECONDS, 3)

    def waits(self) -> dict[str, tuple[int, float]]:
        """Reason -> (ended episodes, seconds)."""
        return self._histogram(pod.PENDING_SECONDS, 1)

    def episodes(self) -> dict[str, int]:
        return self._by(pod.EPISODES, 2)

    def pending(self) -> dict[str, int]:
        return self._by(pod.PENDING, 2)

    def phases(self) -> dict[str, int]:
        return self._by(pod.PODS, 1)

    def restarts(self) -> int:
        return int(sum(value for _, value in self.registry.samples(pod.RESTARTS)))

    def end(self, namespace: str, workflow: str, node: str) -> PodEnd | None:
        return self.world.pod_ends.get((namespace, workflow), {}).get(node)

    def causes(self) -> dict[str, int]:
        counts: dict[str, int] = defaultdict(int)
        for ends in self.world.pod_ends.values():
            for end in ends.values():
                if end.cause:
                    counts[end.cause] += 1
        return dict(counts)

    def _histogram(self, metric: Any, label: int) -> dict[str, tuple[int, float]]:
        found: dict[str, tuple[int, float]] = {}
        for labels, count in self.registry.samples(metric):
            samples, seconds = found.get(labels[label], (0, 0.0))
            total = self.registry.sum(metric, labels)
            found[labels[label]] = (samples + int(count), seconds + total)
        return {key: value for key, value in found.items() if value[0]}

    def _by(self, metric: Any, label: int) -> dict[str, int]:
        counts: dict[str, int] = defaultdict(int)
        for labels, value in self.registry.samples(metric):
            counts[labels[label]] += int(value)
        return {key: value for key, value in counts.items() if value}


def recorded(path: Path) -> Iterator[tuple[float, str, Raw]]:
    """(time, type, object) of a recording's file."""
    with path.open() as lines:
        for line in lines:
            record = json.loads(line)
            if record["event"]["type"] != "BOOKMARK":
                yield record["t"], record["event"]["type"], record["event"]["object"]
