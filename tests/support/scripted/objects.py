"""Objects as Argo and the kubelet write them, for a cluster that only exists in memory."""

import uuid
from datetime import UTC, datetime
from functools import lru_cache
from random import Random
from typing import Any

Object = dict[str, Any]


def stamp(unix: float) -> str:
    return _second(int(unix))


@lru_cache(maxsize=4096)  # the nodes of a workflow have few moments, and there are a million nodes
def _second(unix: int) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def uid(random: Random) -> str:
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def suffix(random: Random) -> str:
    """Five characters as Kubernetes' generateName appends them."""
    return "".join(random.choices("bcdfghjklmnpqrstvwxz2456789", k=5))


def node_id(workflow: str, node_name: str) -> str:
    """Argo's id of a node: the workflow's name and the 32-bit FNV-1a hash of the node's."""
    if workflow == node_name:
        return workflow
    digest = 0x811C9DC5
    for byte in node_name.encode():
        digest = ((digest ^ byte) * 0x01000193) & 0xFFFFFFFF
    return f"{workflow}-{digest}"


def workflow(
    name: str,
    namespace: str,
    created: float,
    random: Random,
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    generate_name: str = "",
) -> Object:
    meta: Object = {
        "name": name,
        "namespace": namespace,
        "uid": uid(random),
        "creationTimestamp": stamp(created),
        "labels": labels or {},
        "annotations": {"workflows.argoproj.io/pod-name-format": "v2", **(annotations or {})},
    }
    if generate_name:
        meta["generateName"] = generate_name
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": meta,
        "spec": {"entrypoint": "main", "ttlStrategy": {"secondsAfterCompletion": 86400}},
        "status": {},
    }


def node(
    workflow_name: str,
    name: str,
    display: str,
    node_type: str,
    started: float,
    *,
    template: str = "",
    boundary: str = "",
) -> Object:
    found: Object = {
        "id": node_id(workflow_name, name),
        "name": name,
        "displayName": display,
        "type": node_type,
        "phase": "Pending" if node_type == "Pod" else "Running",
        "startedAt": stamp(started),
        "finishedAt": None,
        "templateScope": f"local/{workflow_name}",
    }
    if template:
        found["templateName"] = template
    if boundary:
        found["boundaryID"] = boundary
    return found


def pod(owner: Object, node_object: Object, created: float, random: Random) -> Object:
    """A Pending pod of a workflow's node, not yet scheduled."""
    meta = owner["metadata"]
    digest = node_object["id"].rpartition("-")[2]
    template = node_object.get("templateName", "")
    name = (
        meta["name"] if node_object["id"] == meta["name"] else f"{meta['name']}-{template}-{digest}"
    )
    waiting = {"waiting": {"reason": "PodInitializing"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "uid": uid(random),
            "creationTimestamp": stamp(created),
            "labels": {
                "workflows.argoproj.io/workflow": meta["name"],
                "workflows.argoproj.io/completed": "false",
            },
            "annotations": {
                "workflows.argoproj.io/node-id": node_object["id"],
                "workflows.argoproj.io/node-name": node_object["name"],
            },
            "ownerReferences": [
                {
                    "apiVersion": "argoproj.io/v1alpha1",
                    "kind": "Workflow",
                    "name": meta["name"],
                    "uid": meta["uid"],
                    "controller": True,
                }
            ],
        },
        "spec": {"containers": [{"name": "main"}, {"name": "wait"}], "restartPolicy": "Never"},
        "status": {
            "phase": "Pending",
            "conditions": [],
            "initContainerStatuses": [{"name": "init", "state": dict(waiting)}],
            "containerStatuses": [
                {"name": "main", "state": dict(waiting)},
                {"name": "wait", "state": dict(waiting)},
            ],
        },
    }


def condition(kind: str, status: str, at: float, reason: str = "", message: str = "") -> Object:
    found = {"type": kind, "status": status, "lastTransitionTime": stamp(at)}
    if reason:
        found |= {"reason": reason, "message": message}
    return found


def ran(name: str, start: float, end: float, exit_code: int = 0, reason: str = "") -> Object:
    """The status of a container that has terminated."""
    return {
        "name": name,
        "state": {
            "terminated": {
                "exitCode": exit_code,
                "reason": reason or ("Error" if exit_code else "Completed"),
                "startedAt": stamp(start),
                "finishedAt": stamp(end),
            }
        },
    }
