"""Pauses after failures."""

import random

import pytest

from argoscope.watch.backoff import RETRY_AFTER_MOST, Backoff


def backoff() -> Backoff:
    return Backoff(0.5, 30.0, random.Random(3))


def test_pauses_double_up_to_the_most_and_are_spread() -> None:
    one = backoff()
    pauses = [one.next() for _ in range(60)]
    for number, pause in enumerate(pauses):
        middle = min(30.0, 0.5 * 2**number)
        assert 0.5 * middle <= pause <= 1.5 * middle
    assert len({round(pause, 3) for pause in pauses[10:]}) > 20


def test_success_starts_again() -> None:
    one = backoff()
    for _ in range(8):
        one.next()
    one.reset()
    assert one.failures == 0
    assert one.next() <= 0.75


@pytest.mark.parametrize("asked", [2.0, 50.0, RETRY_AFTER_MOST])
def test_never_earlier_than_asked(asked: float) -> None:
    assert asked <= backoff().next(asked) <= asked + 0.5


def test_a_longer_pause_of_our_own_stands() -> None:
    one = backoff()
    for _ in range(10):
        one.next()
    assert 1.0 < 15.0 <= one.next(1.0)
