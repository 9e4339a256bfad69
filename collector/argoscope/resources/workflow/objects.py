"""The Workflow as JSON brings it, with only the fields that derivations read.

Source: Argo Workflows 3.4 to 4.1, ``workflow_types.go``.
"""

import base64
import io
import zlib
from typing import Any

import brotli
import msgspec
import zstandard
from isal import igzip

from argoscope.resources._base import ObjectMeta

MAX_INFLATED = 256 * 2**20  # a compressed status is under 1.5 MiB in etcd; this stops a bomb


class TemplateRef(msgspec.Struct, gc=False):
    name: str = ""
    template: str = ""


class NodeFlag(msgspec.Struct, gc=False):
    hooked: bool = False
    retried: bool = False


class Memoization(msgspec.Struct, gc=False):
    hit: bool = False


class NodeSync(msgspec.Struct, gc=False):
    waiting: str = ""


class Node(msgspec.Struct, gc=False, rename="camel"):
    """``status.nodes[id]`` (Argo NodeStatus)."""

    id: str = ""
    name: str = ""
    type: str = ""
    phase: str | None = None
    template_name: str | None = None
    template_ref: TemplateRef | None = None
    message: str | None = None
    boundary_id: str = msgspec.field(default="", name="boundaryID")
    started_at: str | None = None
    finished_at: str | None = None
    children: list[str] | None = None
    node_flag: NodeFlag | None = None
    daemoned: bool | None = None
    memoization_status: Memoization | None = None
    synchronization_status: NodeSync | None = None
    resources_duration: dict[str, float] | None = None


class MutexHolding(msgspec.Struct, gc=False):
    mutex: str = ""
    holder: str = ""


class SemaphoreHolding(msgspec.Struct, gc=False):
    semaphore: str = ""
    holders: list[str] | None = None


class MutexStatus(msgspec.Struct, gc=False):
    holding: list[MutexHolding] | None = None
    waiting: list[MutexHolding] | None = None


class SemaphoreStatus(msgspec.Struct, gc=False):
    holding: list[SemaphoreHolding] | None = None
    waiting: list[SemaphoreHolding] | None = None


class Synchronization(msgspec.Struct, gc=False):
    mutex: MutexStatus | None = None
    semaphore: SemaphoreStatus | None = None


class WorkflowTemplateRef(msgspec.Struct, gc=False, rename="camel"):
    name: str = ""
    cluster_scope: bool = False


class Spec(msgspec.Struct, gc=False, rename="camel"):
    entrypoint: str = ""
    shutdown: str = ""
    suspend: bool | None = None
    parallelism: Any = None
    workflow_template_ref: WorkflowTemplateRef | None = None
    ttl_strategy: dict[str, Any] | None = None


class StoredSpec(msgspec.Struct, gc=False, rename="camel"):
    """``status.storedWorkflowTemplateSpec``: the spec merged with that of the template."""

    entrypoint: str = ""
    parallelism: Any = None
    ttl_strategy: dict[str, Any] | None = None


class Status(msgspec.Struct, gc=False, rename="camel"):
    phase: str | None = None
    message: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    nodes: dict[str, Node] | None = None
    compressed_nodes: str = ""
    offload_node_status_version: str = ""
    synchronization: Synchronization | None = None
    stored_workflow_template_spec: StoredSpec | None = None


class Workflow(msgspec.Struct, gc=False):
    metadata: ObjectMeta
    spec: Spec = msgspec.field(default_factory=Spec)
    status: Status = msgspec.field(default_factory=Status)
    skipped: list[str] = msgspec.field(default_factory=list, name="_skipped")
    """What was malformed and left out: not part of the object."""
    raw: msgspec.Raw | bytes = msgspec.field(default=b"", name="_raw")
    """The JSON that it was read from; not part of the object."""


_decoder = msgspec.json.Decoder(Workflow)
_nodes_decoder = msgspec.json.Decoder(dict[str, Node])


class _Loose(msgspec.Struct, gc=False):
    metadata: msgspec.Raw
    spec: msgspec.Raw = msgspec.Raw(b"{}")
    status: msgspec.Raw = msgspec.Raw(b"{}")


