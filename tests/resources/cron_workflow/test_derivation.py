"""CronWorkflows in virtual time: what is counted, what is not, and when."""

import itertools
from typing import Any

import pytest

from argoscope.resources.cron_workflow.metrics import (
    ACTIVE,
    CONSECUTIVE_FAILURES,
    INVALID,
    LAST_FAILURE,
    LAST_SCHEDULE,
    LAST_SUCCESS,
    MISSED_REASONS,
    MISSED_RUNS,
    NEXT_SCHEDULE,
    REPLACED_RUNS,
    START_DELAY,
)
from argoscope.resources.cron_workflow.runs import KEEP_DELETED, CronRuns
from argoscope.resources.world import Run
from support.crons import Crons, Event, clock

KEY = ("ci", "nightly")
CRON_LABEL = "workflows.argoproj.io/cron-workflow"
SCHEDULED = "workflows.argoproj.io/scheduled-time"


def stamp(text: str) -> str:
    return f"2026-11-22T{text}Z"


def cron(
    spec: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    *,
    uid: str = "cron-1",
    created: str = "09:00:00",
) -> dict[str, Any]:
    return {
        "kind": "CronWorkflow",
        "metadata": {
            "namespace": KEY[0],
            "name": KEY[1],
            "uid": uid,
            "creationTimestamp": stamp(created),
        },
        "spec": {
            "schedules": ["*/10 * * * *"],
            "workflowSpec": {"entrypoint": "main", "templates": [{"name": "main"}]},
            **(spec or {}),
        },
        "status": status or {},
    }


def run(
    due: str,
    phase: str = "Running",
    *,
    started: str | None = None,
    finished: str | None = None,
    shutdown: str | None = None,
    action: str | None = None,
    name: str | None = None,
    created: str | None = None,
    planned: bool = True,
) -> dict[str, Any]:
    """A child that was due at ``due`` (HH:MM:SS), started then, and has not finished."""
    name = name or f"nightly-{int(clock(due))}"
    labels = {CRON_LABEL: KEY[1]}
    if action:
        labels["workflows.argoproj.io/action"] = action
    status: dict[str, Any] = {"phase": phase}
    if phase:
        status["startedAt"] = stamp(started or due)
    if finished:
        status["finishedAt"] = stamp(finished)
    return {
        "kind": "Workflow",
        "metadata": {
            "namespace": KEY[0],
            "name": name,
            "uid": f"uid-{name}",
            "creationTimestamp": stamp(created or due),
            "labels": labels,
            "annotations": {SCHEDULED: stamp(due)} if planned else {},
        },
        "spec": {"shutdown": shutdown} if shutdown else {},
        "status": status,
    }


def at(moment: str, obj: dict[str, Any], kind: str = "MODIFIED") -> Event:
    return clock(moment), {"type": kind, "object": obj}


def play(*events: Event, until: str) -> Crons:
    crons = Crons()
    for moment, event in sorted(events, key=lambda item: item[0]):
        crons.take(moment, event)
    crons.tick_until(clock(until))
    crons.tick()
    return crons


# -- missed runs


def test_all_reasons_are_at_zero_from_the_first_sight() -> None:
    crons = play(at("10:01:00", cron()), until="10:01:01")
    series = dict(crons.registry.samples(MISSED_RUNS))
    assert series == {(*KEY, reason): 0 for reason in MISSED_REASONS}
    assert crons.value(REPLACED_RUNS, *KEY) == 0
    assert crons.value(START_DELAY, *KEY) == 0


def test_a_run_that_never_came_is_missed_a_minute_after_its_time_and_once() -> None:
    crons = play(at("10:01:00", cron()), until="10:10:59")
    assert crons.missed(*KEY) == {}
    crons.tick_until(clock("10:11:00"))
    assert crons.missed(*KEY) == {"controller": 1}
    crons.tick_until(clock("10:20:59"))
    assert crons.missed(*KEY) == {"controller": 1}


def test_nothing_is_missed_that_was_due_before_the_daemon_saw_the_cron() -> None:
    old = cron(status={"lastScheduledTime": stamp("09:10:00")})
    assert play(at("10:09:59", old), until="10:12:00").missed(*KEY) == {"controller": 1}
    assert play(at("10:10:00", old), until="10:12:00").missed(*KEY) == {}


def test_a_run_of_which_only_the_cron_tells_is_not_missed() -> None:
    """It was made and deleted while the stream of Workflows was cut."""
    told = cron(status={"lastScheduledTime": stamp("10:10:00")})
    crons = play(at("10:01:00", cron()), at("10:10:30", told), until="10:12:00")
    assert crons.missed(*KEY) == {}
    assert crons.value(LAST_SCHEDULE, *KEY) == clock("10:10:00")


