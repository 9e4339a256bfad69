"""The objects that a run makes: small, and with an end even if nobody is left to delete them."""

import math
from typing import Any

from argoscope.load_bench.plan import GROUP, RUN_LABEL, VERSION, Plan

Object = dict[str, Any]

OBJECT_LABEL = "argoscope.dev/bench-object"
RELEASE_ANNOTATION = "argoscope.dev/bench-release"
"""In a Rollout's pod template: makes each release one that never was, also with an old image."""

TTL = 3600
"""Seconds after which Argo deletes a Workflow that was left behind (kill -9 of the benchmark)."""

_RESOURCES = {"requests": {"cpu": "10m", "memory": "16Mi"}}
_SERVE = "trap 'exit 0' TERM; while true; do sleep 1; done"


def manifest(plan: Plan, number: int) -> Object:
    """The object of that number."""
    kind, spec = (
        ("Workflow", _workflow_spec(plan))
        if plan.kind == "workflows"
        else ("Rollout", _rollout_spec(plan, number))
    )
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": kind,
        "metadata": {
            "name": plan.name(number),
            "namespace": plan.namespace,
            "labels": {RUN_LABEL: plan.run},
        },
        "spec": spec,
    }


def release(plan: Plan, number: int) -> Object:
    """A merge patch that updates a Rollout: the ``number``-th release after its creation."""
    template = {
        "metadata": {"annotations": {RELEASE_ANNOTATION: str(number)}},
        "spec": {"containers": [_server(plan, number)]},
    }
    return {"spec": {"template": template}}


def _workflow_spec(plan: Plan) -> Object:
    steps = [[{"name": f"step-{step}", "template": "work"}] for step in range(1, plan.steps + 1)]
    command = f"sleep {plan.seconds:g}" if plan.seconds else "true"
    container = {
        "name": "main",
        "image": plan.images[0],
        "command": ["sh", "-c", command],
        "resources": _RESOURCES,
    }
    spec: Object = {
        "entrypoint": "main",
        "podMetadata": {"labels": {RUN_LABEL: plan.run}},
        "activeDeadlineSeconds": math.ceil(plan.timeout),
        "ttlStrategy": {"secondsAfterCompletion": TTL},
        "templates": [
            {"name": "main", "steps": steps},
            {"name": "work", "container": container},
        ],
    }
    if plan.service_account:
        spec["serviceAccountName"] = plan.service_account
    return spec


def _rollout_spec(plan: Plan, number: int) -> Object:
    labels = {RUN_LABEL: plan.run, OBJECT_LABEL: plan.name(number)}
    pod: Object = {"containers": [_server(plan, 0)], "terminationGracePeriodSeconds": 1}
    if plan.service_account:
        pod["serviceAccountName"] = plan.service_account
    return {
        "replicas": plan.replicas,
        "revisionHistoryLimit": 1,
        "progressDeadlineSeconds": math.ceil(plan.timeout),
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels, "annotations": {RELEASE_ANNOTATION: "0"}},
            "spec": pod,
        },
        "strategy": {"canary": {"steps": _canary(plan)}},
    }


def _canary(plan: Plan) -> list[Object]:
    steps: list[Object] = []
    for step in range(1, plan.steps + 1):
        steps.append({"setWeight": round(100 * step / (plan.steps + 1))})
        if plan.seconds:
            steps.append({"pause": {"duration": math.ceil(plan.seconds)}})
    return steps


def _server(plan: Plan, number: int) -> Object:
    return {
        "name": "main",
        "image": plan.images[number % len(plan.images)],
        "command": ["sh", "-c", _SERVE],
        "resources": _RESOURCES,
    }
