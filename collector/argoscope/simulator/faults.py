"""What an API server, or the network before it, can do wrong; scripted request by request."""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

Verb = Literal[
    "",
    "list",
    "watch",
    "get",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "review",
    "version",
]


@dataclass(slots=True, kw_only=True)
class Fault:
    """Applies to the next ``times`` requests that match ``verb`` and ``plural`` (empty: any)."""

    verb: Verb = ""
    plural: str = ""
    times: Annotated[int, Meta(ge=1)] = 1
    continued: bool | None = None
    """For lists: only pages with (True) or without (False) a continue token."""

    status: Annotated[int, Meta(ge=400, le=599)] = 0
    """Answer with this HTTP status at once; 0: do not."""
    retry_after: int | None = None
    """Seconds, in the Retry-After header of that answer."""
    cause: str = ""
    """``details.causes[0].reason`` of that answer."""
    body: bytes | None = None
    """Answer 200 with this instead."""
    hang: bool = False
    """Do not answer at all."""

    after: int = 0
    """A watch runs on for so many events before one of the following happens."""
    cut: bool = False
    """The connection breaks in the middle of the next line."""
    end: bool = False
    """The stream ends well."""
    error: int = 0
    """An ERROR event with this code, and the end."""
    stall: bool = False
    """Nothing more comes, though the connection stays."""
    duplicate: bool = False
    """Every event comes twice, and the one before it again: nothing ends."""
    chunk: int = 0
    """Lines arrive in pieces of so many bytes: nothing ends."""
    junk: bytes = b""
    """A line of this first: nothing ends."""

    def matches(self, verb: str, plural: str, continued: bool) -> bool:
        if self.times <= 0 or self.verb not in ("", verb) or self.plural not in ("", plural):
            return False
        return self.continued in (None, continued)


class Faults:
    """Those that are due, in the order in which they were asked for."""

    def __init__(self) -> None:
        self.due: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self.due.append(fault)

    def clear(self) -> None:
        self.due.clear()

    def take(self, verb: str, plural: str, *, continued: bool = False) -> Fault | None:
        """The fault for a request, used up by it."""
        for fault in self.due:
            if fault.matches(verb, plural, continued):
                fault.times -= 1
                if not fault.times:
                    self.due.remove(fault)
                return fault
        return None
