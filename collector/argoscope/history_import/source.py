"""What every source of archived workflows has in common."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec


class SourceError(Exception):
    """The source can't be read: what happened, where, and what to do."""


class Key(msgspec.Struct, gc=False, frozen=True):
    """One archived workflow, before its object has been read."""

    uid: str
    finished: float
    """Unix seconds. Of a database it is the column's, which may be in another zone's time."""
    where: str
    """For messages: namespace/name."""
    cluster: str = ""
    """Of a database that several clusters share: the name that Argo was given for this one."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which runs are imported."""

    since: float
    """Unix seconds: runs that ended then or later."""
    namespaces: tuple[str, ...] = ()
    """Empty: all."""
    selector: str = ""
    """Label selector of workflows, as the daemon is configured with."""

    def in_namespaces(self, namespace: str) -> bool:
        return not self.namespaces or namespace in self.namespaces


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why one object could not be got; the others are."""

    reason: str
    """One word, for the summary: gone, unavailable."""
    detail: str


class Archive(Protocol):
    """Tells what it holds, which is quick, and then the objects, which is not: in between, what
    the ledger has already is left out. So an import that was cut off goes on where it was."""

    unreadable: int
    """What was listed and is no workflow with a uid."""

    def keys(self, wanted: Wanted) -> AsyncIterator[list[Key]]:
        """What it holds of ``wanted``, perhaps some more or twice. Raises SourceError."""

    def fetch(self, keys: Sequence[Key]) -> AsyncIterator[tuple[Key, bytes | Unreadable]]:
        """The objects as JSON, in any order. Raises SourceError."""

    async def close(self) -> None:
        """Give up its connections."""
