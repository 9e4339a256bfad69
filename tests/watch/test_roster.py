"""What an earlier life knew of a kind is known to be gone only when all of it has been listed."""

import json

from argoscope.catalogue import catalogue
from argoscope.metrics.registry import Registry
from argoscope.pipeline import Pipeline
from argoscope.resources._load import load
from argoscope.watch.delta import Origin
from argoscope.watch.intake import Intake
from argoscope.watch.roster import Roster

PODS = next(resource for resource in load() if resource.name == "pods")


def roster(*streams: str, before: tuple[str, ...] = ()) -> Roster:
    made = Roster()
    made.remember(["a", "b", "c"], before)
    for stream in streams:
        made.expect(stream)
    return made


def test_what_is_not_in_the_only_list_is_gone() -> None:
    known = roster("")
    known.listed("b")
    assert known.complete("") == ["a", "c"]
    assert known.complete("") == []


def test_nothing_is_gone_before_the_last_stream_was_listed() -> None:
    known = roster("one", "two")
    known.listed("a")
    assert known.complete("one") == []
    assert not known.settled
    known.listed("c")
    assert known.complete("two") == ["b"]
    assert known.settled


def test_a_list_that_breaks_off_leaves_what_it_has_shown() -> None:
    known = roster("")
    known.listed("a")
    known.listed("b")
    known.listed("b")
    assert known.complete("") == ["c"]


def test_with_the_kind_all_that_was_known_of_it_goes() -> None:
    known = roster("one", "two")
    known.listed("a")
    assert known.clear() == ["b", "c"]
    assert known.complete("one") == known.complete("two") == []


def test_streams_that_are_no_longer_watched_are_not_known_any_more() -> None:
    known = roster("one", "three", before=("one", "two"))
    assert known.listed_before("two")
    assert known.known == ["one"]
    known.complete("three")
    assert known.known == ["one", "three"]


def test_without_a_past_nothing_is_remembered() -> None:
    known = Roster()
    known.expect("")
    known.listed("a")
    assert not known.listed_before("")
    assert known.complete("") == []


def test_an_object_that_can_not_be_read_any_more_is_not_gone() -> None:
    gone: list[str] = []

    class Handler(Pipeline):
        def delete(self, watched, uid, obj, at):  # type: ignore[no-untyped-def]
            gone.append(uid)

    known = roster("")
    registry = Registry(catalogue(), now=lambda: 0.0)
    intake = Intake(PODS, Handler((PODS,), registry, report=lambda *_: None), "", known)
    intake.begin_list(Origin.RELIST)
    broken = {"metadata": {"uid": "a", "resourceVersion": "7"}, "spec": "not an object"}
    intake.item(json.dumps(broken).encode(), 1.0)
    intake.complete_list("9", 1.0)
    assert gone == ["b", "c"]
