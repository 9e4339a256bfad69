"""Pipelines of which every run, node attempt and pod must be counted: what the daemon may have
missed is never taken away before it has shown that it has it."""

import re
from dataclasses import dataclass
from random import Random

from chaos.stage import NAMESPACE, Stage
from chaos.truth import series
from support.scripted import objects as make
from support.scripted.objects import Object
from support.scripted.runs import Pipeline, Run, Step


def shape(name: str, random: Random) -> Pipeline:
    """Some steps, one after the other or side by side; at most one of a group fails."""
    groups = []
    for group in range(random.randint(1, 3)):
        steps = [
            Step(
                name=f"s{group}-{index}",
                template=f"t{group}",
                seconds=(0.1, 1.0),
                pull=0.0,
                fails=0.25 if index == 0 else 0.0,
                oom=0.1 if index == 0 else 0.0,
                exit_code=random.choice((1, 3, 64)),
                retries=random.choice((0, 0, 2)) if index == 0 else 0,
            )
            for index in range(random.randint(1, 4))
        ]
        groups.append(tuple(steps))
    return Pipeline(name=name, namespace=NAMESPACE, groups=tuple(groups), every=1.0)


@dataclass
class Case:
    """A run that has ended, with those of its pods that the truth has not taken yet."""

    run: Run
    uncounted: int = 0
    """Index of the first of them in ``run.pods``."""

    @property
    def uid(self) -> str:
        return str(self.run.workflow["metadata"]["uid"])


class Line:
    """One pipeline: run after run, some retried, all deleted once they were counted."""

    def __init__(self, name: str, stage: Stage) -> None:
        self._name = name
        self._stage = stage
        self._pipeline = shape(name, stage.random)
        self._run: Run | None = None
        self._revival: Revival | None = None
        self._kept: list[Case] = []
        self._next = 0.0

    @property
    def idle(self) -> bool:
        return self._run is None and self._revival is None

    def advance(self, now: float) -> None:
        if now < self._next:
            return
        self._next = now + self._stage.random.uniform(0.05, 0.4)
        if self._revival is not None:
            self._revival.advance(now)
            if self._revival.done:
                self._ended(self._revival.case)
                self._revival = None
        elif self._run is not None:
            self._run.advance(now)
            if self._run.done:
                self._ended(Case(self._run))
                self._run = None
        elif self._kept and self._stage.chance(0.5):
            self._look_back(now)
        elif not self._stage.draining:
            self._run = Run(self._pipeline, now, self._stage.random, self._stage.put)

    def _ended(self, case: Case) -> None:
        self._stage.truth.close(case.uid)
        into = self._stage.truth.expected[self._name]
        name = case.run.name
        for pod in case.run.pods[case.uncounted :] if self._stage.has("pods") else ():
            template = pod["metadata"]["name"].removeprefix(f"{name}-").rpartition("-")[0]
            for stage in ("schedule", "init", "prepare", "main", "wait"):
                labels = {"namespace": NAMESPACE, "pipeline": self._name}
                labels |= {"template": template, "stage": stage}
                into[series("argo_pod_stage_seconds_count", **labels)] += 1
        case.uncounted = len(case.run.pods)
        self._kept.append(case)

    def _look_back(self, now: float) -> None:
        """At runs that have ended: retry one, or let TTL and podGC take some."""
        if self._stage.draining or not self._stage.settled(self._name):
            return
        if self._kept[-1].run.failed and self._stage.chance(0.6):
            self._revival = Revival(self._kept.pop(), self._stage, now)
            return
        while self._kept and self._stage.chance(0.8):
            self._collect(self._kept.pop())

    def _collect(self, case: Case) -> None:
        gone = [("workflows", case.run.workflow), *(("pods", pod) for pod in case.run.pods)]
        self._stage.random.shuffle(gone)
        for plural, obj in gone:
            self._stage.remove(plural, obj)
        self._stage.truth.forget(case.uid)


