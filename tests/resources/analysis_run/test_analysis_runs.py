"""Analysis runs: each end once, with its phase and duration."""

import json
import random
from math import inf
from typing import Any

import msgspec
import pytest

from argoscope.metrics.model import Metric
from argoscope.metrics.registry import Registry
from argoscope.resources._base import Options, Seen
from argoscope.resources.analysis_run import DURATION, RESOURCE, RUNS, AnalysisRun
from argoscope.resources.world import World
from support.recordings import events, require_shared

Event = tuple[float, dict[str, Any]]

# (rollout, phase) -> seconds, by hand from argo-rollouts-summary.txt: from the line of Running
# to that of the final phase. analysis-job was deleted while it ran.
RECORDED = {
    ("bluegreen-auto", "Successful"): [2.1, 3.0],
    ("analysis-ok", "Successful"): [5.5],
    ("analysis-background", "Failed"): [9.5 - 0.2],
    ("analysis-bad", "Failed"): [2.7 - 0.3],
    ("analysis-inconclusive", "Error"): [39.9],
    ("dry-run", "Successful"): [0.0],
    ("analysis-error", "Error"): [19.7],
}


def _watch(recorded: list[Event], *, baseline: bool = False) -> Registry:
    registry = Registry(RESOURCE.metrics)
    deriver = RESOURCE.derive(World(), registry, Options())
    for at, event in recorded:
        run = _decoded(event["object"])
        if event["type"] == "DELETED":
            deriver.delete(run.metadata.uid, run, Seen(at))
        else:
            deriver.upsert(run, Seen(at, history_until=inf if baseline else 0.0))
    return registry


def _decoded(run: dict[str, Any]) -> AnalysisRun:
    return msgspec.json.decode(json.dumps(run), type=AnalysisRun)


def _counted(registry: Registry, metric: Metric) -> dict[tuple[str, str], float]:
    return {labels[1:]: n for labels, n in registry.samples(metric) if n}  # type: ignore[misc]


@pytest.fixture(scope="module")
def recorded() -> list[Event]:
    return list(events("argo-4.1-loaded", "analysisruns"))


def test_each_recorded_run_is_counted_once_with_its_duration(recorded: list[Event]) -> None:
    registry = _watch(recorded)
    assert _counted(registry, RUNS) == {key: len(times) for key, times in RECORDED.items()}
    for (rollout, phase), times in RECORDED.items():
        measured = registry.sum(DURATION, ("shop", rollout, phase))
        assert measured == pytest.approx(sum(times), abs=1.0 * len(times)), rollout


@pytest.mark.parametrize("seed", range(5))
def test_skipped_and_repeated_events_change_nothing(recorded: list[Event], seed: int) -> None:
    rng = random.Random(seed)
    final = ("Successful", "Failed", "Error")
    some = [
        event
        for event in recorded
        if event[1]["object"]["status"].get("phase") in final or rng.random() < 0.3
        for _ in range(rng.randint(1, 3))
    ]
    whole = _watch(recorded)
    assert _counted(_watch(some), RUNS) == _counted(whole, RUNS)
    assert _counted(_watch(some), DURATION) == _counted(whole, DURATION)


def test_what_had_ended_at_the_first_list_is_history(recorded: list[Event]) -> None:
    last = {event["object"]["metadata"]["uid"]: (at, event) for at, event in recorded}
    listed = [(at, {**event, "type": "ADDED"}) for at, event in last.values()]
    registry = _watch(listed, baseline=True)
    assert _counted(registry, RUNS) == {}
    assert ("shop", "analysis-ok", "Failed") in dict(registry.samples(RUNS))  # at 0


def test_a_run_that_was_running_at_the_first_list_counts_when_it_ends(
    recorded: list[Event],
) -> None:
    run = [e for e in recorded if e[1]["object"]["metadata"]["name"] == "analysis-ok-c587bc858-2-1"]
    registry = Registry(RESOURCE.metrics)
    deriver = RESOURCE.derive(World(), registry, Options())
    for index, (at, event) in enumerate(run[:-1]):
        deriver.upsert(
            _decoded(event["object"]), Seen(at, history_until=inf if index == 0 else 0.0)
        )
    assert _counted(registry, RUNS) == {("analysis-ok", "Successful"): 1}


@pytest.mark.parametrize(
    ("kind", "owner", "rollout"),
    [
        ("Rollout", "web", "web"),
        ("Experiment", "my-web-6f646bf7b7-2-0", "my-web"),
        ("Experiment", "my-web-6f646bf7b7-2-0-1", "my-web"),
        ("Experiment", "by-hand", ""),
        ("Job", "web-6f646bf7b7-2-0", ""),
    ],
)
def test_a_run_belongs_to_the_rollout_behind_its_owner(kind: str, owner: str, rollout: str) -> None:
    owned = {
        "metadata": {
            "name": "x",
            "namespace": "shop",
            "uid": "u",
            "ownerReferences": [{"kind": kind, "name": owner, "uid": "o"}],
        },
        "status": {"phase": "Failed"},
    }
    registry = _watch([(0.0, {"type": "ADDED", "object": owned})])
    assert _counted(registry, RUNS) == {(rollout, "Failed"): 1}


def test_before_completed_at_the_last_measurement_is_the_end() -> None:
    status = {
        "phase": "Failed",
        "startedAt": "2026-11-22T12:00:00Z",
        "metricResults": [
            {"measurements": [{"finishedAt": "2026-11-22T12:00:05Z"}]},
            {"measurements": [{"finishedAt": "2026-11-22T12:00:30Z"}, {}]},
            {},
        ],
    }
    run = {"metadata": {"name": "x", "namespace": "shop", "uid": "u"}, "status": status}
    registry = _watch([(0.0, {"type": "ADDED", "object": run})])
    assert registry.sum(DURATION, ("shop", "", "Failed")) == 30


def test_the_runs_of_the_corpus_equal_a_recount() -> None:
    files = sorted(require_shared("corpus/AnalysisRun").glob("*.json"))
    assert len(files) == 16
    shown: dict[str, int] = {}
    listed = []
    for path in files:
        run = json.loads(path.read_text())
        run["metadata"]["uid"] = path.name
        listed.append((0.0, {"type": "ADDED", "object": run}))
        phase = (run.get("status") or {}).get("phase", "")
        if phase in ("Successful", "Failed", "Error", "Inconclusive"):
            shown[phase] = shown.get(phase, 0) + 1
    counted: dict[str, float] = {}
    for labels, n in _watch(listed).samples(RUNS):
        if n:
            counted[labels[-1]] = counted.get(labels[-1], 0) + n
    assert counted == shown
