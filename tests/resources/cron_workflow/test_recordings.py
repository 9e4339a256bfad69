"""The CronWorkflows of the recorded clusters: what must come out, worked out by hand.

From the sequences in ../shared/recordings/argo-*-summary.txt and the actions beside them, before
the code was run. A time that is due less than a minute before a recording ends is undecided.
"""

import random
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from argoscope.resources.cron_workflow.metrics import (
    ACTIVE,
    CONSECUTIVE_FAILURES,
    INVALID,
    INVALID_REASONS,
    LAST_FAILURE,
    LAST_SCHEDULE,
    LAST_SUCCESS,
    NEXT_SCHEDULE,
    REPLACED_RUNS,
    START_DELAY,
    SUSPENDED,
)
from support.crons import Crons, Event, clock
from support.recordings import events

RECORDINGS = ("argo-4.1", "argo-4.1-loaded", "argo-3.6")


@dataclass(frozen=True, kw_only=True)
class Want:
    cron: str
    runs: int = 0
    """Children that started, each a sample of the start delay."""
    delays: float = 0.0
    """Sum of the start delays: every start but one was in the second of its schedule."""
    missed: dict[str, int] = field(default_factory=dict)
    last: str | None = None
    success: str | None = None
    failure: str | None = None
    upcoming: str | None = None
    streak: int = 0
    active: int = 0
    replaced: int = 0
    suspended: bool = False
    invalid: str = ""


# 4.1: created 13:13:04, due each minute from 13:14; the controller is down from 13:17:57 to
# 13:19:26 (13:18 and 13:19 are missed); recorded until 13:20:17, so 13:20 is the last that can be
# seen to have started.
ARGO_4_1 = [
    Want(
        cron="ci/minutely",
        runs=5,
        missed={"controller": 2},
        last="13:20:00",
        success="13:20:10",
        upcoming="13:21:00",
    ),
    Want(
        cron="prod/minutely-fails",
        runs=5,
        missed={"controller": 2},
        last="13:20:00",
        failure="13:20:10",
        upcoming="13:21:00",
        streak=5,
    ),
    # 13:14-13:15:53, 13:16-13:19:26 (seen late), 13:20-: 13:15, 13:17, 13:18, 13:19 are blocked
    Want(
        cron="ml/forbid-long",
        runs=3,
        missed={"forbidden": 4},
        last="13:20:00",
        success="13:19:26",
        upcoming="13:21:00",
        active=1,
    ),
    # the runs of 13:14, 13:15 and 13:16 were replaced, that of 13:17 ended by itself
    Want(
        cron="ml/replace-long",
        runs=5,
        missed={"controller": 2},
        last="13:20:00",
        success="13:19:26",
        upcoming="13:21:00",
        active=1,
        replaced=3,
    ),
    Want(cron="ci/suspended", missed={"suspended": 6}, suspended=True),
    # every two minutes: 13:14, 13:16, 13:18 missed, 13:20
    Want(
        cron="ci/tz",
        runs=3,
        missed={"controller": 1},
        last="13:20:00",
        success="13:20:10",
        upcoming="13:22:00",
    ),
    # 13:18 stayed missed, 13:19 was made up at 13:19:26
    Want(
        cron="ci/deadline",
        runs=6,
        delays=26,
        missed={"deadline": 1},
        last="13:20:00",
        success="13:20:10",
        upcoming="13:21:00",
    ),
    # stopped after 13:15
    Want(
        cron="ci/stops-after-two",
        runs=2,
        missed={"stopped": 4},
        last="13:15:00",
        success="13:15:10",
    ),
    Want(cron="ci/when-false", missed={"when_false": 6}, upcoming="13:21:00"),
    Want(cron="ci/hourly", upcoming="14:00:00"),
    Want(cron="ci/bad-schedule", invalid="schedule"),
    Want(cron="ci/bad-tz", invalid="timezone"),
    # created 13:17:32
    Want(cron="ci/broken-spec", missed={"controller": 2}, invalid="spec"),
    Want(cron="ci/never-fires", invalid="never_fires"),
]

