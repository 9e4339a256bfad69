"""New series are shown at 0 to everybody who scrapes before they grow, and nothing is lost."""

import random
from collections import Counter
from collections.abc import Callable

import pytest

from argoscope.export.prometheus import Exposition
from argoscope.metrics.newborn import FIRST_INTERVAL, LONGEST_INTERVAL
from argoscope.metrics.registry import Registry
from support.scrape import ACTIVE, DURATION, METRICS, RUNS, key, scrape

LABELS = ("team", "etl", "Failed")
RUNS_KEY = key("argo_test_runs_total", namespace="team", pipeline="etl", phase="Failed")
COUNT_KEY = key("argo_test_run_duration_seconds_count", pipeline="etl")
ACTIVE_KEY = key("argo_test_active", pipeline="etl")


class Daemon:
    """A registry that is published every second, and those who scrape it."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.registry = Registry(METRICS, now=lambda: self.now)
        self._exposition = Exposition(self.registry, process=False)

    def scrape(self, who: str = "10.0.0.1") -> Callable[..., float | None]:
        """One scrape, of which single values can be asked."""
        publication = self.registry.newborns.publication
        seen = scrape(self._exposition)
        self.registry.newborns.scraped(who, publication)
        return seen.get

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.now += 1.0
            self.registry.publish()


@pytest.fixture
def daemon() -> Daemon:
    daemon = Daemon()
    daemon.pass_time(1)
    return daemon


def test_a_series_born_with_a_value_is_scraped_at_0_first(daemon: Daemon) -> None:
    daemon.scrape()
    daemon.registry.count(RUNS, LABELS, exemplar="etl-1")
    daemon.registry.observe(DURATION, ("etl",), 3.0, exemplar="etl-1")
    daemon.pass_time(15)
    first = daemon.scrape()
    assert (first(RUNS_KEY), first(COUNT_KEY)) == (0.0, 0.0)
    daemon.pass_time(15)
    second = daemon.scrape()
    assert (second(RUNS_KEY), second(COUNT_KEY)) == (1.0, 1.0)


def test_a_declared_series_that_grows_before_the_next_scrape_is_scraped_at_0_first(
    daemon: Daemon,
) -> None:
    daemon.scrape()
    daemon.registry.declare(RUNS, LABELS)
    daemon.pass_time(2)
    daemon.registry.count(RUNS, LABELS)
    daemon.pass_time(2)
    assert daemon.scrape()(RUNS_KEY) == 0.0
    daemon.pass_time(1)
    assert daemon.scrape()(RUNS_KEY) == 1.0


def test_what_is_counted_while_it_is_held_back_is_not_lost(daemon: Daemon) -> None:
    daemon.scrape()
    for _ in range(10):
        daemon.registry.count(RUNS, LABELS)
        daemon.pass_time(1)
    assert daemon.scrape()(RUNS_KEY) == 0.0
    daemon.registry.count(RUNS, LABELS)
    daemon.pass_time(1)
    assert daemon.scrape()(RUNS_KEY) == 11.0


def test_a_series_that_was_shown_is_never_held_back(daemon: Daemon) -> None:
    daemon.registry.count(RUNS, LABELS)
    daemon.pass_time(1)
    assert daemon.scrape()(RUNS_KEY) == 1.0
    daemon.registry.count(RUNS, LABELS)
    daemon.pass_time(1)
    assert daemon.scrape()(RUNS_KEY) == 2.0


def test_while_nobody_scrapes_nothing_is_held_back(daemon: Daemon) -> None:
    daemon.registry.count(RUNS, LABELS)
    daemon.registry.publish()
    assert daemon.scrape()(RUNS_KEY) == 1.0


def test_each_of_two_replicas_gets_the_0(daemon: Daemon) -> None:
    for _ in range(2):
        daemon.scrape("10.0.0.1")
        daemon.pass_time(7)
        daemon.scrape("10.0.0.2")
        daemon.pass_time(8)
    daemon.registry.count(RUNS, LABELS)
    daemon.pass_time(1)
    assert daemon.scrape("10.0.0.1")(RUNS_KEY) == 0.0
    daemon.pass_time(7)
    assert daemon.scrape("10.0.0.2")(RUNS_KEY) == 0.0
    daemon.pass_time(8)
    assert daemon.scrape("10.0.0.1")(RUNS_KEY) == 1.0
    daemon.pass_time(7)
    assert daemon.scrape("10.0.0.2")(RUNS_KEY) == 1.0


def test_replicas_behind_one_address_are_waited_for_as_one(daemon: Daemon) -> None:
    for _ in range(3):  # each every 60 s, one second apart
        daemon.scrape()
        daemon.pass_time(1)
        daemon.scrape()
        daemon.pass_time(59)
    daemon.registry.count(RUNS, LABELS)
    daemon.pass_time(1)
    assert daemon.scrape()(RUNS_KEY) == 0.0


def test_who_does_not_come_back_is_not_waited_for(daemon: Daemon) -> None:
    daemon.scrape("somebody with curl")
    daemon.registry.count(RUNS, LABELS)
    daemon.pass_time(1)
    assert daemon.scrape("10.0.0.1")(RUNS_KEY) == 0.0
    daemon.pass_time(2 * FIRST_INTERVAL)
    daemon.scrape("10.0.0.1")
    daemon.pass_time(10)
    assert daemon.scrape("10.0.0.1")(RUNS_KEY) == 1.0


def test_no_value_is_held_back_longer_than_it_says(daemon: Daemon) -> None:
    for _ in range(3):
        daemon.scrape()
        daemon.pass_time(LONGEST_INTERVAL)
    daemon.scrape()
    daemon.registry.count(RUNS, LABELS)
    daemon.pass_time(2 * LONGEST_INTERVAL + 10)
    assert daemon.scrape()(RUNS_KEY) == 1.0


def test_the_last_publication_shows_everything(daemon: Daemon) -> None:
    daemon.scrape()
    daemon.registry.count(RUNS, LABELS)
    daemon.registry.publish()
    daemon.registry.publish(hold=False)
    assert daemon.scrape()(RUNS_KEY) == 1.0


def test_gauges_are_shown_with_their_value(daemon: Daemon) -> None:
    daemon.scrape()
    daemon.registry.own("uid", [(ACTIVE, ("etl",), 1.0)])
    daemon.pass_time(1)
    assert daemon.scrape()(ACTIVE_KEY) == 1.0


def test_held_back_values_carry_no_exemplar(daemon: Daemon) -> None:
    daemon.scrape()
    daemon.registry.count(RUNS, LABELS, exemplar="etl-1")
    daemon.registry.observe(DURATION, ("etl",), 3.0, exemplar="etl-1")
    daemon.registry.publish()
    exposition = Exposition(daemon.registry, process=False)
    accept = "application/openmetrics-text; version=1.0.0"
    assert b"etl-1" not in exposition.render(accept, "")[0]
    daemon.scrape()
    daemon.registry.publish()
    assert exposition.render(accept, "")[0].count(b"etl-1") == 2


@pytest.mark.parametrize("seed", range(20))
def test_every_scraper_sees_every_count_grow_from_0(seed: int) -> None:
    """Each scraper that comes regularly sees each series first at 0, never go back, and in the
    end at what was counted: its increase is the truth."""
    rng = random.Random(seed)
    daemon = Daemon()
    daemon.pass_time(1)
    intervals = {f"10.0.0.{i}": rng.choice((5, 15, 30, 60)) for i in range(rng.randint(1, 3))}
    seen: dict[str, dict[str, list[float]]] = {who: {} for who in intervals}
    counted: Counter[str] = Counter()
    for who in intervals:
        daemon.scrape(who)
    for second in range(1, 601):
        if second < 400 and rng.random() < 0.2:
            pipeline = rng.choice("abcd")
            counted[pipeline] += 1
            daemon.registry.count(RUNS, ("team", pipeline, "Failed"))
        daemon.pass_time(1)
        for who, interval in intervals.items():
            if second % interval == 0:
                get = daemon.scrape(who)
                for pipeline in "abcd":
                    name = {"namespace": "team", "pipeline": pipeline, "phase": "Failed"}
                    value = get(key("argo_test_runs_total", **name))
                    if value is not None:
                        seen[who].setdefault(pipeline, []).append(value)
    for by_pipeline in seen.values():
        assert by_pipeline.keys() == counted.keys()
        for pipeline, values in by_pipeline.items():
            assert values[0] == 0.0
            assert values == sorted(values)
            assert values[-1] == counted[pipeline]
