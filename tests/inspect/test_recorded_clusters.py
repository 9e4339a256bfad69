"""Whole recordings with every kind taking part: the same tables as for Workflows alone, but for
what pods and crons know besides."""

from collections import Counter
from dataclasses import replace
from functools import cache
from importlib import util
from pathlib import Path

import pytest

from argoscope.inspect.reading import read
from argoscope.inspect.replay import Replay
from argoscope.metrics.internal import RUNS_UNOBSERVED
from support.recordings import recording, require_shared
from support.workflow_recount import pipeline_of
from support.workflow_scenarios import Expect, scenarios
from support.workflows import totals

TABLES = {
    "argo-4.1": "test_recorded_4_1.py",
    "argo-4.1-loaded": "test_recorded_loaded.py",
    "argo-3.6": "test_recorded_3_6.py",
}
KNOWN_BY_PODS = {
    # waited for its image until the deadline passed
    "image-invalid": {"causes": "image 1", "failures": "main image 1"},
    # the node says "pod deleted"
    "preempted": {"failures": "main preempted 1"},
}
UNLESS_LOADED = {"preempted"}  # on the loaded node the preempted pod had not started
EXPLAINED = {
    # crons that were made wrong on purpose
    ("CronWorkflow", "invalid_schedule"),
    ("CronWorkflow", "invalid_timezone"),
    ("CronWorkflow", "invalid_spec"),
    ("CronWorkflow", "invalid_never_fires"),
    # the evicted node
    ("Workflow", "no_finish"),
}


@cache
def table(name: str) -> dict[str, Expect]:
    path = Path(__file__).parents[1] / "resources" / "workflow" / TABLES[name]
    spec = util.spec_from_file_location(f"table_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    expected: dict[str, Expect] = module.EXPECTED
    return expected


@cache
def replayed(name: str) -> tuple[Replay, Counter[tuple[str, str]]]:
    problems: Counter[tuple[str, str]] = Counter()

    def complain(_: str, kind: str, reason: str) -> None:
        problems[kind, reason.split(":")[0]] += 1

    replay = Replay(now=0.0, complain=complain)
    replay.recorded(read(str(recording(name)), complain))
    return replay, problems


@pytest.mark.parametrize("name", TABLES)
def test_scenarios_give_the_same_beside_the_other_kinds(name: str) -> None:
    replay, _ = replayed(name)
    for scenario, alone in table(name).items():
        more = KNOWN_BY_PODS.get(scenario, {})
        if scenario in UNLESS_LOADED and name.endswith("loaded"):
            more = {}
        expected = replace(alone, **more, unobserved="").totals()
        pipelines = {pipeline_of(event["object"]) for _, event in scenarios(name)[scenario]}
        found = totals(replay.registry, pipelines)
        assert found.locks == pytest.approx(expected.locks, abs=1.1), scenario
        found.locks, found.unobserved = expected.locks, {}
        assert found == expected, scenario


@pytest.mark.parametrize("name", TABLES)
def test_only_the_deleted_run_was_not_observed_and_only_what_was_made_wrong_is_a_problem(
    name: str,
) -> None:
    replay, problems = replayed(name)
    assert dict(replay.registry.samples(RUNS_UNOBSERVED)) == {("deleted_running",): 1.0}
    assert set(problems) <= EXPLAINED


def test_archive_gives_what_its_unpacked_folder_gives() -> None:
    archive = require_shared("recordings/argo-3.6.tar.zst")
    replay = Replay(now=0.0, complain=lambda *_: None)
    replay.recorded(read(str(archive), lambda *_: None))
    assert totals(replay.registry) == totals(replayed("argo-3.6")[0].registry)
    assert replay.taken == replayed("argo-3.6")[0].taken
