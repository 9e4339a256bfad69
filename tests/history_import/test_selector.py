"""Label selectors, as the API server evaluates them."""

import pytest

from argoscope.history_import.selector import matches

LABELS = {"team": "a", "tier": "gold", "empty": "", "example.com/x": "1"}


@pytest.mark.parametrize(
    ("selector", "result"),
    [
        ("", True),
        ("team", True),
        ("absent", False),
        ("!team", False),
        ("! absent", True),
        ("team=a", True),
        ("team == a , tier=gold", True),
        ("team=a,tier=silver", False),
        ("team!=a", False),
        ("absent!=a", True),
        ("empty=", True),
        ("absent=", False),
        ("team in (a, b)", True),
        ("team in (b,c),tier", False),
        ("tier notin (silver,bronze),team in (a)", True),
        ("absent notin (a)", True),
        ("absent in (a)", False),
        ("example.com/x in (1)", True),
    ],
)
def test_what_a_selector_selects(selector: str, result: bool) -> None:
    assert matches(selector, LABELS) is result
