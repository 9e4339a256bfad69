"""The time of a run divided among causes: cases whose answer can be read off the drawing, and
recorded clusters, in which every run's causes must add up to its time."""

from itertools import pairwise
from typing import Any

import pytest

from argoscope.resources._pod_life import PodLife, PodTimes, pod_life
from argoscope.resources.workflow.critical_path import critical_path
from argoscope.resources.workflow.timeline import (
    DAEMONED,
    HOOKED,
    MEMOIZED,
    NodeSpan,
    Timeline,
)
from argoscope.resources.world import EndedRun
from support.box import Life, Tick
from support.stories import recorded

POD, VIRTUAL = "Pod", "Steps"


def node(name: str, start: float, end: float, *then: str, **more: Any) -> NodeSpan:
    inside = {"type": POD, "phase": "Succeeded", "template": "t"} | more
    return NodeSpan(id=name, name=name, started=start, finished=end, children=then, **inside)


def causes(*nodes: NodeSpan, end: float, **more: Any) -> dict[str, float]:
    fields: dict[str, Any] = {
        "namespace": "ci", "name": "wf", "uid": "u", "pipeline": "p", "cron": "",
        "phase": "Succeeded", "cause": "", "message": "", "created": 100.0, "started": 100.0,
        "finished": end, "first": True, "nodes": {one.id: one for one in nodes},
    }  # fmt: skip
    path = critical_path(Timeline(**(fields | more)))
    found = path.causes_ms()
    assert sum(found.values()) == path.total_ms == (end - 100.0) * 1000
    return {cause: length / 1000 for cause, length in found.items()}


def life(created: int, scheduled: int, init: int, main: int, end: int, wait: int) -> PodLife:
    return pod_life(PodTimes(created, scheduled, init, main, main, end, wait, wait))


def test_two_steps_with_a_gap_between_them() -> None:
    pods = {
        "wf.a": (life(100, 101, 103, 104, 110, 112),),
        "wf.b": (life(120, 120, 121, 122, 130, 130),),
    }
    found = causes(
        node("wf", 100, 130, "wf.a", type=VIRTUAL),
        node("wf.a", 100, 112, "wf.b", boundary="wf"),
        node("wf.b", 120, 130, boundary="wf"),
        end=130,
        pods=pods,
    )
    assert found == {"schedule": 1, "prepare": 3, "init": 2, "main": 14, "wait": 2, "gap": 8}


def test_a_pod_that_nobody_saw_is_unknown() -> None:
    found = causes(node("wf", 100, 109), end=110)
    assert found == {"unknown": 9, "gap": 1}


def test_a_suspend_node_is_an_approval_and_http_is_work() -> None:
    found = causes(
        node("wf", 100, 130, "wf.a", type=VIRTUAL),
        node("wf.a", 100, 120, "wf.b", type="Suspend", boundary="wf"),
        node("wf.b", 121, 130, type="HTTP", boundary="wf"),
        end=130,
    )
    assert found == {"approval": 20, "gap": 1, "main": 9}


def test_attempts_that_were_thrown_away_and_the_time_between() -> None:
    pods = {"wf(1)": (life(120, 120, 120, 120, 130, 130),)}
    found = causes(
        node("wf", 100, 130, "wf(0)", "wf(1)", type="Retry"),
        node("wf(0)", 100, 110, boundary="wf", phase="Failed"),
        node("wf(1)", 120, 130, boundary="wf"),
        end=130,
        pods=pods,
    )
    assert found == {"retry": 10, "backoff": 10, "main": 10}


def test_the_longest_of_a_fan_out_is_the_path() -> None:
    found = causes(
        node("wf", 100, 130, "wf.a", "wf.b", type="DAG"),
        node("wf.a", 100, 105, boundary="wf", type="HTTP"),
        node("wf.b", 100, 130, boundary="wf", type="Suspend"),
        end=130,
    )
    assert found == {"approval": 30}


def test_a_nested_template_is_looked_through() -> None:
    found = causes(
        node("wf", 100, 125, "wf[0]", type="Steps"),
        node("wf[0]", 100, 125, "wf[0].in", type="StepGroup", boundary="wf"),
        node("wf[0].in", 100, 120, "wf[0].in.a", type="DAG", boundary="wf"),
        node("wf[0].in.a", 100, 108, "wf[0].in.b", type="HTTP", boundary="wf[0].in"),
        node("wf[0].in.b", 110, 118, type="HTTP", boundary="wf[0].in"),
        end=125,
    )
    assert found == {"main": 8 + 8, "gap": 2 + 7}


def test_groups_can_lie_in_each_other_deeper_than_pythons_stack() -> None:
    names = [f"wf.a{'(0)' * depth}" for depth in range(2001)]
    groups = [node(outer, 101, 140, inner, type="TaskGroup") for outer, inner in pairwise(names)]
    found = causes(
        node("wf", 100, 160, names[0], "wf.b", type="DAG"),
        *groups,
        node(names[-1], 101, 140, type="HTTP"),
        node("wf.b", 150, 160, type="HTTP"),
        end=160,
        parallelism=1,
    )
    assert found == {"queue": 39, "gap": 11, "main": 10}


