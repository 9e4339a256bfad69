"""The daemon's advice: about each pipeline's latest run, kept across restarts."""

import json
from typing import Any

import pytest

from argoscope.advice.watching import FORGOTTEN, NAME
from argoscope.catalogue import catalogue
from argoscope.inspect.reading import Item
from argoscope.inspect.replay import Replay
from argoscope.metrics.registry import Registry
from argoscope.pipeline import Pipeline
from argoscope.resources._base import Options
from argoscope.resources._load import load
from argoscope.resources.workflow.metrics import FINDINGS
from support.evidence import GOOD, container, templates
from support.explained import two_steps
from support.workflow_objects import BASE, node, workflow

NO_TTL = {key: value for key, value in GOOD.items() if key != "ttlStrategy"}


def replayed(*objects: dict[str, Any], silenced: tuple[str, ...] = ()) -> dict[Any, float]:
    """Findings after these objects were seen."""
    replay = Replay(
        now=BASE + 10_000,
        options=Options(silenced_advice=silenced),
        complain=lambda *what: pytest.fail(str(what)),
    )
    replay.objects(
        Item("ADDED", each["kind"], json.dumps(each).encode(), "test") for each in objects
    )
    return dict(replay.registry.samples(FINDINGS))


def run(number: int, spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A run of pipeline wf that ends 100 s later than the one before it."""
    start = 100 * number
    name = f"wf-{number}"
    only = node(name, start=start, end=start + 60, run=name)
    return workflow(
        only, name=name, start=start, end=start + 60, created=start, spec=spec,
        generateName="wf-", version=number + 1, **more,
    )  # fmt: skip


def test_what_the_manifest_and_the_time_tell_is_one_answer() -> None:
    made, *rest = two_steps(pull=40)
    made["spec"] = NO_TTL
    # Of the first pod the pull is told by an event; it is known when the run is settled.
    for each in rest:
        each.setdefault("apiVersion", "v1")
    rest[2]["involvedObject"]["uid"] = rest[0]["metadata"]["uid"]
    assert replayed(made, *rest) == {
        ("ci", "wf", "no-ttl"): 1,
        ("ci", "wf", "slow-image-pulls"): 1,
    }


def test_only_the_latest_run_counts_whatever_comes_last() -> None:
    mutable = templates(container(image="build:latest"))
    older, newer = run(1, NO_TTL), run(2, mutable)
    expected = {("ci", "wf", "mutable-tags"): 1}
    assert replayed(older, newer) == expected
    older["metadata"]["resourceVersion"] = "9"
    assert replayed(newer, older) == expected


def test_a_pipeline_that_mends_its_ways_has_no_series() -> None:
    assert replayed(run(1, NO_TTL), run(2, GOOD)) == {}


def test_silenced_rules_are_not_shown() -> None:
    assert replayed(run(1, NO_TTL), silenced=("no-ttl",)) == {}


def test_runs_of_a_cron_that_overlap_are_found() -> None:
    label = {"labels": {"workflows.argoproj.io/cron-workflow": "nightly"}}
    first, second = run(1, GOOD, **label), run(2, GOOD, **label)
    second["metadata"]["creationTimestamp"] = first["metadata"]["creationTimestamp"]
    assert replayed(first, second) == {("ci", "nightly", "cron-overlaps"): 1}


class Daemon:
    """A pipeline with its registry, as the daemon has them."""

    def __init__(self, silenced: tuple[str, ...] = ()) -> None:
        self.registry = Registry(catalogue())
        self.workflows = next(each for each in load() if each.kind == "Workflow")
        options = Options(silenced_advice=silenced)
        self.pipeline = Pipeline(load(), self.registry, options)
        self.advisor = self.pipeline._derivers[NAME]

    def see(self, obj: dict[str, Any]) -> None:
        from argoscope.resources._base import Seen

        assert self.workflows.decode is not None
        deriver = self.pipeline._derivers[self.workflows.name]
        deriver.upsert(self.workflows.decode(json.dumps(obj).encode()), Seen(at=BASE + 10_000))

    def settle(self) -> None:
        self.pipeline.finish()
        self.registry.publish()

    def findings(self) -> dict[Any, float]:
        self.registry.publish()
        return dict(self.registry.samples(FINDINGS))


def test_a_restart_keeps_what_was_found() -> None:
    before = Daemon()
    before.see(run(1, NO_TTL))
    before.settle()
    kept = [(key, data) for key, data in before.advisor.changes() if data is not None]
    after = Daemon()
    after.advisor.restore(kept)
    assert after.findings() == {("ci", "wf", "no-ttl"): 1}
    # What has been silenced meanwhile is silent, and an older run changes nothing.
    silent = Daemon(silenced=("no-ttl",))
    silent.advisor.restore(kept)
    assert silent.findings() == {}
    after.see(run(0, templates(container(image="a:latest"))))
    after.settle()
    assert after.findings() == {("ci", "wf", "no-ttl"): 1}


def test_advice_about_a_pipeline_without_runs_is_forgotten() -> None:
    daemon = Daemon()
    daemon.see(run(1, NO_TTL))
    daemon.settle()
    daemon.advisor.tick(BASE + 160 + FORGOTTEN - 1)
    assert len(daemon.findings()) == 1
    list(daemon.advisor.changes())
    daemon.advisor.tick(BASE + 160 + FORGOTTEN + 61)
    assert daemon.findings() == {}
    assert list(daemon.advisor.changes()) == [("/ci/wf", None)]


def test_stored_runs_are_counted_by_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("argoscope.advice.rules.too_many_stored.MANY", 3)
    daemon = Daemon()
    for number in range(3):
        daemon.see(run(number, GOOD))
    daemon.advisor.tick(BASE + 10_000)
    daemon.see(run(3, GOOD))
    daemon.settle()
    assert daemon.findings() == {("ci", "wf", "too-many-stored"): 1}