def test_last_schedule_does_not_go_back_with_a_stale_status() -> None:
    crons = play(
        at("10:01:00", cron(status={"lastScheduledTime": stamp("10:00:00")})),
        at("10:02:00", cron(status={"lastScheduledTime": stamp("09:50:00")})),
        until="10:03:00",
    )
    assert crons.value(LAST_SCHEDULE, *KEY) == clock("10:00:00")


FORBID = {"concurrencyPolicy": "Forbid"}
BLOCKER = "uid-" + f"nightly-{int(clock('10:00:00'))}"


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (cron({"suspend": True}), None, "suspended"),
        (cron({"suspend": True}), cron(), "suspended"),
        (cron(), cron({"suspend": True}), "controller"),
        (cron({"when": "false"}), None, "when_false"),
        (cron(status={"phase": "Stopped"}), None, "stopped"),
        (cron(), cron(status={"phase": "Stopped"}), "stopped"),
        (cron({"suspend": True, "when": "false"}), None, "suspended"),
        (cron({"startingDeadlineSeconds": 30}), None, "deadline"),
        (cron({"startingDeadlineSeconds": 0}), None, "controller"),
        (cron({"workflowSpec": {"entrypoint": "gone"}}), None, "controller"),
        (cron(FORBID), None, "controller"),
        (cron(FORBID, {"active": [{"uid": "not known here"}]}), None, "forbidden"),
    ],
)
def test_the_state_at_the_due_time_gives_the_reason(
    before: dict[str, Any], after: dict[str, Any] | None, reason: str
) -> None:
    """``after`` comes half a second after the due time."""
    events = [at("10:01:00", before)]
    if after is not None:
        events.append((clock("10:10:00") + 0.5, {"type": "MODIFIED", "object": after}))
    assert play(*events, until="10:19:00").missed(*KEY) == {reason: 1}


@pytest.mark.parametrize(
    ("finished", "listed", "reason"),
    [
        (None, True, "forbidden"),
        ("10:10:20", True, "forbidden"),
        ("10:09:58", True, "forbidden_stale"),
        ("10:09:58", False, "controller"),
    ],
)
def test_a_blocked_run_is_told_from_one_that_only_seemed_blocked(
    finished: str | None, listed: bool, reason: str
) -> None:
    active = {"active": [{"uid": BLOCKER}]} if listed else {}
    events = [at("10:00:01", cron(FORBID, active)), at("10:00:02", run("10:00:00"))]
    if finished:
        # the end is seen late; what counts is when it was
        events.append(at("10:10:25", run("10:00:00", "Succeeded", finished=finished)))
    assert play(*events, until="10:15:00").missed(*KEY) == {reason: 1}


def test_a_deleted_run_blocks_no_longer() -> None:
    crons = play(
        at("10:00:01", cron(FORBID)),
        at("10:00:02", run("10:00:00")),
        at("10:05:00", run("10:00:00"), "DELETED"),
        until="10:12:00",
    )
    assert crons.missed(*KEY) == {"controller": 1}


def test_a_run_made_up_within_the_deadline_is_late_and_not_missed() -> None:
    late = run("10:10:00", created="10:14:20", started="10:14:21")
    crons = play(
        at("10:01:00", cron({"startingDeadlineSeconds": 300})),
        at("10:14:20", late),
        until="10:19:59",
    )
    assert crons.missed(*KEY) == {}
    assert crons.registry.sum(START_DELAY, KEY) == 261


def test_only_the_latest_is_made_up_the_one_before_is_missed() -> None:
    late = run("10:20:00", created="10:22:00", started="10:22:00")
    crons = play(
        at("10:01:00", cron({"startingDeadlineSeconds": 86400})),
        at("10:22:00", late),
        until="10:23:00",
    )
    assert crons.missed(*KEY) == {"deadline": 1}


def test_a_changed_schedule_counts_from_its_change() -> None:
    crons = play(
        at("10:01:00", cron()),
        at("10:10:30", cron({"schedules": ["15 * * * *"]})),
        until="10:30:00",
    )
    assert crons.missed(*KEY) == {"controller": 2}  # 10:10 of the old, 10:15 of the new
    assert crons.value(NEXT_SCHEDULE, *KEY) == clock("11:15:00")


def test_two_schedules_that_meet_are_due_once() -> None:
    crons = play(
        at("10:01:00", cron({"schedules": ["*/10 * * * *", "*/5 * * * *"]})), until="10:12:00"
    )
    assert crons.missed(*KEY) == {"controller": 2}  # 10:05 and 10:10


