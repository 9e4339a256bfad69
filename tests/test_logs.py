"""Logs: one line an event, for machines or for people, with nothing in it that is secret."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from argoscope import logs
from argoscope.settings import Log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    config = structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


def said(settings: Log, stream: io.StringIO | None = None) -> io.StringIO:
    """Where it is written, after an event of ours and one of a library."""
    stream = stream or io.StringIO()
    logs.configure(settings, stream)
    structlog.get_logger().info("watching", resource="pods", objects=3)
    logging.getLogger("aiohttp.client").warning("slow %s", "answer")
    logging.getLogger("aiohttp.client").info("chatter")
    return stream


def test_ours_and_those_of_libraries_are_json_of_the_same_form() -> None:
    lines = [json.loads(line) for line in said(Log(format="json")).getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["watching", "slow answer"]
    assert (lines[0]["resource"], lines[0]["objects"], lines[0]["level"]) == ("pods", 3, "info")
    assert lines[1]["level"] == "warning"
    assert all(line["timestamp"].endswith("Z") for line in lines)


@pytest.mark.parametrize(("stream", "machine"), [(io.StringIO(), True), (Terminal(), False)])
def test_auto_is_for_people_only_on_a_terminal(stream: io.StringIO, machine: bool) -> None:
    first = said(Log(), stream).getvalue().splitlines()[0]
    assert first.startswith("{") is machine


@pytest.mark.parametrize(
    ("level", "events"),
    [("debug", 2), ("info", 2), ("warning", 1), ("error", 0)],
)
def test_the_level_holds_for_all(level: str, events: int) -> None:
    text = said(Log(level=level, format="json")).getvalue()  # type: ignore[arg-type]
    assert len(text.splitlines()) == events


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_local_variables(form: str) -> None:
    stream = io.StringIO()
    logs.configure(Log(format=form), stream)  # type: ignore[arg-type]
    token = "hush-" + "hush"
    try:
        raise ValueError(len(token))
    except ValueError:
        structlog.get_logger().exception("broken")
    assert "ValueError: 9" in stream.getvalue()
    assert "hush-hush" not in stream.getvalue()