def decode(raw: bytes | msgspec.Raw) -> Workflow:
    """A Workflow of JSON; malformed parts are left out and named in ``skipped``.

    The typed decode takes all or nothing, so only an object that fails is read part by part.
    Raises msgspec.MsgspecError when not even the metadata can be read.
    """
    try:
        workflow = _decoder.decode(raw)
    except msgspec.ValidationError:
        workflow = _decode_by_parts(raw)
    workflow.raw = raw
    return workflow


def _decode_by_parts(raw: bytes | msgspec.Raw) -> Workflow:
    loose = msgspec.json.decode(raw, type=_Loose)
    skipped: list[str] = []
    workflow = Workflow(metadata=_metadata(loose.metadata, skipped), skipped=skipped)
    try:
        workflow.spec = msgspec.json.decode(loose.spec, type=Spec)
    except msgspec.ValidationError as error:
        skipped.append(f"spec: {error}")
    try:
        status = msgspec.json.decode(loose.status, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError as error:
        skipped.append(f"status: {error}")
        return workflow
    nodes = status.pop("nodes", None)
    kept = _fields(status, Status, "status", skipped)
    workflow.status = msgspec.convert(kept, Status)
    if nodes is not None:
        workflow.status.nodes = _nodes_one_by_one(nodes, skipped) or None
    return workflow


def _metadata(raw: msgspec.Raw, skipped: list[str]) -> ObjectMeta:
    try:
        return msgspec.json.decode(raw, type=ObjectMeta)
    except msgspec.ValidationError as error:
        skipped.append(f"metadata: {error}")
    parts = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    fields = _fields(parts, ObjectMeta, "metadata", [])
    for name in ("labels", "annotations"):
        if name in parts and name not in fields:
            values = msgspec.json.decode(parts[name])
            if isinstance(values, dict):
                fields[name] = {k: v for k, v in values.items() if isinstance(v, str)}
    return msgspec.convert(fields, ObjectMeta)


def _fields(
    parts: dict[str, msgspec.Raw], kind: type[Any], where: str, skipped: list[str]
) -> dict[str, Any]:
    """The decoded fields that ``kind`` accepts."""
    kept = {}
    for name, raw in parts.items():
        value = msgspec.json.decode(raw)
        try:
            msgspec.convert({name: value}, kind)
            kept[name] = value
        except msgspec.ValidationError as error:
            skipped.append(f"{where}.{name}: {error}")
    return kept


def _nodes_one_by_one(raw: bytes | msgspec.Raw, skipped: list[str]) -> dict[str, Node]:
    nodes: dict[str, Node] = {}
    try:
        parts = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError as error:
        skipped.append(f"status.nodes: {error}")
        return nodes
    for key, part in parts.items():
        try:
            nodes[key] = msgspec.json.decode(part, type=Node)
        except msgspec.MsgspecError as error:
            skipped.append(f"status.nodes[{key}]: {error}")
    return nodes


def inflate(compressed: str, skipped: list[str]) -> dict[str, Node]:
    """The nodes in ``status.compressedNodes``: base64 of gzip, zstd (from 3.7) or brotli JSON.

    Malformed nodes are left out and named in ``skipped``. Raises ValueError, with the reason, for
    anything that can't be read.
    """
    try:
        packed = base64.b64decode(compressed, validate=True)
        plain = _decompress(packed)
    except (ValueError, OSError, EOFError, zlib.error, zstandard.ZstdError, brotli.error) as error:
        raise ValueError(f"compressedNodes: {error}") from error
    try:
        return _nodes_decoder.decode(plain)
    except msgspec.ValidationError:
        return _nodes_one_by_one(plain, skipped)
    except msgspec.DecodeError as error:
        raise ValueError(f"compressedNodes: {error}") from error


def _decompress(packed: bytes) -> bytes:
    if packed[:2] == b"\x1f\x8b":
        with igzip.open(io.BytesIO(packed)) as stream:  # type: ignore[no-untyped-call]
            plain = stream.read(MAX_INFLATED + 1)
    elif packed[:4] == b"\x28\xb5\x2f\xfd":
        with zstandard.ZstdDecompressor().stream_reader(packed) as stream:
            plain = stream.read(MAX_INFLATED + 1)
    else:  # brotli has no magic number
        plain = brotli.Decompressor().process(packed, output_buffer_limit=MAX_INFLATED + 1)
    if len(plain) > MAX_INFLATED:
        raise ValueError(f"more than {MAX_INFLATED} bytes when inflated")
    return bytes(plain)