@pytest.mark.parametrize("days", [10, -10])
def test_a_jump_of_the_clock_is_not_judged(days: int) -> None:
    crons = play(at("10:01:00", cron({"schedules": ["* * * * *"]})), until="10:03:30")
    assert crons.missed(*KEY) == {"controller": 1}
    crons.jump(crons.now + days * 86400)
    crons.tick_until(crons.now + 59)  # 10:03 was watched, but not whether it was late
    assert crons.missed(*KEY) == {"controller": 1}
    crons.tick_until(crons.now + 60)
    assert crons.missed(*KEY) == {"controller": 2}


def test_every_is_shown_as_next_and_never_missed() -> None:
    """The controller counts from when it last registered the cron, which nobody else knows."""
    crons = play(at("10:01:00", cron({"schedules": ["@every 1h"]})), until="10:01:02")
    assert crons.value(NEXT_SCHEDULE, *KEY) == clock("11:01:00")
    crons.tick_until(clock("13:30:00"))
    assert crons.missed(*KEY) == {}


# -- children


def test_the_streams_may_come_in_any_order() -> None:
    history = [
        at("10:00:01", cron({"concurrencyPolicy": "Replace"})),
        at("10:00:02", run("10:00:00")),
        at("10:10:01", run("10:00:00", shutdown="Terminate")),
        at("10:10:02", run("10:10:00")),
        at("10:10:20", run("10:00:00", "Failed", finished="10:10:20", shutdown="Terminate")),
        at("10:12:00", run("10:10:00", "Failed", finished="10:12:00")),
    ]
    straight = play(*history, until="10:13:00").totals()
    assert straight["argo_cron_replaced_runs_total", KEY] == 1
    assert straight["argo_cron_consecutive_failures", KEY] == 1
    for order in itertools.permutations([event for _, event in history[1:]], 5):
        moments = [clock("10:00:02") + n for n in range(5)]
        for first in (False, True):
            events = list(zip(moments, order, strict=True))
            moment = moments[0] if first else moments[-1]
            crons = Crons()
            if first:
                crons.take(moment, history[0][1])
            for when, event in settle(events):
                crons.take(when, event)
            if not first:
                crons.take(moment, history[0][1])
            crons.tick_until(clock("10:13:00"))
            crons.tick()
            assert crons.value(REPLACED_RUNS, *KEY) == 1
            assert crons.value(START_DELAY, *KEY) == 2


def settle(events: list[Event]) -> list[Event]:
    """Both runs end as they did: a stale state is dropped before derivations see it."""
    rank = {"Running": 0, "Failed": 1}
    kept: list[Event] = []
    best: dict[str, tuple[int, bool]] = {}
    for moment, event in events:
        obj = event["object"]
        state = (rank[obj["status"]["phase"]], "shutdown" in obj["spec"])
        if state >= best.get(obj["metadata"]["uid"], (0, False)):
            best[obj["metadata"]["uid"]] = state
            kept.append((moment, event))
    return kept


def test_a_retried_run_starts_once_and_its_last_result_counts() -> None:
    crons = play(
        at("10:00:00", cron()),
        at("10:00:02", run("10:00:00", started="10:00:02")),
        at("10:03:00", run("10:00:00", "Failed", started="10:00:02", finished="10:03:00")),
        until="10:03:30",
    )
    assert crons.value(CONSECUTIVE_FAILURES, *KEY) == 1
    crons.take(*at("10:05:00", run("10:00:00", started="10:05:00")))
    crons.tick()
    assert crons.value(ACTIVE, *KEY) == 1
    assert crons.value(LAST_FAILURE, *KEY) == clock("10:03:00")
    crons.take(
        *at("10:06:00", run("10:00:00", "Succeeded", started="10:05:00", finished="10:06:00"))
    )
    crons.tick()
    assert crons.value(LAST_FAILURE, *KEY) is None
    assert crons.value(LAST_SUCCESS, *KEY) == clock("10:06:00")
    assert crons.value(CONSECUTIVE_FAILURES, *KEY) == 0
    assert crons.value(START_DELAY, *KEY) == 1
    assert crons.registry.sum(START_DELAY, KEY) == 2


