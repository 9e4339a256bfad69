"""`argoscope explain` as a process, beside a script that walks the same file; CPU seconds."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import cluster

BAR = 1.0
"""CPU seconds of the whole process: a Workflow of 5,000 nodes."""

WALK = """
import json, sys
items = json.load(open(sys.argv[1]))["items"]
nodes = next(i for i in items if i["kind"] == "Workflow")["status"]["nodes"]
pods = {p["metadata"]["name"]: p for p in items if p["kind"] == "Pod"}
parents = {}
for node in nodes.values():
    for child in node.get("children") or ():
        parents.setdefault(child, []).append(node)
here = max((n for n in nodes.values() if n["type"] == "Pod"), key=lambda n: n["finishedAt"])
seen = set()
while here is not None and here["id"] not in seen:
    seen.add(here["id"])
    print(here["name"], here["startedAt"], here["finishedAt"])
    before = parents.get(here["id"], [])
    here = max(before, key=lambda n: n["finishedAt"], default=None)
"""


def written(folder: Path, nodes: int, *, chain: bool, pods: bool) -> Path:
    """A List: one Workflow, as a fan-out or as a chain of steps, and its pods."""
    random = Random(5)
    found = cluster.workflow(0, nodes, random, running=False)
    if chain:
        _one_after_another(found["status"]["nodes"])
    items = [found, *(cluster.pods_of(found, nodes, random) if pods else ())]
    file = folder / f"{nodes}-{chain}-{pods}.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    return file


def _one_after_another(nodes: dict[str, Any]) -> None:
    steps = [node for node in nodes.values() if node["type"] == "Pod"]
    group = next(node for node in nodes.values() if node["type"] == "StepGroup")
    group["children"] = [steps[0]["id"]]
    for before, after in pairwise(steps):
        before["children"] = [after["id"]]
    begin = cluster.BEGIN + 1
    for number, node in enumerate(steps):
        node["startedAt"] = cluster.make.stamp(begin + number)
        node["finishedAt"] = cluster.make.stamp(begin + number + 1)
    end = cluster.make.stamp(begin + len(steps))
    for node in nodes.values():
        if node["type"] != "Pod":
            node["finishedAt"] = end


def cpu(*command: str, rounds: int) -> float:
    """User and system seconds of a process; the best of ``rounds``."""
    best = float("inf")
    for _ in range(rounds):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, command
        best = min(best, used.ru_utime + used.ru_stime)
    return best


def run(quick: bool) -> list[dict[str, Any]]:
    nodes, rounds = (500, 1) if quick else (5_000, 3)
    with tempfile.TemporaryDirectory() as folder:
        return list(_rows(Path(folder), nodes, rounds))


def _rows(folder: Path, nodes: int, rounds: int) -> Iterator[dict[str, Any]]:
    script = folder / "walk.py"
    script.write_text(WALK)
    for name, chain, pods, form, bar in (
        ("fan-out", False, False, "text", BAR),
        ("one after another", True, False, "text", BAR),
        ("fan-out, as a page", False, False, "html", None),
        (f"fan-out and {nodes:,} pods", False, True, "text", None),
    ):
        file = str(written(folder, nodes, chain=chain, pods=pods))
        ours = cpu(
            sys.executable, "-m", "argoscope", "explain", "-f", file, "--format", form,
            rounds=rounds,
        )  # fmt: skip
        peer = cpu(sys.executable, str(script), file, rounds=rounds)
        yield {
            "name": f"explain, the whole process: {nodes:,} nodes, {name}",
            "value": ours,
            "unit": "s",
            "bar": bar,
            "met": None if bar is None else ours <= bar,
            "peer": "json.load and a walk, no causes",
            "peer_value": peer,
            "ratio": peer / ours,
        }
