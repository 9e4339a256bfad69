"""What a pod's status says of its node, in the controller's words."""

from dataclasses import dataclass

from argoscope.simulator.engine.argo.version import Argo
from argoscope.simulator.engine.kernel import Object, unix
from argoscope.simulator.engine.pods import quantity

EXPECTED_OF_SIDECARS = frozenset({0, 137, 143})


@dataclass(frozen=True, slots=True)
class Verdict:
    """A node's phase and message by its pod. ``ended`` (Unix) is when its last container ended."""

    phase: str
    message: str = ""
    ended: float | None = None
    exit_code: str = ""


def assess(pod: Object, argo: Argo) -> Verdict:
    status = pod.get("status") or {}
    phase = status.get("phase", "Pending")
    if phase == "Pending":
        return Verdict("Pending", _pending(status))
    if phase == "Running":
        return Verdict("Running")
    ended, code = _ended(status), _main_code(status)
    if phase == "Succeeded":
        return Verdict("Succeeded", "", ended, code)
    verdict = _failed(status, argo)
    return Verdict(verdict.phase, verdict.message, ended, code)


def _pending(status: Object) -> str:
    for condition in status.get("conditions") or ():
        unschedulable = condition["type"] == "PodScheduled" and condition["status"] == "False"
        if unschedulable and condition.get("message"):
            return f"{condition['reason']}: {condition['message']}"
    for container in (
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ):
        waiting = container["state"].get("waiting")
        if waiting:
            message = waiting.get("message")
            return f"{waiting['reason']}: {message}" if message else str(waiting["reason"])
    return ""


def _ended(status: Object) -> float | None:
    """The last end of a container; None while one has not ended, or none is known."""
    containers = [*(status.get("containerStatuses") or ())]
    times = [
        c["state"]["terminated"]["finishedAt"] for c in containers if "terminated" in c["state"]
    ]
    if not times:
        inits = status.get("initContainerStatuses") or ()
        failed = [
            c["state"]["terminated"]["finishedAt"]
            for c in inits
            if c["state"].get("terminated", {}).get("exitCode")
        ]
        return unix(max(failed)) if failed else None
    return unix(max(times))


def _main_code(status: Object) -> str:
    for container in status.get("containerStatuses") or ():
        if container["name"] == "main" and "terminated" in container["state"]:
            return str(container["state"]["terminated"]["exitCode"])
    return ""


def _failed(status: Object, argo: Argo) -> Verdict:
    """As inferFailedReason does: the pod's own message, then init, main, wait, sidecars."""
    if status.get("message"):
        return Verdict("Failed", status["message"])
    for container in status.get("initContainerStatuses") or ():
        end = container["state"].get("terminated")
        if end and end["exitCode"]:
            return Verdict("Error", _told(container["name"], end, argo))
    by_name = {c["name"]: c["state"].get("terminated") for c in status["containerStatuses"]}
    wait = by_name.pop("wait", None)
    for name, end in by_name.items():
        if (
            end
            and end["exitCode"]
            and (name == "main" or end["exitCode"] not in EXPECTED_OF_SIDECARS)
        ):
            return Verdict("Failed", _told(name, end, argo))
    if wait and wait["exitCode"]:
        return Verdict("Error", _told("wait", wait, argo))
    if all(end is None for end in by_name.values()):
        text = "Pod failed before main container starts due to PodInitializing: "
        return Verdict("Failed", "" if argo.remakes_pods else text)
    return Verdict("Succeeded")


def _told(container: str, end: Object, argo: Argo) -> str:
    message = f"{end['reason']} (exit code {end['exitCode']})"
    if end.get("message"):
        message += f": {end['message']}"
    if argo.names_container or container in ("init", "wait"):
        return f"{container}: {message}" if argo.names_container else message
    return message


def resources(pod: Object) -> dict[str, int]:
    """``resourcesDuration``: seconds of each container times its requests (memory in 100 Mi)."""
    spec = {
        c["name"]: c for c in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
    }
    status = pod.get("status") or {}
    cpu = memory = 0.0
    for container in (
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ):
        end = container["state"].get("terminated")
        if not end:
            continue
        seconds = unix(end["finishedAt"]) - unix(end["startedAt"])
        wanted = (spec[container["name"]].get("resources") or {}).get("requests") or {}
        cpu += seconds * quantity(wanted.get("cpu", "0"))
        memory += seconds * quantity(wanted.get("memory", "100Mi")) / (100 * 2**20)
    return {"cpu": int(cpu), "memory": int(memory)}