def test_results_follow_the_schedule_and_not_the_order_of_the_ends() -> None:
    crons = play(
        at("10:00:00", cron()),
        at("10:00:01", run("10:00:00")),
        at("10:10:01", run("10:10:00")),
        at("10:12:00", run("10:10:00", "Succeeded", finished="10:12:00")),
        at("10:15:00", run("10:00:00", "Failed", finished="10:15:00")),
        until="10:16:00",
    )
    assert crons.value(CONSECUTIVE_FAILURES, *KEY) == 0
    assert crons.value(LAST_FAILURE, *KEY) == clock("10:15:00")


@pytest.mark.parametrize("shutdown", ["Stop", "Terminate"])
@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_what_people_ended_is_neither_success_nor_failure(shutdown: str, phase: str) -> None:
    crons = play(
        at("10:00:00", cron({"concurrencyPolicy": "Replace"})),
        at(
            "10:05:00",
            run("10:00:00", phase, finished="10:05:00", shutdown=shutdown, action=shutdown),
        ),
        at("10:10:01", run("10:10:00")),
        until="10:11:00",
    )
    assert crons.value(LAST_SUCCESS, *KEY) is None
    assert crons.value(LAST_FAILURE, *KEY) is None
    assert crons.value(CONSECUTIVE_FAILURES, *KEY) == 0
    assert crons.value(REPLACED_RUNS, *KEY) == 0


def test_a_run_terminated_before_the_next_was_due_was_not_replaced() -> None:
    """Argo before 3.6 writes no label that a person did it."""
    crons = play(
        at("10:00:00", cron({"concurrencyPolicy": "Replace"})),
        at("10:05:00", run("10:00:00", "Failed", finished="10:05:00", shutdown="Terminate")),
        at("10:10:01", run("10:10:00")),
        until="10:11:00",
    )
    assert crons.value(REPLACED_RUNS, *KEY) == 0


def test_runs_by_hand_and_resubmitted_ones_have_no_start_delay() -> None:
    by_hand = run("10:04:00", name="nightly-x7k2p", planned=False)
    again = run(
        "10:00:00", "Succeeded", name="nightly-again", created="10:06:00", finished="10:07:00"
    )
    crons = play(
        at("10:00:00", cron()),
        at("10:00:01", run("10:00:00", "Failed", finished="10:01:00")),
        at("10:04:00", by_hand),
        at("10:07:00", again),
        until="10:08:00",
    )
    assert crons.value(START_DELAY, *KEY) == 1
    assert crons.value(LAST_SCHEDULE, *KEY) == clock("10:00:00")
    assert crons.value(ACTIVE, *KEY) == 1
    assert crons.value(LAST_SUCCESS, *KEY) == clock("10:07:00")
    assert crons.value(CONSECUTIVE_FAILURES, *KEY) == 0


def test_a_run_without_annotation_is_due_as_its_name_says() -> None:
    crons = play(
        at("10:01:00", cron()),
        at("10:10:04", run("10:10:00", started="10:10:04", planned=False, created="10:10:03")),
        until="10:12:00",
    )
    assert crons.missed(*KEY) == {}
    assert crons.registry.sum(START_DELAY, KEY) == 4


def test_what_ended_before_the_first_list_is_history() -> None:
    crons = Crons()
    moment = clock("10:31:00")
    done = run("10:10:00", "Failed", started="10:10:30", finished="10:12:00")
    for obj in (done, run("10:20:00", started="10:20:05"), cron()):
        crons.take(moment, {"type": "ADDED", "object": obj}, baseline=True)
    crons.tick()
    assert crons.value(START_DELAY, *KEY) == 1
    assert crons.registry.sum(START_DELAY, KEY) == 5
    assert crons.value(LAST_FAILURE, *KEY) == clock("10:12:00")
    assert crons.value(CONSECUTIVE_FAILURES, *KEY) == 1


def test_a_streak_outlives_its_runs() -> None:
    crons = Crons()
    crons.take(*at("09:00:00", cron({"schedules": ["* * * * *"]})))
    for minute in range(1, 100):
        due = f"{9 + minute // 60:02}:{minute % 60:02}:00"
        over = run(due, "Failed", finished=due)
        crons.take(clock(due) + 1, {"type": "ADDED", "object": run(due)})
        crons.take(clock(due) + 2, {"type": "MODIFIED", "object": over})
        crons.take(clock(due) + 3, {"type": "DELETED", "object": over})
    crons.tick()
    assert crons.value(CONSECUTIVE_FAILURES, *KEY) == 99
    assert crons.value(START_DELAY, *KEY) == 99
    crons.take(*at("10:40:30", run("10:40:00", "Succeeded", finished="10:40:30")))
    crons.tick()
    assert crons.value(CONSECUTIVE_FAILURES, *KEY) == 0
    assert crons.value(LAST_FAILURE, *KEY) == clock("10:39:00")


