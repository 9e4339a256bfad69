"""Whole recordings through intake, store, pipeline and registry, told well or badly.

The totals must be those of a recount (support/workflow_recount.py) in which no code of argoscope
takes part: when every event comes, when events are lost, doubled or late, and when a relist takes
the place of a part of the stream, short of what that hides.
"""

import json
import random
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argoscope.metrics.internal import RUNS_UNOBSERVED
from argoscope.metrics.model import Metric
from argoscope.metrics.registry import Registry
from argoscope.pipeline import Pipeline
from argoscope.resources.workflow import RESOURCE
from argoscope.resources.workflow import metrics as m
from argoscope.watch.delta import Origin
from argoscope.watch.intake import Intake
from support.recordings import RECORDINGS, events
from support.workflow_recount import OVER, Recount, recount

IN_PASSING = ("lock", "queue", "unknown")
"""Causes of a node's time that can't be told apart once it is over, unless its pod is known."""


@dataclass(frozen=True)
class Event:
    at: float
    type: str
    uid: str
    version: int
    attempt_end: str
    """status.finishedAt of a finished run, else empty."""
    raw: bytes
    object: dict[str, Any]


@cache
def stream(recording: str) -> tuple[Event, ...]:
    found = []
    for at, event in events(recording, "workflows"):
        obj = event["object"]
        status = obj.get("status") or {}
        over = status.get("phase") in OVER
        meta = obj["metadata"]
        found.append(
            Event(
                at=at,
                type=event["type"],
                uid=meta["uid"],
                version=int(meta["resourceVersion"]),
                attempt_end=(status.get("finishedAt") or "") if over else "",
                raw=json.dumps(obj).encode(),
                object=obj,
            )
        )
    return tuple(found)


class Daemon:
    """All of the daemon between the watch's bytes and the registry, for Workflows alone."""

    def __init__(self) -> None:
        self.problems: list[tuple[str, str, str]] = []
        self.now = 0.0
        self.registry = Registry(RESOURCE.metrics, now=lambda: self.now)
        pipeline = self.pipeline = Pipeline(
            (RESOURCE,), self.registry, report=lambda *p: self.problems.append(p)
        )
        pipeline.world.cron_policies["ml", "replace-long"] = "Replace"
        self.intake = Intake(RESOURCE, pipeline)

    def take(self, told: list[Event]) -> "Daemon":
        for event in told:
            self.now = max(self.now, event.at)
            self.intake.event(event.type, event.raw, len(event.raw), event.at)
        return self

    def relist(self, live: list[Event]) -> "Daemon":
        self.intake.begin_list(Origin.RELIST)
        for event in live:
            self.intake.item(event.raw, self.now)
        version = max((event.version for event in live), default=0)
        self.intake.complete_list(str(version), self.now)
        return self

    def sums(self, metric: Metric) -> tuple[dict[Any, float], dict[Any, float]]:
        counts = {labels: n for labels, n in self.registry.samples(metric) if n}
        return counts, {labels: self.registry.sum(metric, labels) for labels in counts}

    def assert_equals(self, expected: Recount) -> None:
        assert self.sums(m.RUNS)[0] == expected.runs
        assert self.sums(m.RUN_DURATION) == (expected.runs, expected.run_seconds)
        assert self.sums(m.TEMPLATE_DURATION) == (expected.attempts, expected.attempt_seconds)
        assert self.sums(m.TEMPLATE_RETRIES)[0] == expected.retries
        assert self.sums(m.RESOURCE_SECONDS)[0] == expected.resources
        assert not [problem for problem in self.problems if problem[1] != "no_finish"]

    def counters(self) -> dict[str, dict[Any, float]]:
        """Everything that was counted, short of what only events in passing can tell: how long
        a lock was waited for, and whether a node without a pod was held back or is unknown.

        Nothing is told of pods here, so runs wait for them no longer.
        """
        self.pipeline.finish()
        found = {
            metric.name: {labels: n for labels, n in self.registry.samples(metric) if n}
            for metric in (*RESOURCE.metrics, RUNS_UNOBSERVED)
            if metric.instrument != "gauge" and metric not in (m.LOCK_WAIT, m.CRITICAL_SHARE)
        }
        path: Counter[Any] = Counter()
        for (*run, cause), seconds in found[m.CRITICAL_PATH.name].items():
            path[(*run, "held" if cause in IN_PASSING else cause)] += seconds
        found[m.CRITICAL_PATH.name] = {labels: round(n, 3) for labels, n in path.items()}
        return found


@cache
def told_well(recording: str) -> Daemon:
    return Daemon().take(list(stream(recording)))


@cache
def expected_of(recording: str) -> Recount:
    return recount(event.object for event in stream(recording))


@pytest.mark.parametrize("recording", RECORDINGS)
def test_totals_equal_an_independent_recount(recording: str) -> None:
    expected = expected_of(recording)
    assert sum(expected.runs.values()) > 80  # the recording was read
    told_well(recording).assert_equals(expected)


