"""Plays Argo's controllers on a real API server: gives what users made the statuses that the real
ones would, one change after the other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec

from argoscope.kube.client import Client
from argoscope.kube.errors import NotFoundError

Object = dict[str, Any]
Next = Callable[[Object], Object | None]
"""From an object, the next change of its status; None if it has come to rest."""

_LOOK_SECONDS = 0.05  # of servers in real time


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ending(phase: str = "Succeeded", message: str = "") -> Next:
    """Workflows run, and end in that phase."""

    def change(workflow: Object) -> Object | None:
        status = workflow.get("status") or {}
        if not status.get("phase"):
            return {"phase": "Running", "startedAt": now()}
        if status["phase"] == "Running":
            return {"phase": phase, "finishedAt": now(), "message": message}
        return None

    return change


def rolling_out(rollout: Object) -> Object | None:
    """Rollouts progress, and become Healthy, for each generation anew."""
    status, generation = rollout.get("status") or {}, rollout["metadata"]["generation"]
    if status.get("observedGeneration") != str(generation):
        conditions = [_condition("Progressing", "ReplicaSetUpdated"), _condition("Completed", no=1)]
        return {
            "phase": "Progressing",
            "observedGeneration": str(generation),
            "currentPodHash": f"hash{generation}",
            "conditions": conditions,
        }
    if status["phase"] == "Progressing":
        conditions = [
            _condition("Progressing", "NewReplicaSetAvailable"),
            _condition("Completed"),
            _condition("Healthy"),
        ]
        stable = status["currentPodHash"]
        return {"phase": "Healthy", "stableRS": stable, "conditions": conditions}
    return None


def _condition(kind: str, reason: str = "", no: int = 0) -> Object:
    return {
        "type": kind,
        "status": "False" if no else "True",
        "reason": reason or kind,
        "message": "",
        "lastUpdateTime": now(),
        "lastTransitionTime": now(),
    }


@asynccontextmanager
async def playing(
    client: Client, path: str, change: Next, *, status: str = ""
) -> AsyncIterator[None]:
    """Plays on a collection; ``status`` is the subresource's path element where there is one."""

    async def play() -> None:
        while True:
            async for page in client.pages(path):
                for item in page.items:
                    obj = msgspec.json.decode(item)
                    changed = change(obj)
                    if changed is not None:
                        one = f"{path}/{obj['metadata']['name']}{status}"
                        try:
                            await client.send("PATCH", one, {"status": changed})
                        except NotFoundError:
                            pass  # a person deleted it
            await asyncio.sleep(_LOOK_SECONDS)

    task = asyncio.create_task(play())
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