# 4.1, loaded: created 12:39:13, due from 12:40; the controller was killed at 12:43:05 and back in
# two seconds; recorded until 12:51:13, so 12:50 is the last that is judged, 12:51 has started.
ARGO_4_1_LOADED = [
    Want(cron="ci/minutely", runs=12, last="12:51:00", success="12:51:10", upcoming="12:52:00"),
    Want(
        cron="prod/minutely-fails",
        runs=12,
        last="12:51:00",
        failure="12:51:10",
        upcoming="12:52:00",
        streak=12,
    ),
    # 12:40-12:42:16 blocks 12:41 and 12:42, and 12:43 only in status.active (until 12:43:45);
    # 12:44-12:48:20 blocks 12:45 to 12:48; 12:49- blocks 12:50
    Want(
        cron="ml/forbid-long",
        runs=3,
        missed={"forbidden": 7, "forbidden_stale": 1},
        last="12:49:00",
        success="12:48:20",
        upcoming="12:52:00",
        active=1,
    ),
    # each was replaced by the next, that of 12:50 has not ended yet
    Want(
        cron="ml/replace-long",
        runs=12,
        last="12:51:00",
        upcoming="12:52:00",
        active=2,
        replaced=11,
    ),
    Want(cron="ci/suspended", missed={"suspended": 11}, suspended=True),
    # its second schedule was 30 February until 12:43:31
    Want(cron="ci/tz", runs=6, last="12:50:00", success="12:50:31", upcoming="12:52:00"),
    Want(cron="ci/deadline", runs=12, last="12:51:00", success="12:51:10", upcoming="12:52:00"),
    # status.phase is Stopped from 12:43:45, after the run of 12:43
    Want(
        cron="ci/stops-after-two",
        runs=4,
        missed={"stopped": 7},
        last="12:43:00",
        success="12:45:10",
    ),
    Want(cron="ci/when-false", missed={"when_false": 11}, upcoming="12:52:00"),
    Want(cron="ci/hourly", upcoming="13:00:00"),
    Want(cron="ci/bad-schedule", invalid="schedule"),
    Want(cron="ci/bad-tz", invalid="timezone"),
    # created 12:45:07: 12:46 to 12:50
    Want(cron="ci/broken-spec", missed={"controller": 5}, invalid="spec"),
]

# 3.6: created 13:05:44, due from 13:06, recorded until 13:12:20: 13:11 is the last that is judged.
ARGO_3_6 = [
    Want(cron="ci/minutely", runs=7, last="13:12:00", success="13:12:10", upcoming="13:13:00"),
    Want(
        cron="prod/minutely-fails",
        runs=7,
        last="13:12:00",
        failure="13:12:10",
        upcoming="13:13:00",
        streak=7,
    ),
    # 13:06-13:07:57, 13:08-13:09:56, 13:10-13:11:52
    Want(
        cron="ml/forbid-long",
        runs=3,
        missed={"forbidden": 3},
        last="13:10:00",
        success="13:11:52",
        upcoming="13:13:00",
    ),
    Want(
        cron="ml/replace-long",
        runs=7,
        last="13:12:00",
        upcoming="13:13:00",
        active=1,
        replaced=6,
    ),
    Want(cron="ci/suspended", missed={"suspended": 6}, suspended=True),
    Want(cron="ci/tz", runs=4, last="13:12:00", success="13:12:10", upcoming="13:14:00"),
    Want(cron="ci/deadline", runs=7, last="13:12:00", success="13:12:10", upcoming="13:13:00"),
    Want(
        cron="ci/stops-after-two",
        runs=2,
        missed={"stopped": 4},
        last="13:07:00",
        success="13:07:10",
    ),
    Want(cron="ci/when-false", missed={"when_false": 6}, upcoming="13:13:00"),
    Want(cron="ci/hourly", upcoming="14:00:00"),
    Want(cron="ci/bad-schedule", invalid="schedule"),
    Want(cron="ci/bad-tz", invalid="timezone"),
    # created 13:10:12
    Want(cron="ci/broken-spec", missed={"controller": 1}, invalid="spec"),
    Want(cron="ci/never-fires", invalid="never_fires"),
]

EXPECTED = dict(zip(RECORDINGS, (ARGO_4_1, ARGO_4_1_LOADED, ARGO_3_6), strict=True))


@cache
def recorded(name: str) -> tuple[Event, ...]:
    """The streams of both kinds, without the runs of other workflows."""
    return tuple(
        (at, event)
        for at, event in events(name, "cronworkflows", "workflows")
        if event["object"]["kind"] == "CronWorkflow"
        or "workflows.argoproj.io/cron-workflow" in event["object"]["metadata"].get("labels", {})
    )


