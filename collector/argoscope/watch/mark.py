"""How far a kind was followed: what outlives a daemon that has no ledger."""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from argoscope.watch.status import ReflectorStatus

SKEW = 1.0
"""Seconds that other clocks, which write the times of ends, may be ahead of ours."""
_YEAR_10000 = 253_402_300_800.0


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """Everything up to here was handed on, and nothing that came later.

    Both say so, each with a gap that the other fills: an object of a later version may tell of an
    end that was seen already, and the time of an end says nothing of when it was written.
    """

    until: Annotated[float, msgspec.Meta(ge=0.0, lt=_YEAR_10000)]
    """Unix seconds: no state was seen that was written later."""
    position: int = 0
    """resourceVersion: all that was written until then was seen; 0 when it is not known."""


def marks(statuses: Iterable[ReflectorStatus]) -> dict[str, Mark]:
    """The marks of the kinds (by name) that were listed, or at least in part.

    Of several streams the latest time and the earliest position hold.
    """
    found: dict[str, Mark] = {}
    for status in statuses:
        position = int(status.position) if status.position.isdecimal() else 0
        mark = Mark(status.heard + SKEW, position)
        other = found.get(status.resource, mark)
        found[status.resource] = Mark(
            max(mark.until, other.until), min(mark.position, other.position)
        )
    return {name: mark for name, mark in found.items() if mark.until > SKEW}
