"""The scheduler: binds pods to machines, says why it can't, and preempts."""

from argoscope.simulator.engine.kernel import Change, Due, Kernel, Key, Object, key_of, stamp, unix
from argoscope.simulator.engine.machines import Machine, Machines
from argoscope.simulator.engine.pods import delete_pod, needs
from argoscope.simulator.engine.recorder import Recorder

_NODE_ID = "workflows.argoproj.io/node-id"
RETRY = 60.0
"""Seconds after which a pod that did not fit is looked at again, whatever happened meanwhile."""


class Scheduler:
    """Binds each Pending pod; those that don't fit wait for room."""

    def __init__(self, kernel: Kernel, recorder: Recorder, machines: Machines) -> None:
        self._kernel = kernel
        self._recorder = recorder
        self._machines = machines
        self._waiting: dict[Key, float] = {}
        """Pods without a machine, by when they came."""
        self._bound: dict[Key, tuple[Machine, float, float, int]] = {}
        """(machine, cores, bytes, priority) of what takes room."""
        self._look: Due | None = None
        self._needs: dict[Key, tuple[float, float]] = {}
        self._waits: dict[str, dict[str, int]] = {}
        """By uid, how many machines refuse a pod why, as it was told last."""
        kernel.subscribe("pods", self._changed)
        kernel.subscribe("nodes", lambda _, __: self._look_again(0.05))

    def _changed(self, change: Change, pod: Object) -> None:
        key = key_of(pod)
        if change != "MODIFIED":
            self._tell_truth("pod_made" if change == "ADDED" else "pod_gone", pod)
        if change == "DELETED":
            self._waits.pop(pod["metadata"]["uid"], None)
            self._waiting.pop(key, None)
            self._needs.pop(key, None)
            self._free(key)
        elif pod["spec"].get("nodeName"):
            if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
                self._free(key)
        elif key not in self._waiting:
            try:
                self._needs[key] = needs(pod)
                int(pod["spec"].get("priority", 0))
                dict(pod["spec"].get("nodeSelector") or {})
            except (AttributeError, KeyError, TypeError, ValueError) as problem:
                # a real API server does not take such a pod; it must not hold up the others
                self._tell(pod, "FailedScheduling", f"invalid pod: {problem}", warning=True)
                return
            self._waiting[key] = self._kernel.now
            self._tell_truth("pod_waits", pod, why="scheduling", detail="")
            self._kernel.after(self._kernel.between(0.002, 0.02), lambda: self._try(key))

    def _free(self, key: Key) -> None:
        bound = self._bound.pop(key, None)
        if bound is not None:
            machine, cpu, memory, _ = bound
            machine.used_cpu -= cpu
            machine.used_memory -= memory
            machine.used_pods -= 1
            self._look_again(0.5)

    def _look_again(self, seconds: float) -> None:
        """At all that wait, in so many seconds at the latest."""
        if not self._waiting:
            return
        if self._look is not None and self._look.waiting:
            if self._look.at <= self._kernel.now + seconds:
                return
            self._look.cancel()
        self._look = self._kernel.after(seconds, self._try_all)

    def _try_all(self) -> None:
        def rank(key: Key) -> tuple[int, float]:
            pod = self._kernel.get("pods", *key)
            return (-int(pod["spec"].get("priority", 0)) if pod else 0, self._waiting[key])

        for key in sorted(self._waiting, key=rank):
            self._try(key)

    def _try(self, key: Key) -> None:
        pod = self._kernel.get("pods", *key)
        if pod is None or key not in self._waiting:
            return
        if pod["metadata"].get("deletionTimestamp"):
            return
        if pod["spec"].get("schedulingGates"):
            self._tell_wait(pod, "gated", {})
            self._say(
                pod, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates"
            )
            return
        cpu, memory = self._needs[key]
        refusals: dict[str, int] = {}
        fitting: list[Machine] = []
        for machine in self._machines.by_name.values():
            why = self._refuses(pod, machine) or machine.fits(cpu, memory)
            for reason in why:
                refusals[reason] = refusals.get(reason, 0) + 1
            if not why:
                fitting.append(machine)
        if fitting:
            self._bind(key, pod, min(fitting, key=lambda m: (m.used_cpu / m.cpu, m.used_pods)))
            return
        count = len(self._machines.by_name)
        told = ", ".join(f"{refusals[reason]} {reason}" for reason in sorted(refusals))
        message = f"0/{count} nodes are available: {told}."
        if count == 0:
            message = "no nodes available to schedule pods"
        self._tell_wait(pod, "unschedulable", refusals)
        self._say(pod, "Unschedulable", message)
        self._preempt(pod, cpu, memory)
        self._look_again(RETRY)

    def _refuses(self, pod: Object, machine: Machine) -> list[str]:
        wanted = pod["spec"].get("nodeSelector")
        if wanted:
            labels = {"kubernetes.io/hostname": machine.name, **machine.labels}
            if all(labels.get(name) == value for name, value in wanted.items()):
                wanted = None
        if wanted:
            return ["node(s) didn't match Pod's node affinity"]
        if not machine.schedulable:
            return ["node(s) were unschedulable"]
        return []

    def _bind(self, key: Key, pod: Object, machine: Machine) -> None:
        cpu, memory = self._needs.pop(key)
        machine.used_cpu += cpu
        machine.used_memory += memory
        machine.used_pods += 1
        priority = int(pod["spec"].get("priority", 0))
        self._bound[key] = (machine, cpu, memory, priority)
        del self._waiting[key]
        pod["spec"]["nodeName"] = machine.name
        pod["status"] = {
            **pod.get("status", {}),
            "phase": "Pending",
            "conditions": [_scheduled("True", self._kernel.now)],
        }
        self._kernel.put("pods", pod)
        self._waits.pop(pod["metadata"]["uid"], None)
        created = unix(pod["metadata"]["creationTimestamp"])
        self._tell_truth("pod_scheduled", pod, created=created)
        self._tell_truth("pod_waits", pod, why="creating", detail="")
        where = f"{key[0]}/{key[1]} to {machine.name}"
        self._tell(pod, "Scheduled", f"Successfully assigned {where}")

    def _say(self, pod: Object, reason: str, message: str) -> None:
        old: Object = next(iter(pod.get("status", {}).get("conditions") or ()), {})
        if (old.get("reason"), old.get("message")) != (reason, message):
            since = old.get("lastTransitionTime") if old.get("status") == "False" else None
            found = _scheduled("False", self._kernel.now, reason, message)
            found["lastTransitionTime"] = since or found["lastTransitionTime"]
            pod["status"] = {**pod.get("status", {}), "phase": "Pending", "conditions": [found]}
            self._kernel.put("pods", pod)
        if reason == "Unschedulable":
            self._tell(pod, "FailedScheduling", message, warning=True)

    def _preempt(self, pod: Object, cpu: float, memory: float) -> None:
        """Pods of lower priority make room, the lowest first."""
        priority = int(pod["spec"].get("priority", 0))
        for machine in self._machines.by_name.values():
            if self._refuses(pod, machine):
                continue
            there = [(bound[3], key) for key, bound in self._bound.items() if bound[0] is machine]
            victims: list[Key] = []
            free_cpu, free_memory = (
                machine.cpu - machine.used_cpu,
                machine.memory - machine.used_memory,
            )
            for lower, key in sorted(there):
                if lower >= priority or (free_cpu >= cpu and free_memory >= memory):
                    break
                victims.append(key)
                free_cpu += self._bound[key][1]
                free_memory += self._bound[key][2]
            if victims and free_cpu >= cpu and free_memory >= memory:
                for key in victims:
                    self._evict_for(pod, key, machine)
                return

    def _evict_for(self, pod: Object, key: Key, machine: Machine) -> None:
        victim = self._kernel.get("pods", *key)
        if victim is None or victim["metadata"].get("deletionTimestamp"):
            return
        by = "/".join(key_of(pod))
        self._tell(victim, "Preempted", f"Preempted by {by} on node {machine.name}")
        self._tell_truth("preempted", victim)
        delete_pod(self._kernel, victim)

    def _tell_wait(self, pod: Object, why: str, refusals: dict[str, int]) -> None:
        """Why a pod has no machine yet; ``refusals``: how many machines say what."""
        uid = pod["metadata"]["uid"]
        if self._waits.get(uid) != refusals:
            self._waits[uid] = dict(refusals)
            self._tell_truth("pod_waits", pod, why=why, detail=dict(refusals))

    def _tell_truth(self, what: str, pod: Object, **fields: object) -> None:
        meta = pod["metadata"]
        labels = meta.get("labels") or {}
        self._kernel.truth.tell(
            what,
            namespace=meta.get("namespace", ""),
            pod=meta["name"],
            uid=meta["uid"],
            workflow=labels.get("workflows.argoproj.io/workflow", ""),
            node=(meta.get("annotations") or {}).get(_NODE_ID, ""),
            **fields,
        )

    def _tell(self, pod: Object, reason: str, message: str, *, warning: bool = False) -> None:
        self._recorder.event(
            "Pod", pod, reason, message, component="default-scheduler", warning=warning
        )


def _scheduled(status: str, at: float, reason: str = "", message: str = "") -> Object:
    found: Object = {
        "type": "PodScheduled",
        "status": status,
        "lastProbeTime": None,
        "lastTransitionTime": stamp(at),
    }
    return {**found, "reason": reason, "message": message} if reason else found
