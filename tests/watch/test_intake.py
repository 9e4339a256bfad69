"""From bytes to deltas, without a network: what a recording takes too."""

import msgspec
import pytest

from argoscope.watch.delta import Origin
from argoscope.watch.intake import Intake
from support.api_server import EPOCH, WORKFLOWS, Deltas, Kind, Thing


def raw(name: str, version: int, **more: object) -> bytes:
    meta = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    return msgspec.json.encode({"metadata": meta, **more})


DEEP = b'{"metadata":{"name":"x"},"more":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
"""More than any API server takes."""


def test_events_become_deltas() -> None:
    deltas = Deltas()
    intake = Intake(WORKFLOWS, deltas)
    assert intake.event("ADDED", raw("a", 1), 10, EPOCH) == "1"
    assert intake.event("MODIFIED", raw("a", 2, step=3), 11, EPOCH) == "2"
    assert intake.event("MODIFIED", raw("a", 2, step=3), 11, EPOCH) == "2"
    assert deltas.live == {"a": ("uid-a", 2, 3)}
    assert intake.event("DELETED", raw("a", 4), 11, EPOCH) == "4"
    assert deltas.log == [("upsert", "a"), ("upsert", "a"), ("delete", "a")]
    assert deltas.sizes == [10, 11]


def test_a_list_delivers_objects_then_tombstones_then_its_end() -> None:
    deltas = Deltas()
    intake = Intake(WORKFLOWS, deltas, "ns")
    intake.event("ADDED", raw("old", 1), 10, EPOCH)
    intake.begin_list(Origin.FIRST_LIST)
    intake.item(raw("new", 2), EPOCH)
    intake.complete_list("3", EPOCH)
    assert deltas.log == [("upsert", "old"), ("upsert", "new"), ("tombstone", "old")]
    assert deltas.origins == [Origin.WATCH, Origin.FIRST_LIST]
    assert deltas.lists == [("ns", Origin.FIRST_LIST)]
    assert deltas.sizes[1] == len(raw("new", 2))


@pytest.mark.parametrize(
    ("body", "reason", "detail", "version"),
    [
        (raw("x", 3, step="no"), "wrong_shape", "x: Expected `int`", "3"),
        (b'{"metadata":{"name":"x"', "malformed", "an object without a name: ", ""),
        (b'{"metadata":[]}', "wrong_shape", "an object without a name: ", ""),
        (DEEP, "malformed", "an object without a name: maximum recursion", ""),
        (b'{"metadata":{"name":"\xff"}}', "malformed", "an object without a name: 'utf-8'", ""),
        (b'{"metadata":{"name":"x","resourceVersion":"3"}}', "wrong_shape", "an object has", "3"),
    ],
    ids=["one field", "broken JSON", "no metadata", "too deep", "not UTF-8", "no uid"],
)
@pytest.mark.parametrize("kind", ["ADDED", "MODIFIED"])
def test_what_can_not_be_read_is_a_problem(
    kind: str, body: bytes, reason: str, detail: str, version: str
) -> None:
    deltas = Deltas()
    intake = Intake(WORKFLOWS, deltas)
    assert intake.event(kind, body, 1, EPOCH) == version
    [(told, why)] = deltas.problems
    assert told == reason
    assert why.startswith(detail)
    assert deltas.log == []


def test_an_unreadable_version_is_told_once_and_is_not_gone_at_a_relist() -> None:
    deltas = Deltas()
    intake = Intake(WORKFLOWS, deltas)
    intake.event("ADDED", raw("x", 1), 1, EPOCH)
    intake.event("MODIFIED", raw("x", 2, step="no"), 1, EPOCH)
    intake.begin_list(Origin.RELIST)
    intake.item(raw("x", 2, step="no"), EPOCH)
    intake.complete_list("2", EPOCH)
    assert len(deltas.problems) == 1
    assert deltas.log == [("upsert", "x")]


def test_a_deletion_that_can_not_be_read_is_a_problem_and_a_tombstone() -> None:
    deltas = Deltas()
    intake = Intake(WORKFLOWS, deltas)
    intake.event("ADDED", raw("x", 1), 1, EPOCH)
    intake.event("DELETED", raw("x", 2, step="no"), 1, EPOCH)
    assert deltas.log == [("upsert", "x"), ("tombstone", "x")]
    assert len(deltas.problems) == 1


def test_a_kinds_own_decoder_is_used() -> None:
    def lenient(body: bytes | msgspec.Raw) -> Thing:
        return msgspec.json.Decoder(Thing, strict=False).decode(body)

    deltas = Deltas()
    Intake(Kind(decode=lenient), deltas).event("ADDED", raw("x", 1, step="12"), 1, EPOCH)
    assert deltas.live == {"x": ("uid-x", 1, 12)}
    assert deltas.problems == []
