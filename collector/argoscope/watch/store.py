"""Which version of which object was seen: the guard against duplicates and the past."""

Version = int | str

REMEMBERED = 10_000
"""Deleted uids that are remembered. A late event comes within seconds of the deletion, so this
covers bursts; an entry costs about 0.2 KB."""


class Store:
    """uid -> resourceVersion of one stream's live objects.

    Versions are compared as numbers when both are (in practice always; the API guarantees it
    from Kubernetes 1.35 on), and for equality only when not. The strings of uids are the
    callers' own, so that an object's record elsewhere shares them.
    """

    __slots__ = ("_deleted", "_known", "_missing", "_remembered", "highest")

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._known: dict[str, Version] = {}
        self._deleted: dict[str, Version] = {}
        self._missing: dict[str, None] = {}
        self._remembered = remembered
        self.highest = 0
        """The newest numeric version seen anywhere: an object's, a list's, a bookmark's."""

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, uid: str) -> bool:
        return uid in self._known

    def accept(self, uid: str, version: str) -> bool:
        """Takes an object's version; False when it, a newer one or its deletion was seen."""
        new = self.note(version)
        old = self._known.get(uid)
        if old is None:
            if not _newer(new, self._deleted.get(uid, "")):
                return False
            # A selector stopped matching and matches again, or the cluster was restored.
            self._deleted.pop(uid, None)
        elif not _newer(new, old):
            return False
        self._known[uid] = new
        return True

    def remove(self, uid: str, version: str) -> bool:
        """Takes a deletion; False when it is a duplicate or older than what was seen.

        A deletion carries its own, newer version; some storages repeat the last one instead.
        """
        new = self.note(version)
        old = self._known.get(uid)
        if old is None:
            if uid in self._deleted:
                # A deletion whose return was never seen still bars what lies before it.
                if _newer(new, self._deleted[uid]):
                    self._deleted[uid] = new
                return False
        elif new != old and not _newer(new, old):
            return False
        self._bury(uid, new)
        return True

    def begin_list(self) -> None:
        """From here on, ``listed`` says what is still there."""
        self._missing = dict.fromkeys(self._known)

    def listed(self, uid: str) -> None:
        self._missing.pop(uid, None)

    def complete_list(self, version: str) -> list[str]:
        """Ends a complete list of that version; returns the uids of what is gone (tombstones)."""
        new = self.note(version)
        gone = [uid for uid in self._missing if uid in self._known]
        self._missing = {}
        for uid in gone:
            self._bury(uid, new)
        return gone

    def clear(self) -> list[str]:
        """The kind itself is gone: tombstones for everything."""
        self.begin_list()
        return self.complete_list("")

    def went_back(self, version: str) -> bool:
        """Whether a consistent list or a bookmark of that version shows that the cluster's data
        is older than what was seen: etcd was restored from a backup."""
        return version.isdecimal() and int(version) < self.highest

    def forget_versions(self) -> None:
        """After a restore all versions are new; which objects were known is still right."""
        self._known = dict.fromkeys(self._known, "")
        self._deleted.clear()
        self.highest = 0

    def note(self, version: str) -> Version:
        """The compact form of a version, after remembering the highest."""
        if not version.isdecimal():
            return version
        number = int(version)
        if number > self.highest:
            self.highest = number
        return number

    def _bury(self, uid: str, version: Version) -> None:
        self._known.pop(uid, None)
        self._deleted[uid] = version
        if len(self._deleted) > self._remembered:
            del self._deleted[next(iter(self._deleted))]


def _newer(new: Version, old: Version) -> bool:
    if isinstance(new, int) and isinstance(old, int):
        return new > old
    # Not comparable: anything else than the same is news. An empty one says nothing.
    return not new or new != old
