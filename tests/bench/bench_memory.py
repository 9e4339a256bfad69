"""Memory and CPU of 2,000 and 10,000 Workflows of 100 nodes with five pods each, all metrics on.

Each side fills a process of its own: argoscope through its decoders, stores, pipeline and
registry, with all modules of the daemon imported; the peer keeps what json.loads gives it, which
is what an informer's cache of dicts holds. The peer gets a twentieth of the objects, and its
figure is scaled by the number of objects, since the whole would not fit beside other work.
"""

import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MIB = 2**20
PEER_SHARE = 20


def run(quick: bool) -> list[dict[str, Any]]:
    workflows = 1000 if quick else 10_000
    ours = _child("argoscope", workflows)
    small = _child("argoscope", workflows // 5)
    twice = _child("argoscope", 2 * workflows)
    peer = _child("dicts", workflows // PEER_SHARE)
    base = _child("argoscope", 0)
    peer_mib = (peer["grown"] * PEER_SHARE + peer["base"]) / MIB
    name = f"{workflows:,} Workflows of 100 nodes, {5 * workflows:,} pods"
    rss = ours["rss"] / MIB
    sync_bar = 15.0 * workflows / 10_000
    return [
        {
            "name": f"resident memory, {name}",
            "value": rss,
            "unit": "MiB",
            "bar": 150.0,
            "met": rss <= 150.0,
            "peer": f"dicts (measured at 1/{PEER_SHARE}, scaled)",
            "peer_value": peer_mib,
            "ratio": peer_mib / rss,
        },
        {
            "name": f"resident memory, {workflows // 5:,} Workflows, {workflows:,} pods",
            "value": small["rss"] / MIB,
            "unit": "MiB",
        },
        {
            "name": "resident memory, nothing watched yet",
            "value": base["rss"] / MIB,
            "unit": "MiB",
        },
        {
            "name": f"CPU of the first sync, {name}",
            "value": ours["cpu"],
            "unit": "s",
            "bar": sync_bar,
            "met": ours["cpu"] <= sync_bar,
            "peer": f"json.loads (measured at 1/{PEER_SHARE}, scaled)",
            "peer_value": peer["cpu"] * PEER_SHARE,
            "ratio": peer["cpu"] * PEER_SHARE / ours["cpu"],
        },
        {
            "name": "memory at twice the objects (growth over the empty process)",
            "value": (twice["rss"] - base["rss"]) / (ours["rss"] - base["rss"]),
            "unit": "x",
            "bar": 2.1,
            "met": (twice["rss"] - base["rss"]) / (ours["rss"] - base["rss"]) <= 2.1,
        },
        {
            "name": "CPU at twice the objects",
            "value": twice["cpu"] / ours["cpu"],
            "unit": "x",
            "bar": 2.1,
            "met": twice["cpu"] / ours["cpu"] <= 2.1,
        },
    ]


def _child(side: str, workflows: int) -> dict[str, float]:
    """Another process makes the objects, as the API server would, so that they cost us nothing."""
    with subprocess.Popen(
        [sys.executable, HERE / "cluster.py", str(workflows), "5"], stdout=subprocess.PIPE
    ) as maker:
        done = subprocess.run(
            [sys.executable, __file__, side],
            stdin=maker.stdout,
            check=True,
            capture_output=True,
            text=False,
            timeout=900,
        )
    return dict(json.loads(done.stdout))


def _objects() -> Iterator[tuple[str, bytes]]:
    for line in sys.stdin.buffer:
        kind, _, raw = line.partition(b" ")
        yield kind.decode(), raw


def _fill_argoscope() -> dict[str, float]:
    import argoscope.app
    from argoscope.catalogue import catalogue
    from argoscope.metrics.registry import Registry
    from argoscope.pipeline import Pipeline
    from argoscope.resources._load import load
    from argoscope.watch.delta import Origin, decoder

    assert argoscope.app
    registry = Registry(catalogue())
    resources = {resource.kind: resource for resource in load()}
    pipeline = Pipeline(tuple(resources.values()), registry)
    decoders = {kind: decoder(resource) for kind, resource in resources.items()}
    cpu = 0.0
    for kind, raw in _objects():
        begin = time.process_time()
        obj = decoders[kind](raw)
        pipeline.upsert(resources[kind], obj, len(raw), time.time(), Origin.RELIST)
        cpu += time.process_time() - begin
    begin = time.process_time()
    pipeline.tick(time.time())
    registry.publish()
    cpu += time.process_time() - begin
    gc.collect()
    gc.freeze()
    return {"rss": _rss(), "cpu": cpu}


def _fill_dicts() -> dict[str, float]:
    base, cache, cpu = _rss(), [], 0.0
    for _, raw in _objects():
        begin = time.process_time()
        cache.append(json.loads(raw))
        cpu += time.process_time() - begin
    return {"rss": _rss(), "base": base, "grown": _rss() - base, "cpu": cpu}


def _rss() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    fill = {"argoscope": _fill_argoscope, "dicts": _fill_dicts}[sys.argv[1]]
    print(json.dumps(fill()))
