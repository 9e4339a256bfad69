"""A span as data, before it is written in any format."""

from typing import NamedTuple

Value = str | bool | int | float
Attributes = dict[str, Value]

INTERNAL, SERVER = 1, 2
"""Of SpanKind, what is used here."""


class Event(NamedTuple):
    """Something that happened at one moment."""

    name: str
    at: int
    """Unix milliseconds."""
    attributes: Attributes


class Link(NamedTuple):
    """Another trace that has to do with this one."""

    trace_id: str
    attributes: Attributes


class Span(NamedTuple):
    """A stretch of time in a trace. Times: Unix milliseconds."""

    id: bytes
    parent: bytes
    """Empty for the run itself."""
    name: str
    start: int
    end: int
    attributes: Attributes
    error: str | None = None
    """What went wrong; None if nothing did."""
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    kind: int = INTERNAL
