"""Every reason for waiting has one class, or says why it has none."""

from collections import Counter

from argoscope.resources._reason_classes import CLASSES, UNCLASSED
from argoscope.resources._reasons import ADVICE


def test_every_reason_is_in_one_class_or_says_why_in_none() -> None:
    classed = Counter(reason for reasons in CLASSES.values() for reason in reasons)
    assert [reason for reason, times in classed.items() if times > 1] == []
    assert {*classed} & {*UNCLASSED} == set()
    assert {*classed, *UNCLASSED} == {*ADVICE}
