"""Bytes of Workflows a CPU-second, decoded and derived, beside the usual ways; memory of one."""

import gc
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from random import Random
from types import SimpleNamespace
from typing import Any

import cluster

from argoscope.metrics.registry import Registry
from argoscope.resources._base import Options, Seen
from argoscope.resources.workflow import RESOURCE
from argoscope.resources.workflow.derive import WorkflowDeriver
from argoscope.resources.workflow.objects import decode
from argoscope.resources.world import World

RATE_BAR = 500.0
"""MB a CPU-second, from the watch's bytes to metrics, on Workflows of 100 nodes."""
MEMORY_BAR = 1_500
"""Bytes of a finished Workflow of 100 nodes, gauges included."""
NODES = 100
AT = 1_795_400_000.0

States = list[bytes]


def lives(count: int, events: int) -> States:
    """The watch events' objects of ``count`` Workflows of 100 nodes, most of them finished: in
    each of their ``events`` versions another node has ended, in the last one the run."""
    states: list[list[bytes]] = []
    for index in range(count):
        running = cluster.workflow(index, NODES, Random(index), running=True)
        open_nodes = list(running["status"]["nodes"].values())[-(events - 1) :]
        for node in open_nodes:
            node["phase"] = "Pending"
        versions = []
        for node in open_nodes:
            node["phase"], node["finishedAt"] = "Succeeded", node["startedAt"]
            versions.append(cluster.encoded(running))
        over = cluster.workflow(index, NODES, Random(index), running=False)
        states.append([*versions, cluster.encoded(over)])
    return [state for together in zip(*states, strict=True) for state in together]


def finished(count: int) -> Iterator[bytes]:
    """Finished Workflows of 200 pipelines, alike but for their names: made quickly."""
    pattern = cluster.workflow(0, NODES, Random(0), running=False)
    meta = pattern["metadata"]
    raw = cluster.encoded(pattern)
    for index in range(count):
        pipeline = f"pipeline-{index % cluster.PIPELINES}-"
        names = {
            meta["name"]: f"{pipeline}x{index:05d}",
            meta["generateName"]: pipeline,
            meta["uid"]: f"{index:08d}-0000-4000-8000-000000000000",
        }
        changed = raw
        for old, new in names.items():
            changed = changed.replace(old.encode(), new.encode())
        yield changed


def deriver() -> WorkflowDeriver:
    return WorkflowDeriver(World(), Registry(RESOURCE.metrics), Options())


def ours(states: States) -> None:
    made = deriver()
    for raw in states:
        made.upsert(decode(raw), Seen(at=AT, size=len(raw)))
    made.tick(AT)


def json_and_dicts(states: States) -> None:
    """What a script does: the whole object as dicts, and its finished nodes out of it."""
    seen: dict[str, set[tuple[str, str]]] = {}
    for raw in states:
        made = json.loads(raw)
        done = seen.setdefault(made["metadata"]["uid"], set())
        for key, node in made["status"]["nodes"].items():
            if node["type"] == "Pod" and node.get("finishedAt"):
                done.add((key, node["startedAt"]))


def client_models(states: States) -> None:
    """What the official client does with a custom resource: the same dicts, through its types."""
    from kubernetes.client import ApiClient

    client = ApiClient()
    for raw in states:
        try:
            client.deserialize(SimpleNamespace(data=raw.decode()), "object")
        except TypeError:  # newer versions take the text and its type
            client.deserialize(raw.decode(), "object", "application/json")


PEERS = {"json and dicts": json_and_dicts, "kubernetes client": client_models}


def rate(work: Callable[[States], None], states: States, rounds: int) -> float:
    """MB a CPU-second; the best of ``rounds``, since the others measure the neighbours."""
    size, best = sum(map(len, states)), 0.0
    for _ in range(rounds):
        start = time.process_time()
        work(states)
        best = max(best, size / 1e6 / (time.process_time() - start))
    return best


def bytes_a_workflow(count: int) -> float:
    """Memory of a finished Workflow: all that the derivation and the registry keep of it."""
    made = deriver()
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for index, raw in enumerate(finished(count)):
        made.upsert(decode(raw), Seen(at=AT + index, size=len(raw) + index % 1000))
    made.tick(AT)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / count


def bytes_a_dict(count: int) -> float:
    tracemalloc.start()
    kept = [json.loads(raw) for raw in finished(count)]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / len(kept)


def run(quick: bool) -> list[dict[str, Any]]:
    rounds = 1 if quick else 7
    states = lives(5 if quick else 40, 40)
    value = rate(ours, states, rounds)
    rows = []
    for peer, work in PEERS.items():
        peer_value = rate(work, states[:100], rounds)
        rows.append(
            {
                "key": f"workflow_bytes_{peer.split()[0]}",
                "name": "Workflows of 100 nodes, decoded and derived",
                "value": value,
                "unit": "MB/s",
                "peer": peer,
                "peer_value": peer_value,
                "ratio": value / peer_value,
                "bar": RATE_BAR,
                "met": value >= RATE_BAR,
            }
        )
    memory = bytes_a_workflow(1_000 if quick else 10_000)
    dicts = bytes_a_dict(20 if quick else 100)
    rows.append(
        {
            "key": "workflow_memory",
            "name": "memory of a finished Workflow of 100 nodes",
            "value": memory,
            "unit": "By",
            "peer": "json and dicts",
            "peer_value": dicts,
            "ratio": dicts / memory,
            "bar": MEMORY_BAR,
            "met": memory <= MEMORY_BAR,
        }
    )
    return rows


if __name__ == "__main__":
    for row in run(quick=False):
        print(json.dumps(row))
