"""Versions, duplicates, deletions, tombstones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argoscope.watch.store import Store


@pytest.mark.parametrize(
    ("seen", "offered", "taken"),
    [
        ("5", "6", True),
        ("5", "5", False),
        ("5", "4", False),
        ("9", "10", True),
        ("10", "9", False),
        ("abc", "abc", False),
        ("abc", "abd", True),
        ("abc", "7", True),
        ("7", "abc", True),
        ("7", "", True),
        ("", "", True),
    ],
)
def test_only_news_is_accepted(seen: str, offered: str, taken: bool) -> None:
    store = Store()
    assert store.accept("u", seen)
    assert store.accept("u", offered) is taken


def test_a_late_event_does_not_resurrect() -> None:
    store = Store()
    store.accept("u", "5")
    assert store.remove("u", "8")
    assert not store.accept("u", "7")
    assert not store.accept("u", "8")
    assert "u" not in store


def test_an_event_after_the_deletion_is_a_new_life() -> None:
    store = Store()
    store.accept("u", "5")
    store.remove("u", "8")
    assert store.accept("u", "9")
    assert not store.accept("u", "8")
    assert store.remove("u", "10")


def test_a_deletion_counts_once_and_never_backwards() -> None:
    store = Store()
    store.accept("u", "5")
    assert not store.remove("u", "4")
    assert store.remove("u", "5"), "some storages repeat the last version"
    assert not store.remove("u", "5")
    assert not store.remove("u", "6")


def test_a_deletion_of_what_was_never_seen_counts() -> None:
    store = Store()
    assert store.remove("u", "5")
    assert not store.remove("u", "5")


def test_what_is_missing_from_a_complete_list_is_gone() -> None:
    store = Store()
    for uid in "abc":
        store.accept(uid, "1")
    store.begin_list()
    store.listed("b")
    store.remove("c", "3")
    assert store.complete_list("4") == ["a"]
    assert len(store) == 1
    assert not store.accept("a", "4")
    assert store.complete_list("5") == []


def test_a_list_that_broke_off_makes_nothing_gone() -> None:
    store = Store()
    store.accept("a", "1")
    store.begin_list()
    store.begin_list()
    store.listed("a")
    assert store.complete_list("2") == []


def test_deletions_are_remembered_within_bounds() -> None:
    store = Store(remembered=3)
    for number in range(5):
        store.remove(str(number), "9")
    assert not store.remove("4", "9")
    assert store.remove("0", "9"), "the oldest was forgotten"
    assert len(store._deleted) == 3


def test_going_back_is_told_and_versions_can_be_forgotten() -> None:
    store = Store()
    store.accept("a", "10")
    store.remove("b", "12")
    assert store.went_back("11")
    assert not store.went_back("12")
    assert not store.went_back("opaque")
    store.forget_versions()
    assert not store.went_back("1")
    assert "a" in store
    assert store.accept("a", "3")
    assert not store.accept("a", "2")
    assert store.accept("b", "4")


def test_a_kind_that_is_gone_leaves_tombstones_for_all() -> None:
    store = Store()
    store.accept("a", "1")
    store.accept("b", "2")
    assert store.clear() == ["a", "b"]
    assert len(store) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 30), st.booleans()), max_size=60))
def test_any_order_of_events_ends_with_the_newest_state(
    events: list[tuple[str, int, bool]],
) -> None:
    """Whatever is doubled or reordered: live is exactly what its newest event leaves alive."""
    newest: dict[str, tuple[int, bool]] = {}
    fates: dict[tuple[str, int], bool] = {}
    store = Store()
    for uid, version, drawn in events:
        # One version is one event: it can't be both a change and a deletion.
        deletion = fates.setdefault((uid, version), drawn)
        taken = (store.remove if deletion else store.accept)(uid, str(version))
        if version > newest.get(uid, (0, False))[0]:
            fresh_grave = deletion and newest.get(uid, (0, False))[1]
            assert taken is not fresh_grave, "only a second deletion in a row is no news"
            newest[uid] = (version, deletion)
    live = {uid for uid, (_, deleted) in newest.items() if not deleted}
    assert {uid for uid in "abc" if uid in store} == live