class Revival:
    """`argo retry`: the failed nodes and their pods go, and are made again with the same ids."""

    def __init__(self, case: Case, stage: Stage, now: float) -> None:
        self.case = case
        self.done = False
        self._run = case.run
        self._stage = stage
        self._status: Object = case.run.workflow["status"]
        self._nodes: dict[str, Object] = self._status["nodes"]
        self._next = now
        self._steps = [self._make, self._finish]
        self._removed = self._take_failed()
        self._started = now
        self._reopen(now)

    def advance(self, now: float) -> None:
        if now >= self._next:
            self._next = now + self._stage.random.uniform(0.1, 2.0)
            self._steps.pop(0)(now)
            self.done = not self._steps

    def _take_failed(self) -> list[Object]:
        """Failed attempts that no later attempt of a Retry node has made good."""
        retries = [n for n in self._nodes.values() if n["type"] == "Retry"]
        children = {child for retry in retries for child in retry["children"]}
        pods = [n for n in self._nodes.values() if n["type"] == "Pod"]
        failed = [n for n in pods if n["phase"] == "Failed" and n["id"] not in children]
        for retry in retries:
            if retry["phase"] == "Failed":
                failed += [n for n in pods if n["id"] in retry["children"]]
                retry["children"] = retry["children"][:1]
        for node in failed:
            del self._nodes[node["id"]]
        gone = {node["id"] for node in failed}
        for pod in list(self._run.pods):
            if pod["metadata"]["annotations"]["workflows.argoproj.io/node-id"] in gone:
                self._stage.remove("pods", pod)
                self._run.pods.remove(pod)
        self.case.uncounted = len(self._run.pods)
        # Of a Retry node's attempts the first is made again; those beyond it may not be needed.
        return [node for node in failed if not _is_later(node)]

    def _reopen(self, now: float) -> None:
        for part in (self._status, *self._nodes.values()):
            if part["phase"] == "Failed" and part.get("type") != "Pod":
                part |= {"phase": "Running", "finishedAt": None}
                part.pop("message", None)
        self._status["startedAt"] = make.stamp(now)
        self._label("Running", "false")
        self._stage.put("workflows", self._run.workflow)

    def _make(self, now: float) -> None:
        for old in self._removed:
            node = {name: old[name] for name in _KEPT if name in old}
            node |= {"phase": "Pending", "startedAt": make.stamp(now), "finishedAt": None}
            self._nodes[node["id"]] = node
            pod = make.pod(self._run.workflow, node, now, self._stage.random)
            self._run.pods.append(pod)
            self._stage.put("pods", pod)
        self._started = now
        self._stage.put("workflows", self._run.workflow)

    def _finish(self, now: float) -> None:
        fails = self._stage.chance(0.3)
        for index, old in enumerate(self._removed):
            failed = fails and index == 0
            node = self._nodes[old["id"]]
            node |= {"phase": "Failed" if failed else "Succeeded", "finishedAt": make.stamp(now)}
            node["resourcesDuration"] = {"cpu": 1, "memory": 2}
            if failed:
                node["message"] = "main: Error (exit code 7)"
            pod = self._run.pods[self.case.uncounted + index]
            end_pod(pod, self._started, now, 7 if failed else 0)
            self._stage.put("pods", pod)
        phase = "Failed" if fails else "Succeeded"
        for part in (self._status, *self._nodes.values()):
            if part["phase"] == "Running":
                part |= {"phase": phase, "finishedAt": make.stamp(now)}
        self._run.failed = fails
        self._label(phase, "true")
        self._stage.put("workflows", self._run.workflow)

    def _label(self, phase: str, completed: str) -> None:
        self._run.workflow["metadata"]["labels"] |= {
            "workflows.argoproj.io/completed": completed,
            "workflows.argoproj.io/phase": phase,
        }


_LATER = re.compile(r"\([1-9]\d*\)\Z")
_KEPT = (
    "id", "name", "displayName", "type", "templateName", "templateScope", "boundaryID", "nodeFlag",
    "children",
)  # fmt: skip


def _is_later(node: Object) -> bool:
    return bool(_LATER.search(node["name"]))


def end_pod(pod: Object, start: float, end: float, exit_code: int = 0) -> None:
    """The status of a pod whose containers have run."""
    pod["status"] = {
        "phase": "Failed" if exit_code else "Succeeded",
        "conditions": [make.condition("PodScheduled", "True", start)],
        "initContainerStatuses": [make.ran("init", start, start)],
        "containerStatuses": [
            make.ran("main", start, end, exit_code),
            make.ran("wait", start, end),
        ],
    }


class Burst:
    """A pipeline of many short runs: each is first seen when it has ended, several at a time."""

    def __init__(self, name: str, stage: Stage) -> None:
        self._name = name
        self._stage = stage
        self._kept: list[Object] = []
        self._next = 0.0
        self.idle = True

    def advance(self, now: float) -> None:
        if now < self._next or self._stage.draining:
            return
        self._next = now + self._stage.random.uniform(0.5, 3.0)
        if self._kept and self._stage.settled(self._name):
            for workflow in self._kept:
                self._stage.remove("workflows", workflow)
                self._stage.truth.forget(workflow["metadata"]["uid"])
            self._kept.clear()
        for _ in range(self._stage.random.randint(1, 12)):
            phase = "Failed" if self._stage.chance(0.2) else "Succeeded"
            workflow = begin(self._name, self._stage.random, now - 1.0)
            end(workflow, now, phase)
            self._stage.put("workflows", workflow)
            self._stage.truth.close(workflow["metadata"]["uid"])
            self._kept.append(workflow)


def begin(pipeline: str, random: Random, now: float, **labels: str) -> Object:
    """A Running workflow of one pod node; its name is the pipeline's with a suffix."""
    name = f"{pipeline}-{make.suffix(random)}{make.suffix(random)}"
    workflow = make.workflow(
        name, NAMESPACE, now, random, generate_name=f"{pipeline}-", labels=labels
    )
    node = make.node(name, name, name, "Pod", now, template="main") | {"phase": "Running"}
    status = {"phase": "Running", "startedAt": make.stamp(now), "nodes": {name: node}}
    return workflow | {"status": status}


def end(workflow: Object, now: float, phase: str) -> None:
    """The workflow, and its node, ended at ``now`` in that phase."""
    (node,) = workflow["status"]["nodes"].values()
    for part in (node, workflow["status"]):
        part |= {"phase": phase, "finishedAt": make.stamp(now)}
        if phase == "Failed":
            part["message"] = "main: Error (exit code 1)"


def retry(workflow: Object, now: float) -> None:
    """`argo retry`, after which the only node runs again."""
    (node,) = workflow["status"]["nodes"].values()
    for part in (node, workflow["status"]):
        part |= {"phase": "Running", "startedAt": make.stamp(now), "finishedAt": None}
        part.pop("message", None)
