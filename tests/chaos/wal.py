"""SQLite's write-ahead log from outside: whether a transaction lies in it half written.

Layout: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
"""

from dataclasses import dataclass
from pathlib import Path

_HEADER = 32
_FRAME = 24


@dataclass(frozen=True)
class Frames:
    """The headers of all frames, and the number of those up to the last commit."""

    headers: tuple[bytes, ...] = ()
    committed: int = 0
    size: int = 0

    def torn_since(self, before: "Frames") -> bool:
        """Whether frames were written since then that belong to no commit.

        What a kill left behind the last commit stays there until it is overwritten: only frames
        that were not there before count.
        """
        new = self.headers[self.committed :]
        old = before.headers[self.committed :]
        return any(header not in old for header in new)


def read(path: Path) -> Frames:
    """The frames of a log that nobody is writing at this moment."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER)
            if len(head) < _HEADER:
                return Frames()
            page, salts = int.from_bytes(head[8:12], "big"), head[16:24]
            headers, committed = [], 0
            while len(frame := file.read(_FRAME)) == _FRAME and frame[8:16] == salts:
                headers.append(frame)
                if any(frame[4:8]):  # the size of the database after a commit
                    committed = len(headers)
                file.seek(page, 1)
            return Frames(tuple(headers), committed, path.stat().st_size)
    except FileNotFoundError:
        return Frames()
