"""What a run says of itself: figures that can be recomputed by hand."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from argoscope.load_bench.plan import Plan
from argoscope.load_bench.report import all_well, percentile, print_table, spread, summary
from argoscope.load_bench.users import Outcome


def plan(**more: object) -> Plan:
    given: dict[str, object] = {
        "kind": "workflows",
        "run": "r1",
        "namespace": "bench",
        "count": 4,
        "concurrency": 2,
        "timeout": 60.0,
        "steps": 1,
        "seconds": 1.0,
        "images": ("busybox",),
    }
    return Plan(**{**given, **more})  # type: ignore[arg-type]


def concluded(seconds: float, phase: str = "Succeeded", **more: object) -> Outcome:
    given: dict[str, object] = {"operation": "create", "result": "concluded", "request": 0.01}
    return Outcome(**{**given, "converged": seconds, "phase": phase, **more})  # type: ignore[arg-type]


def test_percentiles_are_values_that_occurred() -> None:
    hundred = [float(n) for n in range(1, 101)]
    assert spread(reversed(hundred)) == {
        "count": 100,
        "p50": 50.0,
        "p90": 90.0,
        "p99": 99.0,
        "max": 100.0,
    }
    assert spread([7.0]) == {"count": 1, "p50": 7.0, "p90": 7.0, "p99": 7.0, "max": 7.0}
    assert spread([]) == {"count": 0}


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.1, 100))
def test_so_many_percent_are_not_above_a_percentile(values: list[float], percent: float) -> None:
    found = percentile(sorted(values), percent)
    at_most = sum(value <= found for value in values)
    assert 100 * at_most >= percent * len(values) - 1e-6


def test_timeouts_are_ours_and_the_controllers() -> None:
    outcomes = [
        concluded(1.0),
        concluded(60.0, "Failed", timed_out=True),
        Outcome(operation="create", result="timeout", timed_out=True),
        Outcome(operation="create", result="refused", reason="403 Forbidden"),
    ]
    found = summary(plan(), outcomes, wall=10.0, throttled=3)
    assert found["timeouts"] == 2 and found["timeout_error_rate"] == 0.5
    assert found["concluded"] == 2 and found["throughput_per_second"] == 0.2
    assert found["refused"] == {"403 Forbidden": 1} and found["throttled"] == 3
    assert found["latency_seconds"]["create"]["convergence"]["max"] == 60.0
    assert found["complete"] and not all_well(found)


def test_a_run_that_was_cut_off_says_so_and_counts_what_it_got_to() -> None:
    outcomes = [concluded(1.0), Outcome(operation="create", result="interrupted")]
    found = summary(plan(), outcomes, wall=2.0, throttled=0)
    assert found["operations"] == 1 and not found["complete"] and not all_well(found)
    assert found["timeout_error_rate"] == 0.0


@pytest.mark.parametrize(("phase", "well"), [("Succeeded", True), ("Failed", False)])
def test_only_good_ends_are_well(phase: str, well: bool) -> None:
    found = summary(plan(), [concluded(1.0, phase)] * 4, wall=2.0, throttled=0)
    assert all_well(found) is well


def test_releases_have_figures_of_their_own() -> None:
    outcomes = [concluded(1.0, "Healthy")] * 4
    outcomes += [concluded(3.0, "Healthy", operation="release", own=2.0)] * 4
    found = summary(plan(kind="rollouts", releases=1), outcomes, wall=8.0, throttled=0)
    assert found["latency_seconds"]["create"]["convergence"]["p50"] == 1.0
    assert found["latency_seconds"]["release"]["convergence"]["p50"] == 3.0
    assert found["latency_seconds"]["release"]["convergence_by_object"]["count"] == 4
    assert all_well(found)


def test_the_table_shows_what_the_json_has() -> None:
    found = summary(plan(), [concluded(1.25, own=1.0)] * 4, wall=4.0, throttled=0)
    console = Console(width=120, record=True, file=io.StringIO())
    print_table(found, console)
    text = console.export_text()
    assert "1.250" in text and "4 of 4 concluded in 4.0 s, 1.00 a second: 4 Succeeded" in text
    assert "timeout error rate 0.00 % (0 of 4)" in text
