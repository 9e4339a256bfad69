"""Concurrent users: each makes an object, waits for its end, and goes on with the next one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from argoscope.kube.client import Client
from argoscope.kube.errors import (
    NETWORK_ERRORS,
    ApiError,
    ForbiddenError,
    InvalidError,
    KubeError,
    NotFoundError,
    TooManyRequestsError,
    describe,
)
from argoscope.load_bench.awaiting import Awaiting, Concluded, DeletedError, InterruptedRunError
from argoscope.load_bench.manifests import manifest, release
from argoscope.load_bench.plan import Plan
from argoscope.resources._time import unix

Operation = Literal["create", "release"]
Result = Literal["concluded", "timeout", "refused", "deleted", "interrupted"]

MANAGER = "argoscope-bench"
"""Field manager of our writes: with it the API server notes when it took each of them."""

RETRIES = 5  # of a request that the API server throttles
PATIENCE = 1.0  # seconds before such a retry when the server does not say

_HOPELESS = (ForbiddenError, NotFoundError, InvalidError)
"""What is refused like this once is refused always."""


class HopelessError(Exception):
    """Every further request would be refused in the same way."""


@dataclass(kw_only=True)
class Outcome:
    """What came of one request for a new state."""

    operation: Operation
    result: Result
    request: float = 0.0
    """Seconds until the API server acknowledged it."""
    converged: float | None = None
    """Seconds from there until the conclusive phase was seen."""
    own: float | None = None
    """The same by the object's own times, which are in whole seconds; None where it has none."""
    phase: str = ""
    timed_out: bool = False
    """No conclusive phase in time, or the controller's own deadline has passed."""
    reason: str = ""
    """Why it was refused."""


class _Meta(msgspec.Struct, gc=False, rename="camel"):
    generation: int = 0
    managed_fields: list[dict[str, Any]] = []


class _Acknowledged(msgspec.Struct, gc=False):
    metadata: _Meta


@dataclass
class Users:
    """Runs a plan. ``outcomes`` grows while it runs; ``told`` is called for each of them."""

    plan: Plan
    client: Client
    awaiting: Awaiting
    told: Callable[[Outcome], None]
    outcomes: list[Outcome] = field(default_factory=list)
    throttled: int = 0
    """Answers 429 and 503 that were waited out."""
    _stopped: bool = False

    async def run(self) -> None:
        """Until all objects have had their turn, or after ``stop``. Raises HopelessError."""
        numbers = iter(range(1, self.plan.count + 1))
        users = [self._user(numbers) for _ in range(min(self.plan.concurrency, self.plan.count))]
        # Not a TaskGroup: it would cancel requests under way, of which nobody knows what they made.
        results = await asyncio.gather(*users, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def stop(self) -> None:
        """No new objects; requests under way are waited for, so that nobody misses what they
        make."""
        self._stopped = True
        self.awaiting.interrupt()

    async def _user(self, numbers: Iterator[int]) -> None:
        try:
            for number in numbers:
                if self._stopped:
                    return
                await self._live(number)
        except BaseException:
            self.stop()
            raise

    async def _live(self, number: int) -> None:
        """One object's creation and releases."""
        generation = await self._create(number)
        for turn in range(1, self.plan.releases + 1):
            if generation is None or self._stopped:
                return
            generation = await self._release(number, turn, generation)

    async def _create(self, number: int) -> int | None:
        """The object's generation, if it has reached a conclusive phase."""
        body = manifest(self.plan, number)
        params = {"fieldManager": MANAGER}
        return await self._operate(
            "create",
            self.plan.name(number),
            -1,
            lambda: self.client.send("POST", self.plan.path, body, params),
        )

    async def _release(self, number: int, turn: int, generation: int) -> int | None:
        name = self.plan.name(number)
        patch = release(self.plan, turn)
        params = {"fieldManager": MANAGER}
        return await self._operate(
            "release",
            name,
            generation,
            lambda: self.client.send("PATCH", f"{self.plan.path}/{name}", patch, params),
        )

    async def _operate(
        self,
        operation: Operation,
        name: str,
        generation: int,
        send: Callable[[], Awaitable[bytes]],
    ) -> int | None:
        expected = self.awaiting.expect(name, generation)
        outcome = Outcome(operation=operation, result="concluded")
        made = generation
        try:
            began = time.monotonic()
            answer = msgspec.json.decode(await self._persistently(send), type=_Acknowledged)
            acknowledged = time.monotonic()
            outcome.request = acknowledged - began
            made = answer.metadata.generation
            async with asyncio.timeout(self.plan.timeout):
                concluded = await expected
            outcome.converged = max(0.0, concluded.seen - acknowledged)
            outcome.phase = concluded.conclusion.phase
            outcome.timed_out = concluded.conclusion.timed_out
            outcome.own = _own_seconds(operation, concluded, answer.metadata)
        except TimeoutError:
            outcome.result, outcome.timed_out = "timeout", True
        except InterruptedRunError:
            outcome.result = "interrupted"
        except DeletedError:
            outcome.result = "deleted"
        except _HOPELESS as error:
            if operation == "release" and isinstance(error, NotFoundError):
                outcome.result = "deleted"
            else:
                raise HopelessError(describe(error)) from error
        except (KubeError, msgspec.MsgspecError, *NETWORK_ERRORS) as error:
            outcome.result, outcome.reason = "refused", describe(error)
        finally:
            self.awaiting.forget(name)
        self.outcomes.append(outcome)
        self.told(outcome)
        return made if outcome.result == "concluded" else None

    async def _persistently(self, send: Callable[[], Awaitable[bytes]]) -> bytes:
        """The answer; who is asked to come later comes later."""
        for _ in range(RETRIES):
            try:
                return await _in_time(send())
            except ApiError as error:
                if not (isinstance(error, TooManyRequestsError) or error.status == 503):
                    raise
                self.throttled += 1
                await asyncio.sleep(error.retry_after or PATIENCE)
        return await _in_time(send())


async def _in_time(request: Awaitable[bytes]) -> bytes:
    """A request's own TimeoutError says that it was not acknowledged, not that nothing came of
    it."""
    try:
        return await request
    except TimeoutError as error:
        raise KubeError("the API server did not answer in time") from error


def _own_seconds(operation: Operation, concluded: Concluded, meta: _Meta) -> float | None:
    """From creation, or the release's request, to the end, by the API server's and the
    controller's clocks."""
    conclusion = concluded.conclusion
    began = conclusion.created if operation == "create" else _written_at(meta)
    began = began or conclusion.started
    if not began or conclusion.at < began:
        return None  # such as a Degraded condition that is older than this release
    return conclusion.at - began


def _written_at(meta: _Meta) -> float:
    """When the API server took our latest write (``metadata.managedFields``), or 0."""
    ours = [entry for entry in meta.managed_fields if entry.get("manager") == MANAGER]
    return max((unix(str(entry.get("time"))) for entry in ours if entry.get("time")), default=0.0)
