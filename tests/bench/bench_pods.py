"""Pod events a second, decoded and derived, beside the usual ways; memory of a live pod."""

import gc
import json
import time
import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec

from argoscope.metrics.registry import Registry
from argoscope.resources import pod
from argoscope.resources._base import Options, Seen
from argoscope.resources.world import Run, World
from support.pod_objects import BASE, argo_pod, life

RATE_BAR = 40_000
"""Events a second a core."""
MEMORY_BAR = 660
"""Bytes a live pod."""
PODS = 2_000
LIVE = 50_000
FULL_SIZE = 12_700
"""Bytes of an Argo pod as the API server sends it, managed fields included."""


def streams(count: int, size: int) -> list[bytes]:
    """The watch events' objects of ``count`` pods, interleaved as they would come."""
    lives = [_padded(life(argo_pod(number=n), BASE + n), size) for n in range(count)]
    return [state for states in zip(*lives, strict=True) for state in states]


def _padded(states: list[dict[str, Any]], size: int) -> list[bytes]:
    """With the executor's environment, volumes and managed fields that real ones have."""
    spec = states[0]["spec"]
    template = json.dumps({"name": "load", "container": {"args": ["x" * 600]}})
    environment = [{"name": f"ARGO_{n}", "value": "value-of-it"} for n in range(12)]
    environment.append({"name": "ARGO_TEMPLATE", "value": template})
    mounts = [{"name": f"v{n}", "mountPath": f"/mnt/{n}"} for n in range(4)]
    spec["initContainers"] = [{"name": "init", "env": environment, "volumeMounts": mounts}]
    spec["containers"] = [
        {"name": name, "image": "registry.example.com/team/image:v1", "env": environment[:6]}
        for name in ("wait", "main")
    ]
    fields = {f"f:field{n}": {".": {}, "f:inner": {}, "f:other": {}} for n in range(20)}
    out = []
    for state in states:
        entries: list[dict[str, Any]] = []
        sent = state | {"metadata": state["metadata"] | {"managedFields": entries}}
        while len(json.dumps(sent)) < size:
            entries.append({"manager": "kubelet", "operation": "Update", "fieldsV1": fields})
        out.append(json.dumps(sent, separators=(",", ":")).encode())
    return out


def deriver() -> pod.PodDeriver:
    world = World()
    registry = Registry(pod.METRICS)
    made = pod.PodDeriver(world, registry, Options())
    run = Run(namespace="ml", name="etl-x7k2p", uid="w", pipeline="etl")
    world.runs["ml", run.name] = run
    world.run_changed(run)
    return made


def ours(objects: list[bytes]) -> None:
    made = deriver()
    decode = msgspec.json.Decoder(pod.Pod).decode
    for number, raw in enumerate(objects):
        made.upsert(decode(raw), Seen(at=BASE + number / 1000, size=len(raw)))
    made.tick(BASE)


def json_and_dicts(objects: list[bytes]) -> None:
    """What a script does: the whole object as dicts, and the container times out of it."""
    known: dict[str, dict[str, Any]] = {}
    for raw in objects:
        made = json.loads(raw)
        status = made["status"]
        times = {}
        for group in ("initContainerStatuses", "containerStatuses"):
            for container in status.get(group, ()):
                times[container["name"]] = next(iter(container["state"].values()))
        known[made["metadata"]["uid"]] = {"phase": status["phase"], "times": times}


def client_models(objects: list[bytes]) -> None:
    """What an informer of the official client does to each object."""
    from kubernetes.client import ApiClient, V1Pod

    if hasattr(V1Pod, "from_dict"):
        for raw in objects:
            V1Pod.from_dict(json.loads(raw))
        return
    client = ApiClient()  # before version 37 the models could not be made from dicts in public
    for raw in objects:
        client.deserialize(SimpleNamespace(data=raw.decode()), "V1Pod")


PEERS = {"json and dicts": json_and_dicts, "kubernetes models": client_models}


def rate(work: Callable[[list[bytes]], None], objects: list[bytes], rounds: int) -> float:
    """Events a CPU-second; the best of ``rounds``, since the others measure the neighbours."""
    best = 0.0
    for _ in range(rounds):
        start = time.process_time()
        work(objects)
        best = max(best, len(objects) / (time.process_time() - start))
    return best


def bytes_a_pod(count: int) -> float:
    """Memory of a live pod, running, all that the deriver and the registry keep of it."""
    raws = [_padded(life(argo_pod(number=n), BASE + n)[:4], 0) for n in range(count)]
    decode = msgspec.json.Decoder(pod.Pod).decode
    made = deriver()
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number, states in enumerate(raws):
        for raw in states:
            made.upsert(decode(raw), Seen(at=BASE + number / 1000, size=len(raw)))
    made.tick(BASE)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / count


def bytes_a_dict(count: int) -> float:
    raws = streams(count, FULL_SIZE)[-count:]
    tracemalloc.start()
    kept = [json.loads(raw) for raw in raws]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / len(kept)


def run(quick: bool) -> list[dict[str, Any]]:
    rounds = 1 if quick else 5
    rows = []
    for name, size in (("as sent, 12.7 KB", FULL_SIZE), ("without managed fields", 0)):
        objects = streams(200 if quick else PODS, size)
        value = rate(ours, objects, rounds)
        few = objects[: 100 if quick else 1000]
        for peer, work in (
            ("json and dicts", json_and_dicts),
            ("kubernetes models", client_models),
        ):
            peer_value = rate(work, few, rounds)
            rows.append(
                {
                    "key": f"pod_events_{'full' if size else 'lean'}_{peer.split()[0]}",
                    "name": f"pod events, {name}",
                    "value": value,
                    "unit": "1/s",
                    "peer": peer,
                    "peer_value": peer_value,
                    "ratio": value / peer_value,
                    "bar": RATE_BAR,
                    "met": value >= RATE_BAR,
                }
            )
    memory = bytes_a_pod(2_000 if quick else LIVE)
    dicts = bytes_a_dict(100 if quick else 1_000)
    rows.append(
        {
            "key": "pod_memory",
            "name": "memory of a live pod",
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
