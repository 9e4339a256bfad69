"""Plays the part of Argo's workflow controller on a real cluster, as far as one step needs it.

A workflow here is Steps with one group of one Pod node, and all of its status is written as Argo
4.1 writes it: ids with the FNV-1a hash of the node's name, pods named after workflow, template and
hash, messages of pending and failed nodes, times in whole seconds.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from support.node import MERGE, Api, Object
from support.scripted.objects import node_id

GROUP = "/apis/argoproj.io/v1alpha1"
TEMPLATE = "work"
_RECONCILE_SECONDS = 0.3  # of real time: Argo itself takes up to ten


def seconds(text: str | None) -> float:
    """Unix seconds of a Kubernetes time; 0 for none."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Observer:
    """All versions of all pods and events of a namespace, as the API server tells them."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.pods: dict[str, list[Object]] = {}
        """uid -> its versions, the oldest first."""
        self.deleted: set[str] = set()
        self.events: list[Object] = []
        self._api = api
        self._path = f"/api/v1/namespaces/{namespace}"
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Watches until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_pods())
            group.create_task(self._watch_events())

    async def _watch_pods(self) -> None:
        async for event in self._api.watch(f"{self._path}/pods", "0"):
            pod = event["object"]
            assert pod["kind"] == "Pod", pod
            self.pods.setdefault(pod["metadata"]["uid"], []).append(pod)
            if event["type"] == "DELETED":
                self.deleted.add(pod["metadata"]["uid"])
            self._changed.set()

    async def _watch_events(self) -> None:
        async for event in self._api.watch(f"{self._path}/events", "0"):
            self.events.append(event["object"])
            self._changed.set()

    async def until(self, condition: Callable[[], bool], limit: float, what: str) -> None:
        """Waits for a condition on what was seen; raises TimeoutError, naming it, at the limit."""
        deadline = time.monotonic() + limit
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{what}: not within {limit} s")
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                continue

    def latest(self, uid: str) -> Object:
        return self.pods[uid][-1]

    def has_event(self, uid: str, reason: str) -> bool:
        return any(
            event["involvedObject"].get("uid") == uid and event["reason"] == reason
            for event in self.events
        )


@dataclass
class Run:
    """One workflow that is played."""

    name: str
    """Of the pipeline: ``<name>-`` is the generateName, ``<name>-x7k2p`` the workflow."""
    namespace: str
    pod_spec: Object
    api: Api
    observer: Observer
    phase: str = ""
    message: str = ""
    started: str = ""
    finished: str = ""
    node_started: str = ""
    node_finished: str = ""
    uid: str = ""
    pods: list[str] = field(default_factory=list)
    """uids, in the order in which they were made."""

    @property
    def workflow(self) -> str:
        return f"{self.name}-x7k2p"

    @property
    def _node(self) -> str:
        return node_id(self.workflow, f"{self.workflow}[0].step")

    @property
    def pod(self) -> str:
        return f"{self.workflow}-{TEMPLATE}-{self._node.rpartition('-')[2]}"

    @property
    def _path(self) -> str:
        return f"{GROUP}/namespaces/{self.namespace}/workflows"

    async def submit(self) -> None:
        """Creates the workflow, and writes that it runs with one Pending node."""
        meta = {"name": self.workflow, "generateName": f"{self.name}-", "namespace": self.namespace}
        step = {"name": "step", "template": TEMPLATE}
        main: Object = {"name": "main", "steps": [[step]]}
        templates = [main, {"name": TEMPLATE, "container": self.pod_spec["containers"][0]}]
        body = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": meta,
            "spec": {"entrypoint": "main", "templates": templates},
        }
        created = await self.api.call("POST", self._path, body)
        self.uid = created["metadata"]["uid"]
        self.started = self.node_started = now()
        await self.write("Running", "Pending")

    async def make_pod(self) -> str:
        """Creates the node's pod, or creates it again; its uid."""
        owner = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "name": self.workflow,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
        labels = {
            "workflows.argoproj.io/workflow": self.workflow,
            "workflows.argoproj.io/completed": "false",
        }
        annotations = {
            "workflows.argoproj.io/node-id": self._node,
            "workflows.argoproj.io/node-name": f"{self.workflow}[0].step",
        }
        meta = {
            "name": self.pod,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner],
        }
        body = {"metadata": meta, "spec": self.pod_spec}
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        made = await self.api.call("POST", path, body)
        uid = str(made["metadata"]["uid"])
        self.pods.append(uid)
        await self.observer.until(lambda: uid in self.observer.pods, 10, f"{self.pod} is seen")
        return uid

    async def delete_pod(self) -> None:
        """Deletes the latest pod, and waits until it is gone."""
        uid = self.pods[-1]
        await self.api.call("DELETE", f"/api/v1/namespaces/{self.namespace}/pods/{self.pod}")
        await self.observer.until(lambda: uid in self.observer.deleted, 60, f"{self.pod} is gone")

    async def follow(self, limit: float) -> None:
        """Writes what the pod does into the node until the pod has ended, then the end of all."""
        uid = self.pods[-1]
        shown = ("Pending", "")
        deadline = time.monotonic() + limit
        while (pod := self.observer.latest(uid))["status"]["phase"] not in ("Succeeded", "Failed"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.pod} has not ended: {pod['status']}")
            running = pod["status"]["phase"] == "Running"
            state = ("Running", "") if running else ("Pending", waiting(pod))
            if state != shown:
                shown = state
                await self.write("Running", *state)
            await asyncio.sleep(_RECONCILE_SECONDS)
        ends = [end for _, end in container_times(self.observer.pods[uid]).values() if end]
        phase, message = outcome(pod)
        last = datetime.fromtimestamp(max(ends), UTC) if ends else datetime.now(UTC)
        self.node_finished = last.strftime("%Y-%m-%dT%H:%M:%SZ")
        await self.end(phase, message, f"child '{self._node}' failed")

    async def end(self, phase: str, message: str, why: str, shutdown: str = "") -> None:
        """Writes the end of node and workflow; ``why`` is the workflow's message if it failed."""
        self.finished = now()
        self.node_finished = self.node_finished or self.finished
        self.message = why if phase != "Succeeded" else ""
        await self.write(phase, phase, message, shutdown)

    async def write(
        self, phase: str, node_phase: str, message: str = "", shutdown: str = ""
    ) -> None:
        self.phase = phase
        status = {
            "phase": phase,
            "startedAt": self.started,
            "message": self.message,
            "finishedAt": self.finished or None,
            "nodes": self._nodes(phase, node_phase, message),
        }
        body: Object = {"status": status}
        if self.finished:
            completed = {"workflows.argoproj.io/completed": "true"}
            body["metadata"] = {"labels": {**completed, "workflows.argoproj.io/phase": phase}}
        if shutdown:
            body["spec"] = {"shutdown": shutdown}
        await self.api.call("PATCH", f"{self._path}/{self.workflow}", body, MERGE)

    def _nodes(self, phase: str, node_phase: str, message: str) -> Object:
        root, leaf = self.workflow, self._node
        group = node_id(root, f"{root}[0]")
        virtual = {"phase": phase, "startedAt": self.started, "finishedAt": self.finished or None}
        return {
            root: {
                **virtual,
                "id": root,
                "name": root,
                "type": "Steps",
                "templateName": "main",
                "message": self.message,
                "children": [group],
            },
            group: {
                **virtual,
                "id": group,
                "name": f"{root}[0]",
                "type": "StepGroup",
                "boundaryID": root,
                "children": [leaf],
            },
            leaf: {
                "id": leaf,
                "name": f"{root}[0].step",
                "type": "Pod",
                "templateName": TEMPLATE,
                "boundaryID": root,
                "phase": node_phase,
                "message": message,
                "startedAt": self.node_started,
                "finishedAt": self.node_finished or None,
            },
        }


