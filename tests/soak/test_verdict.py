"""The soak's verdict: a leak, a lost event and a slow scrape are seen, and noise is not."""

from random import Random
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soak.plot import svg
from soak.verdict import MIB, Facts, Samples, failed, growth, percentile, rows, slope


def samples(resident: list[float], **more: object) -> Samples:
    at = [float(second) for second in range(len(resident))]
    made = Samples(at=at, resident=[mib * MIB for mib in resident], cpu=[0.2] * len(resident))
    made.scrapes = [(t, 0.01) for t in at]
    made.scrape_cpu = 0.01
    made.latencies = [(t, 0.7) for t in at]
    for name, value in more.items():
        setattr(made, name, value)
    return made


def facts(**more: object) -> Facts:
    given: dict[str, object] = {
        "workflows": 10_000,
        "seconds": 100.0,
        "asked": 100_000.0,
        "sent": 99_900,
        "sync_cpu": 11.0,
        "daemon_cpu": 60.0,
        "load_cpu": 90.0,
        "scraper_cpu": 30.0,
        "series": 100_000,
        "ended": 4000,
        "counted": 4000.0,
        "marks": 100,
    }
    return Facts(**{**given, **more})  # type: ignore[arg-type]


def broken(made: Samples, known: Facts) -> set[str]:
    return {row["name"] for row in rows(made, known) if row["met"] is False}


def flat(seconds: int = 100) -> list[float]:
    random = Random(1)
    return [120.0 + random.uniform(-1.0, 1.0) for _ in range(seconds)]


def test_a_quiet_run_meets_every_bar() -> None:
    assert broken(samples(flat()), facts()) == set()


def test_a_leak_is_seen_through_noise() -> None:
    leaking = [mib * (1.0 + 0.001 * second) for second, mib in enumerate(flat())]
    assert broken(samples(leaking), facts()) == {"growth of memory after the warm-up"}


def test_growth_of_the_warm_up_is_no_leak() -> None:
    warm = [60.0 + 2.0 * second for second in range(30)] + flat(70)
    assert broken(samples(warm), facts()) == set()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"counted": 4001.0}, "runs counted too often or too seldom"),
        ({"counted": 3999.0}, "runs counted too often or too seldom"),
        ({"marks": 101}, "events that never became visible"),
        ({"sent": 90_000}, "events a second"),
        ({"sync_cpu": 15.1}, "CPU of the first sync"),
    ],
)
def test_each_bar_can_fail(change: dict[str, object], name: str) -> None:
    assert broken(samples(flat()), facts(**change)) == {name}


def test_slow_scrapes_and_late_events_are_seen() -> None:
    assert broken(samples(flat(), scrape_cpu=0.021), facts()) == {"CPU of a scrape"}
    late = [(float(n), 2.5 if n % 20 == 0 else 0.5) for n in range(100)]
    assert broken(samples(flat(), latencies=late), facts()) == {"event to visible metric, p99"}
    large = samples([mib + 31.0 for mib in flat()])
    assert broken(large, facts()) == {"resident memory, most"}


@given(st.floats(-5, 5), st.floats(-100, 100), st.integers(2, 50))
def test_the_fit_of_a_line_is_its_slope(rise: float, begin: float, count: int) -> None:
    at = [float(n) for n in range(count)]
    assert slope(at, [begin + rise * t for t in at]) == pytest.approx(rise, abs=1e-6)


def test_nothing_measured_is_no_crash() -> None:
    assert growth(Samples()) == 0.0 and percentile([], 99) == 0.0 and slope([], []) == 0.0
    assert ElementTree.fromstring(svg(Samples(), "nothing")).tag.endswith("svg")


def test_the_picture_has_every_sample() -> None:
    made = samples(flat())
    root = ElementTree.fromstring(svg(made, "5 < 6 & more"))
    space = "{http://www.w3.org/2000/svg}"
    lines = [one.attrib["points"].split() for one in root.iter(f"{space}polyline")]
    assert [len(line) for line in lines] == [100, 100]
    assert len(list(root.iter(f"{space}circle"))) == 200
    assert "5 < 6 & more" in "".join(root.itertext())


def test_what_others_used_is_told_and_decides_nothing() -> None:
    found = rows(samples(flat(), others=[0.5, 0.7]), facts())
    row = next(row for row in found if row["name"].startswith("CPU that others used"))
    assert row["value"] == pytest.approx(60.0)
    assert row["met"] is None


def test_on_a_shared_machine_wall_time_does_not_decide() -> None:
    late = samples(flat(), latencies=[(0.0, 9.0)] * 100)
    found = rows(late, facts(sent=50_000, counted=3999.0))
    assert failed(found, shared=False) == [
        "event to visible metric, p99",
        "runs counted too often or too seldom",
        "events a second",
    ]
    assert failed(found, shared=True) == ["runs counted too often or too seldom"]
