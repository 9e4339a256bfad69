"""Schedules against robfig's own results and against a walk over every minute."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argoscope.cron_schedule import Every, ScheduleError, parse

# Made with github.com/robfig/cron/v3 3.0.1: of each schedule the times after `after` that
# ParseStandard(schedule).Next gives, 0 for the zero time (never), null for an error. Half of the
# rows start near a change of daylight saving time, in zones where midnight, half an hour or two
# hours can be missing as well.
ROBFIG = [
    json.loads(line) for line in Path(__file__).with_name("robfig.jsonl").read_text().splitlines()
]


def due(text: str, after: float, count: int, zone: str = "") -> list[float]:
    schedule = parse(text, zone)
    times: list[float] = []
    while len(times) < count and (not times or times[-1]):
        after = schedule.next(after)
        times.append(after)
    return times


@pytest.mark.parametrize("row", ROBFIG, ids=lambda row: repr(row["schedule"]))
def test_due_times_equal_those_of_the_controllers_library(row: dict[str, object]) -> None:
    expected = row["due"]
    text, after = row["schedule"], row["after"]
    assert isinstance(text, str) and isinstance(after, int)
    if expected is None:
        with pytest.raises(ScheduleError):
            parse(text)
    else:
        assert isinstance(expected, list)
        assert due(text, after, 6) == expected


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "zone", "after", "expected"),
    [
        # 8 March 2026: 02:30 does not exist in New York, the run of that day is left out
        ("30 2 * * *", "America/New_York", "2026-03-07T12:00", ["2026-03-09T06:30"]),
        # 1 November 2026: 01:30 comes twice, and so does the run
        (
            "30 1 * * *",
            "America/New_York",
            "2026-10-31T12:00",
            ["2026-11-01T05:30", "2026-11-01T06:30", "2026-11-02T06:30"],
        ),
        ("0 9 * * *", "Asia/Kolkata", "2026-01-01T00:00", ["2026-01-01T03:30"]),
        # either day matches when both are given, both when one is a star
        ("0 0 13 * 5", "", "2026-11-22T00:00", ["2026-11-27T00:00", "2026-12-04T00:00"]),
        ("0 0 13 * *", "", "2026-11-22T00:00", ["2026-12-13T00:00", "2027-01-13T00:00"]),
        ("0 0 29 2 *", "", "2026-01-01T00:00", ["2028-02-29T00:00"]),
        ("@weekly", "", "2026-11-22T00:00", ["2026-11-29T00:00"]),
    ],
)
def test_due_times(text: str, zone: str, after: str, expected: list[str]) -> None:
    assert due(text, utc(after), len(expected), zone) == [utc(t) for t in expected]


@pytest.mark.parametrize("text", ["1 2 30 2 *", "0 0 31 4,6,9,11 *", ", * * * *"])
def test_a_schedule_without_any_date_is_never_due(text: str) -> None:
    assert parse(text).next(utc("2026-01-01T00:00")) == 0.0


@pytest.mark.parametrize(
    ("text", "zone", "reason"),
    [
        ("61 * * * *", "", "schedule"),
        ("* * * *", "", "schedule"),
        ("0 0 * * 7", "", "schedule"),
        ("50-10 * * * *", "", "schedule"),
        ("@reboot", "", "schedule"),
        ("@every soon", "", "schedule"),
        (
            "CRON_TZ=UTC * * * * *",
            "Europe/Berlin",
            "schedule",
        ),  # the controller puts its own before
        ("* * * * *", "Mars/Olympus", "timezone"),
        ("* * * * *", "../localtime", "timezone"),
        ("* * * * *", "America", "timezone"),
    ],
)
def test_what_the_controller_refuses_is_refused(text: str, zone: str, reason: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse(text, zone)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("text", "seconds"), [("@every 1h30m", 5400), ("@every 1.5s", 1), ("@every 0", 1)]
)
def test_every_counts_whole_seconds_from_the_registration(text: str, seconds: int) -> None:
    assert parse(text) == Every(seconds)
    assert parse(text).next(1000.7) == 1000 + seconds


Field = tuple[str, frozenset[int]]


@st.composite
def fields(draw: st.DrawFn, low: int, high: int) -> Field:
    """A field's text and, made independently of the parser, the values it stands for."""
    kind = draw(st.sampled_from(["*", "?", "*/n", "n", "n-m", "n-m/s", "n/s", "list"]))
    number = st.integers(low, high)
    step = draw(st.integers(2, 12))
    if kind in ("*", "?"):
        return kind, frozenset(range(low, high + 1))
    if kind == "*/n":
        return f"*/{step}", frozenset(range(low, high + 1, step))
    if kind == "n/s":
        first = draw(number)
        return f"{first}/{step}", frozenset(range(first, high + 1, step))
    if kind == "list":
        values = draw(st.lists(number, min_size=1, max_size=4))
        return ",".join(map(str, values)), frozenset(values)
    first, last = sorted((draw(number), draw(number)))
    if kind == "n":
        return str(first), frozenset({first})
    if kind == "n-m":
        return f"{first}-{last}", frozenset(range(first, last + 1))
    return f"{first}-{last}/{step}", frozenset(range(first, last + 1, step))


# Zones that change at full hours and not at midnight: elsewhere robfig itself leaves the
# definition (see its note on Sao Paulo), which the table above covers.
ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Sydney"]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    minute=fields(0, 59),
    hour=fields(0, 23),
    dom=fields(1, 31),
    month=fields(1, 12),
    dow=fields(0, 6),
    zone=st.sampled_from(ZONES),
    start=st.one_of(
        st.integers(int(utc("2024-01-01T00:00")) // 60, int(utc("2030-01-01T00:00")) // 60),
        st.sampled_from(["2026-03-07T20:00", "2026-03-28T20:00", "2026-10-24T20:00"]),
        st.just("2026-10-31T20:00"),
    ),
)
def test_due_times_equal_a_walk_over_every_minute(
    minute: Field, hour: Field, dom: Field, month: Field, dow: Field, zone: str, start: int | str
) -> None:
    any_day = dom[0] in ("*", "?") or dow[0] in ("*", "?")

    def matches(moment: float) -> bool:
        wall = datetime.fromtimestamp(moment, ZoneInfo(zone))
        day, weekday = wall.day in dom[1], wall.isoweekday() % 7 in dow[1]
        return (
            wall.minute in minute[1]
            and wall.hour in hour[1]
            and wall.month in month[1]
            and (day and weekday if any_day else day or weekday)
        )

    begin = utc(start) if isinstance(start, str) else start * 60
    end = begin + timedelta(days=2).total_seconds()
    walked = [t for t in range(int(begin) + 60, int(end) + 1, 60) if matches(t)]
    schedule = parse(" ".join(f[0] for f in (minute, hour, dom, month, dow)), zone)
    found: list[float] = []
    at = schedule.next(begin)
    while 0 < at <= end:
        found.append(at)
        at = schedule.next(at)
    assert found == walked
