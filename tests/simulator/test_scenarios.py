"""Scenario files: the shipped ones play, a mistake in one is said, a seed repeats everything."""

import json
import math
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec
import pytest

from argoscope.simulator.engine.behaviour import behaviour_of
from argoscope.simulator.engine.playing import begin
from argoscope.simulator.engine.world import World
from argoscope.simulator.scenarios import ScenarioError, names, read, shipped
from support.kubernetes_tools import tool
from support.simulated import SECONDS, Kubectl, simulating

BEGIN = 1_795_353_180.0
HOUR = 3600.0

ACTS = "name: x\nabout: y\nactions: [{at: 1m, "
ARRIVES = """name: x
about: y
arrivals: [{workflow: {apiVersion: argoproj.io/v1alpha1, kind: Workflow,
                       metadata: {generateName: a-}}, """

EXPECTED = {
    "approvals": {"approved", "retried", "workflow_ended"},
    "blue-green": {"rollout_ended", "rollout_pause", "analysis_run"},
    "canary": {"rollout_ended", "rollout_step", "analysis_run"},
    "cleanup": {"workflow_ended", "pod_ended"},
    "company-day": {"workflow_ended", "cron_run", "rollout_ended"},
    "crons": {"cron_run", "cron_missed", "replaced"},
    "evictions": {"evicted", "workflow_ended"},
    "huge": {"workflow_started"},
    "locks": {"workflow_ended"},
    "ml-training": {"workflow_ended"},
    "nightly-etl": {"cron_run", "node_ended"},
    "node-shortage": {"workflow_started"},
    "oom": {"workflow_ended"},
    "quiet": {"workflow_ended", "cron_run", "rollout_ended"},
    "registry-rate-limit": {"workflow_ended"},
    "slow-pulls": {"workflow_ended"},
}


def played(name: str, seconds: float, seed: int = 1) -> World:
    world = begin(read(name), seed=seed, start=BEGIN)
    world.run_until(BEGIN + seconds)
    return world


@cache
def huge() -> World:
    return played("huge", 600.0)


def test_every_scenario_is_known_here() -> None:
    assert sorted(EXPECTED) == names()
    assert [scenario.name for scenario in shipped()] == names()


@pytest.mark.parametrize("name", EXPECTED)
def test_a_shipped_scenario_shows_what_it_is_for(name: str) -> None:
    world = huge() if name == "huge" else played(name, HOUR if name != "company-day" else 600.0)
    told = {line["what"] for line in world.truth.lines}
    wanted = EXPECTED[name]
    if name == "company-day":
        wanted = wanted - {"cron_run"} | {"workflow_started"}
    assert wanted <= told
    assert read(name).about


def test_the_same_seed_gives_the_same_objects_and_another_does_not() -> None:
    first, again, other = (played("evictions", 1200.0, seed) for seed in (1, 1, 2))
    assert first.truth.lines == again.truth.lines
    assert first.truth.lines != other.truth.lines
    for plural, collection in first.cluster.collections.items():
        twin = again.cluster.collections[plural]
        assert [c.new.json for c in collection.changes] == [c.new.json for c in twin.changes]


def test_in_the_quiet_scenario_nothing_fails() -> None:
    world = played("quiet", 6 * HOUR)
    ended = Counter(line["phase"] for line in world.truth.of("workflow_ended"))
    assert set(ended) == {"Succeeded"}
    assert ended["Succeeded"] > 20
    assert {line["result"] for line in world.truth.of("rollout_ended")} == {"created", "promoted"}
    assert world.truth.of("cron_missed") == []


