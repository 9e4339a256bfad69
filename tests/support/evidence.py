"""Evidence for rules of advice: runs that are made of parts whose lengths are known."""

from collections.abc import Sequence
from typing import Any

from argoscope.advice.evidence import Evidence, PodFacts, Pull
from argoscope.advice.manifest import Manifest
from argoscope.resources._pod_life import PodTimes, pod_life
from argoscope.resources.workflow.critical_path import CriticalPath, Part
from argoscope.resources.workflow.timeline import NodeSpan, Timeline
from argoscope.resources.world import PodEnd

Raw = dict[str, Any]
BEGIN = 1_790_000_000.0
GOOD: Raw = {
    "entrypoint": "main",
    "ttlStrategy": {"secondsAfterCompletion": 3600},
    "podGC": {"strategy": "OnPodCompletion"},
    "templates": [
        {
            "name": "main",
            "container": {
                "image": "team/build:1.2.3",
                "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
            },
        }
    ],
}
"""The spec of a Workflow about which there is nothing to say."""


def step(
    number: int,
    *,
    start: float = 0,
    startup: float = 4,
    work: float = 60,
    template: str = "main",
    message: str = "",
) -> tuple[NodeSpan, PodTimes]:
    """A pod step; seconds are after BEGIN."""
    begin = BEGIN + start
    end = begin + startup + work
    node = NodeSpan(
        f"wf-{number}", f"wf[{number}].s{number}", "Pod", "Succeeded", template, begin, end,
        message=message,
    )  # fmt: skip
    created = int(begin)
    main = int(begin + startup)
    times = PodTimes(created, created, main, main, main, int(end), int(end), int(end))
    return node, times


def evidence(
    steps: Sequence[tuple[NodeSpan, PodTimes]] = (),
    parts: Sequence[tuple[str, float] | tuple[str, float, str] | tuple[str, float, str, str]] = (),
    *,
    spec: Raw | None = None,
    reasons: Raw | None = None,
    parallelism: int = 0,
    cron: str = "",
    pulls: Sequence[Pull] | None = None,
    errors: Sequence[str] = (),
    end_cause: str = "",
    **more: Any,
) -> Evidence:
    """``parts``: (cause, seconds, step's id, reason) of the critical path, one after another;
    without any the run is all work. ``pulls``, ``errors`` and ``end_cause`` are the first pod's."""
    nodes = {node.id: node for node, _ in steps} or {"wf-0": step(0)[0]}
    lives = {node.id: (pod_life(times, **(reasons or {})),) for node, times in steps or [step(0)]}
    at, path = round(BEGIN * 1000), []
    for cause, seconds, *rest in parts or [("main", 600.0, "wf-0")]:
        end = at + round(seconds * 1000)
        path.append(Part(cause, at, end, *rest))
        at = end
    line = Timeline(
        "ci", "wf", "uid", "wf", cron, "Succeeded", "", "", BEGIN, BEGIN, at / 1000, True,
        nodes, pods=lives, parallelism=parallelism,
    )  # fmt: skip
    facts = None
    if pulls is not None or errors or end_cause:
        first = next(iter(nodes))
        end_of = PodEnd(finished=BEGIN, cause=end_cause)
        pod = PodFacts("p", "node-a", b"{}", lives[first][0], end_of, list(pulls or ()), [*errors])
        facts = {first: (pod,)}
    return Evidence(line, CriticalPath(tuple(path)), Manifest(spec or GOOD), pods=facts, **more)


def templates(*made: Raw, **spec: Any) -> Raw:
    """``GOOD`` with other templates."""
    return {**GOOD, "templates": list(made), **spec}


def container(**fields: Any) -> Raw:
    """A template with one container that is as it should be, but for ``fields``."""
    good = GOOD["templates"][0]["container"]
    return {"name": "main", "container": {**good, **fields}}
