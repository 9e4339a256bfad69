"""The child runs of a cron: delays, results and replacements, however their events come."""

import itertools

import pytest

from argoscope.cron_schedule import parse
from argoscope.resources.cron_workflow.due import Calendar
from argoscope.resources.cron_workflow.metrics import (
    ACTIVE,
    CONSECUTIVE_FAILURES,
    LAST_FAILURE,
    LAST_SCHEDULE,
    LAST_SUCCESS,
    REPLACED_RUNS,
    START_DELAY,
)
from argoscope.resources.cron_workflow.objects import Definition
from argoscope.resources.cron_workflow.runs import KEEP_DELETED, Child, CronRuns
from argoscope.resources.world import Run
from support.crons import KEY, Crons, Event, at, clock, cron, play, run


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


def test_a_run_that_ended_while_the_first_lists_were_read_is_not_history() -> None:
    crons = Crons()
    crons.take(clock("10:10:20"), {"type": "ADDED", "object": cron()}, baseline=True)
    done = run("10:10:00", "Succeeded", finished="10:10:21")
    crons.take(clock("10:10:22"), {"type": "ADDED", "object": done}, baseline=True)
    assert crons.value(START_DELAY, *KEY) == 1


def test_what_is_not_the_first_list_counts_though_it_ended_before() -> None:
    done = run("10:10:00", "Succeeded", finished="10:11:00")
    assert play(at("11:00:00", cron()), at("11:00:00", done), until="11:00:01").value(
        START_DELAY, *KEY
    )


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


def ended(runs: CronRuns, minute: int, phase: str, *, gone: bool = True) -> Child:
    due = minute * 60.0
    state = Run("ci", f"nightly-{minute}", f"uid-{minute}", "p", "nightly", scheduled=due)
    state.created, state.phase, state.finished, state.gone = due, phase, due + 5, gone
    return runs.update(state, due + 10)


def test_a_success_that_was_kept_longer_than_later_failures_does_not_end_their_streak() -> None:
    runs = CronRuns()
    ended(runs, 1, "Succeeded", gone=False)
    for minute in range(2, 102):
        ended(runs, minute, "Failed")
    assert runs.consecutive_failures() == 100
    ended(runs, 1, "Succeeded")
    assert runs.consecutive_failures() == 100
    ended(runs, 102, "Succeeded")
    assert runs.consecutive_failures() == 0


def test_a_run_that_was_forgotten_is_not_counted_again() -> None:
    runs = CronRuns()
    for minute in range(1, 100):
        ended(runs, minute, "Failed")
    assert ended(runs, 1, "Failed").delay_seen
    assert ended(runs, 2, "Failed", gone=False).delay_seen
    assert not ended(runs, 100, "Failed").delay_seen
    assert len(runs.children) == KEEP_DELETED + 1


def test_what_the_status_told_is_forgotten_once_it_is_judged() -> None:
    crons = Calendar(schedules=(parse("* * * * *"),))
    crons.restart(0.0)
    for minute in range(1, 1000):
        crons.reported.add(minute * 60.0)
        crons.walk(minute * 60.0, Definition(), False, frozenset())
        assert not list(crons.missed(minute * 60.0 + 1, CronRuns()))
    assert len(crons.reported) < 5
