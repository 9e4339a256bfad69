"""Runs to be explained: small Workflows with pods and events, whose answers are known."""

import json
from typing import Any

from click.testing import CliRunner, Result

from argoscope.cli import main
from support.pod_objects import condition, ended
from support.workflow_objects import BASE, at, node, node_id, workflow

Raw = dict[str, Any]
IMAGE = "registry.example.com/build:v1"


def pod(
    name: str,
    *,
    run: str = "wf",
    created: float = 0,
    scheduled: float = 1,
    main: tuple[float, float] = (5, 9),
    wait: float | None = None,
    machine: str = "node-a",
    **spec: Any,
) -> Raw:
    """The pod of node ``name``. Seconds are after BASE; init runs in the second before main."""
    identity = node_id(name, run)
    start, end = main
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{run}-w-{identity.rpartition('-')[2]}",
            "namespace": "ci",
            "uid": f"pod-{identity}",
            "creationTimestamp": at(created),
            "labels": {"workflows.argoproj.io/workflow": run},
            "annotations": {"workflows.argoproj.io/node-id": identity},
        },
        "spec": {"nodeName": machine, **spec},
        "status": {
            "phase": "Succeeded",
            "conditions": [condition("PodScheduled", "True", BASE + scheduled)],
            "initContainerStatuses": [ended("init", BASE + start - 1, BASE + start)],
            "containerStatuses": [
                ended("main", BASE + start, BASE + end),
                ended("wait", BASE + start, BASE + (end if wait is None else wait)),
            ],
        },
    }


def pulled(of: Raw, end: float, seconds: float, image: str = IMAGE, size: int = 0) -> Raw:
    """The event that an image was pulled for a pod; ``end`` in seconds after BASE."""
    told = f'Successfully pulled image "{image}" in {seconds}s ({seconds}s including waiting).'
    meta = of["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{meta['name']}.{end}", "namespace": meta["namespace"]},
        "involvedObject": {"kind": "Pod", "name": meta["name"], "namespace": meta["namespace"]},
        "reason": "Pulled",
        "message": told + (f" Image size: {size} bytes." if size else ""),
        "lastTimestamp": at(end),
    }


def two_steps(run: str = "wf", *, pull: float = 40, shift: float = 0, **more: Any) -> list[Raw]:
    """A run of two steps, and their pods: of a total of 22 + ``pull`` seconds the first one's
    image takes ``pull``; 8 are work, 6 the controller's pace."""
    second = shift + pull + 15
    first_main = (shift + 3 + pull, shift + 7 + pull)
    a, b = f"{run}[0].a", f"{run}[1].b"
    nodes = [
        node(run, "Steps", start=shift, end=second + 7, run=run,
             children=[node_id(f"{run}[0]", run)]),
        node(f"{run}[0]", "StepGroup", start=shift, end=second, run=run, boundaryID=run,
             children=[node_id(a, run)]),
        node(a, start=shift, end=first_main[1] + 3, run=run, boundaryID=run,
             children=[node_id(f"{run}[1]", run)]),
        node(f"{run}[1]", "StepGroup", start=second - 2, end=second + 7, run=run,
             children=[node_id(b, run)]),
        node(b, start=second - 2, end=second + 6, run=run, boundaryID=run),
    ]  # fmt: skip
    made = workflow(
        *nodes, name=run, start=shift, end=shift + 22 + pull, created=shift,
        generateName="wf-", **more,
    )  # fmt: skip
    first = pod(a, run=run, created=shift, scheduled=shift + 1, main=first_main)
    last = pod(b, run=run, created=second - 2, scheduled=second - 2, main=(second, second + 4),
               wait=second + 5)  # fmt: skip
    event = pulled(first, shift + 2 + pull, pull, size=3 << 30)
    return [made, first, last, event]


def listed(*objects: Raw) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def ask(*arguments: str, given: str = "") -> Result:
    return CliRunner().invoke(main, ["explain", *arguments], input=given)


def asked(*objects: Raw, arguments: tuple[str, ...] = ()) -> Any:
    """What `explain --format json` says about these objects."""
    result = ask("--file", "-", "--format", "json", *arguments, given=listed(*objects))
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)
