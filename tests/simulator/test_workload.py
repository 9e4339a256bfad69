"""The scripted cluster: repeatable, and the daemon counts what it did."""

import json
from collections import Counter
from typing import Any

import pytest

from argoscope.catalogue import catalogue
from argoscope.metrics.registry import Registry
from argoscope.pipeline import Pipeline
from argoscope.resources._load import load
from argoscope.watch.intake import Intake
from support.scripted.workload import Workload

BEGIN = 1_790_000_000.0
METRICS = {metric.prometheus: metric for metric in catalogue()}


class Watcher:
    """Takes what the workload writes as watch events, without a network between."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.version = 0
        self.written: list[tuple[str, str, str]] = []
        self.problems: list[tuple[str, str, str]] = []
        self.last: dict[str, dict[str, Any]] = {}
        self.registry = Registry(catalogue(), now=lambda: self.now)
        self.pipeline = Pipeline(
            load(), self.registry, report=lambda *problem: self.problems.append(problem)
        )
        self.intakes = {r.plural: Intake(r, self.pipeline) for r in load()}

    def put(self, plural: str, obj: dict[str, Any]) -> None:
        self._send("MODIFIED", plural, obj)

    def remove(self, plural: str, obj: dict[str, Any]) -> None:
        self._send("DELETED", plural, obj)

    def _send(self, event: str, plural: str, obj: dict[str, Any]) -> None:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        raw = json.dumps(obj).encode()
        self.written.append((event, plural, raw.decode()))
        self.last[obj["metadata"]["uid"]] = json.loads(raw)
        self.intakes[plural].event(event, raw, len(raw), self.now)

    def play(self, workload: Workload, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 0.5
            workload.advance(self.now)
            self.pipeline.tick(self.now)
        self.registry.publish()

    def total(self, name: str, **labels: str) -> float:
        metric = METRICS[name]
        return sum(
            value
            for found, value in self.registry.samples(metric)
            if labels.items() <= dict(zip(metric.label_names, found, strict=True)).items()
        )


@pytest.fixture
def played() -> Watcher:
    watcher = Watcher()
    workload = Workload(7, watcher.put, watcher.remove, BEGIN)
    watcher.play(workload, 600.0)
    return watcher


def objects(watcher: Watcher, kind: str) -> list[dict[str, Any]]:
    return [obj for obj in watcher.last.values() if obj["kind"] == kind]


def test_the_same_seed_writes_the_same_cluster() -> None:
    first, second = Watcher(), Watcher()
    for watcher in (first, second):
        watcher.play(Workload(3, watcher.put, watcher.remove, BEGIN), 120.0)
    assert first.written == second.written
    assert len(first.written) > 300


def test_nothing_that_it_writes_is_malformed(played: Watcher) -> None:
    assert played.problems == []


def test_every_run_is_counted_once_by_its_phase(played: Watcher) -> None:
    truth = Counter(
        workflow["status"]["phase"]
        for workflow in objects(played, "Workflow")
        if workflow["status"]["finishedAt"]
    )
    assert truth["Succeeded"] > 20
    assert truth["Failed"] > 5
    for phase, count in truth.items():
        assert played.total("argo_workflow_runs_total", phase=phase) == count


def test_every_attempt_of_a_pod_is_counted_once(played: Watcher) -> None:
    truth: Counter[tuple[str, str]] = Counter()
    for workflow in objects(played, "Workflow"):
        for node in workflow["status"]["nodes"].values():
            if node["type"] == "Pod" and node["finishedAt"]:
                truth[node["templateName"], node["phase"]] += 1
    assert truth["train", "Failed"] > 3
    for (template, phase), count in truth.items():
        labels = {"template": template, "phase": phase}
        assert played.total("argo_template_duration_seconds", **labels) == count


def test_oom_kills_and_retries_are_told_apart_from_exit_codes(played: Watcher) -> None:
    oom = retried = 0
    for workflow in objects(played, "Workflow"):
        for node in workflow["status"]["nodes"].values():
            done = node["type"] == "Pod" and node["finishedAt"]
            oom += bool(done and "OOMKilled" in node.get("message", ""))
            retried += bool(done and node["displayName"].endswith(("(1)", "(2)")))
    assert played.total("argo_template_failures_total", cause="oom") == oom > 0
    assert played.total("argo_template_retries_total") == retried > 0


def test_releases_end_promoted_or_aborted(played: Watcher) -> None:
    assert played.total("argo_rollouts_total", result="promoted") > 5
    aborted = played.total("argo_rollouts_total", result="aborted")
    assert aborted == played.total("argo_rollout_aborts_total", cause="analysis_failed") > 0


def test_the_cron_runs_every_minute_and_misses_none(played: Watcher) -> None:
    assert played.total("argo_cron_start_delay_seconds", cron="billing-report") == 10
    assert played.total("argo_cron_missed_runs_total") == 0


def test_pods_wait_for_room_and_for_images(played: Watcher) -> None:
    episodes = {
        labels[2]
        for labels, value in played.registry.samples(METRICS["argo_pod_pending_episodes_total"])
        if value
    }
    assert "Unschedulable: insufficient cpu" in episodes
    assert any("Image" in reason for reason in episodes)


def test_what_ttl_has_deleted_is_gone_from_the_gauges(played: Watcher) -> None:
    workflows = len(objects(played, "Workflow"))
    deleted = sum(1 for e, p, _ in played.written if (e, p) == ("DELETED", "workflows"))
    assert played.total("argo_workflow_stored") == workflows - deleted
    assert deleted > 10
