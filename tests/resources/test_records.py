"""Records as bytes: small, exact, and never mistaken for those of another layout."""

from array import array

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argoscope.catalogue import catalogue
from argoscope.metrics.internal import DECODE_ERRORS
from argoscope.metrics.registry import Registry
from argoscope.resources._base import Seen
from argoscope.resources._records import Codec, Journal
from argoscope.resources.pod._stored import CODEC as PODS
from argoscope.resources.pod._timeline import Episode
from argoscope.resources.pod._timeline import Record as PodRecord
from argoscope.resources.workflow.record import Record
from argoscope.resources.workflow.stored import CODEC as WORKFLOWS
from argoscope.resources.workflow.stored import pack, unpack
from argoscope.resources.world import Run


class Thing(msgspec.Struct, array_like=True):
    name: str
    at: float
    times: dict[str, float] = {}
    pairs: tuple[tuple[float, float], ...] = ()


THINGS: Codec[Thing] = Codec(3, Thing)
_number = st.floats(allow_nan=False)


@given(
    st.builds(
        Thing,
        name=st.text(),
        at=_number,
        times=st.dictionaries(st.text(), _number, max_size=3),
        pairs=st.lists(st.tuples(_number, _number), max_size=3).map(tuple),
    )
)
def test_any_record_comes_back_as_it_was(thing: Thing) -> None:
    again = THINGS.decode(THINGS.encode(thing))
    assert again == thing
    assert type(again.at) is float


def test_whole_seconds_take_half_the_room() -> None:
    whole, part = (len(THINGS.encode(Thing("", at))) for at in (1_795_000_000.0, 1_795_000_000.5))
    assert whole == part - 4


@pytest.mark.parametrize(
    "data", [b"", b"\x04\x92\xa1a\x01", b"\x03", b"\x03\x91\xa1a", b"\x03\xff"]
)
def test_bytes_of_another_layout_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        THINGS.decode(data)


def test_a_workflow_of_a_hundred_live_nodes_is_a_kilobyte() -> None:
    run = Run("data", "nightly-etl-x7k2p", "u", "nightly-etl", created=1_795_000_000.0)
    run.started, run.phase = 1_795_000_001.0, "Running"
    done = array("Q", (number << 32 | 1_795_000_002 for number in range(100)))
    record = Record(run=run, scope=("", "generate_name"), done=done, waiting={"n": 5.0})
    data = WORKFLOWS.encode(pack(record, displaced=False))
    assert len(data) < 1000
    again, displaced = unpack("u", WORKFLOWS.decode(data))
    assert not displaced
    assert again.done == done
    assert (again.run, again.waiting, again.scope) == (run, {"n": 5.0}, record.scope)


def test_a_pod_is_two_hundred_bytes() -> None:
    record = PodRecord(
        namespace="data",
        name="nightly-etl-x7k2p-extract-1234567890",
        workflow="nightly-etl-x7k2p",
        template="extract",
        pipeline="nightly-etl",
        phase="Pending",
        created=1_795_000_000.0,
        scheduled=1_795_000_001.0,
        episode=Episode("ContainerCreating", 1_795_000_001.0, 1_795_000_001.0, {"a": 0.25}),
        pulls=((1_795_000_002.0, 1_795_000_002.75),),
        heard=b"12345678",
    )
    data = PODS.encode(record)
    assert len(data) < 200
    assert PODS.decode(data) == record


def journal() -> tuple[Journal[Thing], Registry]:
    registry = Registry(catalogue(), now=lambda: 0.0)
    return Journal("Thing", registry, THINGS), registry


def test_each_change_is_told_once_and_what_is_gone_as_gone() -> None:
    things, _ = journal()
    records = {"a": Thing("a", 1.0)}
    things.changed |= {"a", "b"}
    assert dict(things.changes(records.get)) == {"a": THINGS.encode(records["a"]), "b": None}
    assert dict(things.changes(records.get)) == {}


def test_who_does_not_read_the_changes_holds_nothing() -> None:
    things, _ = journal()
    things.changed |= {"a", "b"}
    things.changes({}.get)
    assert not things.changed


def test_an_object_whose_record_was_lost_is_history_and_its_row_goes_with_it() -> None:
    things, registry = journal()
    found = dict(things.read([("a", b"\x07"), ("b", THINGS.encode(Thing("b", 1.0))), ("c", b"")]))
    assert found == {"b": Thing("b", 1.0)}
    assert registry.value(DECODE_ERRORS, ("Thing", "ledger_record")) == 2.0
    assert things.met("b", Seen(at=5.0)).history_until == 0.0
    assert things.met("a", Seen(at=5.0)).is_history(4.0)
    assert things.met("a", Seen(at=6.0)).history_until == 0.0
    things.missed("c")
    assert dict(things.changes({}.get)) == {"c": None}


def test_a_record_that_can_not_be_written_costs_one_object() -> None:
    things, registry = journal()
    records = {"bad": Thing("bad", object()), "good": Thing("good", 1.0)}  # type: ignore[arg-type]
    things.changed |= records.keys()
    written = dict(things.changes(records.get))
    assert written["good"] == THINGS.encode(records["good"])
    assert registry.value(DECODE_ERRORS, ("Thing", "bug")) == 1.0
    again, _ = journal()
    assert dict(again.read([("bad", written["bad"] or b"")])) == {}
    assert again.met("bad", Seen(at=5.0)).is_history(4.0)
