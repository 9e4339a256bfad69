"""One pod on its machine: sandbox, init, pulls, containers, their ends, and the pod's.

Every step is something that is due in virtual time. Facts change when a thing happens; the status
is written when the kubelet has noticed and may write, so several facts can come in one write.
"""

from collections.abc import Callable
from functools import partial

from argoscope.simulator.engine.behaviour import Behaviour, behaviour_of, draw, read
from argoscope.simulator.engine.hashes import fnv64
from argoscope.simulator.engine.images import Pull
from argoscope.simulator.engine.kernel import Due, Kernel, Object
from argoscope.simulator.engine.machines import Machine
from argoscope.simulator.engine.pod_status import Container, Facts
from argoscope.simulator.engine.pod_telling import Telling
from argoscope.simulator.engine.recorder import Recorder
from argoscope.simulator.engine.service import Service

RELIST = (0.15, 1.0)
"""Seconds until the kubelet notices that a container changed (it looks once a second)."""
DEADLINE = "Pod was active on the node longer than the specified deadline"
SHUTDOWN = "Pod was terminated in response to imminent node shutdown."
AGENT = 10_000_000.0


class PodLife:
    """What a kubelet does with one pod. ``report`` asks for its status to be written."""

    def __init__(
        self,
        kernel: Kernel,
        recorder: Recorder,
        pod: Object,
        machine: Machine,
        report: Callable[["PodLife"], None],
    ) -> None:
        self.kernel = kernel
        self._recorder = recorder
        self.report = report
        self.pod = pod
        self.machine = machine
        self.uid: str = pod["metadata"]["uid"]
        self.behaviour: Behaviour = behaviour_of(pod)
        self.fails = kernel.random.random() < self.behaviour.fails
        self.oom = kernel.random.random() < self.behaviour.oom
        self.facts = Facts(
            containers=self._containers(pod["spec"]),
            scheduled=kernel.now,
            host_ip=machine.ip,
            qos=pod.get("status", {}).get("qosClass", "BestEffort"),
        )
        self._due: set[Due] = set()
        self.deleting = self._gone = self._over = False
        self._deadline: Due | None = None
        self.why = ""
        """Why it failed, in one word; before its end only where its exit codes won't say it."""
        self.told = Telling(kernel, pod)
        self.after(kernel.between(0.005, 0.03), self._take)

    def _containers(self, spec: Object) -> list[Container]:
        def made(found: Object, *, init: bool) -> Container:
            made_of = f"{self.uid}/{found['name']}"
            runtime = f"{fnv64(made_of.encode()):016x}" * 4
            return Container(found["name"], found["image"], init=init, runtime_id=runtime)

        inits = [made(c, init=True) for c in spec.get("initContainers", ())]
        return inits + [made(c, init=False) for c in spec["containers"]]

    # What happens

    @property
    def argo(self) -> bool:
        """Whether Argo's executor runs beside main (``wait``)."""
        return any(c.name == "wait" for c in self.facts.containers)

    @property
    def serves(self) -> bool:
        return bool(self.pod["spec"].get("restartPolicy") != "Never")

    def after(self, seconds: float, call: Callable[[], None]) -> Due:
        """Something in this pod's life; nothing of it happens once the pod is gone."""
        due = self.kernel.after(seconds, lambda: self._run(due, call))
        self._due.add(due)
        return due

    def _run(self, due: Due, call: Callable[[], None]) -> None:
        self._due.discard(due)
        call()

    def notice(self, then: Callable[[], None] | None = None) -> None:
        """The kubelet sees the present facts, a little later, and acts on them."""

        def noticed() -> None:
            self.report(self)
            if then is not None:
                then()

        self.after(self.kernel.between(*RELIST), noticed)

    def _take(self) -> None:
        self.facts.started = self.kernel.now
        self.told.tell("pod_taken")
        self.report(self)
        self.spec_changed()
        sandbox = self.kernel.between(0.4, 0.9) + draw(self.kernel.random, self.behaviour.volume)
        self.after(sandbox, self._sandbox)

    def _sandbox(self) -> None:
        digest = fnv64(self.uid.encode())
        self.facts.ip = f"10.{88 + digest % 8}.{digest // 8 % 250}.{digest // 2000 % 250 + 1}"
        self._next_init()

    def _next_init(self) -> None:
        waiting = [c for c in self.facts.containers if c.init and not c.ended]
        if not waiting:
            self.facts.initialized = self.kernel.now
            self.report(self)
            self.after(self.kernel.between(0.05, 0.2), self._start_containers)
            return
        self._pull(waiting[0], partial(self._run_init, waiting[0]))

    def _run_init(self, container: Container) -> None:
        self.start(container)
        seconds = self.behaviour.init if container.name == "init" else self._seconds_of(container)
        code = self.behaviour.init_exit if container.name == "init" else 0

        def ended() -> None:
            self.end(container, code)
            container.said = self.behaviour.init_message if code else ""
            self.notice(self._init_failed if code else self._next_init)

        run = draw(self.kernel.random, seconds)
        if run > 1.0:
            self.notice()
        self.after(run, ended)

    def _seconds_of(self, container: Container) -> float:
        for found in (*self.pod["spec"].get("initContainers", ()), *self.pod["spec"]["containers"]):
            if found["name"] == container.name:
                own = read([*(found.get("command") or ()), *(found.get("args") or ())]).seconds
                return AGENT if own is None else draw(self.kernel.random, own)
        return 0.0

    def _init_failed(self) -> None:
        self._finish("Failed")

    def _start_containers(self) -> None:
        """One after the other, each after its image: wait first, as in the spec's order."""
        waiting = [c for c in self.facts.containers if not c.init and c.started is None]
        if not waiting:
            self.facts.ready, self.facts.changed = True, self.kernel.now
            self.notice()
            if self.serves:
                Service(self).begin()
            return
        self._pull(waiting[0], partial(self._run_container, waiting[0]))

    def _run_container(self, container: Container) -> None:
        if container.name == "main" and self.behaviour.config_error:
            container.waiting = "CreateContainerConfigError"
            container.message = self.behaviour.config_error
            self.say("Failed", f"Error: {container.message}", container, warning=True)
            self.facts.phase = "Pending"
            self.told.waits("config", container.message)
            self.notice()
            self.after(10.0, partial(self._run_container, container))
            return
        self.start(container)
        if all(c.init or c.started is not None for c in self.facts.containers):
            self.facts.phase = "Running"
        if not self.serves and container.name not in ("wait", "supervisor"):
            self._run_to_its_end(container)
        self.after(self.kernel.between(0.05, 0.25), self._start_containers)

    def _run_to_its_end(self, container: Container) -> None:
        behaviour, random = self.behaviour, self.kernel.random
        is_main = container.name == "main"
        if is_main and self.oom:
            seconds = draw(random, behaviour.oom_after)
            self.after(seconds, partial(self._main_ended, container, 137, "OOMKilled"))
        elif is_main and behaviour.evicted_after is not None:
            self.after(behaviour.evicted_after, self._evict)
        elif is_main and behaviour.seconds is not None:
            code = behaviour.exit if self.fails else 0
            ends = draw(random, behaviour.seconds) + self.kernel.between(0.05, 0.3)
            self.after(ends, partial(self._main_ended, container, code))
        elif not is_main:
            seconds = self._seconds_of(container)
            if seconds < AGENT:
                self.after(seconds, partial(self._main_ended, container, 0))

    def _main_ended(self, container: Container, code: int, reason: str = "") -> None:
        if container.ended:
            return
        self.end(container, code, reason)
        self.notice()
        works = [c for c in self.facts.containers if not c.init and c.name != "wait"]
        main = next((c for c in works if c.name == "main"), works[0])
        if main.ended and self.argo:
            upload = self.kernel.between(5.0, 8.0) if reason == "OOMKilled" else 0.0
            upload += draw(self.kernel.random, self.behaviour.wait)
            self.after(upload, self._wait_ends)
        elif not self.argo and all(c.ended for c in works):
            self.notice(self._finish_by_exit_codes)

    def _wait_ends(self) -> None:
        """wait is done with main's outputs: it ends the sidecars, then itself."""
        for c in self.facts.containers:
            if c.running and c.name != "wait":
                self.end(c, 143)
            elif c.running:
                self.end(c, self.behaviour.wait_exit)
                c.said = self.behaviour.wait_message
        self.notice(self._finish_by_exit_codes)

    def _finish_by_exit_codes(self) -> None:
        if all(c.ended for c in self.facts.containers):
            failed = any(c.exit_code for c in self.facts.containers)
            self._finish("Failed" if failed else "Succeeded")

    # Ends

    def spec_changed(self) -> None:
        """activeDeadlineSeconds was set, or moved."""
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        if seconds is None or self._over or self.facts.started is None:
            return
        if self._deadline is not None:
            self._deadline.cancel()
        left = self.facts.started + float(seconds) - self.kernel.now
        self._deadline = self.after(max(0.0, left), self._exceed)

    def _exceed(self) -> None:
        if not self._over:
            self.facts.bare = True
            # That a deadline passed says less than what main still waited for.
            self.why = "image" if self.told.waits_for_image else "deadline"
            self.say("DeadlineExceeded", DEADLINE)
            self._fail("DeadlineExceeded", DEADLINE)

    def _evict(self) -> None:
        self.say("Evicted", self.behaviour.evicted, warning=True)
        self.told.tell("evicted")
        self.facts.evicted = True
        self.why = "evicted"
        self._fail("Evicted", self.behaviour.evicted)

    def shut_down(self) -> None:
        """The machine goes away under it."""
        if self._over:
            return
        for container in self.facts.containers:
            if container.running:
                self.end(container, 143)
        self.facts.disruption = {
            "type": "DisruptionTarget",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": self.pod["metadata"]["creationTimestamp"],
            "reason": "TerminationByKubelet",
            "message": SHUTDOWN,
        }
        self.why = "node_lost"
        self._fail("Terminated", SHUTDOWN)

    def stop(self) -> None:
        """SIGTERM to main, as Argo's controller sends it; wait ends by itself."""
        self.why = self.why or "stopped"
        for container in self.facts.containers:
            if container.running and not container.init and container.name != "wait":
                code = 0 if self.behaviour.traps else 143
                ended = partial(self._main_ended, container, code)
                self.after(self.kernel.between(0.3, 1.2), ended)

    def _fail(self, reason: str, message: str) -> None:
        self.facts.reason, self.facts.message = reason, message
        for due in self._due:
            due.cancel()
        self._due.clear()
        self._finish("Failed")
        if self.deleting:
            self.after(self.kernel.between(0.3, 1.0), self._remove)

    def _finish(self, phase: str) -> None:
        if self._over:
            return
        self._over = True
        self.facts.phase = phase
        self.why = "" if phase == "Succeeded" else self.why or self._why_by_exit_code()
        self.told.waits("")
        self.told.ended(self.why, self.facts)
        self.facts.ready, self.facts.changed = False, self.kernel.now
        self.report(self)

    def delete(self) -> None:
        """The pod is to go: its containers are told to end, then it is removed."""
        if self.deleting:
            return
        self.deleting = True
        self.why = self.why or "deleted"
        self.told.waits("")
        if self._over:
            self.after(self.kernel.between(0.05, 0.6), self._remove)
            return
        pause = self.kernel.between(0.4, 1.2)
        shown = self.kernel.random.random() < 0.5
        for container in self.facts.containers:
            if container.running:
                self.say("Killing", f"Stopping container {container.name}", container)
        self.after(pause, partial(self._deleted, shown=shown))

    def _deleted(self, *, shown: bool) -> None:
        for container in self.facts.containers:
            if container.running:
                own = container.name == "wait" or self.behaviour.traps
                self.end(container, 0 if own else 143)
        if shown and not self.serves and all(c.ended for c in self.facts.containers):
            self._finish_by_exit_codes()
        self._over = True
        self.after(self.kernel.between(0.3, 1.0), self._remove)

    def _remove(self) -> None:
        self.kernel.remove("pods", self.pod)

    def drop(self) -> None:
        """The pod is gone from the API."""
        self._gone = True
        self.told.gone()
        for due in self._due:
            due.cancel()
        self._due.clear()

    # Facts

    def start(self, container: Container) -> None:
        container.started, container.finished = self.kernel.now, None
        if container.init:
            self.told.waits("initializing")
        elif container.name == "main" or not self.argo:
            self.told.waits("")
        self.say("Created", f"Created container {container.name}", container)
        self.say("Started", f"Started container {container.name}", container)

    def end(self, container: Container, code: int, reason: str = "") -> None:
        container.finished = self.kernel.now
        container.exit_code, container.reason = code, reason

    def _pull(self, container: Container, then: Callable[[], None]) -> None:
        Pull(self, container, then).begin()

    def say(
        self,
        reason: str,
        message: str,
        container: Container | None = None,
        *,
        warning: bool = False,
    ) -> None:
        path = ""
        if container is not None:
            path = (
                f"spec.{'initContainers' if container.init else 'containers'}{{{container.name}}}"
            )
        self._recorder.event(
            "Pod",
            self.pod,
            reason,
            message,
            component="kubelet",
            host=self.machine.name,
            warning=warning,
            field_path=path,
        )

    def write(self) -> None:
        """Writes the status of this moment, unless it is the same as before."""
        if self._gone:
            return
        if not self.serves:
            self._finish_by_exit_codes()
        status = self.facts.status(self.kernel.now)
        if status != self.pod.get("status"):
            self.pod["status"] = status
            self.kernel.put("pods", self.pod)
            self.told.reported(self.facts)

    def _why_by_exit_code(self) -> str:
        """Of init, main and wait, whichever failed first."""
        for container in self.facts.containers:
            if container.init and container.exit_code:
                return "input"
        for container in self.facts.containers:
            if container.reason == "OOMKilled":
                return "oom"
            if container.exit_code and container.name != "wait" and container.exit_code != 143:
                return "exit_code"
        return "output" if any(c.exit_code for c in self.facts.containers) else "error"
