"""Leases (coordination.k8s.io/v1): small objects that say who holds something, and since when."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from argoscope.kube.client import Client
from argoscope.kube.errors import BadAnswerError

GROUP = "coordination.k8s.io"
VERBS = ("get", "create", "update")
"""What an account needs on ``leases`` to hold one."""


class LeaseMeta(msgspec.Struct, gc=False, rename="camel", omit_defaults=True):
    name: str
    namespace: str
    resource_version: str = ""
    """Of the state that was read: a replacement of another one is a conflict."""
    annotations: dict[str, str] = {}
    labels: dict[str, str] = {}


class LeaseSpec(msgspec.Struct, gc=False, rename="camel"):
    holder_identity: str | None = None
    """Empty once the holder has let it go."""
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(msgspec.Struct, gc=False, rename="camel"):
    metadata: LeaseMeta
    spec: LeaseSpec = msgspec.field(default_factory=LeaseSpec)


class Leases:
    """The leases of a namespace. Methods raise what the client raises."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.namespace = namespace
        self._client = client
        self._path = f"/apis/{GROUP}/v1/namespaces/{namespace}/leases"

    async def get(self, name: str) -> Lease:
        """Raises NotFoundError when there is none."""
        return _decode(await self._client.get(f"{self._path}/{name}"))

    async def create(self, lease: Lease) -> Lease:
        """Raises ConflictError when there is one of that name."""
        return _decode(await self._client.send("POST", self._path, _document(lease)))

    async def replace(self, lease: Lease) -> Lease:
        """Raises ConflictError when it has changed since it was read."""
        path = f"{self._path}/{lease.metadata.name}"
        return _decode(await self._client.send("PUT", path, _document(lease)))


def _document(lease: Lease) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Lease",
        "metadata": lease.metadata,
        "spec": lease.spec,
    }


def _decode(body: bytes) -> Lease:
    try:
        return msgspec.json.decode(body, type=Lease)
    except msgspec.MsgspecError as error:
        raise BadAnswerError(f"not a Lease: {error}") from error


def micro_time(at: float) -> str:
    """A time (Unix seconds) as Kubernetes writes MicroTime."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def unix_time(text: str | None) -> float:
    """Unix seconds of such a time; 0 for none, or one that can't be read."""
    try:
        return datetime.fromisoformat(text).timestamp() if text else 0.0
    except ValueError:
        return 0.0