def essential(told: tuple[Event, ...]) -> set[int]:
    """Places in the stream whose loss hides something: ends of attempts, last states, deletions,
    and the events that alone show what somebody did for a while."""
    last_of: dict[tuple[str, str], int] = {}
    newest: dict[str, int] = {}
    places = set()
    suspended: dict[str, bool] = {}
    for place, event in enumerate(told):
        newest[event.uid] = place
        if event.attempt_end:
            last_of[event.uid, event.attempt_end] = place
        elif event.type == "DELETED":
            places.add(place)
        now = bool(event.object["spec"].get("suspend"))
        if now != suspended.get(event.uid, False):
            places.add(place)
        suspended[event.uid] = now
    return places | set(last_of.values()) | set(newest.values())


def garbled(told: tuple[Event, ...], seed: int) -> list[Event]:
    """A third of what may be lost is lost, a third doubled, and old versions come late."""
    chance = random.Random(seed)
    keep = essential(told)
    result: list[Event] = []
    for place, event in enumerate(told):
        fate = chance.random()
        if fate < 0.33 and place not in keep:
            continue
        result.append(event)
        if fate > 0.66:
            result.append(event)
        if chance.random() < 0.1:
            result.append(chance.choice(result))
    return result


@pytest.mark.parametrize("recording", RECORDINGS)
@settings(max_examples=6, derandomize=True, deadline=None, database=None)
@given(seed=st.integers(0, 2**32))
def test_lost_doubled_and_late_events_change_no_total(recording: str, seed: int) -> None:
    daemon = Daemon().take(garbled(stream(recording), seed))
    daemon.assert_equals(expected_of(recording))
    assert daemon.counters() == told_well(recording).counters()


def hidden_by(told: tuple[Event, ...], start: int, end: int) -> tuple[Counter[str], list[Event]]:
    """What the cut from ``start`` to ``end`` hides: unobserved attempts by reason; and what is
    live after it."""
    known: dict[str, Event] = {}
    for event in told[:start]:
        if event.type == "DELETED":
            known.pop(event.uid, None)
        else:
            known[event.uid] = event
    live = dict(known)
    for event in told[start:end]:
        if event.type == "DELETED":
            live.pop(event.uid, None)
        else:
            live[event.uid] = event
    unobserved: Counter[str] = Counter()
    for uid, before in known.items():
        if before.attempt_end:
            continue
        if uid not in live:
            unobserved["deleted_unseen"] += 1
            continue
        began = (before.object.get("status") or {}).get("startedAt")
        if began and began != live[uid].object["status"].get("startedAt"):
            unobserved["retried_unseen"] += 1
    return unobserved, list(live.values())


def test_a_cut_is_known_to_hide_something_in_some_places() -> None:
    """The next test would say nothing if no cut hid a run."""
    told = stream("argo-4.1")
    reasons: Counter[str] = Counter()
    for start in range(0, len(told), 40):
        reasons += hidden_by(told, start, len(told))[0]
    assert reasons["deleted_unseen"]
    assert reasons["retried_unseen"]


@pytest.mark.parametrize("recording", RECORDINGS)
@settings(max_examples=8, derandomize=True, deadline=None, database=None)
@given(cut=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_relist_in_place_of_events_hides_nothing_that_is_not_counted(
    recording: str, cut: tuple[float, float]
) -> None:
    told = stream(recording)
    start, end = sorted(int(place * len(told)) for place in cut)
    unobserved, live = hidden_by(told, start, end)
    daemon = Daemon().take(list(told[:start]))
    daemon.now = told[end - 1].at if end else 0.0
    daemon.relist(live).take(list(told[end:]))
    seen = [*told[:start], *live, *told[end:]]
    daemon.assert_equals(recount(event.object for event in seen))
    deleted = [event for event in told[:start] + told[end:] if event.type == "DELETED"]
    running = sum(not event.attempt_end for event in deleted)
    expected = unobserved + Counter({"deleted_running": running} if running else {})
    assert {r[0]: n for r, n in daemon.registry.samples(RUNS_UNOBSERVED) if n} == expected


@pytest.mark.parametrize("recording", RECORDINGS)
def test_relists_without_a_gap_change_nothing(recording: str) -> None:
    told = stream(recording)
    daemon = Daemon()
    for start in range(0, len(told), 60):
        daemon.take(list(told[start : start + 60]))
        daemon.relist(hidden_by(told, start + 60, start + 60)[1])
    assert daemon.counters() == told_well(recording).counters()


def test_first_list_is_history_and_what_was_live_then_counts_when_it_ends() -> None:
    told = stream("argo-4.1")
    start = len(told) // 2
    live = hidden_by(told, start, start)[1]
    daemon = Daemon()
    daemon.now = told[start].at
    daemon.intake.begin_list(Origin.FIRST_LIST)
    for event in live:
        daemon.intake.item(event.raw, daemon.now)
    daemon.intake.complete_list(str(told[start - 1].version), daemon.now)
    assert daemon.counters() == {name: {} for name in daemon.counters()}
    daemon.take(list(told[start:]))
    before, after = recount(e.object for e in live), recount(e.object for e in told[start:])
    ended = {(e.uid, e.attempt_end) for e in live if e.attempt_end}
    again = recount(
        e.object for e in told[start:] if e.attempt_end and (e.uid, e.attempt_end) in ended
    )
    assert daemon.sums(m.RUNS)[0] == after.runs - again.runs
    assert sum(before.runs.values()) > 20
