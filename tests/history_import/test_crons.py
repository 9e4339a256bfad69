"""What crons show of runs that were imported: last results and the streak, each run once."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from argoscope.history_import.deriving import History
from argoscope.history_import.importing import Importer
from argoscope.history_import.source import Wanted
from argoscope.ledger.ledger import Ledger
from argoscope.resources._base import Options
from argoscope.resources.cron_workflow.metrics import (
    CONSECUTIVE_FAILURES,
    LAST_FAILURE,
    LAST_SUCCESS,
    START_DELAY,
)
from support.box import KINDS, Life
from support.counted import sums
from support.crons import KEY, clock, cron, run
from support.restarts import Cluster

Object = dict[str, Any]
ORDERS = [
    sorted(KINDS, key=lambda kind: kind == "cronworkflows"),
    sorted(KINDS, key=lambda kind: kind != "cronworkflows"),
]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    made.now = clock("10:05:00")
    yield made
    made.box.end()


def ended(due: str, phase: str, **more: Any) -> Object:
    return run(due, phase, finished=f"{due[:-2]}30", **more)


def load(cluster: Cluster, *runs: Object) -> None:
    """Import them into the ledger of a daemon that is not there."""
    ledger = Ledger.open(cluster.box.path)
    history = History(Options(), lambda *problem: pytest.fail(str(problem)))
    importer = Importer(history, Wanted(since=0.0), ledger=ledger, clock=lambda: cluster.now)
    importer.objects(((json.dumps(one).encode(), "here") for one in runs), lambda _: None)
    importer.commit()
    ledger.close()


def shown(life: Life) -> tuple[float, float, float]:
    """Consecutive failures, and when the last success and the last failure ended."""
    value = life.registry.value
    streak = value(CONSECUTIVE_FAILURES, KEY)
    assert streak is not None
    times = [value(metric, KEY) or 0.0 for metric in (LAST_SUCCESS, LAST_FAILURE)]
    return streak, times[0], times[1]


def end_of(due: str) -> float:
    return clock(f"{due[:-2]}30")


PAST = (
    ended("09:10:00", "Failed"),
    ended("09:20:00", "Succeeded"),
    ended("09:30:00", "Failed"),
    ended("09:40:00", "Error"),
)
TRUTH = (2.0, end_of("09:20:00"), end_of("09:40:00"))


def test_last_results_and_the_streak_are_right_on_the_first_day(cluster: Cluster) -> None:
    load(cluster, *PAST)
    cluster.put(cron())
    assert shown(cluster.start()) == TRUTH


@pytest.mark.parametrize("order", ORDERS, ids=["workflows first", "crons first"])
def test_what_the_cluster_has_still_counts_once(cluster: Cluster, order: list[str]) -> None:
    load(cluster, *PAST)
    cluster.put(cron())
    cluster.put(PAST[3])
    cluster.put(PAST[1])
    assert shown(cluster.start(order)) == TRUTH
    cluster.box.end()
    assert shown(cluster.start(order)) == TRUTH


def test_it_goes_on_from_there_and_survives_restarts(cluster: Cluster) -> None:
    load(cluster, *PAST)
    cluster.put(cron())
    cluster.start()
    failed = ended("10:00:00", "Failed")
    cluster.put(failed)
    cluster.wait(2)
    truth = (3.0, TRUTH[1], end_of("10:00:00"))
    for end in (cluster.box.crash, cluster.box.end):
        end()
        life = cluster.start()
        assert shown(life) == truth
    cluster.remove(failed)
    cluster.wait(2)
    cluster.box.crash()
    assert shown(cluster.start()) == truth
    cluster.put(ended("10:10:00", "Succeeded"))
    cluster.wait(2)
    truth = (0.0, end_of("10:10:00"), truth[2])
    cluster.box.crash()
    assert shown(cluster.start()) == truth


def test_an_import_beside_what_the_daemon_has_seen(cluster: Cluster) -> None:
    """Older and newer runs come; what the daemon had goes on to count, once."""
    cluster.put(cron())
    cluster.start()
    cluster.put(PAST[3])
    cluster.wait(2)
    cluster.remove(PAST[3])
    cluster.wait(2)
    cluster.box.end()
    load(cluster, *PAST, ended("10:00:00", "Failed"))
    assert shown(cluster.start()) == (3.0, TRUTH[1], end_of("10:00:00"))
    cluster.box.end()
    load(cluster, ended("10:03:00", "Succeeded"))
    assert shown(cluster.start()) == (0.0, end_of("10:03:00"), end_of("10:00:00"))


def test_a_run_that_the_import_has_and_the_daemon_finds_has_its_start_delay(
    cluster: Cluster,
) -> None:
    cluster.put(cron())
    cluster.start()
    cluster.wait(1)
    cluster.box.crash()
    cluster.now = clock("10:12:00")
    new = ended("10:10:00", "Failed", started="10:10:03")
    cluster.put(new)
    load(cluster, new)
    life = cluster.start()
    assert shown(life) == (1.0, 0.0, end_of("10:10:00"))
    assert sums(life, START_DELAY)[0] == {KEY: 1}


def test_runs_that_people_ended_and_attempts_that_were_retried_are_no_results(
    cluster: Cluster,
) -> None:
    stopped = ended("09:50:00", "Failed", shutdown="Stop", action="Stop")
    first = ended("09:55:00", "Failed")
    second = json.loads(json.dumps(first))
    second["status"] |= {"phase": "Succeeded", "finishedAt": "2026-11-22T10:01:00Z"}
    load(cluster, *PAST, stopped)
    cluster.put(cron())
    assert shown(cluster.start()) == TRUTH
    cluster.box.end()
    load(cluster, first)
    assert shown(cluster.start()) == (3.0, TRUTH[1], end_of("09:55:00"))
    cluster.box.end()
    load(cluster, second)
    assert shown(cluster.start())[:2] == (0.0, clock("10:01:00"))


def test_runs_of_an_earlier_cron_of_that_name_are_not_those_of_this_one(cluster: Cluster) -> None:
    load(cluster, *PAST)
    cluster.put(cron(created="09:35:00"))
    assert shown(cluster.start()) == (1.0, 0.0, TRUTH[2])


RESULTS = st.sampled_from(["Succeeded", "Failed", "Error"])
PLACES = st.sampled_from(["archive", "cluster", "both"])


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    runs=st.lists(st.tuples(RESULTS, PLACES), max_size=14),
    later=st.lists(RESULTS, max_size=4),
    order=st.sampled_from(ORDERS),
    again=st.booleans(),
)
@example(
    runs=[("Failed", "archive"), ("Succeeded", "cluster"), ("Failed", "archive")],
    later=[],
    order=ORDERS[1],
    again=False,
)
def test_wherever_runs_are_found_what_is_shown_is_the_truth(
    tmp_path_factory: pytest.TempPathFactory,
    runs: list[tuple[str, str]],
    later: list[str],
    order: list[str],
    again: bool,
) -> None:
    cluster = Cluster(tmp_path_factory.mktemp("crons"))
    try:
        shown_is_true(cluster, runs, later, order, again=again)
    finally:
        cluster.box.end()


def shown_is_true(
    cluster: Cluster,
    runs: list[tuple[str, str]],
    later: list[str],
    order: list[str],
    *,
    again: bool,
) -> None:
    cluster.now = clock("10:05:00")
    cluster.put(cron())
    made = [
        (ended(f"09:{10 + number}:00", phase), place) for number, (phase, place) in enumerate(runs)
    ]
    for one, place in made:
        if place != "archive":
            cluster.put(one)
    load(cluster, *(one for one, place in made if place != "cluster"))
    all_runs = [one for one, _ in made]
    assert shown(cluster.start(order)) == truth(all_runs)
    for number, phase in enumerate(later):
        one = ended(f"10:0{number}:00", phase)
        cluster.put(one)
        all_runs.append(one)
    cluster.wait(2)
    if again:
        cluster.box.end()
        cluster.start(order)
    assert cluster.box.life is not None
    assert shown(cluster.box.life) == truth(all_runs)


def truth(runs: Iterable[Object]) -> tuple[float, float, float]:
    streak, success, failure = 0.0, 0.0, 0.0
    for one in runs:
        end = clock(one["status"]["finishedAt"][11:19])
        if one["status"]["phase"] == "Succeeded":
            streak, success = 0.0, end
        else:
            streak, failure = streak + 1, end
    return streak, success, failure
