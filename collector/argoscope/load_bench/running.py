"""A run from the first look at the cluster to the last object deleted."""

import asyncio
import secrets
import signal
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from argoscope.kube.client import Client
from argoscope.kube.errors import (
    NETWORK_ERRORS,
    ConfigError,
    KubeError,
    NotFoundError,
    describe,
)
from argoscope.load_bench.awaiting import Awaiting
from argoscope.load_bench.cleanup import LeftoversError, clean
from argoscope.load_bench.conclusion import RESOURCES, SUCCESS
from argoscope.load_bench.plan import GROUP, Plan
from argoscope.load_bench.progress import Bar
from argoscope.load_bench.report import summary
from argoscope.load_bench.users import HopelessError, Outcome, Users
from argoscope.watch.reflector import reflectors
from argoscope.watch.status import State

SYNC = 30.0
"""Seconds that the first list of nothing may take."""
LAST_REQUESTS = 15.0
"""Seconds that requests under way may take when a run is ended."""


class BenchError(Exception):
    """The run can't begin or go on: what is in the way."""


class Interrupts:
    """SIGINT, SIGTERM and SIGHUP: the first ends the run, the second the cleaning."""

    def __init__(self) -> None:
        self.run = asyncio.Event()
        self.cleaning = asyncio.Event()

    @contextmanager
    def handled(self) -> Iterator["Interrupts"]:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in numbers:
            loop.add_signal_handler(number, self._take)
        try:
            yield self
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _take(self) -> None:
        if self.run.is_set():
            self.cleaning.set()
        else:
            click.echo("Ending the run, then deleting what it made", err=True)
            self.run.set()


@dataclass(kw_only=True)
class Done:
    """``summary`` is that of ``report``; None if not one request was sent."""

    summary: dict[str, Any] | None
    problem: str = ""
    """Why the run ended early."""
    leftovers: str = ""
    """Why not everything could be deleted."""
    interrupted: bool = False


def run_id() -> str:
    """A new one: short, and unlike others."""
    return secrets.token_hex(4)


async def check(client: Client, plan: Plan) -> None:
    """Asks for what the run needs, before anything is made. Raises BenchError."""
    verbs = ["create", "list", "watch", "delete", *(["patch"] if plan.releases else [])]
    try:
        await client.get(plan.path, {"limit": "1"})
        answers = [await client.allowed(v, GROUP, plan.kind, plan.namespace) for v in verbs]
    except NotFoundError as error:
        raise BenchError(
            f"the cluster does not serve {plan.kind}.{GROUP}: its CRD is not installed"
        ) from error
    except ConfigError as error:
        raise BenchError(str(error)) from error
    except (KubeError, *NETWORK_ERRORS) as error:
        raise BenchError(f"the API server: {describe(error)}") from error
    missing = [verb for verb, answer in zip(verbs, answers, strict=True) if not answer.allowed]
    if missing:
        raise BenchError(
            f"your account may not {', '.join(missing)} {plan.kind}.{GROUP} in namespace"
            f" {plan.namespace}"
        )


async def _before(event: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Whether the work was done before the event came; else it is cancelled."""
    working = asyncio.create_task(work)
    coming = asyncio.create_task(event.wait())
    await asyncio.wait({working, coming}, return_when=asyncio.FIRST_COMPLETED)
    coming.cancel()
    if working.done():
        working.result()
        return True
    working.cancel()
    await asyncio.wait({working})
    return False


async def bench(client: Client, plan: Plan) -> Done:
    """Runs the plan, and deletes whatever it has made, however it ends. Raises BenchError."""
    with Interrupts().handled() as interrupts:
        if not await _before(interrupts.run, check(client, plan)):
            return Done(summary=None, interrupted=True)
        awaiting = Awaiting()
        tally = _Tally(plan)
        users = Users(plan, client, awaiting, tally.take)
        problem, began, wall = "", time.monotonic(), 0.0
        try:
            async with _Watching(client, plan, awaiting):
                began = time.monotonic()
                with tally.bar.shown():
                    problem = await _use(users, interrupts)
                wall = time.monotonic() - began
        finally:
            leftovers = await _clean(client, plan, interrupts, len(users.outcomes))
    found = summary(plan, users.outcomes, wall, users.throttled) if users.outcomes else None
    stopped = interrupts.run.is_set()
    return Done(summary=found, problem=problem, leftovers=leftovers, interrupted=stopped)


async def _use(users: Users, interrupts: Interrupts) -> str:
    """Runs the users until they are through or a signal comes; returns what stopped them."""
    working = asyncio.create_task(users.run(), name="users")
    stopping = asyncio.create_task(interrupts.run.wait(), name="interrupt")
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            users.stop()
            await asyncio.wait({working}, timeout=LAST_REQUESTS)
    finally:
        stopping.cancel()
        working.cancel()
        await asyncio.wait({working})
    error = None if working.cancelled() else working.exception()
    if isinstance(error, HopelessError):
        return str(error)
    if error is not None:
        raise error
    return ""


async def _clean(client: Client, plan: Plan, interrupts: Interrupts, about: int) -> str:
    """Deletes what the run made; returns what stood in the way."""
    bar = Bar("deleting", about)
    with bar.shown():
        cleaning = asyncio.create_task(
            clean(client, plan.path, plan.selector, lambda left: bar.at(max(0, about - left))),
            name="clean",
        )
        stopping = asyncio.create_task(interrupts.cleaning.wait(), name="interrupt")
        await asyncio.wait({cleaning, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not cleaning.done():
            cleaning.cancel()
            await asyncio.wait({cleaning})
            return "you asked not to wait for it"
    try:
        cleaning.result()
    except LeftoversError as error:
        return str(error)
    return ""


class _Watching:
    """A context in which the run's objects are watched. Raises BenchError if they can't be."""

    def __init__(self, client: Client, plan: Plan, awaiting: Awaiting) -> None:
        [self._reflector] = reflectors(
            RESOURCES[plan.kind],
            client,
            awaiting,
            namespaces=(plan.namespace,),
            label=plan.selector,
        )
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._reflector.run(), name="reflector")
        try:
            await self._synced()
        except BaseException:
            await self.__aexit__()
            raise

    async def __aexit__(self, *exc: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _synced(self) -> None:
        status = self._reflector.status
        deadline = time.monotonic() + SYNC
        while not (status.has_synced and status.up):
            if status.state in (State.ABSENT, State.FORBIDDEN) or time.monotonic() > deadline:
                raise BenchError(f"what the run makes can't be watched: {status.reason}")
            await asyncio.sleep(0.01)


class _Tally:
    """What the bar says of the outcomes so far."""

    def __init__(self, plan: Plan) -> None:
        self.bar = Bar(plan.kind, plan.operations)
        self._done = self._bad = 0

    def take(self, outcome: Outcome) -> None:
        self._done += 1
        well = outcome.phase in SUCCESS and not outcome.timed_out
        self._bad += not well and outcome.result != "interrupted"
        self.bar.at(self._done, f"{self._bad} not well" if self._bad else "")