def test_a_plugin_is_work() -> None:
    assert causes(node("wf", 100, 120, type="Plugin"), end=122) == {"main": 20, "gap": 2}


def test_what_was_memoized_takes_no_time() -> None:
    found = causes(
        node("wf", 100, 120, "wf.a", type="Steps"),
        node("wf.a", 100, 100, "wf.b", boundary="wf", flags=MEMOIZED),
        node("wf.b", 110, 120, boundary="wf", type="HTTP"),
        end=120,
    )
    assert found == {"gap": 10, "main": 10}


def test_what_was_omitted_after_a_failure_is_not_on_the_path() -> None:
    found = causes(
        node("wf", 100, 115, "wf.a", type="DAG", phase="Failed"),
        node("wf.a", 100, 110, "wf.b", boundary="wf", type="HTTP", phase="Failed"),
        node("wf.b", 115, 115, boundary="wf", type="Skipped", phase="Omitted"),
        end=115,
        phase="Failed",
    )
    assert found == {"main": 10, "gap": 5}


def test_a_daemon_takes_time_until_it_is_ready() -> None:
    found = causes(
        node("wf", 100, 116, "wf.db", type="Steps"),
        node("wf.db", 100, 105, "wf.a", boundary="wf", flags=DAEMONED),
        node("wf.a", 106, 116, boundary="wf", type="HTTP"),
        end=116,
        pods={"wf.db": (pod_life(PodTimes(100, 101, 0, 0, 104, 117, 117, 117)),)},
    )
    assert found == {"schedule": 1, "prepare": 3, "main": 1 + 10, "gap": 1}


def test_a_hook_beside_the_work_is_not_on_the_path() -> None:
    found = causes(
        node("wf", 100, 120, type="HTTP"),
        node("wf.hooks.running", 105, 110, type="HTTP", flags=HOOKED),
        end=121,
    )
    assert found == {"main": 20, "gap": 1}


def test_a_container_set_is_one_pod() -> None:
    found = causes(
        node("wf", 100, 130, "wf.a", type="Steps"),
        node("wf.a", 100, 110, "wf.a.one", boundary="wf"),
        node("wf.a.one", 104, 110, "wf.b", boundary="wf.a", type="Container"),
        node("wf.b", 120, 130, boundary="wf", type="HTTP"),
        end=130,
        pods={"wf.a": (life(100, 101, 102, 104, 110, 110),)},
    )
    assert found == {"schedule": 1, "prepare": 1, "init": 2, "main": 6 + 10, "gap": 10}


def test_a_lock_is_waited_for_before_the_pod_is_made() -> None:
    found = causes(
        node("wf", 100, 140, "wf.a", type="Steps"),
        node("wf.a", 100, 110, "wf.b", boundary="wf", type="HTTP"),
        node("wf.b", 112, 140, boundary="wf"),
        end=140,
        held={"wf.b": ("lock", 125.0)},
        pods={"wf.b": (life(125, 125, 125, 126, 140, 140),)},
    )
    assert found == {"main": 10 + 14, "gap": 2, "lock": 13, "init": 1}


def test_what_parallelism_holds_back_is_queued_until_a_place_is_free() -> None:
    found = causes(
        node("wf", 100, 120, "wf.a", "wf.b", type="DAG"),
        node("wf.a", 100, 110, boundary="wf", type="HTTP"),
        node("wf.b", 113, 120, boundary="wf", type="HTTP"),
        end=120,
        parallelism=1,
    )
    assert found == {"queue": 10, "gap": 3, "main": 7}


def test_a_pod_that_was_made_again_before_it_started_is_a_lost_attempt() -> None:
    lost = pod_life(PodTimes(100))
    found = causes(
        node("wf", 100, 130),
        end=130,
        pods={"wf": (lost, life(110, 111, 112, 113, 130, 130))},
    )
    assert found == {"retry": 10, "schedule": 1, "prepare": 1, "init": 1, "main": 17}


@pytest.mark.parametrize("recording", ["argo-4.1", "argo-3.6", "argo-4.1-loaded"])
def test_the_causes_of_every_recorded_run_add_up_to_its_time(recording: str) -> None:
    told = recorded(recording)
    daemon, ended = Life(told[0].at), list[EndedRun]()
    daemon.pipeline.world.on_run_ended(ended.append)
    for event in told:
        daemon.do(Tick(event.at))
        daemon.do(event)
    daemon.pipeline.finish()
    assert len(ended) > 40
    for run in ended:
        assert sum(run.path.causes_ms().values()) == run.line.end_ms - run.line.begin_ms, (
            run.line.name
        )
    seconds: dict[str, dict[str, int]] = {run.line.pipeline: run.path.causes_ms() for run in ended}
    if recording == "argo-4.1":
        assert seconds["steps-seq"]["gap"] == 14_000
        assert sum(seconds["steps-seq"].values()) == 30_000
