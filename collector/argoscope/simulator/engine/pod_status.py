"""What is true of a pod's containers, and the status that a kubelet makes of it."""

from dataclasses import dataclass, field
from typing import Any

from argoscope.simulator.engine.hashes import fnv64
from argoscope.simulator.engine.kernel import Object, stamp


@dataclass(slots=True)
class Container:
    """One container of a pod: waiting, running, or terminated."""

    name: str
    image: str
    init: bool = False
    waiting: str = "PodInitializing"
    message: str = ""
    """Of the waiting state."""
    started: float | None = None
    finished: float | None = None
    exit_code: int = 0
    reason: str = ""
    """Of the end; empty: Completed or Error by the exit code."""
    said: str = ""
    """Its termination message."""
    restarts: int = 0
    last: dict[str, Any] = field(default_factory=dict)
    """The terminated state before the last restart."""
    ended_before: float | None = None
    """When its last run ended, while it waits for the next."""
    ready_at: float | None = None
    runtime_id: str = ""

    @property
    def running(self) -> bool:
        return self.started is not None and self.finished is None

    @property
    def ended(self) -> bool:
        return self.finished is not None

    def terminated(self) -> dict[str, Any]:
        assert self.started is not None
        assert self.finished is not None
        return {
            "exitCode": self.exit_code,
            "reason": self.reason or ("Error" if self.exit_code else "Completed"),
            **({"message": self.said} if self.said else {}),
            "startedAt": stamp(self.started),
            "finishedAt": stamp(self.finished),
            "containerID": f"containerd://{self.runtime_id}",
        }


@dataclass(slots=True)
class Facts:
    """What is true of a pod at a moment; times are Unix seconds."""

    containers: list[Container]
    scheduled: float
    """When it was bound."""
    host_ip: str
    started: float | None = None
    """When the kubelet took it."""
    ip: str = ""
    initialized: float | None = None
    """When the kubelet noticed that init was over."""
    ready: bool = False
    changed: float = 0.0
    """When readiness changed last."""
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    bare: bool = False
    """Conditions are gone, as when the kubelet itself failed the pod (deadline)."""
    evicted: bool = False
    """Containers and address are gone too."""
    disruption: Object | None = None
    qos: str = "BestEffort"

    def status(self, now: float) -> Object:
        """The pod's status as the API has it."""
        if self.started is None:
            return {
                "phase": "Pending",
                "conditions": [_condition("PodScheduled", True, self.scheduled)],
                "qosClass": self.qos,
            }
        status: Object = {"phase": self.phase}
        if not (self.bare or self.evicted):
            status["conditions"] = self._conditions()
        elif self.disruption:
            status["conditions"] = [self.disruption]
        if self.message:
            status["message"] = self.message
        if self.reason:
            status["reason"] = self.reason
        if self.evicted:
            return {**status, "startTime": stamp(self.started), "qosClass": self.qos}
        status["hostIP"] = self.host_ip
        if self.ip:
            status |= {"podIP": self.ip, "podIPs": [{"ip": self.ip}]}
        status["startTime"] = stamp(self.started)
        inits = [self._container(c, now) for c in self.containers if c.init]
        if inits:
            status["initContainerStatuses"] = inits
        # Kubernetes sorts container statuses by name when the kubelet writes them
        mains = sorted((c for c in self.containers if not c.init), key=lambda c: c.name)
        status["containerStatuses"] = [self._container(c, now) for c in mains]
        return {**status, "qosClass": self.qos}

    def _conditions(self) -> list[Object]:
        started = self.started or 0.0
        over = self.phase in ("Succeeded", "Failed")
        done = "PodCompleted" if self.phase == "Succeeded" else ""
        unready = [c.name for c in self.containers if not c.init and not self._is_ready(c)]
        not_ready = {
            "reason": done or "ContainersNotReady",
            **(
                {}
                if done
                else {"message": f"containers with unready status: [{' '.join(unready)}]"}
            ),
        }
        initialized: Object
        if self.initialized is None:
            waiting = [c.name for c in self.containers if c.init and not c.ended]
            initialized = _condition(
                "Initialized",
                False,
                started,
                reason="ContainersNotInitialized",
                message=f"containers with incomplete status: [{' '.join(waiting)}]",
            )
        else:
            initialized = _condition("Initialized", True, self.initialized, reason=done)
        ready = self.ready and not over and not unready
        at = self.changed or started
        found = [
            initialized,
            _condition("Ready", ready, at, **({} if ready else not_ready)),
            _condition("ContainersReady", ready, at, **({} if ready else not_ready)),
            _condition("PodScheduled", True, self.scheduled),
        ]
        return [*found, self.disruption] if self.disruption else found

    def _is_ready(self, container: Container) -> bool:
        return container.running and self.ready

    def _container(self, c: Container, now: float) -> Object:
        state: Object
        if c.finished is not None and c.started is not None:
            state = {"terminated": c.terminated()}
        elif c.started is not None:
            state = {"running": {"startedAt": stamp(c.started)}}
        else:
            state = {
                "waiting": {"reason": c.waiting, **({"message": c.message} if c.message else {})}
            }
        ready = c.ended and c.exit_code == 0 if c.init else self._is_ready(c)
        known = c.started is not None
        found: Object = {
            "name": c.name,
            "state": state,
            "lastState": {"terminated": c.last} if c.last else {},
            "ready": bool(ready and not self.bare),
            "restartCount": c.restarts,
            "image": c.image,
            "imageID": f"sha256:{fnv64(c.image.encode()):064x}" if known else "",
        }
        if known:
            found["containerID"] = f"containerd://{c.runtime_id}"
        if not c.init:
            found["started"] = c.running
        return found


def _condition(kind: str, true: bool, at: float, reason: str = "", message: str = "") -> Object:
    found: Object = {
        "type": kind,
        "status": "True" if true else "False",
        "lastProbeTime": None,
        "lastTransitionTime": stamp(at),
    }
    if reason:
        found["reason"] = reason
    if message:
        found["message"] = message
    return found
