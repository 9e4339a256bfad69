"""One reconciliation of one workflow: look at its pods, go on, and see whether it is over."""

from typing import Any

from argoscope.simulator.engine.argo.assess import assess, resources
from argoscope.simulator.engine.argo.execute import Executor
from argoscope.simulator.engine.argo.leaves import PostponedError
from argoscope.simulator.engine.argo.nodes import FAILED, FULFILLED, LEAVES
from argoscope.simulator.engine.behaviour import behaviour_of
from argoscope.simulator.engine.kernel import Object, stamp, unix
from argoscope.simulator.engine.pods import delete_pod

PACE = 10.0
"""Seconds between two reconciliations of a workflow (Argo's fixed rate limit)."""
DEADLINE = "Step exceeded its deadline"


class Operation(Executor):
    """Changes the workflow's status and metadata in place; ``changed`` says whether it did."""

    changed = False
    why = ""
    """Why the workflow failed, when it has."""
    _daemons: set[str]

    def run(self) -> None:
        """Reconciles a workflow that has been started before."""
        status = self.workflow["status"]
        self._daemons = set()
        if self._is_past_deadline():
            self._fail_running()
        self._reconcile_pods()
        self.released += self.shop.release_nodes(self.workflow, self.nodes)
        if self.workflow["spec"].get("suspend"):
            self._write_totals(status)
            return
        try:
            node: Object | None = self.execute(
                self.name, self.name, {"template": self._entrypoint()}, self._scope(), "", {}
            )
        except PostponedError:
            node = self.nodes.get(self.name)
        if self.shutdown and not self._at_work():
            node = self._give_up(node)
        if node is not None and self.nodes.fulfilled(node):
            self._after(node, status)
        self._write_totals(status)

    def _at_work(self) -> bool:
        """Whether a pod, request or suspension is still waited for."""
        return any(n["type"] in LEAVES and not self.nodes.fulfilled(n) for n in self._inside())

    def _give_up(self, entry: Object | None) -> Object:
        """Stopped, and nothing runs that could end: what is open fails, as nothing more is made."""
        text = self.stopped_text()
        if entry is None:
            return self.nodes.add(
                self.name,
                self.name,
                "Pod",
                self.now,
                phase="Failed",
                template=self._entrypoint(),
                scope=self._scope(),
                message=text,
                why=self.shutdown_why,
            )
        for node in self._inside():
            if not self.nodes.fulfilled(node):
                self.nodes.mark(node, "Failed", self.now, text, why=self.shutdown_why)
                self.stop_daemons(node["id"])
        return entry

    def _inside(self) -> list[Object]:
        """All nodes but the exit handler's."""
        handler = f"{self.name}.onExit"
        return [n for n in self.nodes.by_id.values() if not n["name"].startswith(handler)]

    def _entrypoint(self) -> str:
        found = self.workflow["spec"].get("entrypoint") or self.spec["entrypoint"]
        return str(found)

    def _scope(self) -> str:
        ref = self.workflow["spec"].get("workflowTemplateRef")
        if ref and ref.get("clusterScope"):
            return f"cluster/{ref['name']}"
        return f"namespaced/{ref['name']}" if ref else f"local/{self.name}"

    # Pods

    def _reconcile_pods(self) -> None:
        for node in list(self.nodes.by_id.values()):
            if node["type"] != "Pod" or (node.get("memoizationStatus") or {}).get("hit"):
                continue
            pod = self.pods.get(node["id"])
            over = node["phase"] in FULFILLED and "finishedAt" in node
            if over and not node.get("daemoned"):
                continue
            if pod is None:
                self._without_pod(node)
                continue
            if not node.get("daemoned"):
                self._judge(node, pod)
        if self.workflow["status"].get("nodes") or self.workflow["status"].get("message"):
            self.condition("PodRunning", "True" if self._any_running() else "False")

    def _any_running(self) -> bool:
        return any(
            n["type"] == "Pod"
            and (
                (n["phase"] == "Running" and (not n.get("daemoned") or n["id"] in self._daemons))
                or (n.get("message") == DEADLINE and n["id"] in self.nodes.unsynced)
            )
            for n in self.nodes.by_id.values()
        )

    def _without_pod(self, node: Object) -> None:
        """The node's pod is gone, or it never had one."""
        started = node["phase"] == "Running"
        if started:
            why = self.shutdown_why if self.shutdown else "pod_deleted"
            self.nodes.mark(node, "Error", self.now, "pod deleted", why=why)
        elif node["phase"] in FAILED and "finishedAt" not in node:
            self.nodes.mark(node, node["phase"], self.now)

    def _judge(self, node: Object, pod: Object) -> None:
        verdict = assess(pod, self.shop.argo)
        if node["phase"] in FAILED and verdict.ended is None:
            if "finishedAt" not in node and node.get("message") != DEADLINE:
                return  # its pod was evicted: nobody knows when it ended
            if verdict.phase not in FULFILLED:
                return
        if verdict.phase in ("Pending", "Running"):
            template = self.templates.get(node.get("templateName", ""), {})
            if verdict.phase == "Running" and template.get("daemon"):
                self._daemon(node)
                return
            self._running(node, verdict.phase, verdict.message)
            return
        keeps = self.shop.argo.terminated_can_succeed and verdict.phase == "Succeeded"
        if node["phase"] in FAILED and verdict.phase == "Succeeded" and not keeps:
            verdict_phase, message = node["phase"], node.get("message", "")
        else:
            verdict_phase = verdict.phase
            message = node.get("message", "") if node["phase"] in FAILED else ""
            message = verdict.message or (message if keeps else "")
        host = pod["spec"].get("nodeName")
        if host:
            node["hostNodeName"] = host
        if verdict.exit_code:
            node.setdefault("outputs", {})["exitCode"] = verdict.exit_code
        result = behaviour_of(pod).result if verdict.phase == "Succeeded" else None
        if result is not None:
            node.setdefault("outputs", {})["result"] = result
        node["resourcesDuration"] = resources(pod)
        why = self._why_failed(pod) if verdict_phase in FAILED else ""
        if verdict.ended is None and verdict_phase in FAILED and node["phase"] not in FAILED:
            self.nodes.mark(node, verdict_phase, self.now, message, ends=False, why=why)
            if (pod.get("status") or {}).get("reason") == "Evicted":
                self.nodes.unsynced.add(node["id"])
            else:
                self.nodes.mark(node, verdict_phase, self.now, message)
        elif verdict.ended is None:
            self.nodes.mark(node, verdict_phase, self.now, message, why=why)
        else:
            self.nodes.mark(node, verdict_phase, verdict.ended, message, why=why)
        self._end_containers(node)
        if node["phase"] in FULFILLED and "finishedAt" in node:
            self._memoize(node)

    def _why_failed(self, pod: Object) -> str:
        """What the kubelet knows; a container that was told to end did so for the shutdown."""
        why = self.shop.kubelet.why_failed(pod)
        return self.shutdown_why if self.shutdown and why == "stopped" else why

    def _running(self, node: Object, phase: str, message: str) -> None:
        if node["phase"] not in ("Pending", "Running"):
            return
        stops = self.shutdown and not node["name"].startswith(f"{self.name}.onExit")
        if stops and phase == "Running":
            name = self.pods[node["id"]]["metadata"]["name"]
            self.shop.kubelet.stop_pod(self.namespace, name)
            at_once = self.shop.argo.stops_at_once
            text, why = self.stopped_text(), self.shutdown_why
            self.nodes.mark(node, "Failed", self.now, text, ends=at_once, why=why)
            if not at_once:
                self.nodes.unsynced.add(node["id"])
        elif stops:
            self.delete_pod(node)
            text = self.stopped_text()
            self.nodes.mark(node, "Failed", self.now, text, why=self.shutdown_why)
        else:
            self.nodes.mark(node, phase, self.now, message)

    def delete_pod(self, node: Object) -> None:
        pod = self.pods.pop(node["id"], None)
        if pod is not None:
            delete_pod(self.kernel, pod)

    def _daemon(self, node: Object) -> None:
        if node.get("daemoned"):
            return
        node["daemoned"] = True
        self._daemons.add(node["id"])
        node["phase"] = "Running"
        node["finishedAt"] = stamp(self.now)
        self.shop.told.of_node("node_daemoned", self.workflow, node)
        self.nodes.changed = True

    def _end_containers(self, node: Object) -> None:
        if node["phase"] not in FULFILLED:
            return
        for child in self.nodes.by_id.values():
            if child["type"] == "Container" and child.get("boundaryID") == node["id"]:
                self.nodes.mark(child, node["phase"], self.now)

    def _memoize(self, node: Object) -> None:
        memo = self.templates.get(node.get("templateName", ""), {}).get("memoize")
        if memo and node["phase"] == "Succeeded":
            cache = memo["cache"]["configMap"]["name"]
            self.shop.memo[(self.namespace, cache, memo["key"])] = node.get("outputs") or {}
            node["memoizationStatus"] = {"hit": False, "key": memo["key"], "cacheName": cache}

    # Deadlines

    def _is_past_deadline(self) -> bool:
        seconds = self.spec.get("activeDeadlineSeconds")
        if seconds is None:
            return False
        left = unix(self.workflow["status"]["startedAt"]) + float(seconds) - self.now
        if left > 1.0:
            self.requeue(left - 0.8)
            return False
        return True

    def _fail_running(self) -> None:
        for node in self.nodes.by_id.values():
            if node["type"] not in ("Pod", "HTTP", "Plugin", "Suspend"):
                continue
            if node["phase"] in FULFILLED and node["id"] not in self.nodes.unsynced:
                continue
            pod = self.pods.get(node["id"])
            if node["type"] != "Pod":
                self.nodes.mark(node, "Failed", self.now, DEADLINE, why="deadline")
            elif pod is not None and _has_run(pod) and node["phase"] not in FULFILLED:
                self.nodes.mark(node, "Failed", self.now, DEADLINE, ends=False, why="deadline")
                self.nodes.unsynced.add(node["id"])

    # The end

    def _after(self, node: Object, status: Object) -> None:
        """The entrypoint is over: the exit handler, then the workflow."""
        phase, message = node["phase"], node.get("message", "")
        failed = node
        if node["phase"] in ("Skipped", "Omitted"):
            phase = "Succeeded"
        handler = self._exit_call()
        if handler is not None and self.shutdown != "Terminate":
            self.globals["workflow.status"] = phase
            exit_name = f"{self.name}.onExit"
            self.exiting = True
            scope, flag = self._scope(), {"hooked": True}
            try:
                with self.nodes.waiting_for(()):
                    end = self.execute(exit_name, exit_name, handler, scope, "", {}, flag=flag)
            except PostponedError:
                return
            if not self.nodes.fulfilled(end):
                return
            if end["phase"] in FAILED:
                failed = end if phase == "Succeeded" else failed
                phase, message = end["phase"], end.get("message", "")
        if self.shop.argo.stops_at_once and self._pods_run():
            self.requeue(PACE)
            return
        if self.shutdown and phase in FAILED:
            phase, message = "Failed", f"Stopped with strategy '{self.shutdown}'"
        elif "look-up entrypoint/cmd" in node.get("message", "") and len(self.nodes.by_id) == 1:
            message = f"error in entry template execution: {message}"
        if phase in FAILED:
            own = self.nodes.whys.get(failed["id"], "")
            self.why = self.shutdown_why if self.shutdown else own
        self.finish(phase, message if phase in FAILED else "")

    def _pods_run(self) -> bool:
        """A pod is still at it (stopped, or a daemon's): its results are waited for."""
        return any((p.get("status") or {}).get("phase") == "Running" for p in self.pods.values())

    def _exit_call(self) -> Object | None:
        hook: dict[str, Any] | None = (self.spec.get("hooks") or {}).get("exit")
        if hook:
            return hook
        name = self.workflow["spec"].get("onExit") or self.spec.get("onExit")
        return {"template": name} if name else None

    def finish(self, phase: str, message: str) -> None:
        """Ends the workflow: phase, times, conditions and labels."""
        finish(self.workflow, phase, message, self.now)
        self.changed = True

    def condition(self, kind: str, value: str) -> None:
        if set_condition(self.workflow["status"], kind, value):
            self.changed = True

    def _write_totals(self, status: Object) -> None:
        if not (self.nodes.changed or self.changed):
            return
        self.nodes.totals()
        status["progress"], spent = self.nodes.total()
        if spent:
            status["resourcesDuration"] = spent
        status["nodes"] = self.nodes.by_id


def _has_run(pod: Object) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return all("waiting" not in c["state"] for c in statuses) and bool(statuses)


def finish(workflow: Object, phase: str, message: str, now: float) -> None:
    """Ends a workflow: phase, times, conditions and labels."""
    status = workflow["status"]
    status["phase"] = phase
    status["finishedAt"] = stamp(now)
    status.pop("message", None)
    if message:
        status["message"] = message
    set_condition(status, "Completed", "True")
    workflow["metadata"].setdefault("labels", {}).update(
        {
            "workflows.argoproj.io/completed": "true",
            "workflows.argoproj.io/phase": phase,
        }
    )


def set_condition(status: Object, kind: str, value: str) -> bool:
    """Sets a condition. Returns whether that changed it."""
    conditions = status.setdefault("conditions", [])
    for condition in conditions:
        if condition["type"] == kind:
            changed = bool(condition["status"] != value)
            condition["status"] = value
            return changed
    conditions.append({"status": value, "type": kind})
    return True
