"""Waits for conclusive phases, by the project's own watch of what the run has made."""

import asyncio
import time
from typing import Any, NamedTuple

from argoscope.load_bench.conclusion import Conclusion, conclude
from argoscope.watch.delta import Origin, Watched


class Concluded(NamedTuple):
    conclusion: Conclusion
    seen: float
    """When it was seen, on the monotonic clock."""


class DeletedError(Exception):
    """Somebody deleted the object before its end."""


class InterruptedRunError(Exception):
    """The run is being ended."""


class _Expected(NamedTuple):
    future: "asyncio.Future[Concluded]"
    after: int


class Awaiting:
    """The handler of the run's reflector: hands each conclusion to who waits for it."""

    def __init__(self) -> None:
        self._expected: dict[str, _Expected] = {}
        self._interrupted = False

    def expect(self, name: str, after: int) -> "asyncio.Future[Concluded]":
        """The conclusion of that object about a later generation than ``after``.

        Asked for before the request that leads to it, so that no event can come too early. The
        future raises DeletedError or InterruptedRunError.
        """
        future = asyncio.get_running_loop().create_future()
        if self._interrupted:
            _set(future, InterruptedRunError())
        else:
            self._expected[name] = _Expected(future, after)
        return future

    def forget(self, name: str) -> None:
        """Nobody waits for that object any more."""
        expected = self._expected.pop(name, None)
        if expected is not None:
            expected.future.cancel()

    def interrupt(self) -> None:
        """Ends all waiting, now and later."""
        self._interrupted = True
        for name in list(self._expected):
            self._fail(name, InterruptedRunError())

    def upsert(self, watched: Watched, obj: Any, size: int, at: float, origin: Origin) -> None:
        expected = self._expected.get(obj.metadata.name)
        if expected is None or obj.metadata.generation <= expected.after:
            return
        conclusion = conclude(obj)
        if conclusion is not None and not expected.future.done():
            expected.future.set_result(Concluded(conclusion, time.monotonic()))

    def delete(self, watched: Watched, uid: str, obj: Any | None, at: float) -> None:
        if obj is not None and obj.metadata.name in self._expected:
            self._fail(obj.metadata.name, DeletedError())

    def listed(self, watched: Watched, stream: str, origin: Origin, at: float) -> None:
        pass

    def problem(self, watched: Watched, reason: str, detail: str) -> None:
        pass  # the object's conclusion is not seen, which its timeout tells

    def _fail(self, name: str, error: Exception) -> None:
        expected = self._expected.pop(name)
        if not expected.future.done():
            _set(expected.future, error)


def _set(future: "asyncio.Future[Concluded]", error: Exception) -> None:
    """Whose request is refused never asks for it, and asyncio must not complain that nobody did."""
    future.set_exception(error)
    future.exception()
