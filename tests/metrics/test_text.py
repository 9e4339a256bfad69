"""How numbers, names and exemplars are written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argoscope.metrics.text import Lines, escape, exemplar_text, header, number
from support.scrape import DURATION, RUNS, SMALLEST


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (3.0, "3"),
        (-2.0, "-2"),
        (0.25, "0.25"),
        (1e14, "100000000000000"),
        (1e15, "1000000000000000.0"),
        (1e300, "1e+300"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_a_number_is_written_as_prometheus_does(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(allow_nan=False))
def test_a_number_is_read_back_exactly(value: float) -> None:
    assert float(number(value)) == value


def test_quotes_backslashes_and_line_feeds_are_escaped() -> None:
    assert escape('a"b\\c\nd') == 'a\\"b\\\\c\\nd'
    line = Lines(RUNS).scalar(("n", 'p"', "\\"), 1.0)
    assert line == 'argo_test_runs_total{namespace="n",pipeline="p\\"",phase="\\\\"} 1\n'


def test_a_metric_without_labels_has_no_braces() -> None:
    assert Lines(SMALLEST).scalar((), 0.5) == "argo_test_smallest_ratio 0.5\n"


def test_an_exemplar_names_the_workflow() -> None:
    text = exemplar_text(("etl-x7k2p", 3.5, 1700000000.12345))
    assert text == ' # {workflow="etl-x7k2p"} 3.5 1700000000.123'
    assert exemplar_text(None) == ""


def test_an_exemplar_over_the_limit_of_openmetrics_is_left_out() -> None:
    assert exemplar_text(("w" * 120, 1.0, 1.0))
    assert exemplar_text(("w" * 121, 1.0, 1.0)) == ""


def test_headers_differ_between_the_formats() -> None:
    assert header(RUNS, openmetrics=False).decode().splitlines() == [
        '# HELP argo_test_runs_total Runs, with a "quoted" word and a back\\\\slash',
        "# TYPE argo_test_runs_total counter",
    ]
    assert header(RUNS, openmetrics=True).decode().splitlines() == [
        '# HELP argo_test_runs Runs, with a \\"quoted\\" word and a back\\\\slash',
        "# TYPE argo_test_runs counter",
    ]
    assert header(DURATION, openmetrics=True).decode().splitlines()[-1] == (
        "# UNIT argo_test_run_duration_seconds seconds"
    )
