"""Deletes what runs have made, and makes sure that it is gone."""

import asyncio
import time
from collections.abc import Callable

import msgspec

from argoscope.kube.client import Client
from argoscope.kube.errors import (
    NETWORK_ERRORS,
    ForbiddenError,
    KubeError,
    NotFoundError,
    describe,
)

PARALLEL = 16
SECONDS = 120.0
"""How long objects may take to go, besides a tenth of a second for each."""
ROUND = 0.5
"""Seconds between two looks."""
EMPTY_ROUNDS = 2
"""Looks in a row that must find nothing: a request that was cut off may still have been at work."""


class LeftoversError(Exception):
    """Not everything could be deleted."""


class _Meta(msgspec.Struct, gc=False, rename="camel"):
    name: str
    deletion_timestamp: str | None = None
    finalizers: list[str] | None = None


class _Item(msgspec.Struct, gc=False):
    metadata: _Meta


_decode = msgspec.json.Decoder(_Item).decode


async def clean(client: Client, path: str, selector: str, progress: Callable[[int], None]) -> int:
    """Deletes all objects of the collection with those labels; returns how many there were.

    ``progress`` is told how many are left. What the objects own is the garbage collector's.
    Raises LeftoversError when something stays, or can't be asked for.
    """
    deleted: set[str] = set()
    deadline, empty, trouble = time.monotonic() + SECONDS, 0, ""
    while True:
        found: list[_Meta] = []
        try:
            found = await _list(client, path, selector)
            fresh = [meta.name for meta in found if meta.name not in deleted]
            deadline += 0.1 * len(fresh)
            await _delete(client, path, [m.name for m in found if not m.deletion_timestamp])
            deleted.update(fresh)
            trouble = ""
        except ForbiddenError as error:
            raise LeftoversError(describe(error)) from error
        except (KubeError, *NETWORK_ERRORS) as error:
            trouble = describe(error)
        progress(len(found))
        empty = 0 if found or trouble else empty + 1
        if empty >= EMPTY_ROUNDS:
            return len(deleted)
        if time.monotonic() > deadline:
            raise LeftoversError(trouble or _why(found))
        await asyncio.sleep(ROUND)


async def _list(client: Client, path: str, selector: str) -> list[_Meta]:
    found = []
    async for page in client.pages(path, {"labelSelector": selector}):
        found += [_decode(item).metadata for item in page.items]
    return found


async def _delete(client: Client, path: str, names: list[str]) -> None:
    waiting = iter(names)

    async def worker() -> None:
        for name in waiting:
            try:
                await client.send("DELETE", f"{path}/{name}", {"propagationPolicy": "Background"})
            except NotFoundError:
                pass  # somebody else was quicker

    # Not a TaskGroup: its ExceptionGroup would hide the error, and one failure is not the end.
    results = await asyncio.gather(
        *(worker() for _ in range(min(PARALLEL, len(names)))), return_exceptions=True
    )
    for result in results:
        if isinstance(result, BaseException):
            raise result


def _why(found: list[_Meta]) -> str:
    finalizers = sorted({name for meta in found for name in meta.finalizers or ()})
    waits = f", which wait for the finalizers {', '.join(finalizers)}" if finalizers else ""
    return f"{len(found)} objects are still there{waits}, among them {found[0].name}"
