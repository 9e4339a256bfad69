"""The recordings' workflows run again in the simulator's controller, with the pods as recorded.

The controller makes the same pods (their names follow from the workflow's); the part of the kubelet
is played from the recording: each status that a real pod had, as long after its creation as then.
So what differs is the controller's doing, and not the mood of a loaded machine.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec

from argoscope.simulator.engine.argo import actions
from argoscope.simulator.engine.argo.controller import WorkflowController
from argoscope.simulator.engine.argo.storage import inflate
from argoscope.simulator.engine.argo.version import VERSIONS
from argoscope.simulator.engine.behaviour import ANNOTATION
from argoscope.simulator.engine.kernel import Change, Kernel, Key, Object, key_of
from argoscope.simulator.engine.kubelet import Kubelet
from argoscope.simulator.engine.machines import Machines
from argoscope.simulator.engine.recorder import Recorder
from support.recordings import events, recording

CRON = "workflows.argoproj.io/cron-workflow"
Steps = list[tuple[str, ...]]
"""The changes of one object in order, each the set of what changed with it."""


class NoKubelet(Kubelet):
    """Nothing runs: statuses come from a recording."""

    def _changed(self, change: Change, pod: Object) -> None:
        pass


@dataclass
class _Pod:
    """One recorded pod: its statuses by seconds since it was added, and when it went."""

    statuses: list[tuple[float, Object, Object]] = field(default_factory=list)
    gone: float | None = None
    node: str = ""


@cache
def recorded_pods(name: str) -> dict[Key, list[_Pod]]:
    """By namespace and name; several where one was made again."""
    pods: dict[Key, list[_Pod]] = {}
    by_uid: dict[str, tuple[float, _Pod]] = {}
    for t, event in events(name, "pods"):
        pod = event["object"]
        labels = pod["metadata"].get("labels") or {}
        if "workflows.argoproj.io/workflow" not in labels:
            continue
        uid = pod["metadata"]["uid"]
        if uid not in by_uid:
            by_uid[uid] = (t, _Pod())
            pods.setdefault(key_of(pod), []).append(by_uid[uid][1])
        added, found = by_uid[uid]
        found.node = pod["spec"].get("nodeName", found.node)
        if event["type"] == "DELETED":
            found.gone = t - added
        deleting = {
            k: pod["metadata"][k]
            for k in ("deletionTimestamp", "deletionGracePeriodSeconds")
            if k in pod["metadata"]
        }
        found.statuses.append((t - added, pod.get("status") or {}, deleting))
    return pods


@cache
def recorded_workflows(name: str) -> dict[str, list[tuple[float, str, Object]]]:
    """(time, type, object) of each workflow by uid, in order of their creation."""
    found: dict[str, list[tuple[float, str, Object]]] = {}
    for t, event in events(name, "workflows"):
        found.setdefault(event["object"]["metadata"]["uid"], []).append(
            (t, event["type"], event["object"])
        )
    return found


def scenario_of(workflow: Object) -> str:
    labels = workflow["metadata"].get("labels") or {}
    return str(labels.get("scenario") or (f"cron:{labels[CRON]}" if CRON in labels else "-"))


class Replay:
    """All workflows of a recording, submitted when they were, and done to what was done."""

    def __init__(self, name: str, version: str, *, parallelism: dict[str, int]) -> None:
        self._name = name
        streams = recorded_workflows(name)
        self.start = min(stream[0][0] for stream in streams.values())
        self.kernel = Kernel(seed=1, start=self.start - 10.0)
        self._pods: dict[Key, list[_Pod]] = {
            key: list(found) for key, found in recorded_pods(name).items()
        }
        kernel = self.kernel
        self._templates()
        self.controller = WorkflowController(
            kernel,
            Recorder(kernel),
            NoKubelet(kernel, Recorder(kernel), Machines(kernel)),
            argo=VERSIONS[version],
            namespace_parallelism=parallelism,
            pod_quota={"quota": 2},
            semaphores={"ml/ConfigMap/limits/gpu": 2},
        )
        self.controller.memo[("ci", "memo", "k1")] = {}  # kept in a ConfigMap by an earlier run
        kernel.subscribe("pods", self._pod_changed)
        for stream in streams.values():
            t, _, first = stream[0]
            self._submit(t, first)
        self._act()

    def run(self) -> dict[str, list[tuple[float, str, Object]]]:
        """What the workflows' watch would have shown, by uid."""
        kernel, seen, index = self.kernel, {}, 0
        end = max(s[-1][0] for s in recorded_workflows(self._name).values())
        collection = kernel.cluster.collections["workflows"]
        while kernel.now < end:
            kernel.run_until(kernel.now + 0.05)
            for change in collection.changes[index:]:
                kind = "DELETED" if change.gone else ("MODIFIED" if change.old else "ADDED")
                obj = msgspec.json.decode(change.new.json)
                seen.setdefault(change.new.uid, []).append((kernel.now, kind, obj))
            index = len(collection.changes)
        return seen

    def _templates(self) -> None:
        for plural in ("workflowtemplates", "clusterworkflowtemplates"):
            for _, event in events(self._name, plural):
                obj = event["object"]
                kept = {k: v for k, v in obj["metadata"].items() if k in ("name", "namespace")}
                self.kernel.put(plural, {"metadata": kept, "spec": obj["spec"]})

    def _submit(self, t: float, first: Object) -> None:
        meta = first["metadata"]
        kept = ("name", "namespace", "generateName", "uid", "labels", "annotations")
        made = {
            "metadata": {k: meta[k] for k in kept if k in meta},
            "spec": json.loads(json.dumps(first["spec"])),
        }
        for template in made["spec"].get("templates") or ():
            if "http" in template:  # nobody answered
                template.setdefault("metadata", {})["annotations"] = {
                    ANNOTATION: '{"seconds": null}'
                }
        self.kernel.at(t - 0.03, lambda: self.kernel.put("workflows", made))

    def _act(self) -> None:
        kernel, path = self.kernel, recording(self._name) / "actions.jsonl"
        for line in path.read_text().splitlines():
            action = json.loads(line)
            words = action["action"].split()
            if words[0] == "argo" and words[1] != "resubmit":
                do, target = getattr(actions, words[1]), (action["ns"], words[2])
                kernel.at(action["t"] - 0.05, lambda do=do, at=target: do(kernel, *at))
            elif action["action"] == "delete":
                kernel.at(action["t"], lambda n=action["name"]: actions.delete(kernel, "ci", n))
        for stream in recorded_workflows(self._name).values():
            self._replaced(stream)

    def _replaced(self, stream: list[tuple[float, str, Object]]) -> None:
        """A cron with Replace terminates its old run: that is the cron controller's doing."""
        before: Object = {}
        for t, _, obj in stream:
            asked = obj["spec"].get("shutdown")
            if asked and not before.get("shutdown") and scenario_of(obj).startswith("cron:"):
                key = key_of(obj)
                self.kernel.at(t - 0.05, lambda k=key: actions.terminate(self.kernel, *k))
            before = obj["spec"]
        if stream[-1][1] == "DELETED" and scenario_of(stream[0][2]).startswith("cron:"):
            key = key_of(stream[0][2])
            self.kernel.at(stream[-1][0], lambda: self._delete(key))

    def _delete(self, key: Key) -> None:
        found = self.kernel.get("workflows", *key)
        if found is not None:
            self.kernel.remove("workflows", found)

    # Pods

    def _pod_changed(self, change: Change, pod: Object) -> None:
        waiting = self._pods.get(key_of(pod))
        if change != "ADDED" or not waiting:
            return
        played, uid, key = waiting.pop(0), pod["metadata"]["uid"], key_of(pod)
        for after, status, deleting in played.statuses[1:]:
            self.kernel.after(
                after, lambda s=status, d=deleting: self._write(key, uid, s, d, played)
            )
        if played.gone is not None:
            self.kernel.after(played.gone, lambda: self._remove(key, uid))

    def _live(self, key: Key, uid: str) -> Object | None:
        pod = self.kernel.get("pods", *key)
        return pod if pod is not None and pod["metadata"]["uid"] == uid else None

    def _write(self, key: Key, uid: str, status: Object, deleting: Object, played: _Pod) -> None:
        pod = self._live(key, uid)
        if pod is not None:
            pod["status"] = json.loads(json.dumps(status))
            pod["metadata"].update(deleting)
            if played.node:
                pod["spec"]["nodeName"] = played.node
            self.kernel.put("pods", pod)

    def _remove(self, key: Key, uid: str) -> None:
        pod = self._live(key, uid)
        if pod is not None:
            self.kernel.remove("pods", pod)


