"""The truth of what the engine did, as JSON lines: what an observer's numbers are held against."""

from collections.abc import Callable
from typing import Any, BinaryIO

import msgspec


class Truth:
    """Writes down what happened, in the engine's own words and in virtual time.

    A line has ``t`` (virtual Unix seconds), ``what``, and fields of that kind of happening. They
    are kept in memory (``lines``) unless there is a file; without ``keep`` nowhere.
    """

    def __init__(self, file: BinaryIO | None = None, *, keep: bool = True) -> None:
        self.clock: Callable[[], float] = lambda: 0.0
        self.lines: list[dict[str, Any]] = []
        self._file = file
        self._keep = keep

    def tell(self, what: str, **fields: Any) -> None:
        if self._file is not None:
            line = {"t": round(self.clock(), 3), "what": what, **fields}
            self._file.write(msgspec.json.encode(line) + b"\n")
        elif self._keep:
            self.lines.append({"t": round(self.clock(), 3), "what": what, **fields})

    def of(self, what: str) -> list[dict[str, Any]]:
        """The lines of one kind, oldest first; only what is kept in memory."""
        return [line for line in self.lines if line["what"] == what]
