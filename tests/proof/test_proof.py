"""The proof's own parts, which would overlook things if they were wrong; it runs by make proof."""

import shutil
from collections.abc import Iterator

import pytest

from argoscope_alerts._load import load
from argoscope_alerts._rule import Alert
from argoscope_alerts.config import DEFAULT
from argoscope_dashboards._load import load as load_dashboards
from proof.plays import PROVEN_BY, WITHOUT_DATA, plays
from proof.prometheus import Prometheus, serving
from proof.remote_write import Writer
from proof.rules import Span, in_order, states
from proof.scraping import Target

AT = 1_764_000_000.0


@pytest.fixture(scope="module")
def server() -> Iterator[Prometheus]:
    if shutil.which("prometheus") is None:
        pytest.skip("needs Prometheus: the Debian package prometheus")
    with serving() as running:
        yield running


def test_every_alert_has_a_play_that_proves_it() -> None:
    rules = [rule for group in load() for rule in group.built(DEFAULT)]
    alerts = {rule.name for rule in rules if isinstance(rule, Alert)}
    assert set(PROVEN_BY) == alerts
    assert set(PROVEN_BY.values()) <= {play.name for play in plays()}


def test_every_scenario_of_the_proof_can_be_read() -> None:
    assert all(play.read().about for play in plays())


def test_queries_that_are_excused_exist() -> None:
    titles = {dashboard.title.removeprefix("Argo / ") for dashboard in load_dashboards()}
    assert {title for title, _, _ in WITHOUT_DATA} <= titles


def test_what_is_gone_is_stale_at_once(server: Prometheus) -> None:
    target, writer = Target("stale", "job"), Writer(server.address)
    target.scrape(AT, b'gone{a="x\\"y\\nz"} 1\nstays{} 2.5\n')
    target.scrape(AT + 30.0, b"stays{} 3\n")
    target.send(writer)
    writer.close()
    (before,) = server.instant('gone{cluster="stale"}', AT + 29.0)
    assert before["metric"]["a"] == 'x"y\nz'
    assert server.instant('gone{cluster="stale"}', AT + 31.0) == []
    (stays,) = server.instant('stays{cluster="stale"}', AT + 31.0)
    assert stays["value"][1] == "3"
    (scraped,) = server.instant('scrape_samples_scraped{cluster="stale"}', AT + 31.0)
    assert scraped["value"][1] == "1"


def test_a_scrape_that_fails_is_down_and_takes_everything_with_it(server: Prometheus) -> None:
    target, writer = Target("down", "job"), Writer(server.address)
    target.scrape(AT, b"one 1\n")
    target.scrape(AT + 30.0, None)
    target.send(writer)
    writer.close()
    assert [one["value"][1] for one in server.instant('up{cluster="down"}', AT + 31.0)] == ["0"]
    assert server.instant('one{cluster="down"}', AT + 31.0) == []


def test_much_at_once_arrives_whole(server: Prometheus) -> None:
    """More than one request, and more than one literal of Snappy's."""
    target, writer = Target("large", "job"), Writer(server.address)
    page = "".join(f'many{{n="{n}"}} {n}\n' for n in range(50_000))
    target.scrape(AT, page.encode())
    target.send(writer)
    writer.close()
    (found,) = server.instant('sum(many{cluster="large"})', AT + 1.0)
    assert float(found["value"][1]) == sum(range(50_000))


def test_an_alert_waits_and_goes_on_as_prometheus_lets_it() -> None:
    span = Span(0.0, 600.0, 60.0)
    active = [60.0, 120.0, 180.0, 240.0]
    assert states(active, span, 120.0, 0.0) == ([60.0, 120.0], [180.0, 240.0])
    assert states(active, span, 120.0, 120.0) == ([60.0, 120.0], [180.0, 240.0, 300.0, 360.0])
    assert states(active, span, 300.0, 120.0) == (active, [])
    assert states([60.0, 180.0], span, 60.0, 0.0) == ([60.0, 180.0], [])


def test_rules_come_after_those_that_they_need() -> None:
    needs = {"record": "a:b:c", "expr": "x:y:z + 1"}
    gives = {"record": "x:y:z", "expr": "up"}
    groups = [{"name": "one", "rules": [needs]}, {"name": "two", "rules": [gives]}]
    assert [rule for _, rule in in_order(groups)] == [gives, needs]
    with pytest.raises(ValueError, match="need each other"):
        in_order([{"name": "one", "rules": [needs, {**gives, "expr": "a:b:c"}]}])
