"""How a workflow's nodes are stored: in the object, compressed in it, or in a database."""

import base64
import gzip

import msgspec
import zstandard

from argoscope.simulator.engine.argo.version import Argo
from argoscope.simulator.engine.hashes import fnv32
from argoscope.simulator.engine.kernel import Kernel, Object

FEW = 300
"""Nodes that are never too many: their size is not looked at."""


def write(kernel: Kernel, workflow: Object, argo: Argo, offload_bytes: int | None) -> str:
    """Writes the workflow; too many nodes go compressed, or not at all.

    Returns where they are now: inline, compressed or offloaded.
    """
    status = workflow["status"]
    nodes = status.get("nodes")
    if not nodes or len(nodes) < FEW:
        kernel.put("workflows", workflow)
        return "inline"
    encoded = msgspec.json.encode(nodes)
    if len(encoded) < argo.compress_bytes:
        kernel.put("workflows", workflow)
        return "inline"
    if argo.version.startswith("4"):
        packed = zstandard.compress(encoded)
    else:
        packed = gzip.compress(encoded, compresslevel=1, mtime=0)
    shown = {k: v for k, v in status.items() if k != "nodes"}
    if offload_bytes is not None and len(packed) * 4 // 3 > offload_bytes:
        shown["offloadNodeStatusVersion"] = f"fnv:{fnv32(encoded[:4096])}"
        storage = "offloaded"
    else:
        shown["compressedNodes"] = base64.b64encode(packed).decode()
        storage = "compressed"
    kernel.put("workflows", workflow, stored_as={**workflow, "status": shown})
    return storage


def inflate(status: Object) -> None:
    """Compressed nodes, as a client's write brings them back, become plain again."""
    packed = status.pop("compressedNodes", "")
    if not packed or status.get("nodes"):
        return
    raw = base64.b64decode(packed)
    encoded = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else zstandard.decompress(raw)
    status["nodes"] = msgspec.json.decode(encoded)
