"""Chunks to lines to events."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argoscope.kube.stream import LineSplitter, parse_event

EVENT = b'{"type":"ADDED","object":{"metadata":{"name":"x"}}}'


def lines_of(chunks: list[bytes], max_line: int = 1000) -> tuple[list[bytes], list[int]]:
    splitter = LineSplitter(max_line)
    lines = [bytes(line) for chunk in chunks for line in splitter.feed(chunk)]
    return lines, splitter.oversized


def without_newlines(line: bytes) -> bytes:
    return line.replace(b"\n", b"")


@given(st.lists(st.binary(max_size=30).map(without_newlines)), st.randoms())
def test_lines_are_the_same_however_they_are_cut(lines: list[bytes], rng: random.Random) -> None:
    data = b"".join(line + b"\n" for line in lines)
    cuts = sorted(rng.randint(0, len(data)) for _ in range(rng.randint(0, 10)))
    chunks = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert lines_of(chunks) == ([line for line in lines if line], [])


def test_a_last_line_without_newline_is_not_a_line() -> None:
    assert lines_of([b"one\ntw"]) == ([b"one"], [])


@pytest.mark.parametrize("pieces", [1, 3, 50], ids=str)
def test_a_line_beyond_the_bound_is_skipped_with_its_size(pieces: int) -> None:
    data = b"a\n" + b"x" * 150 + b"\n" + b"y" * 100 + b"\nb\n"
    step = -(-len(data) // pieces)
    chunks = [data[at : at + step] for at in range(0, len(data), step)]
    assert lines_of(chunks, max_line=100) == ([b"a", b"y" * 100, b"b"], [150])


def test_what_is_held_of_a_line_is_bounded() -> None:
    splitter = LineSplitter(100)
    for _ in range(1000):
        splitter.feed(b"x" * 50)
    assert splitter._held <= 100
    assert splitter._parts == []
    assert splitter.feed(b"\nok\n") == [b"ok"]
    assert splitter.oversized == [50_000]


@pytest.mark.parametrize(
    "line",
    [
        EVENT,
        b'{"object":{"metadata":{"name":"x"}},"type":"ADDED"}',
        b'{ "type": "ADDED", "object": {"metadata":{"name":"x"}} }',
        b'{"type":"ADDED","object":{"metadata":{"name":"x"}},"more":1}',
        EVENT + b"\r",
    ],
    ids=["as API servers write", "other order", "spaces", "one more field", "carriage return"],
)
def test_an_event_is_cut_from_its_envelope(line: bytes) -> None:
    event = parse_event(memoryview(line))
    assert event.type == "ADDED"
    assert bytes(event.object) == b'{"metadata":{"name":"x"}}'
    assert event.size == 25


def test_nothing_is_copied_from_a_line_of_the_usual_form() -> None:
    chunk = bytearray(EVENT)
    event = parse_event(memoryview(chunk))
    chunk[EVENT.index(b"x")] = ord("y")
    assert bytes(event.object) == b'{"metadata":{"name":"y"}}'


@pytest.mark.parametrize("line", [b"", b"{}", b"junk", b'{"type":"ADDED"}', b'{"type":"A", "o'])
def test_what_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        parse_event(memoryview(line))
