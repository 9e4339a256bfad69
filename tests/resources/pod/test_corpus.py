"""Pods, Events and Nodes as people have published them: nothing breaks, and nothing is lost."""

import json
from collections import Counter
from typing import Any

import msgspec

from argoscope.resources import node
from argoscope.resources._reasons import ADVICE
from support.pods import Pods
from support.recordings import require_shared

NOW = 1_800_000_000.0
PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")


def objects(kind: str) -> list[dict[str, Any]]:
    paths = sorted((require_shared("corpus") / kind).glob("*.json"))
    return [json.loads(path.read_text()) for path in paths]


def test_every_published_pod_is_in_its_phase() -> None:
    pods, phases = Pods(), Counter[str]()
    for number, obj in enumerate(objects("Pod")):
        obj.setdefault("metadata", {})["uid"] = f"u{number}"
        pods.upsert(obj, NOW)
        phase = obj.get("status", {}).get("phase", "")
        phases[phase if phase in PHASES else "Pending"] += 1
    pods.finish()
    assert pods.phases() == phases
    assert sum(phases.values()) > 150
    assert set(pods.pending()) <= set(ADVICE)
    # By hand: one says 0/1 nodes, two say 0/3 nodes, all three lack cpu.
    assert pods.pending()["Unschedulable: insufficient cpu"] == 3
    # Mirror pods of static pods are older than their API objects; no Argo pod is.
    assert {reason for _, reason in pods.registry.problems} <= {"negative_duration"}


def test_every_published_event_is_read() -> None:
    pods = Pods()
    found = objects("Event")
    for obj in found:
        pods.event(obj | {"metadata": obj.get("metadata") or {}}, NOW)
    assert len(found) > 50


def test_every_published_node_is_described() -> None:
    found = [msgspec.convert(obj, node.Node) for obj in objects("Node")]
    zones = {node.describe(obj.metadata.labels or {})[0] for obj in found}
    assert {"us-east1-c", "us-east1-d"} <= zones
