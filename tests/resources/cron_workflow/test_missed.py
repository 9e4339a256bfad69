"""Missed runs in virtual time: which are, why, and which are not."""

from typing import Any

import pytest

from argoscope.resources.cron_workflow.metrics import (
    LAST_SCHEDULE,
    MISSED_REASONS,
    MISSED_RUNS,
    NEXT_SCHEDULE,
    REPLACED_RUNS,
    START_DELAY,
)
from support.crons import KEY, Crons, at, clock, cron, play, run, stamp


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
BLOCKER = f"uid-nightly-{int(clock('10:00:00'))}"


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


def test_the_old_state_holds_until_the_change_though_no_tick_came_between() -> None:
    crons = play(at("10:01:00", cron({"suspend": True})), until="10:09:59")
    crons.now = clock("10:10:00") + 0.5
    crons.take(crons.now, {"type": "MODIFIED", "object": cron()})
    crons.tick_until(clock("10:12:00"))
    assert crons.missed(*KEY) == {"suspended": 1}


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
    crons.take(*at("11:30:00", cron({"schedules": ["@every 1h"]}, {"phase": "Active"})))
    crons.tick()
    assert crons.value(NEXT_SCHEDULE, *KEY) == clock("12:30:00")
    crons.tick_until(clock("14:00:00"))
    assert crons.missed(*KEY) == {}


def test_between_due_times_an_unchanged_cron_costs_nothing() -> None:
    crons = Crons()
    for second in range(50):
        crons.take(clock("10:01:00") + second, {"type": "MODIFIED", "object": cron()})
    for due in ("10:10:00", "10:20:00", "10:30:00"):
        crons.tick_until(clock(due) - 1)
        before = crons.renewals
        crons.tick_until(clock(due) + 65)
        assert crons.renewals - before <= 2  # when it is due, and when it is judged
    before = crons.renewals
    crons.tick_until(clock("10:39:00"))
    assert crons.renewals == before
