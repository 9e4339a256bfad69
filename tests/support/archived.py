"""Workflows as an archive holds them, with the truth about them."""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from argoscope.simulator.cluster import Object
from support.scripted import objects

DAY = 86400.0
PODS_END = {
    "exit_code": "main: Error (exit code 3)",
    "oom": "main: OOMKilled (exit code 137)",
    "image": "ErrImagePull: no such image",
}
"""Message of the failed node, by the cause that the daemon derives from it."""


@dataclass
class Truth:
    """What the 7-day gauges must show."""

    completed: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)
    causes: dict[str, str] = field(default_factory=dict)
    """By uid; empty for a success."""


def archive(seed: int, count: int, now: float, days: float = 6.5) -> tuple[list[Object], Truth]:
    """``count`` runs that ended in the last ``days``, oldest first, and what is true of them."""
    chance = random.Random(seed)
    truth = Truth()
    found = []
    for number in range(count):
        end = float(int(now - days * DAY * (count - number) / count))
        cause = chance.choice(["", "", "", *PODS_END, "stopped"])
        run, pipeline = _run(chance, number, end, cause)
        found.append(run)
        truth.causes[run["metadata"]["uid"]] = cause
        truth.completed[pipeline] += 1
        truth.failed[pipeline] += cause in PODS_END
    return found, truth


def _run(
    chance: random.Random, number: int, end: float, cause: str
) -> tuple[Object, tuple[str, str]]:
    """One run, and its (namespace, pipeline); the three ways to name a pipeline in turn."""
    namespace = chance.choice(["ci", "etl"])
    begin = end - chance.randrange(5, 3600)
    way = number % 3
    prefix = ("build-", "report-", "ad-hoc-")[way]
    run = objects.workflow(
        f"{prefix}{number:05d}",
        namespace,
        begin - 2,
        chance,
        labels={"workflows.argoproj.io/cron-workflow": "nightly"} if way == 1 else {},
        generate_name=prefix,
    )
    if way == 0:
        run["spec"] = {"workflowTemplateRef": {"name": "build-and-test"}}
    elif cause == "stopped":
        run["metadata"]["labels"]["workflows.argoproj.io/action"] = "Stop"
    if cause == "stopped":
        run["spec"]["shutdown"] = "Stop"
    run["status"] = _status(run["metadata"]["name"], begin, end, cause)
    pipeline = ("build-and-test", "nightly", "ad-hoc")[way]
    return run, (namespace, pipeline)


def _status(name: str, begin: float, end: float, cause: str) -> dict[str, Any]:
    root = objects.node(name, name, name, "Steps", begin)
    step = objects.node(name, f"{name}[0].work", "work", "Pod", begin, template="work")
    phase = "Failed" if cause else "Succeeded"
    for node in (root, step):
        node |= {"phase": phase, "finishedAt": objects.stamp(end)}
    root["children"] = [step["id"]]
    step["resourcesDuration"] = {"cpu": 3, "memory": 7}
    if cause:
        step["message"] = PODS_END.get(cause, "workflow shutdown with strategy:  Stop")
    return {
        "phase": phase,
        "startedAt": objects.stamp(begin),
        "finishedAt": objects.stamp(end),
        "nodes": {node["id"]: node for node in (root, step)},
    }


def finished(run: Object) -> str:
    text: str = run["status"]["finishedAt"]
    return text
