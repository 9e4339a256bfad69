"""The simulated Argo against the real one: the same specs, the same actions, the same changes.

Every workflow of three recordings runs again in the simulator's controller, with the pods' statuses
as they were recorded; what each watch event changed has to come in the same order. Then the shapes:
no field is invented, none that always stands in the real objects is missing.
"""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
import pytest

from argoscope.simulator.engine.kernel import Object
from argoscope.simulator.engine.playing import begin
from argoscope.simulator.scenarios import read
from support.argo_replay import Replay, Steps, recorded_workflows, scenario_of, steps
from support.recordings import events

RECORDINGS = {"argo-4.1": "4.1", "argo-4.1-loaded": "4.1", "argo-3.6": "3.6"}

OFTEN = "two looks came closer together than the controller's pace, which happens now and then"
CLOSE = "decided by tenths of a second between a pod's end and a look"
LIMIT = "the limit of parallel workflows was reached by workflows of before the recording"
UNTOLD = "an answer of the HTTP agent and the requeue at its deadline are simpler here"
BUSY = "the controller was busy for seconds on the loaded machine"

DIFFERENT: dict[str, dict[str, str]] = {
    "argo-4.1": {
        "cron:forbid-long": OFTEN,
        "outputs": OFTEN,
        "artifacts": LIMIT,
        "http-template": UNTOLD,
        "big-fanout": CLOSE,
    },
    "argo-4.1-loaded": {
        "cron:replace-long": BUSY,
        "mutex-template": BUSY,
        "ttl-failure": BUSY,
        "argo-retry": BUSY,
        "memoize": "its first run was postponed, so the second hit a cache that it had to fill",
        "http-template": UNTOLD,
        "daemon": BUSY,
        "container-set": BUSY,
        "dag-no-failfast": BUSY,
        "big-fanout": BUSY,
        "evicted": CLOSE,
    },
    "argo-3.6": {
        "wf-deadline": CLOSE,
        "image-pull": CLOSE,
        "semaphore": CLOSE,
        "stop-running": OFTEN,
        "terminate-running": OFTEN,
        "http-template": UNTOLD,
        "container-set": LIMIT,
        "big-fanout": CLOSE,
        "preempted": "3.6 makes the node of a pod that was preempted before its start an Error",
        "evicted": CLOSE,
        "cron:minutely": CLOSE,
    },
}
"""Scenarios whose order of changes differs, and why; each must exist in its recording."""


