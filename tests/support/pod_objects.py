"""Made-up pods of one Argo workflow, as its controller and a kubelet write them."""

from datetime import UTC, datetime
from typing import Any

Raw = dict[str, Any]
BASE = 1_790_000_000
"""Creation of the first pod, Unix seconds."""


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(type_: str, status: str, at: float, reason: str = "", message: str = "") -> Raw:
    made: Raw = {"type": type_, "status": status, "lastTransitionTime": stamp(at)}
    return made | ({"reason": reason, "message": message} if reason else {})


def container(name: str, state: Raw, last: Raw | None = None) -> Raw:
    """A container status with what the API demands of one."""
    image = {"image": "registry.example.com/team/image:v1", "imageID": ""}
    rest = {"ready": False, "restartCount": 0} | image
    return {"name": name, "state": state, "lastState": last or {}} | rest


def waiting(name: str, reason: str, message: str = "") -> Raw:
    return container(name, {"waiting": {"reason": reason, "message": message}})


def running(name: str, at: float) -> Raw:
    return container(name, {"running": {"startedAt": stamp(at)}})


def ended(name: str, start: float, end: float, reason: str = "Completed", code: int = 0) -> Raw:
    terminated = {
        "startedAt": stamp(start),
        "finishedAt": stamp(end),
        "reason": reason,
        "exitCode": code,
    }
    return container(name, {"terminated": terminated})


def argo_pod(
    *,
    workflow: str = "etl-x7k2p",
    template: str = "load",
    number: int = 1,
    uid: str = "",
    namespace: str = "ml",
    created: float = BASE,
    version: int = 1,
    **status: Any,
) -> Raw:
    """A pod of ``workflow`` that runs ``template``; ``status`` as in the API."""
    digits = f"{1_000_000_000 + number}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{workflow}-{template}-{digits}",
            "namespace": namespace,
            "uid": uid or f"00000000-0000-4000-8000-{number:012d}",
            "resourceVersion": str(version),
            "creationTimestamp": stamp(created),
            "labels": {
                "workflows.argoproj.io/completed": "false",
                "workflows.argoproj.io/workflow": workflow,
            },
            "annotations": {"workflows.argoproj.io/node-id": f"{workflow}-{digits}"},
            "ownerReferences": [
                {
                    "apiVersion": "argoproj.io/v1alpha1",
                    "kind": "Workflow",
                    "name": workflow,
                    "uid": "w",
                    "controller": True,
                }
            ],
        },
        "spec": {"nodeName": "node-1", "containers": []},
        "status": {"phase": "Pending"} | status,
    }


def life(pod: Raw, created: float, *, main: float = 30.0) -> list[Raw]:
    """The five states that a kubelet reports of an Argo pod: created, scheduled, init, main, end.

    One second to schedule, two to prepare, four of init, one more to start main, ``main`` seconds
    of main, and two of wait after it.
    """
    init, start = created + 3, created + 8
    end = start + main
    scheduled = [condition("PodScheduled", "True", created + 1)]
    waits = [waiting("main", "PodInitializing"), waiting("wait", "PodInitializing")]
    done = [ended("init", init, init + 4)]
    statuses: list[Raw] = [
        {"phase": "Pending"},
        {"phase": "Pending", "conditions": scheduled},
        {
            "phase": "Pending",
            "conditions": scheduled,
            "initContainerStatuses": [running("init", init)],
            "containerStatuses": waits,
        },
        {
            "phase": "Running",
            "conditions": [*scheduled, condition("Ready", "True", start)],
            "initContainerStatuses": done,
            "containerStatuses": [running("main", start), running("wait", start)],
        },
        {
            "phase": "Succeeded",
            "conditions": scheduled,
            "initContainerStatuses": done,
            "containerStatuses": [ended("main", start, end), ended("wait", start, end + 2)],
        },
    ]
    return [pod | {"status": status} for status in statuses]
