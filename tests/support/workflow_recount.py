"""A second opinion on what a stream of Workflow states holds: plain dicts, nothing of argoscope."""

import base64
import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

OVER = ("Succeeded", "Failed", "Error")
LEAVES = ("Pod", "Container", "HTTP", "Plugin", "Suspend")


def seconds(since: str, until: str) -> float:
    return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()


def pipeline_of(workflow: dict[str, Any]) -> str:
    meta, spec = workflow["metadata"], workflow.get("spec") or {}
    labels = meta.get("labels") or {}
    names = (
        (spec.get("workflowTemplateRef") or {}).get("name"),
        labels.get("workflows.argoproj.io/workflow-template"),
        labels.get("workflows.argoproj.io/cluster-workflow-template"),
        labels.get("workflows.argoproj.io/cron-workflow"),
        (meta.get("generateName") or "").rstrip("-"),
        meta.get("name"),
    )
    return next((name for name in names if name), "")


@dataclass
class Recount:
    runs: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By namespace, pipeline and phase."""
    run_seconds: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    attempts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """By namespace, pipeline, template, type and phase."""
    attempt_seconds: Counter[tuple[str, ...]] = field(default_factory=Counter)
    retries: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By namespace, pipeline and template."""
    resources: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """resourcesDuration of pods, by namespace, pipeline and resource."""


def nodes_of(status: dict[str, Any]) -> dict[str, Any]:
    if status.get("compressedNodes"):
        nodes = json.loads(gzip.decompress(base64.b64decode(status["compressedNodes"])))
    else:
        nodes = status.get("nodes")
    return nodes or {}


def recount(states: Iterable[dict[str, Any]]) -> Recount:
    """Of all states in order: each finished run once for each finishedAt, by its last state; each
    finished leaf node once for each startedAt, by the last state that shows it."""
    by_uid: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for state in states:
        by_uid[state["metadata"]["uid"]].append(state)
    result = Recount()
    for history in by_uid.values():
        _add(result, history)
    return result


def _add(result: Recount, history: list[dict[str, Any]]) -> None:
    key = history[0]["metadata"]["namespace"], pipeline_of(history[0])
    runs: dict[str, dict[str, Any]] = {}
    leaves: dict[tuple[str, str], tuple[dict[str, Any], bool, str]] = {}
    for workflow in history:
        status = workflow.get("status") or {}
        over = status.get("phase") in OVER and bool(status.get("finishedAt"))
        if over:
            runs[status["finishedAt"]] = status
        nodes = nodes_of(status)
        retried = {
            child
            for node in nodes.values()
            if node["type"] == "Retry"
            for child in node.get("children") or ()
        }
        for identity, node in nodes.items():
            if not _is_finished_leaf(node, over):
                continue
            end = node.get("finishedAt") or status["finishedAt"]
            again = identity in retried and not node["name"].endswith("(0)")
            leaves[identity, node["startedAt"]] = (node, again, end)
    for status in runs.values():
        result.runs[*key, status["phase"]] += 1
        result.run_seconds[*key, status["phase"]] += seconds(
            status["startedAt"], status["finishedAt"]
        )
    for node, again, end in leaves.values():
        reference = (node.get("templateRef") or {}).get("template")
        template = reference or node.get("templateName") or "(inline)"
        label = (*key, template, node["type"], node["phase"])
        result.attempts[label] += 1
        result.attempt_seconds[label] += seconds(node["startedAt"], end)
        for resource, amount in (node.get("resourcesDuration") or {}).items():
            if node["type"] == "Pod" and amount:
                result.resources[*key, resource] += amount
        if again:
            result.retries[*key, template] += 1


def _is_finished_leaf(node: dict[str, Any], over: bool) -> bool:
    if node["type"] not in LEAVES or node.get("phase") not in OVER:
        return False
    if (node.get("memoizationStatus") or {}).get("hit"):
        return False
    return bool(node.get("finishedAt")) or over
