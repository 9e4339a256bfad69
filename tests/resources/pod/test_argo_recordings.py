"""Pods of real Argo clusters, as their controllers and kubelet left them."""

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from argoscope.resources import pod
from argoscope.resources._time import unix
from argoscope.resources.pod._object import node_id
from support.pods import Pods
from support.recordings import events, recording, require_shared

CLUSTERS = ("argo-4.1", "argo-4.1-loaded", "argo-3.6")
WORKFLOW = "workflows.argoproj.io/workflow"
NOW = 1_800_000_000.0
"""Unix seconds after all that was recorded."""
Raw = dict[str, Any]
Timed = tuple[float, Raw]


@cache
def stream(name: str) -> list[Timed]:
    """The events of pods, Events and workflows, of pods only those that the server selects."""
    require_shared("recordings")
    kept = []
    for at, event in events(name, "workflows", "pods", "events"):
        obj = event["object"]
        labels = obj.get("metadata", {}).get("labels", {})
        wanted = WORKFLOW in labels or "rollouts-pod-template-hash" in labels
        if obj["kind"] != "Pod" or wanted:
            kept.append((at, event))
    return kept


def replay(name: str, timed: list[Timed]) -> Pods:
    pods = Pods()
    for at, event in timed:
        obj = event["object"]
        if obj["kind"] != "Workflow":
            pods.take(event["type"], obj, at)
            continue
        meta, status = obj["metadata"], obj.get("status", {})
        pods.workflow(
            meta["namespace"],
            meta["name"],
            f"p-{meta['name']}",
            started=unix(status.get("startedAt")),
            entrypoint=obj["spec"].get("entrypoint", ""),
            gone=event["type"] == "DELETED",
        )
    pods.finish()
    return pods


def last_states(timed: list[Timed]) -> Iterator[tuple[Raw, list[Raw]]]:
    """(last object, all objects) of every pod."""
    lives: dict[str, list[Raw]] = defaultdict(list)
    for _, event in timed:
        if event["object"]["kind"] == "Pod":
            lives[event["object"]["metadata"]["uid"]].append(event)
    for life in lives.values():
        yield life[-1], [event["object"] for event in life]


def times(objects: list[Raw], name: str) -> tuple[float, float]:
    """(start, finish) of a container by the last status that tells; 0 for what none told."""
    start = finish = 0.0
    for obj in objects:
        for status in obj["status"].get("containerStatuses", ()):
            if status["name"] == name:
                state = next(iter(status["state"].values()), {})
                start = unix(state.get("startedAt")) or start
                finish = unix(state.get("finishedAt")) or finish
    return start, finish


@pytest.mark.parametrize("name", CLUSTERS)
def test_main_and_wait_equal_an_independent_recount(name: str) -> None:
    expected = {"main": [0, 0.0], "wait": [0, 0.0]}
    for last, objects in last_states(stream(name)):
        terminal = last["object"]["status"]["phase"] in ("Succeeded", "Failed")
        if not terminal and last["type"] != "DELETED":
            continue
        first = objects[0]["spec"]["containers"]
        main = "main" if any(c["name"] == "main" for c in first) else first[0]["name"]
        start, finish = times(objects, main)
        if start and finish:
            expected["main"][0] += 1
            expected["main"][1] += finish - start
            begun, ended = times(objects, "wait")
            if begun and ended:
                expected["wait"][0] += 1
                expected["wait"][1] += max(0.0, ended - finish)
    stages = replay(name, stream(name)).stages()
    assert stages["main"] == tuple(expected["main"])
    assert stages["wait"] == tuple(expected["wait"])
    assert stages["main"][0] > 200


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_stages_of_each_pod_add_up_to_its_life(name: str) -> None:
    """Creation to the last finish of main and wait, to the second."""
    checked = 0
    for last, objects in last_states(stream(name)):
        obj = last["object"]
        if obj["status"]["phase"] != "Succeeded":
            continue
        pods = Pods()
        pods.upsert(objects[-1], NOW)
        pods.finish()
        ends = [times(objects, "main")[1], times(objects, "wait")[1]]
        life = max(ends) - unix(obj["metadata"]["creationTimestamp"])
        total = sum(seconds for _, seconds in pods.stages().values())
        # A runtime's clock can set a finish a second before its start: the stage is then 0.
        assert total == pytest.approx(life, abs=1.0), obj["metadata"]["name"]
        checked += 1
    assert checked > 150


