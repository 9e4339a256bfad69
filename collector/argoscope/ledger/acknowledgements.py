"""What a receiver of deltas has accepted, committed with the values that it was made of.

Before points leave, it is committed that they are on the way; with the values that were accepted,
that they have arrived. After a crash in between nobody knows, nor after an export that was not
answered: they are sent again, and it is counted.
"""

from collections.abc import Iterator, Mapping

import structlog

from argoscope.ledger.keeper import Keeper
from argoscope.metrics.internal import EXPORT_UNACKNOWLEDGED
from argoscope.metrics.series import Buckets, Series

SENDING = "export/sending"
"""Fact in the ledger: an export is on the way."""
BEGIN = 5.0
"""Seconds that an export waits for the commit before it."""
_LABELS = ("otlp",)

log = structlog.get_logger()


class LedgerAcknowledgements:
    """See ``export.otlp.Acknowledgements``. To be made before anything is counted."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._ledger = keeper.ledger
        registry = keeper.registry
        registry.declare(EXPORT_UNACKNOWLEDGED, _LABELS)
        if self._ledger.noted(SENDING):
            self._ledger.note(SENDING, "")
            registry.count(EXPORT_UNACKNOWLEDGED, _LABELS)
            log.warning("an export was cut off; what may have arrived is sent again")

    def resume(self) -> Iterator[tuple[Series, float | Buckets, int]]:
        for series, state, at in self._ledger.acknowledged(self._keeper.registry):
            yield series, (*state, {}) if isinstance(state, tuple) else state, at

    async def begin(self) -> bool:
        self._ledger.note(SENDING, "1")
        return await self._keeper.commit(BEGIN)

    def accepted(self, states: Mapping[Series, float | Buckets], time_ns: int) -> None:
        for series, state in states.items():
            kept = state[:2] if isinstance(state, tuple) else state
            self._ledger.acknowledge(series, kept, time_ns)

    def end(self, *, lost: bool) -> None:
        self._ledger.note(SENDING, "")
        if lost:
            self._keeper.registry.count(EXPORT_UNACKNOWLEDGED, _LABELS)
