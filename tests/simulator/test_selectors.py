"""Selectors as API servers read them."""

import pytest

from argoscope.simulator.selectors import field_test, label_test

LABELS = {"app": "web", "tier": "front", "argoproj.io/x": ""}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("app", True),
        ("argoproj.io/x", True),
        ("!app", False),
        ("!other", True),
        ("app=web", True),
        ("app==web", True),
        ("app = db", False),
        ("app!=db", True),
        ("other!=db", True),
        ("app=web,tier=front", True),
        ("app=web, tier=back", False),
        ("app in (db, web)", True),
        ("app in (db,cache),tier", False),
        ("app notin (db)", True),
        ("other notin (db)", True),
    ],
)
def test_labels_are_selected(selector: str, matches: bool) -> None:
    assert label_test(selector)(LABELS) is matches


@pytest.mark.parametrize("selector", ["app web", "app in web", "=x y"])
def test_what_is_no_label_selector_is_refused(selector: str) -> None:
    with pytest.raises(ValueError, match="unable to parse"):
        label_test(selector)


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("involvedObject.kind=Pod", True),
        ("involvedObject.kind=Pod,reason!=Pulled", True),
        ("involvedObject.kind!=Pod", False),
        ("a.b.c=", True),
    ],
)
def test_fields_are_selected(selector: str, matches: bool) -> None:
    obj = {"involvedObject": {"kind": "Pod"}, "reason": "BackOff"}
    assert field_test(selector)(obj) is matches


def test_what_is_no_field_selector_is_refused() -> None:
    with pytest.raises(ValueError, match="unable to parse"):
        field_test("reason")
