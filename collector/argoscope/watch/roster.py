"""The objects of a kind that were known when the daemon last ended, until it is listed again."""

from collections.abc import Iterable


class Roster:
    """Shared by all streams of one kind.

    A uid belongs to one stream, and nobody knows to which: so what is missing is known to be gone
    only when each stream has been listed. Without a past it is empty and costs nothing.
    """

    def __init__(self) -> None:
        self._missing: dict[str, None] = {}
        self._streams: set[str] = set()
        self._waiting: set[str] = set()
        self._before: frozenset[str] = frozenset()

    def remember(self, uids: Iterable[str], streams: Iterable[str]) -> None:
        """Objects that were live when the daemon last ended, and the streams that it had listed
        completely: what those show now is news and not history. To be told before reflectors are
        made."""
        self._missing.update(dict.fromkeys(uids))
        self._before = frozenset(streams)

    def listed_before(self, stream: str) -> bool:
        """Whether an earlier life had listed it completely."""
        return stream in self._before

    def expect(self, stream: str) -> None:
        """There is such a stream; it has not been listed yet."""
        self._streams.add(stream)
        self._waiting.add(stream)

    @property
    def settled(self) -> bool:
        """All streams have been listed in this life."""
        return not self._waiting

    @property
    def known(self) -> list[str]:
        """The present streams that were listed completely in this life or an earlier one."""
        return sorted((self._before & self._streams) | (self._streams - self._waiting))

    def listed(self, uid: str) -> None:
        """The object is still there."""
        self._missing.pop(uid, None)

    def complete(self, stream: str) -> list[str]:
        """A stream was listed to its end; returns the uids of what is now known to be gone."""
        self._waiting.discard(stream)
        return [] if self._waiting else self._take()

    def clear(self) -> list[str]:
        """The kind itself is gone: returns all that is left."""
        return self._take()

    def _take(self) -> list[str]:
        gone, self._missing = list(self._missing), {}
        return gone
