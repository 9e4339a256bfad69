"""Which scheduled runs were missed, and what crons show, when the daemon was dead for a while."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from argoscope.resources.cron_workflow.metrics import (
    CONSECUTIVE_FAILURES,
    LAST_SUCCESS,
    MISSED_RUNS,
)
from support import crons
from support.box import Life
from support.counted import sums
from support.restarts import Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    made.box.end()


def at(moment: str) -> float:
    return crons.clock(moment)


def cron_cluster(cluster: Cluster, moment: str) -> None:
    cluster.now = at(moment)
    cluster.start()
    cluster.put(crons.cron({"schedules": ["* * * * *"]}))
    cluster.wait(1)


def missed(life: Life) -> dict[str, float]:
    return {labels[2]: n for labels, n in sums(life, MISSED_RUNS)[0].items()}


def test_a_due_run_is_judged_by_the_lists_and_not_before_them(cluster: Cluster) -> None:
    """Due while the daemon was dead, and made: not missed. The next one was not: missed, once."""
    cron_cluster(cluster, "10:00:30")
    cluster.box.crash()
    cluster.now = at("10:01:00")
    cluster.put(crons.run("10:01:00"))
    cluster.now = at("10:02:30")
    life = cluster.start()
    assert not missed(life)
    cluster.wait(60)
    assert missed(life) == {"controller": 1}  # 10:02; whether 10:03 was is not known yet
    cluster.box.crash()
    assert missed(cluster.start()) == {"controller": 1}


def test_a_run_that_may_have_come_and_gone_was_not_missed(cluster: Cluster) -> None:
    cron_cluster(cluster, "10:00:30")
    cluster.box.crash()
    cluster.now = at("10:04:30")
    cluster.put(
        crons.cron({"schedules": ["* * * * *"]}, {"lastScheduledTime": crons.stamp("10:04:00")})
    )
    life = cluster.start()
    cluster.wait(25)
    assert not missed(life)


def test_what_an_absence_hides_is_not_missed_however_often_the_daemon_dies_after_it(
    cluster: Cluster,
) -> None:
    """Once before all lists were complete, and once after that."""
    cron_cluster(cluster, "10:00:30")
    cluster.box.crash()
    cluster.now = at("10:03:30")
    cluster.put(
        crons.cron({"schedules": ["* * * * *"]}, {"lastScheduledTime": crons.stamp("10:03:00")})
    )
    cluster.start(["cronworkflows"])
    cluster.wait(5)
    cluster.box.crash()
    life = cluster.start()
    cluster.wait(5)
    assert not missed(life)
    cluster.box.crash()
    life = cluster.start()
    cluster.wait(60)
    assert not missed(life)
    cluster.wait(60)
    assert missed(life) == {"controller": 1}  # 10:04, after the latest that was made


def test_days_of_absence_miss_nothing_and_a_clock_set_back_neither(cluster: Cluster) -> None:
    cron_cluster(cluster, "10:00:30")
    cluster.box.crash()
    cluster.now = at("23:00:30")
    life = cluster.start()
    cluster.wait(20)
    assert not missed(life)
    cluster.box.crash()
    cluster.now = at("09:00:30")
    life = cluster.start()
    cluster.wait(20)
    assert not missed(life)
    cluster.wait(130)
    assert missed(life) == {"controller": 2}


def test_streaks_and_last_success_of_a_cron_outlive_its_runs(cluster: Cluster) -> None:
    cron_cluster(cluster, "10:00:30")
    for minute, phase in (
        ("10:01:00", "Succeeded"),
        ("10:02:00", "Failed"),
        ("10:03:00", "Failed"),
    ):
        cluster.now = at(minute) + 5
        run = crons.run(minute, phase, finished=minute)
        cluster.put(run)
        cluster.wait(1)
        cluster.remove(run)
    cluster.wait(1)
    cluster.box.crash()
    life = cluster.start()
    assert life.registry.value(CONSECUTIVE_FAILURES, crons.KEY) == 2
    assert life.registry.value(LAST_SUCCESS, crons.KEY) == at("10:01:00")
