"""The Rollouts of public repositories: each is read, and the gauges equal a recount."""

import json
from collections import Counter
from typing import Any

import pytest

from argoscope.metrics.model import Metric
from argoscope.resources.rollout.metrics import (
    INFO,
    PHASE,
    PHASES,
    REPLICAS,
    STEP,
    STEPS,
    WEIGHT,
)
from support.recordings import require_shared
from support.rollouts import Journal, Watcher

NOW = 1_800_000_000.0
Totals = dict[tuple[str, ...], float]


@pytest.fixture(scope="module")
def objects() -> list[dict[str, Any]]:
    files = sorted(require_shared("corpus/Rollout").glob("*.json"))
    rollouts = [json.loads(path.read_text()) for path in files]
    for path, rollout in zip(files, rollouts, strict=True):
        rollout["metadata"]["uid"] = path.name  # many have none, and several are one object
    return rollouts


@pytest.fixture(scope="module")
def journal(objects: list[dict[str, Any]]) -> Journal:
    watcher = Watcher()
    for rollout in objects:
        watcher.see((NOW, {"type": "ADDED", "object": rollout}))
    return watcher.journal


def _shown(rollout: dict[str, Any]) -> str:
    meta, status = rollout["metadata"], rollout.get("status") or {}
    observed = status.get("observedGeneration", "")
    if observed.isdigit() and int(observed) < meta.get("generation", 0):
        return "Progressing"
    if status.get("controllerPause") and not status.get("pauseConditions"):
        return "Progressing"
    return status.get("phase") or "Unknown"


def _steps(rollout: dict[str, Any]) -> list[Any]:
    canary = (rollout["spec"].get("strategy") or {}).get("canary") or {}
    return canary.get("steps") or []


def _totals(journal: Journal, metric: Metric) -> Totals:
    return {labels: value for labels, value in journal.samples(metric) if value}


def _recount(objects: list[dict[str, Any]], value: Any) -> Totals:
    """Sums by (namespace, rollout, extra label) of what ``value`` yields for an object."""
    totals: Counter[tuple[str, ...]] = Counter()
    for rollout in objects:
        meta = rollout["metadata"]
        for extra, amount in value(rollout):
            totals[meta.get("namespace", ""), meta["name"], *extra] += amount
    return {labels: amount for labels, amount in totals.items() if amount}


def test_all_are_read_and_only_one_has_a_malformed_field(
    objects: list[dict[str, Any]], journal: Journal
) -> None:
    assert len(objects) == 77
    assert sum(value for _, value in journal.samples(INFO)) == 77
    malformed = {key: n for key, n in journal.problems.items() if key[1] == "malformed_field"}
    assert malformed == {("Rollout", "malformed_field"): 1}  # conditions: {}


def test_phases(objects: list[dict[str, Any]], journal: Journal) -> None:
    assert _totals(journal, PHASE) == _recount(objects, lambda r: [((_shown(r),), 1)])
    assert {labels[-1] for labels, _ in journal.samples(PHASE)} == set(PHASES)


def test_replicas(objects: list[dict[str, Any]], journal: Journal) -> None:
    fields = {
        "current": "replicas",
        "updated": "updatedReplicas",
        "ready": "readyReplicas",
        "available": "availableReplicas",
    }

    def replicas(rollout: dict[str, Any]) -> list[tuple[tuple[str], int]]:
        desired = rollout["spec"].get("replicas")
        status = rollout.get("status") or {}
        counted = [((state,), status.get(field, 0)) for state, field in fields.items()]
        return [(("desired",), 1 if desired is None else desired), *counted]

    assert _totals(journal, REPLICAS) == _recount(objects, replicas)


def test_steps(objects: list[dict[str, Any]], journal: Journal) -> None:
    assert _totals(journal, STEPS) == _recount(objects, lambda r: [((), len(_steps(r)))])
    reached = _recount(
        [rollout for rollout in objects if _steps(rollout)],
        lambda r: [((), (r.get("status") or {}).get("currentStepIndex", 0))],
    )
    assert _totals(journal, STEP) == reached


def test_the_weights_of_a_canary_are_a_hundred_percent(
    objects: list[dict[str, Any]], journal: Journal
) -> None:
    # Two fixtures give the router 20 and 60: the rest is not said to be anywhere.
    def total(rollout: dict[str, Any]) -> list[tuple[tuple[()], int]]:
        if (rollout["spec"].get("strategy") or {}).get("canary") is None:
            return []
        given = ((rollout.get("status") or {}).get("canary") or {}).get("weights")
        routed = rollout["spec"]["strategy"]["canary"].get("trafficRouting") is not None
        return [((), 80 if given and routed else 100)]

    sums: Counter[tuple[str, ...]] = Counter()
    for labels, value in journal.samples(WEIGHT):
        sums[labels[:2]] += round(value)
    assert dict(sums) == _recount(objects, total)