@pytest.mark.parametrize("name", CLUSTERS)
def test_every_pod_has_the_template_of_its_node(name: str) -> None:
    templates: dict[tuple[str, str], str] = {}
    for _, event in stream(name):
        obj = event["object"]
        if obj["kind"] == "Workflow":
            for key, node in (obj.get("status", {}).get("nodes") or {}).items():
                found = node.get("templateName") or node.get("templateRef", {}).get("template")
                templates[obj["metadata"]["namespace"], key] = found
    checked = 0
    for last, _ in last_states(stream(name)):
        obj = last["object"]
        meta = obj["metadata"]
        node = meta.get("annotations", {}).get("workflows.argoproj.io/node-id", "")
        workflow = meta["labels"].get(WORKFLOW, "")
        assert node_id(meta["name"], workflow) == node
        if (meta["namespace"], node) not in templates:
            continue
        pods = Pods()
        pods.upsert(obj | {"status": obj["status"] | {"phase": "Succeeded"}}, NOW)
        pods.finish()
        labels = {labels[2] for labels, _ in pods.registry.samples(pod.STAGE_SECONDS)}
        assert labels <= {templates[meta["namespace"], node]}, meta["name"]
        checked += bool(labels)
    assert checked > 200


@pytest.mark.parametrize(
    ("name", "restarts"),
    # By hand: in the loaded cluster pod-deleted-52tfv and preempted-9kw88 were made again before
    # main started; argo-retry's pods had run, in all three.
    [("argo-4.1", 0), ("argo-4.1-loaded", 2), ("argo-3.6", 0)],
)
def test_pods_made_again_before_they_started(name: str, restarts: int) -> None:
    assert replay(name, stream(name)).restarts() == restarts


def test_what_pods_of_the_4_1_cluster_waited_for() -> None:
    """By hand from the summary: the last four are the only troubles, all others start at once."""
    pods = replay("argo-4.1", stream("argo-4.1"))
    assert pods.episodes() == {
        "CreateContainerConfigError: missing configmap": 1,
        "InvalidImageName": 1,
        "ErrImagePull: registry unreachable": 1,
        "Unschedulable: insufficient cpu": 3,
    }
    assert pods.pending() == {"Unschedulable: node selector": 1}


def test_causes_that_only_pods_of_the_4_1_cluster_know() -> None:
    """Four deadlines, three OOM kills, two images (one until its deadline passed), one eviction
    and one preemption."""
    causes = replay("argo-4.1", stream("argo-4.1")).causes()
    assert causes == {"deadline": 4, "oom": 3, "image": 2, "evicted": 1, "preempted": 1}


def gone(timed: list[Timed], last: dict[str, int], obj: Raw) -> bool:
    return bool(timed[last[obj["metadata"]["uid"]]][1]["type"] == "DELETED")


@pytest.mark.parametrize("name", CLUSTERS)
@pytest.mark.parametrize("seed", range(3))
def test_lost_and_doubled_events_change_no_stage(name: str, seed: int) -> None:
    """As long as each pod's last state comes: a relist shows it, or DELETED carries it.

    Not so for what only an earlier state told: of pods whose status was wiped out, and that pods
    of rollouts that are still there were ready.
    """
    rng = random.Random(seed)
    whole = stream(name)
    last = {event["object"]["metadata"]["uid"]: number for number, (_, event) in enumerate(whole)}
    kept = {
        obj["metadata"]["uid"]
        for obj in (event["object"] for _, event in whole)
        if obj.get("status", {}).get("reason") in ("Evicted", "DeadlineExceeded")
        or "ContainerStatusUnknown" in json.dumps(obj.get("status"))
        or (WORKFLOW not in obj["metadata"].get("labels", {}) and not gone(whole, last, obj))
    }
    some: list[Timed] = []
    for number, (at, event) in enumerate(whole):
        uid = event["object"]["metadata"]["uid"]
        if event["object"]["kind"] != "Pod" or uid in kept or last[uid] == number:
            some.append((at, event))
        elif rng.random() < 0.6:
            some.extend([(at, event)] * rng.choice((1, 2)))
    assert len(some) != len(whole)
    some = [(at, event) for at, event in some if event["object"]["kind"] != "Event"]
    without = [(at, event) for at, event in whole if event["object"]["kind"] != "Event"]
    assert replay(name, some).stages() == replay(name, without).stages()


def test_the_final_list_of_a_cluster_gives_the_pods_that_are_there() -> None:
    items = json.loads((recording("argo-4.1") / "list-pods.json").read_text())["items"]
    pods = Pods()
    phases: dict[str, int] = defaultdict(int)
    for item in items:
        pods.upsert(item, 0.0, baseline=True)
        phases[item["status"]["phase"]] += 1
    pods.finish()
    assert pods.phases() == phases
    assert pods.stages() == {}