def test_huge_workflows_are_compressed_and_then_offloaded() -> None:
    world = huge()
    storages = Counter()
    for change in world.cluster.collections["workflows"].changes:
        status = msgspec.json.decode(change.new.json).get("status") or {}
        for field in ("nodes", "compressedNodes", "offloadNodeStatusVersion"):
            storages[field] += bool(status.get(field))
    assert storages["compressedNodes"] > 3
    assert storages["offloadNodeStatusVersion"] > 3


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name: x\nabout: y\nspeed: 3", "unknown field `speed`"),
        ("name: x\nabout: y\nactions: [{do: dance, at: 1m}]", "Invalid enum value 'dance'"),
        ("name: [", "while parsing"),
        ("name: x\nabout: y\ninclude: [nowhere]", "shipped are: approvals"),
        ("name: x\nabout: y\nlasts: long", "lasts: 'long' is no duration"),
        (ARRIVES + "every: 0}]", "every: 0.0 is no time at all: it would never end"),
        (ARRIVES + "every: [0s, 5m]}]", "it would never end - at `$.arrivals[0]`"),
        (ARRIVES + "every: 5 min}]", "every: '5 min' is no duration"),
        (ARRIVES + "until: -1}]", "until: -1.0 is no duration"),
        ("name: x\nabout: y\narrivals: [{workflow: {kind: Pod}}]", "no argoproj.io/v1alpha1 Work"),
        (ACTS + "do: promote, target: web}]", "promote needs NAMESPACE/NAME, which 'web' is not"),
        (
            ACTS + "do: shut_down_node, target: n, set: {back_after: soon}}]",
            "set.back_after: 'soon'",
        ),
        (ACTS + "do: release, target: shop/web}]", "a release needs an image - at `$.actions[0]`"),
        (ACTS + "do: add_node, target: n, set: {cpus: 5}}]", "`cpus` - at `$.actions[0]`"),
        (ACTS + "do: add_node}]", "add_node needs the name"),
        (ACTS + "do: apply, set: {kind: Foo}}]", "set: None Foo is not served - at"),
        ("name: x\nabout: y\ncluster: {argo: '9.9'}", "these are: 4.1, 3.6, 3.5 - at `$.cluster`"),
        ("name: x\nabout: y\ncluster: {nodes: [{name: n, memory: lots}]}", "'lots' is no quantity"),
        ("name: x\nabout: y\ncluster: {nodes: [{name: n, count: 0}]}", "$.cluster.nodes[0].count"),
        (
            "name: x\nabout: y\nobjects: [{kind: Pod, apiVersion: v1}]",
            "objects[0]: metadata is miss",
        ),
    ],
)
def test_a_mistake_is_said_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ScenarioError, match="scenario ") as raised:
        read(str(file))
    assert complaint in str(raised.value)


def test_scenarios_that_include_each_other_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"name: x\nabout: y\ninclude: [{file}]")
    with pytest.raises(ScenarioError, match="includes it"):
        read(str(file))


@pytest.mark.parametrize(
    ("script", "seconds", "code"),
    [
        ("sleep 5", 5.0, 0),
        ("sleep 1m; sleep .5s", 60.5, 0),
        ("sleep infinity", math.inf, 0),
        ("sleep 1; exit 7", 1.0, 7),
        ("true", 0.0, 0),
        ("false || exit 4", 0.0, 4),
        ("[ 3 -ge 2 ]", 0.0, 0),
        ("[ 0 -ge 2 ]", 0.0, 1),
        ("sleep 2 && echo done", 2.0, 0),
        ("while true; do sleep 1; done", None, 0),
    ],
)
def test_a_plain_shell_is_understood(script: str, seconds: float | None, code: int) -> None:
    main = {"name": "main", "command": ["sh", "-c"], "args": [script]}
    found = behaviour_of({"metadata": {}, "spec": {"containers": [main]}})
    assert (found.seconds, found.exit) == (seconds, code)


WORKFLOW = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: hello, namespace: default}
spec:
  entrypoint: main
  templates:
    - name: main
      container: {image: busybox, command: [sh, -c], args: ["sleep 3; exit 7"]}
"""


def test_what_kubectl_creates_runs_and_what_it_deletes_goes(tmp_path: Path) -> None:
    tool("kubectl")
    truth = tmp_path / "truth"
    with simulating(tmp_path, "--speed", "60", "--truth", str(truth), still=False) as it:
        kubectl = Kubectl(it.kubeconfig, tmp_path)
        kubectl("create", "-f", "-", stdin=WORKFLOW)
        path = "jsonpath={.status.phase} {.status.message}"
        waited(
            lambda: kubectl("get", "wf", "hello", "-o", path) == "Failed main: Error (exit code 7)"
        )
        assert "sleep 3" in kubectl("get", "pod", "hello", "-o", "yaml")
        assert "Started container main" in kubectl("describe", "pod", "hello")
        kubectl("delete", "wf", "hello")
        waited(lambda: "hello" not in kubectl("get", "pods", "-o", "name"))
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    assert {"workflow_started", "node_ended", "workflow_ended"} <= {line["what"] for line in lines}


def waited(condition: Callable[[], bool]) -> None:
    """Until it holds; fails after a while."""
    limit = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.2)