def test_of_deleted_runs_only_some_are_kept() -> None:
    runs = CronRuns()
    for minute in range(1000):
        due = minute * 60.0
        state = Run("ci", f"nightly-{minute}", f"uid-{minute}", "p", "nightly", scheduled=due)
        state.created = due
        runs.update(state, due)
        state.phase, state.finished, state.gone = "Succeeded", due + 5, True
        runs.update(state, due + 10)
        runs.update(state, due + 10)
    assert len(runs.children) == KEEP_DELETED
    assert runs.last_success() == 999 * 60 + 5


# -- objects


def test_gauges_go_with_the_cron_and_counters_stay() -> None:
    crons = play(
        at("10:01:00", cron()),
        at("10:12:00", run("10:00:00", "Succeeded", finished="10:02:00")),
        at("10:15:00", cron(), "DELETED"),
        until="10:40:00",
    )
    assert crons.missed(*KEY) == {"controller": 1}
    assert crons.value(LAST_SUCCESS, *KEY) is None
    assert crons.value(NEXT_SCHEDULE, *KEY) is None
    assert KEY not in crons.world.cron_policies
    assert crons.value(START_DELAY, *KEY) == 1


def test_a_cron_made_anew_starts_anew() -> None:
    anew = cron({"concurrencyPolicy": "Forbid"}, uid="cron-2", created="10:15:00")
    crons = play(at("10:01:00", cron()), at("10:15:00", anew), until="10:16:00")
    crons.take(*at("10:16:00", cron(), "DELETED"))  # of the old one, late
    crons.tick_until(clock("10:22:00"))
    assert crons.missed(*KEY) == {"controller": 2}
    assert crons.value(NEXT_SCHEDULE, *KEY) == clock("10:30:00")
    assert crons.world.cron_policies[KEY] == "Forbid"


@pytest.mark.parametrize(
    "spec",
    [
        {"suspend": True},
        {"schedules": ["* * * * *", "61 * * * *"]},
        {"timezone": "Mars/Olympus"},
        {"schedules": ["0 0 30 2 *"]},
    ],
)
def test_there_is_no_next_run_where_there_will_be_none(spec: dict[str, Any]) -> None:
    assert play(at("10:01:00", cron(spec)), until="10:02:00").value(NEXT_SCHEDULE, *KEY) is None


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"schedules": []}, "schedule"),
        ({"schedules": ["* * * * *", "61 * * * *"]}, "schedule"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"schedules": ["* * * * *", "0 0 30 2 *"]}, "never_fires"),
        ({"concurrencyPolicy": "Never"}, "spec"),
        ({"startingDeadlineSeconds": -1}, "spec"),
        ({"workflowSpec": {"entrypoint": "main", "templates": [{"name": "other"}]}}, "spec"),
        ({"workflowSpec": {"templates": [{"name": "other"}]}}, "spec"),
        (
            {
                "workflowSpec": {
                    "entrypoint": "d",
                    "templates": [{"name": "d", "dag": {"tasks": [{"template": "nope"}]}}],
                }
            },
            "spec",
        ),
    ],
)
def test_a_finding_is_shown_reported_once_and_withdrawn(spec: dict[str, Any], reason: str) -> None:
    crons = play(
        at("10:01:00", cron(spec)),
        at("10:01:10", cron(spec)),
        until="10:02:00",
    )
    shown = {labels[2] for labels, value in crons.registry.samples(INVALID) if value}
    assert shown == {reason}
    assert crons.registry.problems == {("CronWorkflow", f"invalid_{reason}"): 1}
    crons.take(*at("10:03:00", cron()))
    crons.tick()
    assert not any(value for _, value in crons.registry.samples(INVALID))


@pytest.mark.parametrize(
    "workflow",
    [
        {"workflowTemplateRef": {"name": "etl"}},
        {"entrypoint": "any", "workflowTemplateRef": {"name": "etl"}},
        {
            "entrypoint": "s",
            "templates": [
                {
                    "name": "s",
                    "steps": [
                        [{"name": "a", "templateRef": {"name": "etl", "template": "x"}}],
                        [{"name": "b", "inline": {"container": {}}}],
                        [{"name": "c", "template": "{{item}}"}, {"name": "d", "template": "s"}],
                    ],
                }
            ],
        },
    ],
)
def test_references_that_cannot_be_checked_here_are_no_finding(workflow: dict[str, Any]) -> None:
    crons = play(at("10:01:00", cron({"workflowSpec": workflow})), until="10:02:00")
    assert not crons.registry.problems
