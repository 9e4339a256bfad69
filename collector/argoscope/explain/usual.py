"""What a run of a pipeline usually takes, from its other runs."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import msgspec

MOST_UNKNOWN = 0.1
"""Share of a run's time that may be unknown if its causes are to be compared."""


class Past(NamedTuple):
    """A finished run to compare with. Seconds."""

    uid: str
    finished: float
    """Unix seconds."""
    succeeded: bool
    total: float
    causes: dict[str, float]
    """Empty if nobody recorded them."""


class Usual(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison. Seconds; a difference is positive where this run was slower."""

    runs: int
    """Successful runs that it was compared with."""
    total_seconds: float
    """Their median."""
    difference_seconds: float
    runs_with_causes: int
    """Those of them whose causes are known."""
    causes: dict[str, float]
    """Cause -> median of these; empty if there are none."""
    differences: dict[str, float]
    """Cause -> this run's seconds less the median, largest change first."""


def compare(total: float, causes: dict[str, float], others: Sequence[Past]) -> Usual | None:
    """A run beside its pipeline's others; None if there is none that succeeded."""
    good = [past for past in others if past.succeeded and past.total > 0]
    if not good:
        return None
    known = [past for past in good if _is_known(past.causes, past.total)]
    medians: dict[str, float] = {}
    differences: dict[str, float] = {}
    if known and _is_known(causes, total):
        names = dict.fromkeys([*causes, *(name for past in known for name in past.causes)])
        medians = {
            name: round(median(past.causes.get(name, 0.0) for past in known), 3) for name in names
        }
        changed = {name: round(causes.get(name, 0.0) - medians[name], 3) for name in names}
        ordered = sorted(changed, key=lambda name: -abs(changed[name]))
        differences = {name: changed[name] for name in ordered if changed[name]}
    usual = round(median(past.total for past in good), 3)
    return Usual(
        runs=len(good),
        total_seconds=usual,
        difference_seconds=round(total - usual, 3),
        runs_with_causes=len(known) if medians else 0,
        causes={name: seconds for name, seconds in medians.items() if seconds},
        differences=differences,
    )


def _is_known(causes: dict[str, float], total: float) -> bool:
    return bool(causes) and causes.get("unknown", 0.0) <= MOST_UNKNOWN * total
