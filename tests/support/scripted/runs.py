"""A run of a pipeline in the scripted cluster, moved on step by step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from support.scripted import objects as make
from support.scripted.objects import Object

RECONCILE = 2.0  # seconds; the real controller takes 10, a demo has less patience

Put = Callable[[str, Object], object]
Remove = Callable[[str, Object], object]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One pod of a pipeline and how it behaves; times in seconds."""

    name: str
    template: str
    seconds: tuple[float, float] = (2.0, 6.0)
    pull: float = 0.5
    fails: float = 0.0
    exit_code: int = 1
    oom: float = 0.0
    retries: int = 0
    unschedulable: float = 0.0
    """Seconds for which no node has room, at most."""
    image_error: float = 0.0
    """Probability that the image can't be pulled until the step's deadline."""


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    name: str
    namespace: str
    groups: tuple[tuple[Step, ...], ...]
    every: float
    """Seconds between runs."""
    cron: bool = False
    template: bool = False
    """Runs refer to a WorkflowTemplate of the pipeline's name."""


@dataclass
class _Attempt:
    step: Step
    node: Object
    pod: Object
    runs_from: float
    ends: float
    exit_code: int
    reason: str
    image_error: bool
    index: int = 0
    told: bool = field(default=False)


class Run:
    """One workflow with its pods. ``advance`` writes what has changed by ``now``."""

    def __init__(
        self, pipeline: Pipeline, now: float, random: Random, put: Put, *, scheduled: float = 0.0
    ) -> None:
        self.pipeline, self._random, self._put = pipeline, random, put
        labels, annotations, generate = {}, {}, f"{pipeline.name}-"
        name = f"{pipeline.name}-{make.suffix(random)}"
        if pipeline.cron:
            name, generate = f"{pipeline.name}-{int(scheduled)}", ""
            labels["workflows.argoproj.io/cron-workflow"] = pipeline.name
            annotations["workflows.argoproj.io/scheduled-time"] = make.stamp(scheduled)
        self.workflow = make.workflow(
            name,
            pipeline.namespace,
            now,
            random,
            labels=labels,
            annotations=annotations,
            generate_name=generate,
        )
        if pipeline.template:
            self.workflow["spec"]["workflowTemplateRef"] = {"name": pipeline.name}
        self.pods: list[Object] = []
        self.done = False
        self.failed = False
        self._next = now + RECONCILE
        self._group = -1
        self._attempts: list[_Attempt] = []
        root = make.node(name, name, name, "Steps", now, template="main")
        self._nodes: dict[str, Object] = {root["id"]: root}
        self._root = root
        self.workflow["status"] = {
            "phase": "Running",
            "startedAt": make.stamp(now),
            "finishedAt": None,
            "nodes": self._nodes,
        }
        self._open_group(now)
        self._write()

    @property
    def name(self) -> str:
        return str(self.workflow["metadata"]["name"])

    def advance(self, now: float) -> None:
        for attempt in self._attempts:
            self._move_pod(attempt, now)
        if now >= self._next and not self.done:
            self._next = now + RECONCILE
            self._reconcile(now)

    # -- the kubelet's part

    def _move_pod(self, attempt: _Attempt, now: float) -> None:
        status, step = attempt.pod["status"], attempt.step
        created = attempt.runs_from - step.pull - 1.0
        if status["phase"] in ("Succeeded", "Failed"):
            return
        if now < created:
            if step.unschedulable and not status["conditions"]:
                message = "0/12 nodes are available: 9 Insufficient cpu, 3 Insufficient memory."
                status["conditions"] = [
                    make.condition("PodScheduled", "False", now, "Unschedulable", message)
                ]
                self._put("pods", attempt.pod)
            return
        if attempt.image_error and now < attempt.ends:
            if not attempt.told:
                attempt.told = True
                image = f"registry.example.com/{step.template}:v2"
                status["conditions"] = [make.condition("PodScheduled", "True", created)]
                status["containerStatuses"][0]["state"] = {
                    "waiting": {
                        "reason": "ImagePullBackOff",
                        "message": f'Back-off pulling image "{image}"',
                    }
                }
                self._put("pods", attempt.pod)
            return
        if now >= attempt.ends:
            self._end_pod(attempt, created)
        elif now >= attempt.runs_from and status["phase"] == "Pending":
            status["phase"] = "Running"
            status["conditions"] = [make.condition("PodScheduled", "True", created)]
            running = {"running": {"startedAt": make.stamp(attempt.runs_from)}}
            status["containerStatuses"] = [
                {"name": name, "state": running} for name in ("main", "wait")
            ]
            status["initContainerStatuses"] = [
                make.ran("init", created + step.pull, attempt.runs_from)
            ]
            self._put("pods", attempt.pod)

    def _end_pod(self, attempt: _Attempt, created: float) -> None:
        status, code = attempt.pod["status"], attempt.exit_code
        status["phase"] = "Failed" if code else "Succeeded"
        status["conditions"] = [make.condition("PodScheduled", "True", created)]
        if attempt.image_error:
            status |= {"reason": "DeadlineExceeded", "message": "Pod was active on the node"}
        else:
            start, end = attempt.runs_from, attempt.ends
            status["initContainerStatuses"] = [make.ran("init", start - 1.0, start)]
            status["containerStatuses"] = [
                make.ran("main", start, end, code, attempt.reason),
                make.ran("wait", start, end + 1.0),
            ]
        attempt.pod["metadata"]["labels"]["workflows.argoproj.io/completed"] = "true"
        self._put("pods", attempt.pod)

    # -- the workflow controller's part

    def _open_group(self, now: float) -> None:
        self._group += 1
        name = self.name
        group_name = f"{name}[{self._group}]"
        group = make.node(
            name, group_name, f"[{self._group}]", "StepGroup", now, boundary=self._root["id"]
        )
        group["children"] = []
        previous = [a.node for a in self._attempts] or [self._root]
        for parent in previous:
            parent.setdefault("children", []).append(group["id"])
        self._nodes[group["id"]] = group
        self._group_node = group
        self._attempts = []
        for step in self.pipeline.groups[self._group]:
            node_name = f"{group_name}.{step.name}"
            if step.retries:
                retry = make.node(
                    name,
                    node_name,
                    step.name,
                    "Retry",
                    now,
                    template=step.template,
                    boundary=self._root["id"],
                )
                retry["children"] = []
                self._nodes[retry["id"]] = retry
                group["children"].append(retry["id"])
                self._attempts.append(self._start(step, now, node_name, 0, retry))
            else:
                attempt = self._start(step, now, node_name, -1, None)
                group["children"].append(attempt.node["id"])
                self._attempts.append(attempt)

    def _start(
        self, step: Step, now: float, node_name: str, index: int, retry: Object | None
    ) -> _Attempt:
        name = self.name
        own_name = f"{node_name}({index})" if index >= 0 else node_name
        display = f"{step.name}({index})" if index >= 0 else step.name
        node = make.node(
            name,
            own_name,
            display,
            "Pod",
            now,
            template=step.template,
            boundary=self._root["id"],
        )
        if retry is not None:
            node["nodeFlag"] = {"retried": True}
            retry["children"].append(node["id"])
        self._nodes[node["id"]] = node
        pod = make.pod(self.workflow, node, now, self._random)
        waits = self._random.uniform(0.3, 1.0) * step.unschedulable
        runs_from = now + waits + step.pull + 1.0
        image_error = self._random.random() < step.image_error
        ends = runs_from + self._random.uniform(*step.seconds) + (20.0 if image_error else 0.0)
        code, reason = 0, ""
        if image_error:
            code = 1
        elif self._random.random() < step.oom:
            code, reason = 137, "OOMKilled"
        elif self._random.random() < step.fails:
            code = step.exit_code
        self.pods.append(pod)
        self._put("pods", pod)
        return _Attempt(step, node, pod, runs_from, ends, code, reason, image_error, max(index, 0))

    def _reconcile(self, now: float) -> None:
        changed = False
        for position, attempt in enumerate(self._attempts):
            node = attempt.node
            if node["phase"] in ("Succeeded", "Failed"):
                continue
            if attempt.pod["status"]["phase"] == "Running" and node["phase"] == "Pending":
                node["phase"], changed = "Running", True
            if now >= attempt.ends + 1.0:
                changed = True
                self._finish(attempt, position, now)
        if all(a.node["phase"] in ("Succeeded", "Failed") for a in self._attempts):
            changed = True
            self._close_group(now)
        if changed:
            self._write()

    def _finish(self, attempt: _Attempt, position: int, now: float) -> None:
        node, code = attempt.node, attempt.exit_code
        node["finishedAt"] = make.stamp(attempt.ends + 1.0)
        node["phase"] = "Failed" if code else "Succeeded"
        node["resourcesDuration"] = {"cpu": int(attempt.ends - attempt.runs_from), "memory": 40}
        if attempt.image_error:
            node["message"] = "Pod was active on the node longer than the specified deadline"
        elif code:
            node["message"] = f"main: {attempt.reason or 'Error'} (exit code {code})"
        step = attempt.step
        retry = next((n for n in self._nodes.values() if node["id"] in n.get("children", ())), None)
        if retry is None or retry["type"] != "Retry":
            return
        if code and attempt.index < step.retries:
            self._attempts[position] = self._start(
                step, now, retry["name"], attempt.index + 1, retry
            )
            return
        retry |= {"phase": node["phase"], "finishedAt": make.stamp(now)}
        if code:
            retry["message"] = "No more retries left"

    def _close_group(self, now: float) -> None:
        failed = next((a for a in self._attempts if a.exit_code), None)
        self._group_node |= {
            "phase": "Failed" if failed else "Succeeded",
            "finishedAt": make.stamp(now),
        }
        if failed is None and self._group + 1 < len(self.pipeline.groups):
            self._open_group(now)
            return
        message = f"child '{failed.node['id']}' failed" if failed else ""
        phase = "Failed" if failed else "Succeeded"
        for part in (self._root, self.workflow["status"]):
            part |= {"phase": phase, "finishedAt": make.stamp(now)}
            if message:
                part["message"] = message
        self.workflow["metadata"]["labels"] |= {
            "workflows.argoproj.io/completed": "true",
            "workflows.argoproj.io/phase": phase,
        }
        self.done, self.failed = True, bool(failed)

    def _write(self) -> None:
        self._put("workflows", self.workflow)