def steps(stream: list[tuple[float, str, Object]], *, looks_twice: bool = False) -> Steps:
    """What changed with each event, without times; events that changed nothing are left out.

    A controller that ``looks_twice`` may or may not see, a tenth of a second after the first look,
    that a pod initializes: what only that second look shows is left out.
    """
    found: Steps = []
    before: dict[str, str] = {}
    for _, kind, obj in stream:
        if kind == "DELETED":
            found.append(("DELETED",))
            continue
        now = dict(_facts(obj))
        if looks_twice:
            now = {
                what: value.replace("PodInitializing", "")
                for what, value in now.items()
                if what != "condition PodRunning"
            }
        changed = sorted(
            f"{what}: {value}"
            for what, value in now.items()
            if before.get(what) != value and (value or what in before)
        )
        changed += sorted(f"{what} is gone" for what in before if what not in now)
        if kind == "ADDED" and not found:
            found.append(("ADDED",))
        elif changed:
            found.append(tuple(changed))
        before = now
    return found


def _facts(obj: Object) -> Iterator[tuple[str, str]]:
    status: dict[str, Any] = json.loads(json.dumps(obj.get("status") or {}))
    inflate(status)
    name = obj["metadata"]["name"]
    yield "phase", status.get("phase") or ""
    yield "message", _anonymous(status.get("message") or "", name)
    yield "finished", "yes" if status.get("finishedAt") else ""
    for field_ in ("shutdown", "suspend"):
        yield field_, str(obj["spec"].get(field_) or "")
    for condition in status.get("conditions") or ():
        yield f"condition {condition['type']}", condition["status"]
    for kind in ("mutex", "semaphore"):
        held = ((status.get("synchronization") or {}).get(kind) or {}).get("holding") or ()
        yield f"{kind} held", "yes" if held else ""
    nodes = (status.get("nodes") or {}).values()
    if len(nodes) > 300:
        yield "nodes", str(len(nodes))
        return
    for node in nodes:
        ended = ", ended" if node.get("finishedAt") else ""
        message = _anonymous(node.get("message") or "", name)
        what = f"{node['type']} {node['name'].replace(name, 'WF')}"
        yield what, f"{node['phase']} {message}{ended}"


def _anonymous(message: str, name: str) -> str:
    """Ids differ where a name is part of them; versions of a message's tail are not compared."""
    return re.sub(r"WF-\d{6,}", "WF-#", message.replace(name, "WF"))[:90]
