"""What a lease's annotations say, and what they are made of."""

from argoscope.lease import watermark
from argoscope.watch.mark import SKEW, Mark, marks
from argoscope.watch.status import ReflectorStatus

MARKS = {"workflows": Mark(1_790_000_001.5, 4711), "pods": Mark(1_790_000_000.25 + SKEW, 0)}


def test_marks_come_back_as_they_were_written() -> None:
    assert watermark.read(watermark.write(MARKS)) == MARKS


def test_people_read_the_earliest_time_up_to_which_all_was_seen() -> None:
    assert watermark.write(MARKS)[watermark.WATERMARK] == "2026-09-21T14:13:20.250Z"
    assert watermark.earliest(MARKS) == 1_790_000_000.25


def test_without_marks_nothing_is_written_and_nothing_read() -> None:
    assert watermark.write({}) == {}
    assert watermark.read({}) == {}
    assert watermark.earliest({}) == 0.0


def test_what_can_t_be_read_is_as_if_it_were_not_there() -> None:
    for text in ("", "nonsense", "[]", '{"pods": "yesterday"}', '{"pods": []}'):
        assert watermark.read({watermark.MARKS: text}) == {}


def test_a_time_that_no_clock_shows_is_as_if_it_were_not_there() -> None:
    for until in ("1e300", "-1e300", "-1", "253402300800"):
        assert watermark.read({watermark.MARKS: f'{{"pods": [{until}, 7]}}'}) == {}


def _stream(resource: str, stream: str, heard: float, position: str) -> ReflectorStatus:
    return ReflectorStatus(resource, stream, heard=heard, position=position)


def test_of_several_streams_the_latest_time_and_the_earliest_position_hold() -> None:
    found = marks([_stream("pods", "a", 100.0, "70"), _stream("pods", "b", 90.0, "60")])
    assert found == {"pods": Mark(100.0 + SKEW, 60)}


def test_a_stream_that_was_not_listed_leaves_its_kind_without_a_position() -> None:
    for streams in (
        [_stream("pods", "a", 100.0, "70"), _stream("pods", "b", 0.0, "")],
        [_stream("pods", "b", 0.0, ""), _stream("pods", "a", 100.0, "70")],
    ):
        assert marks(streams) == {"pods": Mark(100.0 + SKEW, 0)}


def test_a_kind_of_which_nothing_came_has_no_mark() -> None:
    assert marks([_stream("rollouts", "", 0.0, "")]) == {}


def test_versions_that_are_no_numbers_are_no_position() -> None:
    assert marks([_stream("pods", "", 5.0, "v1-abc")]) == {"pods": Mark(5.0 + SKEW, 0)}
