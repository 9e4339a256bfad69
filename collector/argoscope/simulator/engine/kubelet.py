"""The kubelets of all machines: they take bound pods, report their statuses, and end them.

What happens in a pod is ``PodLife``'s; here is what a kubelet adds: it notices late, writes no more
statuses a second than it may, and so skips phases when it has many pods.
"""

from collections import deque

import msgspec

from argoscope.simulator.engine.kernel import Change, Kernel, Key, Object, key_of
from argoscope.simulator.engine.machines import Machine, Machines
from argoscope.simulator.engine.pod_life import PodLife
from argoscope.simulator.engine.pod_telling import Telling
from argoscope.simulator.engine.recorder import Recorder


class _Reports:
    """One kubelet's status writes: a token bucket, each pod once in the queue."""

    def __init__(self, kernel: Kernel, machine: Machine) -> None:
        self._kernel = kernel
        self._machine = machine
        self._queue: deque[PodLife] = deque()
        self._queued: set[int] = set()
        self._tokens = float(machine.status_burst)
        self._filled = kernel.now
        self._busy = False

    def add(self, life: PodLife) -> None:
        if id(life) not in self._queued:
            self._queued.add(id(life))
            self._queue.append(life)
            if not self._busy:
                self._busy = True
                self._kernel.after(0.01, self._write)

    def _write(self) -> None:
        now, rate = self._kernel.now, self._machine.status_qps
        burst = self._machine.status_burst
        self._tokens = min(burst, self._tokens + (now - self._filled) * rate)
        self._filled = now
        while self._queue and self._tokens >= 1.0:
            self._tokens -= 1.0
            life = self._queue.popleft()
            self._queued.discard(id(life))
            try:
                life.write()
            except Exception:
                self._go_on(rate)
                raise
        self._go_on(rate)

    def _go_on(self, rate: float) -> None:
        self._busy = bool(self._queue)
        if self._busy:
            self._kernel.after(max(0.01, (1.0 - self._tokens) / rate), self._write)


class Kubelet:
    """Runs every pod that has a machine."""

    def __init__(self, kernel: Kernel, recorder: Recorder, machines: Machines) -> None:
        self._kernel = kernel
        self._recorder = recorder
        self._machines = machines
        self._lives: dict[Key, PodLife] = {}
        self._reports: dict[str, _Reports] = {}
        kernel.subscribe("pods", self._changed)

    def life(self, namespace: str, name: str) -> PodLife | None:
        """What goes on in a pod that a kubelet has."""
        return self._lives.get((namespace, name))

    def why_failed(self, pod: Object) -> str:
        """Why a pod failed, in one word, as only its kubelet knows."""
        life = self._lives.get(key_of(pod))
        return life.why if life is not None else "error"

    def stop_pod(self, namespace: str, name: str) -> None:
        """Main is told to end, as Argo's controller does it."""
        life = self._lives.get((namespace, name))
        if life is not None:
            life.stop()

    def on(self, machine: Machine) -> list[PodLife]:
        """All that runs on a machine."""
        return [life for life in self._lives.values() if life.machine is machine]

    def shut_down(self, machine: Machine) -> None:
        """A spot machine is taken away: its pods are ended, then the Node goes."""
        machine.schedulable = False
        for life in self.on(machine):
            life.shut_down()
        self._kernel.after(30.0, lambda: self._gone(machine))

    def _gone(self, machine: Machine) -> None:
        for life in self.on(machine):  # bound to it in the moment when it was taken away
            life.shut_down()
        if self._machines.by_name.get(machine.name) is machine:
            self._machines.remove(machine)

    def _refuse(self, pod: Object, problem: Exception) -> None:
        """A pod that makes no sense fails at once, and says why."""
        if (pod.get("status") or {}).get("phase") == "Failed":
            return
        message = f"the pod can't be run: {problem}"
        pod["status"] = {**(pod.get("status") or {}), "phase": "Failed", "reason": "Invalid"}
        pod["status"]["message"] = message
        self._recorder.event("Pod", pod, "Invalid", message, component="kubelet", warning=True)
        self._kernel.put("pods", pod)
        Telling(self._kernel, pod).tell("pod_phase", phase="Failed")

    def _changed(self, change: Change, pod: Object) -> None:
        key = key_of(pod)
        life = self._lives.get(key)
        if change == "DELETED":
            if life is not None and life.uid == pod["metadata"]["uid"]:
                life.drop()
                del self._lives[key]
            return
        if life is None or life.uid != pod["metadata"]["uid"]:
            if pod["metadata"].get("deletionTimestamp"):
                self._kernel.remove("pods", pod)
                return
            machine = self._machines.by_name.get(pod["spec"].get("nodeName", ""))
            if machine is None:
                return
            reports = self._reports.get(machine.name)
            if reports is None:
                reports = self._reports[machine.name] = _Reports(self._kernel, machine)
            try:
                life = PodLife(self._kernel, self._recorder, pod, machine, reports.add)
            except (msgspec.ValidationError, KeyError, TypeError, ValueError) as problem:
                self._refuse(pod, problem)
                return
            self._lives[key] = life
            return
        life.pod = pod  # a client's write puts another object in its place
        if pod["metadata"].get("deletionTimestamp"):
            life.delete()
        else:
            life.spec_changed()