def waiting(pod: Object) -> str:
    """The message of a Pending node."""
    status = pod["status"]
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{condition['reason']}: {condition['message']}"
    for container in status.get("initContainerStatuses", []) + status.get("containerStatuses", []):
        if state := container["state"].get("waiting"):
            return ": ".join(filter(None, (state.get("reason"), state.get("message"))))
    return ""


def outcome(pod: Object) -> tuple[str, str]:
    """Phase and message of the node of a pod that has ended."""
    status = pod["status"]
    if status["phase"] == "Succeeded":
        return "Succeeded", ""
    if message := status.get("message"):
        return "Failed", str(message)
    for container in status.get("initContainerStatuses", []) + status["containerStatuses"]:
        ended: dict[str, Any] = container["state"].get("terminated") or {"exitCode": 0}
        if code := ended["exitCode"]:
            return "Failed", f"{container['name']}: {ended['reason']} (exit code {code})"
    raise AssertionError(f"no container failed: {status}")


def container_times(versions: list[Object]) -> dict[str, tuple[float, float]]:
    """Container -> (start, finish) in Unix seconds, 0 for none, over all versions of a pod: an
    eviction takes them out of the status."""
    times: dict[str, tuple[float, float]] = {}
    for pod in versions:
        status = pod["status"]
        for container in status.get("initContainerStatuses", []) + status.get(
            "containerStatuses", []
        ):
            start, end = times.get(container["name"], (0.0, 0.0))
            state = container["state"]
            shown = state.get("terminated") or state.get("running") or {}
            start = start or seconds(shown.get("startedAt"))
            times[container["name"]] = (start, end or seconds(shown.get("finishedAt")))
    return times