@cache
def replayed(name: str) -> Crons:
    return Crons().replay(recorded(name))


def when(text: str | None) -> float | None:
    return clock(text) if text else None


@pytest.mark.parametrize(
    ("recording", "want"),
    [(name, want) for name, wants in EXPECTED.items() for want in wants],
    ids=lambda value: value.cron if isinstance(value, Want) else value,
)
def test_each_cron_gives_what_the_summary_says(recording: str, want: Want) -> None:
    crons = replayed(recording)
    namespace, name = key = tuple(want.cron.split("/"))
    assert crons.missed(namespace, name) == want.missed
    assert crons.value(LAST_SCHEDULE, *key) == when(want.last)
    assert crons.value(LAST_SUCCESS, *key) == when(want.success)
    assert crons.value(LAST_FAILURE, *key) == when(want.failure)
    assert crons.value(NEXT_SCHEDULE, *key) == when(want.upcoming)
    assert crons.value(CONSECUTIVE_FAILURES, *key) == want.streak
    assert crons.value(ACTIVE, *key) == want.active
    assert crons.value(REPLACED_RUNS, *key) == want.replaced
    assert crons.value(SUSPENDED, *key) == want.suspended
    assert crons.value(START_DELAY, *key) == want.runs
    assert crons.registry.sum(START_DELAY, key) == want.delays
    wrong = [reason for reason in INVALID_REASONS if crons.value(INVALID, *key, reason)]
    assert wrong == ([want.invalid] if want.invalid else [])


@pytest.mark.parametrize("recording", RECORDINGS)
def test_the_table_has_every_cron_of_the_recording(recording: str) -> None:
    names = {
        f"{event['object']['metadata']['namespace']}/{event['object']['metadata']['name']}"
        for _, event in recorded(recording)
        if event["object"]["kind"] == "CronWorkflow"
    }
    assert names == {want.cron for want in EXPECTED[recording]}


@pytest.mark.parametrize("recording", RECORDINGS)
def test_doubled_events_change_nothing(recording: str) -> None:
    twice = [event for event in recorded(recording) for _ in range(2)]
    assert Crons().replay(twice).totals() == replayed(recording).totals()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("recording", RECORDINGS)
def test_one_stream_may_lag_behind_the_other(recording: str, seed: int) -> None:
    """Events of the last ten seconds are left in place, so that all arrive before the end."""
    pick = random.Random(seed)
    late = pick.choice(["CronWorkflow", "Workflow"])
    end = recorded(recording)[-1][0]
    lag = pick.uniform(0.5, 8.0)
    moved = [
        (at + lag if event["object"]["kind"] == late and at < end - 10 else at, event)
        for at, event in recorded(recording)
    ]
    moved.sort(key=lambda item: item[0])
    assert Crons().replay(moved).totals() == replayed(recording).totals()


@pytest.mark.parametrize("recording", RECORDINGS)
def test_a_relist_in_place_of_the_events_before_changes_nothing(recording: str) -> None:
    """Cut both streams for some seconds: then everything that lives is listed, in any order, and
    what is gone is a tombstone."""
    pick = random.Random(7)
    all_events = recorded(recording)
    for _ in range(4):
        cut = pick.uniform(all_events[0][0] + 60, all_events[-1][0] - 30)
        assert cut_replay(all_events, cut, 15.0).totals() == replayed(recording).totals()


def cut_replay(all_events: tuple[Event, ...], cut: float, seconds: float) -> Crons:
    crons = Crons()
    seen: dict[str, dict[str, Any]] = {}
    hidden: dict[str, dict[str, Any]] = {}
    deleted: set[str] = set()
    for at, event in all_events:
        uid = event["object"]["metadata"]["uid"]
        if at < cut:
            crons.take(at, event)
            seen[uid] = event["object"]
            if event["type"] == "DELETED":
                deleted.add(uid)
        elif at < cut + seconds:
            hidden[uid] = event["object"]
            if event["type"] == "DELETED":
                deleted.add(uid)
    now = cut + seconds
    living = {uid: obj for uid, obj in {**seen, **hidden}.items() if uid not in deleted}
    for obj in sorted(living.values(), key=lambda obj: obj["metadata"]["name"], reverse=True):
        crons.take(now, {"type": "MODIFIED", "object": obj})
    for uid in deleted & hidden.keys() & seen.keys():
        crons.gone(now, seen[uid])
    return crons.replay((at, event) for at, event in all_events if at >= now)
