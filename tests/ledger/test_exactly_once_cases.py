"""What a restart must get right, case by case: the daemon dies, the cluster goes on."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import pytest

from argoscope.resources import pod
from argoscope.resources.workflow import metrics as m
from support import pod_objects
from support.box import Life
from support.counted import sums, unobserved
from support.restarts import NOW, Cluster
from support.stories import stream_of


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    made.box.end()


def workflow(
    phase: str = "Running",
    *,
    name: str = "etl-1",
    uid: str = "u1",
    began: float = 0.0,
    ended: float | None = None,
    steps: dict[str, tuple[str, float, float]] | None = None,
) -> dict[str, Any]:
    """A run with leaf nodes: name -> phase, start and end; seconds after NOW, an end of 0: none."""
    stamp = pod_objects.stamp
    status: dict[str, Any] = {"phase": phase, "startedAt": stamp(NOW + began), "nodes": {}}
    if ended is not None:
        status["finishedAt"] = stamp(NOW + ended)
    for number, (step, (result, start, end)) in enumerate(sorted((steps or {}).items())):
        node = {"name": f"{name}.{step}", "type": "Pod", "templateName": step, "phase": result}
        node |= {"id": f"{name}-{1000 + number}", "startedAt": stamp(NOW + start)}
        if end:
            node["finishedAt"] = stamp(NOW + end)
        status["nodes"][node["id"]] = node
    created = stamp(NOW - 1)
    meta = {"name": name, "generateName": "etl-", "namespace": "data", "uid": uid}
    meta["creationTimestamp"] = created
    return {"kind": "Workflow", "metadata": meta, "spec": {}, "status": status}


def runs(life: Life) -> dict[str, float]:
    return {labels[2]: n for labels, n in sums(life, m.RUNS)[0].items()}


def attempts(life: Life) -> dict[tuple[str, str], float]:
    return {labels[2::2]: n for labels, n in sums(life, m.TEMPLATE_DURATION)[0].items()}


def test_a_run_that_ended_while_the_daemon_was_dead_counts_once(cluster: Cluster) -> None:
    cluster.start()
    cluster.put(workflow(steps={"a": ("Succeeded", 0, 2), "b": ("Running", 2, 0)}))
    cluster.wait(3)
    cluster.box.crash()
    cluster.put(
        workflow("Succeeded", ended=9, steps={"a": ("Succeeded", 0, 2), "b": ("Succeeded", 2, 8)})
    )
    cluster.wait(20)
    life = cluster.start()
    cluster.box.crash()
    life = cluster.start()
    assert runs(life) == {"Succeeded": 1}
    assert attempts(life) == {("a", "Succeeded"): 1, ("b", "Succeeded"): 1}
    assert not unobserved(life)


def test_what_was_counted_after_the_last_commit_counts_again_and_once(cluster: Cluster) -> None:
    cluster.start()
    cluster.put(workflow("Failed", ended=5, steps={"a": ("Failed", 0, 4)}))
    assert cluster.box.life is not None
    assert runs(cluster.box.life) == {"Failed": 1}
    cluster.box.crash()
    assert runs(cluster.start()) == {"Failed": 1}


@pytest.mark.parametrize("again", ["Running", "Succeeded"])
def test_a_retry_while_the_daemon_was_dead_is_another_attempt(cluster: Cluster, again: str) -> None:
    cluster.start()
    cluster.put(
        workflow("Failed", ended=5, steps={"a": ("Succeeded", 0, 2), "b": ("Failed", 2, 4)})
    )
    cluster.wait(6)
    cluster.box.crash()
    ended = 30.0 if again == "Succeeded" else None
    steps = {"a": ("Succeeded", 0.0, 2.0), "b": (again, 21.0, ended or 0.0)}
    cluster.wait(40)
    cluster.put(workflow(again, began=20, ended=ended, steps=steps))
    life = cluster.start()
    assert sums(life, m.WORKFLOW_ACTIONS)[0] == {("data", "etl", "retry"): 1}
    cluster.put(
        workflow("Succeeded", began=20, ended=30, steps={**steps, "b": ("Succeeded", 21, 30)})
    )
    assert runs(life) == {"Failed": 1, "Succeeded": 1}
    assert attempts(life) == {("a", "Succeeded"): 1, ("b", "Failed"): 1, ("b", "Succeeded"): 1}
    assert not unobserved(life)


@pytest.mark.parametrize("dies", [False, True])
def test_a_retry_that_replaced_a_counted_node_unseen_counts_the_new_one(
    cluster: Cluster, dies: bool
) -> None:
    """As many finished nodes as before, but others; the daemon dies, or its watch was cut."""
    cluster.start()
    cluster.put(workflow(steps={"a": ("Failed", 0, 2), "b": ("Running", 0, 0)}))
    cluster.wait(3)
    if dies:
        cluster.box.crash()
    cluster.wait(30)
    cluster.put(workflow(began=20, steps={"a": ("Succeeded", 21, 25), "b": ("Running", 21, 0)}))
    life = cluster.start() if dies else cluster.box.life
    assert life is not None
    assert attempts(life) == {("a", "Failed"): 1, ("a", "Succeeded"): 1}
    assert unobserved(life) == {"retried_unseen": 1}


def test_a_run_that_came_and_went_is_unobserved_only_if_it_was_known(cluster: Cluster) -> None:
    cluster.start()
    cluster.put(workflow())
    cluster.wait(2)
    cluster.box.crash()
    cluster.remove(workflow("Succeeded", ended=5))
    cluster.put(workflow(name="etl-2", uid="u2"))
    cluster.remove(workflow(name="etl-2", uid="u2"))
    assert unobserved(cluster.start()) == {"deleted_unseen": 1}
    cluster.box.crash()
    assert unobserved(cluster.start()) == {"deleted_unseen": 1}


def test_a_first_list_that_a_crash_cut_off_is_still_a_first_list(cluster: Cluster) -> None:
    cluster.put(workflow("Failed", ended=-60, began=-70))
    cluster.box.start(cluster.now)
    cluster.box.tick(cluster.now)
    cluster.box.crash()
    life = cluster.start()
    assert not runs(life)
    assert life.registry.value(m.FAILED_7D, ("data", "etl")) == 1
    cluster.box.crash()
    cluster.put(workflow("Succeeded", name="etl-2", uid="u2", ended=9))
    life = cluster.start()
    assert runs(life) == {"Succeeded": 1}
    assert life.registry.value(m.COMPLETED_7D, ("data", "etl")) == 2


def test_the_week_is_right_after_a_restart_and_after_the_objects_are_gone(
    cluster: Cluster,
) -> None:
    cluster.start()
    for number, phase in enumerate(["Failed", "Failed", "Succeeded"]):
        run = workflow(phase, name=f"etl-{number}", uid=f"u{number}", ended=number)
        cluster.put(run)
        cluster.wait(1)
        cluster.remove(run)
    cluster.wait(1)
    cluster.box.crash()
    life = cluster.start()
    assert life.registry.value(m.FAILED_7D, ("data", "etl")) == 2
    assert life.registry.value(m.COMPLETED_7D, ("data", "etl")) == 3


def spoil(path: Path, kind: str) -> None:
    """All records of a kind get a layout that a later version may have."""
    database = sqlite3.connect(path)
    for (uid,) in database.execute("SELECT uid FROM object WHERE kind = ?", (kind,)).fetchall():
        row = (kind, uid, b"\xff")
        check = crc32(msgspec.msgpack.encode(row))
        database.execute("REPLACE INTO object VALUES (?, ?, ?, ?)", (*row, check))
    database.commit()
    database.close()


def test_records_of_an_unknown_layout_make_history_and_double_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.start()
    cluster.put(workflow("Failed", ended=5, steps={"a": ("Failed", 0, 4)}))
    cluster.put(workflow(name="etl-2", uid="u2", steps={"a": ("Succeeded", 0, 4)}))
    cluster.wait(2)
    cluster.box.crash()
    spoil(tmp_path / "ledger.db", "workflows")
    life = cluster.start()
    assert {problem[1] for problem in life.problems} == {"ledger_record"}
    cluster.put(
        workflow("Succeeded", name="etl-2", uid="u2", ended=9, steps={"a": ("Succeeded", 0, 4)})
    )
    assert runs(life) == {"Failed": 1, "Succeeded": 1}
    assert attempts(life) == {("a", "Failed"): 1, ("a", "Succeeded"): 1}
    cluster.wait(1)
    assert life.registry.value(m.COMPLETED_7D, ("data", "etl")) == 2


def test_an_object_of_the_same_name_is_another_one(cluster: Cluster) -> None:
    """Made again under its name; the deletion of the first comes late, after a restart."""
    cluster.start()
    cluster.put(workflow(uid="u9"))
    cluster.wait(1)
    again = workflow(uid="u1", began=5)
    cluster.put(again)
    cluster.wait(1)
    cluster.box.crash()
    del cluster.live["u9"]
    life = cluster.start()
    assert unobserved(life) == {"deleted_unseen": 1}
    assert life.pipeline.world.runs["data", "etl-1"].uid == "u1"


def pull_event(reason: str, at: float, uid: str, message: str = "") -> dict[str, Any]:
    return {
        "kind": "Event",
        "metadata": {"name": f"{reason}-{at}", "namespace": "ml", "uid": f"e-{reason}-{at}"},
        "involvedObject": {"kind": "Pod", "uid": uid},
        "reason": reason,
        "message": message,
        "lastTimestamp": pod_objects.stamp(at),
    }


def test_events_that_are_told_again_change_nothing(cluster: Cluster) -> None:
    """A volume was late and then came; all events of the hour are listed again after a restart,
    in any order."""
    cluster.start()
    made = pod_objects.life(pod_objects.argo_pod(created=NOW), NOW)[1]
    cluster.put(made)
    uid = made["metadata"]["uid"]
    cluster.wait(5)
    cluster.put(pull_event("Pulling", NOW + 5, uid))
    cluster.wait(5)
    cluster.put(pull_event("FailedMount", NOW + 10, uid))
    cluster.wait(2)
    assert cluster.box.life is not None
    before = dict(cluster.box.life.registry.samples(pod.PENDING))
    assert [labels[2] for labels in before] == ["ContainerCreating: volume"]
    cluster.box.crash()
    assert dict(cluster.start().registry.samples(pod.PENDING)) == before


def test_pods_that_were_collected_while_the_daemon_was_dead_count_what_was_known(
    cluster: Cluster,
) -> None:
    cluster.start()
    states = pod_objects.life(
        pod_objects.argo_pod(created=NOW, workflow="etl-1", namespace="data"), NOW
    )
    cluster.put(workflow())
    for state in states[:4]:
        cluster.put(state)
    cluster.wait(2)
    cluster.box.crash()
    cluster.remove(states[4])
    life = cluster.start()
    stages = {labels[3] for labels in sums(life, pod.STAGE_SECONDS)[0]}
    assert stages == {"schedule", "prepare", "init"}  # how main ended nobody knows
    assert not list(life.registry.samples(pod.PODS))


def test_a_clock_that_jumps_counts_no_run_twice(cluster: Cluster) -> None:
    cluster.start()
    for number, jump in enumerate([0.0, 86_400.0, -172_800.0, 5.0]):
        cluster.now += jump
        cluster.put(workflow("Failed", name=f"etl-{number}", uid=f"u{number}", ended=number))
        cluster.wait(1)
        cluster.box.crash()
        cluster.start()
    assert cluster.box.life is not None
    assert runs(cluster.box.life) == {"Failed": 4}


def test_the_objects_of_these_cases_are_selected() -> None:
    assert stream_of("pods", pod_objects.argo_pod()) is not None
    assert stream_of("events", pull_event("Pulling", NOW, "u")) is not None
