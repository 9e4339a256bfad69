"""The objects of a kind that were known when the daemon last ended, until it is listed again."""

from collections.abc import Callable, Iterable


class Roster:
    """Shared by all streams of one kind.

    A uid belongs to one stream, and nobody knows to which: so what is missing is known to be gone
    only when each stream has been listed. Without a past it is empty and costs nothing.
    """

    def __init__(self, listed_before: Callable[[str], bool] = lambda _stream: False) -> None:
        self.listed_before = listed_before
        """Whether a stream was listed completely in an earlier life, so that what it shows now
        is news and not history."""
        self._missing: dict[str, None] = {}
        self._waiting: set[str] = set()

    def remember(self, uids: Iterable[str]) -> None:
        """Objects that were live when the daemon last ended."""
        self._missing.update(dict.fromkeys(uids))

    def expect(self, stream: str) -> None:
        """There is such a stream; it has not been listed yet."""
        self._waiting.add(stream)

    @property
    def settled(self) -> bool:
        """All streams have been listed."""
        return not self._waiting

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
