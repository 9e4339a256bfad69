"""A synthetic cluster for the benchmarks: objects of the size that real ones have."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))  # as a script it has only its own folder

from support.scripted import objects as make

BEGIN = 1_760_000_000.0
PIPELINES = 200
NAMESPACES = 20


def workflow(
    index: int, nodes: int, random: Random, *, running: bool, created: float | None = None
) -> dict[str, Any]:
    """A Workflow of one Steps node, one StepGroup and ``nodes - 2`` pods (860 bytes a node)."""
    created = BEGIN + index if created is None else created
    pipeline = index % PIPELINES
    name = f"pipeline-{pipeline}-{make.suffix(random)}{index}"
    found = make.workflow(
        name,
        f"team-{pipeline % NAMESPACES}",
        created,
        random,
        generate_name=f"pipeline-{pipeline}-",
    )
    start = created + 1
    root = make.node(name, name, name, "Steps", start, template="main")
    group = make.node(name, f"{name}[0]", "[0]", "StepGroup", start, boundary=name)
    group["children"] = []
    root["children"] = [group["id"]]
    status_nodes = {root["id"]: root, group["id"]: group}
    for number in range(nodes - 2):
        node = make.node(
            name,
            f"{name}[0].work({number}:item-{number})",
            f"work({number}:item-{number})",
            "Pod",
            start,
            template=f"work-{number % 5}",
            boundary=name,
        )
        group["children"].append(node["id"])
        live = running and number == nodes - 3
        node |= {
            "phase": "Running" if live else "Succeeded",
            "hostNodeName": f"node-{number % 50}",
            "inputs": {"parameters": [{"name": "item", "value": f"item-{number}" * 20}]},
            "outputs": {
                "exitCode": "0",
                "artifacts": [
                    {"name": "main-logs", "s3": {"key": f"{name}/{node['id']}/main.log"}}
                ],
            },
            "resourcesDuration": {"cpu": 12, "memory": 40},
        }
        if not live:
            node["finishedAt"] = make.stamp(start + 30 + number % 60)
        status_nodes[node["id"]] = node
    phase = "Running" if running else "Succeeded"
    finished = None if running else make.stamp(start + 100)
    for part in (root, group):
        part |= {"phase": phase, "finishedAt": finished}
    found["metadata"]["resourceVersion"] = str(1000 + index)
    found["status"] = {
        "phase": phase,
        "startedAt": make.stamp(start),
        "finishedAt": finished,
        "nodes": status_nodes,
    }
    return found


def pods_of(
    owner: dict[str, Any], count: int, random: Random, created: float = BEGIN + 10
) -> Iterator[dict[str, Any]]:
    """``count`` finished pods of a workflow, with managedFields as the API server sends them."""
    nodes = [n for n in owner["status"]["nodes"].values() if n["type"] == "Pod"][:count]
    filler = {"f:status": {f"f:field-{i}": {"f:lastTransitionTime": {}} for i in range(150)}}
    for node in nodes:
        pod = make.pod(owner, node, created, random)
        start = created + 5
        pod["metadata"]["resourceVersion"] = str(random.getrandbits(40))
        pod["metadata"]["managedFields"] = [{"manager": "kubelet", "fieldsV1": filler}]
        pod["status"] = {
            "phase": "Succeeded",
            "conditions": [
                make.condition(kind, "True", start)
                for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
            ],
            "initContainerStatuses": [make.ran("init", start + 1, start + 2)],
            "containerStatuses": [
                make.ran("main", start + 2, start + 30),
                make.ran("wait", start + 2, start + 31),
            ],
        }
        yield pod


def encoded(obj: dict[str, Any]) -> bytes:
    return json.dumps(obj, separators=(",", ":")).encode()


def main() -> None:
    """Print ``<kind> <JSON>`` lines: argv is how many workflows, and how many pods of each."""
    random = Random(4)
    for index in range(int(sys.argv[1])):
        found = workflow(index, 100, random, running=index % 2 == 0)
        sys.stdout.buffer.write(b"Workflow " + encoded(found) + b"\n")
        for pod in pods_of(found, int(sys.argv[2]), random):
            sys.stdout.buffer.write(b"Pod " + encoded(pod) + b"\n")


if __name__ == "__main__":
    main()
