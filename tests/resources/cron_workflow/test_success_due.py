"""When a success is due by the cron's own schedule, and how long a run has to come after it."""

import pytest

from argoscope.resources.cron_workflow.metrics import INTERVAL, SUCCESS_DUE
from support.crons import KEY, Crons, at, clock, cron, play, run


def due(crons: Crons) -> tuple[float | None, float | None]:
    return crons.value(SUCCESS_DUE, *KEY), crons.value(INTERVAL, *KEY)


def test_a_success_moves_it_to_the_next_due_time() -> None:
    crons = play(
        at("10:00:01", cron()),
        at("10:10:00", run("10:10:00")),
        until="10:10:30",
    )
    assert due(crons) == (clock("10:10:00"), 600)
    done = run("10:10:00", "Succeeded", finished="10:10:40")
    crons.take(*at("10:10:41", done))
    crons.tick()
    assert due(crons) == (clock("10:20:00"), 600)


def test_a_failure_and_a_run_that_never_came_leave_it_in_the_past() -> None:
    crons = play(
        at("10:00:01", cron()),
        at("10:10:00", run("10:10:00")),
        at("10:11:00", run("10:10:00", "Failed", finished="10:11:00")),
        until="10:45:00",
    )
    assert due(crons) == (clock("10:10:00"), 600)


def test_the_interval_is_the_one_that_begins_at_the_due_time() -> None:
    """22 November 2026 is a Sunday: Monday's run is followed by Tuesday's, Friday's by Monday's."""
    weekdays = cron({"schedules": ["0 9 * * 1-5"]})
    crons = play(at("10:00:00", weekdays), until="10:00:10")
    assert due(crons) == (clock("09:00:00", "2026-11-23"), 86400)
    friday = clock("09:00:00", "2026-11-27")
    crons = Crons()
    crons.take(friday - 3600, {"type": "ADDED", "object": weekdays})
    crons.tick()
    assert due(crons) == (friday, 3 * 86400)


def test_several_schedules_count_together() -> None:
    both = cron({"schedules": ["0 * * * *", "10 * * * *"]})
    crons = play(at("10:20:00", both), until="10:20:10")
    assert due(crons) == (clock("11:00:00"), 600)


@pytest.mark.parametrize(
    "spec",
    [{"suspend": True}, {"schedules": ["nonsense"]}, {"when": "{{cronworkflow.failed}} > 1"}],
)
def test_nothing_is_due_of_a_cron_that_does_not_go(spec: dict[str, object]) -> None:
    assert due(play(at("10:00:00", cron(spec)), until="10:30:00")) == (None, None)


def test_what_was_due_while_suspended_does_not_count_against_it() -> None:
    crons = play(
        at("10:00:01", cron()),
        at("10:05:00", cron({"suspend": True})),
        at("12:03:00", cron()),
        until="12:04:00",
    )
    assert due(crons) == (clock("12:10:00"), 600)


def test_nor_what_another_schedule_would_have_had() -> None:
    crons = play(
        at("10:00:01", cron()),
        at("11:05:00", cron({"schedules": ["0 * * * *"]})),
        until="11:06:00",
    )
    assert due(crons) == (clock("12:00:00"), 3600)
