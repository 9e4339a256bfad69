"""Holds a Lease, and commits a watermark to it before what was counted is published.

The counterpart of ``ledger.keeper`` for daemons without a volume: a crash loses what was counted
after the last renewal, and nobody had seen it; the next daemon counts it again, and no more. As
with the ledger, gauges are shown at once, and counters stand still while renewals fail.

Nothing is watched before the lease is ours. In a rolling update the new daemon is ready, but stands
by until the old one has let go.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from argoscope.kube.errors import (
    NETWORK_ERRORS,
    ConflictError,
    ForbiddenError,
    KubeError,
    NotFoundError,
)
from argoscope.kube.leases import Lease, Leases, LeaseSpec, micro_time
from argoscope.lease import claim as claims
from argoscope.lease import metrics, watermark
from argoscope.lease.claim import POLL, Claim, State
from argoscope.metrics.held import Held
from argoscope.metrics.model import Instrument
from argoscope.metrics.registry import Registry
from argoscope.watch.mark import Mark, marks
from argoscope.watch.status import ReflectorStatus

EVERY = 10.0
"""Seconds between two renewals when there is nothing to publish."""
PACE = 5.0
"""Seconds between two renewals otherwise: so much later than gauges are counters shown."""
FIRST_LISTS = 60.0
"""Seconds after which what was listed is published although some kinds can't be listed."""
WAIT = 0.5
"""Seconds that a look at the time waits for a renewal; a slower one is looked for at the next."""
_RETRY_MAX = 10.0

log = structlog.get_logger()

_FAULTS = (KubeError, *NETWORK_ERRORS)


class LostError(Exception):
    """Another daemon has taken the lease over."""