@cache
def simulated(name: str) -> dict[str, list[tuple[float, str, Object]]]:
    # The loaded and the 4.1 controller let two workflows run in that namespace.
    parallelism = {} if name == "argo-3.6" else {"limited": 2}
    return Replay(name, RECORDINGS[name], parallelism=parallelism).run()


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_same_changes_come_in_the_same_order(name: str) -> None:
    twice = RECORDINGS[name] == "3.6"
    same: Counter[str] = Counter()
    wrong: dict[str, tuple[Steps, Steps]] = {}
    for uid, stream in recorded_workflows(name).items():
        scenario = scenario_of(stream[0][2])
        expected = steps(stream, looks_twice=twice)
        found = steps(simulated(name).get(uid, []), looks_twice=twice)
        if found == expected:
            same[scenario] += 1
        elif scenario not in DIFFERENT[name]:
            wrong[f"{scenario} {stream[0][2]['metadata']['name']}"] = (expected, found)
    assert wrong == {}
    assert sum(same.values()) >= 0.88 * len(recorded_workflows(name))
    assert set(DIFFERENT[name]) <= {scenario_of(s[0][2]) for s in recorded_workflows(name).values()}


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_run_ends_as_the_real_one_did(name: str) -> None:
    """Also where the order differed: the phase, and when (to a look more or less)."""
    late = []
    for uid, stream in recorded_workflows(name).items():
        scenario = scenario_of(stream[0][2])
        if scenario in ("http-template", "artifacts", "container-set", "preempted", "memoize"):
            continue
        if scenario == "big-fanout":
            continue  # a pod more or less in a look shifts all that follow
        if scenario == "terminate-running":
            continue  # the outcome depends on which of two looks sees the signal's effect
        real, ours = _last(stream), _last(simulated(name).get(uid, []))
        if real is None:
            continue
        assert ours is not None, scenario
        assert ours[0] == real[0], scenario
        late.append(abs(ours[1] - real[1]))
    late.sort()
    assert late[len(late) // 2] < 2.0
    assert late[int(0.9 * len(late))] < 11.0


def _last(stream: list[tuple[float, str, Object]]) -> tuple[str, float] | None:
    for t, _, obj in stream:
        status = obj.get("status") or {}
        if status.get("finishedAt"):
            return status["phase"], t
    return None


# Shapes


def paths(value: Any, at: str = "") -> Iterator[str]:
    """Field paths; keys that are names (of nodes, labels, resources) become *."""
    if isinstance(value, dict):
        names = at.endswith(
            ("nodes", "labels", "annotations", "requests", "limits", "nodeSelector")
        )
        for key, item in value.items():
            yield from paths(item, f"{at}.{'*' if names else key}" if at else key)
    elif isinstance(value, list):
        for item in value:
            yield from paths(item, f"{at}[]")
    else:
        yield at


def real_paths(*kinds: str) -> tuple[set[str], set[str]]:
    """(all paths, paths that stand in every object) of the finished objects recorded."""
    every: set[str] = set()
    always: set[str] | None = None
    for name in RECORDINGS:
        for _, event in events(name, *kinds):
            obj = event["object"]
            obj["metadata"].pop("managedFields", None)
            found = set(paths(obj))
            every |= found
            if _is_over(obj):
                always = found if always is None else always & found
    assert always
    return every, always


def _is_over(obj: Object) -> bool:
    status = obj.get("status") or {}
    if obj["kind"] == "Pod":
        return status.get("phase") == "Succeeded" and bool(status.get("containerStatuses"))
    return bool(status.get("nodes")) and status.get("phase") == "Succeeded"


SIMULATED_ONLY = {
    "Workflow": {
        # from specs that no recorded workflow has
        "spec.ttlStrategy.secondsAfterCompletion",
        "spec.templates[].metadata.annotations.*",
        "spec.templates[].container.resources.requests.*",
    }
}


@pytest.mark.parametrize("plural", ["workflows", "pods"])
def test_no_status_field_is_invented_and_none_is_missing(plural: str) -> None:
    every, always = real_paths(plural)
    world = begin(read("approvals"), seed=3, start=1795353180.0)
    world.run_until(world.kernel.now + 7200)
    seen = 0
    for change in world.cluster.collections[plural].changes:
        obj = msgspec.json.decode(change.new.json)
        found = set(paths(obj))
        invented = {
            p for p in found - every if p.startswith(("status", "metadata")) and "inputs" not in p
        }
        assert invented == set()
        if _is_over(obj):
            seen += 1
            missing = {p for p in always - found if p.startswith(("status", "metadata"))}
            # no artifact repository is configured here
            assert {p for p in missing if "artifactRepositoryRef" not in p} == set()
    assert seen > 5


def test_sizes_are_of_the_same_order() -> None:
    """A node's bytes and a pod's, without managedFields, as the median of all."""
    world = begin(read("approvals"), seed=3, start=1795353180.0)
    world.run_until(world.kernel.now + 7200)
    for plural in ("workflows", "pods"):
        real = []
        for _, event in events("argo-4.1", plural):
            event["object"]["metadata"].pop("managedFields", None)
            real.append(_size(event["object"]))
        ours = [
            _size(msgspec.json.decode(change.new.json))
            for change in world.cluster.collections[plural].changes
        ]
        ratio = _median(ours) / _median(real)
        assert 0.4 < ratio < 2.5, (plural, ratio)


def _size(obj: Object) -> float:
    """Bytes; of a workflow's status a node."""
    if obj["kind"] == "Workflow":
        nodes = (obj.get("status") or {}).get("nodes") or {}
        return len(msgspec.json.encode(nodes)) / max(1, len(nodes))
    return float(len(msgspec.json.encode(obj)))


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


# Pods


def _pod_facts(obj: Object) -> tuple[Any, ...]:
    status = obj.get("status") or {}
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or ()}
    states = {}
    for field in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(field) or ():
            state, details = next(iter(container["state"].items()))
            states[container["name"]] = (state, details.get("reason", ""))
    labels = obj["metadata"].get("labels") or {}
    return (
        status.get("phase"),
        conditions.get("PodScheduled"),
        conditions.get("Initialized"),
        conditions.get("Ready"),
        states.get("init"),
        states.get("main"),
        states.get("wait"),
        labels.get("workflows.argoproj.io/completed"),
    )


def test_a_pods_statuses_follow_each_other_as_a_real_kubelet_writes_them() -> None:
    real: set[tuple[Any, Any]] = set()
    before: dict[str, Any] = {}
    for name in RECORDINGS:
        for _, event in events(name, "pods"):
            pod = event["object"]
            uid, facts = pod["metadata"]["uid"], _pod_facts(pod)
            real.add((before.get(uid), facts))
            before[uid] = facts
    world = begin(read("cleanup"), seed=3, start=1795353180.0)
    world.run_until(world.kernel.now + 1800)
    ours: Counter[tuple[Any, Any]] = Counter()
    before = {}
    for change in world.cluster.collections["pods"].changes:
        pod = msgspec.json.decode(change.new.json)
        uid, facts = pod["metadata"]["uid"], _pod_facts(pod)
        if before.get(uid) != facts:
            ours[(before.get(uid), facts)] += 1
        before[uid] = facts
    strange = {step: times for step, times in ours.items() if step not in real}
    assert sum(strange.values()) < 0.02 * sum(ours.values()), strange
