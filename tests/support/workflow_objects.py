"""Small Workflows as dicts, in the shape in which the API server sends them."""

from datetime import UTC, datetime
from typing import Any
from zlib import crc32

BASE = datetime(2026, 11, 22, 13, 0, tzinfo=UTC).timestamp()


def at(second: float) -> str:
    """The time that many seconds after BASE, as Kubernetes writes it."""
    return datetime.fromtimestamp(BASE + second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node(
    name: str,
    kind: str = "Pod",
    phase: str = "Succeeded",
    start: float | None = 0,
    end: float | None = 5,
    *,
    run: str = "wf",
    template: str = "w",
    **more: Any,
) -> dict[str, Any]:
    """A node of run ``run``; the one of that very name is its root. Seconds are after BASE."""
    identity = node_id(name, run)
    fields = {
        "id": identity,
        "name": name,
        "displayName": name,
        "type": kind,
        "phase": phase,
        "templateName": template,
        "startedAt": at(start) if start is not None else None,
        "finishedAt": at(end) if end is not None else None,
    }
    return {key: value for key, value in (fields | more).items() if value is not None}


def node_id(name: str, run: str = "wf") -> str:
    return name if name == run else f"{run}-{crc32(name.encode())}"


def workflow(
    *nodes: dict[str, Any],
    name: str = "wf",
    phase: str | None = "Succeeded",
    start: float | None = 0,
    end: float | None = 10,
    created: float = 0,
    uid: str = "",
    version: int = 1,
    spec: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    **meta: Any,
) -> dict[str, Any]:
    """A Workflow in namespace ci, by default one that succeeded; seconds are after BASE."""
    state = {
        "phase": phase,
        "startedAt": at(start) if start is not None else None,
        "finishedAt": at(end) if end is not None else None,
        "nodes": {each["id"]: each for each in nodes} or None,
        **(status or {}),
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "name": name,
            "namespace": "ci",
            "uid": uid or f"uid-{name}",
            "resourceVersion": str(version),
            "creationTimestamp": at(created),
            **meta,
        },
        "spec": spec if spec is not None else {"entrypoint": "main"},
        "status": {key: value for key, value in state.items() if value is not None},
    }