class Holder:
    """One lease of a running daemon. ``acquire`` it, then ``step`` about once a second."""

    def __init__(
        self, leases: Leases, claim: Claim, registry: Registry, clock: Callable[[], float]
    ) -> None:
        self._claim = claim
        self.state = State.CLAIMING
        self.reason = "not claimed yet"
        self.lost = asyncio.Event()
        """Set when another daemon has taken over: what we count from now on is counted twice."""
        self._leases = leases
        self._registry = registry
        self._clock = clock
        self._observer = claims.Observer(claim.identity, clock)
        self._lease: Lease | None = None
        self._marks: dict[str, Mark] = {}
        self._pending: tuple[Held, dict[str, Mark]] | None = None
        self._writing: asyncio.Task[Lease] | None = None
        self._claimed_at = self._renewed_at = self._next_at = 0.0
        self._failures = 0

    # -- at the start

    async def acquire(self) -> Mapping[str, Mark]:
        """Returns when the lease is ours, with the marks that it had, or without any when there
        will be no lease. Waits for a daemon that holds it, and for an API server that is down."""
        loop = asyncio.get_running_loop()
        begun, pause = loop.time(), 0.5
        while True:
            try:
                if await self._try():
                    self._claimed_at = loop.time()
                    self._say(State.HELD, "")
                    return dict(self._marks)
                begun, pause = loop.time(), POLL
            except ConflictError:
                pause = POLL  # somebody was faster: look again
            except _FAULTS as error:
                if claims.is_final(error, loop.time() - begun):
                    self._refused(error)
                    return {}
                self._say(State.CLAIMING, claims.explain(error, self._claim))
                pause = min(2 * pause, _RETRY_MAX)
            await asyncio.sleep(pause)

    async def _try(self) -> bool:
        try:
            found = await self._leases.get(self._claim.name)
        except NotFoundError:
            found = None
        if found is not None and not self._observer.is_free(found):
            holder = found.spec.holder_identity
            self._say(State.STANDBY, f"{holder} holds it; daemons that share work need shards")
            return False
        wanted = claims.document(self._claim, found, self._clock())
        write = self._leases.create if found is None else self._leases.replace
        self._lease = await write(wanted)
        self._marks = watermark.read(self._lease.metadata.annotations)
        return True

    # -- once a second

    async def step(self, statuses: Sequence[ReflectorStatus], wait: float = WAIT) -> None:
        """Renew when it is time, and publish what the lease covers; gauges in any case."""
        if self.state is State.REFUSED:
            self._registry.publish()
            return
        loop = asyncio.get_running_loop()
        if self._writing is None and self._is_due(loop.time()):
            if self._pending is None and self._is_settled(statuses):
                self._pending = (self._registry.hold(), {**self._marks, **marks(statuses)})
            self._begin(self._claim.identity)
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=wait)
            if self._writing.done():
                self._settle(self._writing)
        self._tell()
        self._registry.publish(Held())

    def _is_due(self, now: float) -> bool:
        if self.state not in (State.HELD, State.FAILING) or now < self._next_at:
            return False
        busy = self._pending is not None or _has_counted(self._registry)
        return now - self._renewed_at >= (PACE if busy else EVERY)

    def _is_settled(self, statuses: Sequence[ReflectorStatus]) -> bool:
        """Of a list that is half read nobody could say later what of it was counted."""
        late = asyncio.get_running_loop().time() - self._claimed_at >= FIRST_LISTS
        return all(status.ready or (late and not status.heard) for status in statuses)

    def _begin(self, holder: str) -> None:
        wanted = self._marks if self._pending is None else self._pending[1]
        task = self._write(holder, wanted)
        self._writing = asyncio.create_task(task, name="lease")

    async def _write(self, holder: str, wanted: Mapping[str, Mark]) -> Lease:
        """One renewal. Raises LostError, and what the client raises."""
        assert self._lease is not None
        try:
            return await self._leases.replace(self._renewed(self._lease, holder, wanted))
        except NotFoundError:
            # Somebody has deleted it: it is made again.
            fresh = claims.document(self._claim, None, self._clock())
            return await self._leases.create(self._renewed(fresh, holder, wanted))
        except ConflictError:
            # An answer that was lost, a person's edit, or another daemon.
            found = await self._leases.get(self._claim.name)
            if found.metadata.annotations.get(watermark.INSTANCE) != self._claim.instance:
                raise LostError(found.spec.holder_identity or "a daemon that has ended") from None
            return await self._leases.replace(self._renewed(found, holder, wanted))

    def _renewed(self, lease: Lease, holder: str, wanted: Mapping[str, Mark]) -> Lease:
        meta, spec = lease.metadata, lease.spec
        meta.annotations |= {watermark.INSTANCE: self._claim.instance, **watermark.write(wanted)}
        renewed = LeaseSpec(
            holder,
            spec.lease_duration_seconds,
            spec.acquire_time,
            micro_time(self._clock()),
            spec.lease_transitions,
        )
        return Lease(meta, renewed)

    def _settle(self, writing: asyncio.Task[Lease]) -> None:
        self._writing = None
        now = asyncio.get_running_loop().time()
        try:
            self._lease = writing.result()
        except LostError as error:
            self._say(State.LOST, f"{error} has taken it over")
            self.lost.set()
        except ForbiddenError as error:
            self._refused(error)
        except _FAULTS as error:
            self._failures += 1
            self._next_at = now + min(2.0**self._failures, _RETRY_MAX)
            self._say(State.FAILING, claims.explain(error, self._claim))
        else:
            self._failures = 0
            self._renewed_at = now
            if self._pending is not None:
                held, self._marks = self._pending
                self._pending = None
                held.publish()
            self._say(State.HELD, "")

    # -- at the end

    async def release(
        self, statuses: Sequence[ReflectorStatus], limit: float, *, commit: bool
    ) -> None:
        """Let the lease go, in at most ``limit`` seconds, so that another daemon need not wait.

        With ``commit`` what was counted is published first. Without, when nobody will read it any
        more, it is left to the next daemon.
        """
        if self.state not in (State.HELD, State.FAILING):
            return
        try:
            async with asyncio.timeout(limit):
                if self._writing is not None:
                    await asyncio.wait({self._writing})
                    self._settle(self._writing)
                if commit and self._pending is None and self._is_settled(statuses):
                    self._pending = (self._registry.hold(), {**self._marks, **marks(statuses)})
                if not commit:
                    self._pending = None
                if self.state in (State.HELD, State.FAILING):
                    self._begin("")
                    assert self._writing is not None
                    await asyncio.wait({self._writing})
                    self._settle(self._writing)
        except TimeoutError:
            log.warning("the lease was not let go: the next daemon waits until it expires")
            if self._writing is not None:
                self._writing.cancel()
        self._tell()
        self._registry.publish(Held(), hold=not commit)

    # -- what it says

    @property
    def note(self) -> str:
        """A line for /readyz."""
        claim = self._claim
        mark = "ok" if self.state in (State.HELD, State.STANDBY) else "degraded"
        why = f": {self.reason}" if self.reason else ""
        return f"{mark} lease {claim.namespace}/{claim.name} {self.state.value}{why}"

    def _refused(self, error: Exception) -> None:
        self._say(State.REFUSED, claims.explain(error, self._claim))
        if self._pending is not None:
            self._pending[0].publish()
            self._pending = None
        self._tell()

    def _say(self, state: State, reason: str) -> None:
        before, self.state, self.reason = self.state, state, reason
        if state is before:
            return
        where = f"{self._claim.namespace}/{self._claim.name}"
        if state is State.HELD:
            log.info("lease held", lease=where, watermark=_shown(self._marks))
        elif state is State.STANDBY:
            log.warning("standing by: another daemon holds the lease", lease=where, reason=reason)
        elif state is State.REFUSED:
            log.warning("no lease: a restart takes what ended meanwhile as history", reason=reason)
        elif state is State.LOST:
            log.error("lease lost: ending, to count nothing twice", lease=where, reason=reason)
        elif state is State.FAILING:
            log.warning("lease failing: counters stand still", lease=where, reason=reason)

    def _tell(self) -> None:
        held = float(self.state is State.HELD)
        self._registry.own(metrics.HELD.name, [(metrics.HELD, (), held)])
        if at := watermark.earliest(self._marks):
            self._registry.own(metrics.WATERMARK.name, [(metrics.WATERMARK, (), at)])


def _shown(found: Mapping[str, Mark]) -> str:
    return watermark.write(found).get(watermark.WATERMARK, "none")


def _has_counted(registry: Registry) -> bool:
    return any(
        family.changed
        for family in registry.families
        if family.metric.instrument is not Instrument.GAUGE and not family.metric.volatile
    )
