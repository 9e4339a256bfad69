"""Pushes the published series to an OpenTelemetry receiver, every minute or as configured.

A receiver that is down costs nothing but the attempts: nothing is queued. With cumulative
temporality the next export says it all; with delta the next one carries what was not accepted.
"""

import asyncio
import random
import socket
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from itertools import chain
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry

from argoscope.export.cicd import cicd_points
from argoscope.export.otlp_encode import Encoder, Request, State
from argoscope.export.otlp_settings import OtlpSettings
from argoscope.export.otlp_transport import Outcome, Transport, transport
from argoscope.export.otlp_wire import Heading
from argoscope.export.process import process_points
from argoscope.metrics.internal import (
    EXPORT_DURATION,
    EXPORT_FAILURES,
    EXPORT_LAST_SUCCESS,
    EXPORT_REASON,
)
from argoscope.metrics.registry import Registry
from argoscope.metrics.series import Series

_EXPORTER = "otlp"
_BACKOFF = 1.0  # seconds before the second attempt, doubled for each further one
_BACKOFF_MAX = 16.0
_SPREAD = 0.2  # daemons that lost the same receiver do not come back in step

log = structlog.get_logger()


class Acknowledgements(Protocol):
    """Remembers across restarts what a receiver of deltas has accepted; the ledger does."""

    def resume(self) -> Iterable[tuple[Series, State, int]]:
        """What it had accepted, and of which time (Unix nanoseconds)."""

    async def begin(self) -> bool:
        """Points are about to leave; False if that can't be noted, and they must not."""

    def accepted(self, states: Mapping[Series, State], time_ns: int) -> None:
        """The receiver has these."""

    def end(self, *, lost: bool) -> None:
        """The receiver has answered to all that has left, or is taken not to have it. ``lost``:
        it may have something of it all the same."""


def resource_attributes(*, version: str, cluster: str = "") -> dict[str, str]:
    """What identifies this daemon to a receiver (semantic conventions: service, k8s.cluster).

    OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME win over the defaults, ``cluster`` over both.
    In Kubernetes the host name is the pod's, so the instance survives restarts of its container.
    """
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    defaults = {
        "service.name": "argoscope",
        "service.version": version,
        "service.instance.id": socket.gethostname(),
    }
    merged = Resource(defaults).merge(OTELResourceDetector().detect())
    if cluster:
        merged = merged.merge(Resource({"k8s.cluster.name": cluster}))
    return {name: str(value) for name, value in merged.attributes.items()}


class OtlpExporter:
    """Exports ``registry``, and the process metrics of ``process`` if given; with ``cicd`` also
    under the names of the CI/CD semantic conventions.

    ``run`` is to be cancelled before ``flush``. Raises OSError for an unreadable certificate.
    """

    def __init__(
        self,
        registry: Registry,
        settings: OtlpSettings,
        *,
        resource: Mapping[str, str],
        version: str,
        process: CollectorRegistry | None = None,
        cicd: bool = False,
        carrier: Transport | None = None,
        jitter: random.Random | None = None,
        acknowledgements: Acknowledgements | None = None,
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._encoder = Encoder(resource, version=version, delta=settings.delta)
        self._process = process
        self._cicd = cicd
        self._transport = carrier or transport(settings)
        self._jitter = jitter or random.Random()  # noqa: S311 (not for secrets)
        self._exporting = asyncio.Lock()
        self._failing = ""
        self._unanswered = False
        # Cumulative values need no memory of what has arrived.
        self._acknowledgements = acknowledgements if settings.delta else None
        for reason in EXPORT_REASON.values:
            registry.declare(EXPORT_FAILURES, (_EXPORTER, reason))
        if self._acknowledgements is not None:
            for series, state, time_ns in self._acknowledgements.resume():
                self._encoder.resume(series, state, time_ns)

    async def run(self) -> None:
        """Export every interval until cancelled; an export that takes longer skips the next."""
        clock = asyncio.get_running_loop()
        due = clock.time() + self._settings.interval
        while True:
            await asyncio.sleep(due - clock.time())
            await self.export()
            while due <= clock.time():
                due += self._settings.interval

    async def flush(self, limit: float = 3.0) -> bool:
        """The last export, in at most ``limit`` seconds; then connections are closed."""
        try:
            async with asyncio.timeout(limit):
                return await self.export()
        except TimeoutError:
            self._failed(Outcome(reason="timeout", detail=f"not flushed within {limit} s"))
            return False
        finally:
            await self._transport.close()

    async def export(self) -> bool:
        """One export of everything; whether the receiver took all of it."""
        async with self._exporting:
            clock = asyncio.get_running_loop()
            started = clock.time()
            complete = await self._export_all(started + self._settings.export_timeout)
            now = self._registry.now()
            gauges = [(EXPORT_DURATION, (_EXPORTER,), clock.time() - started)]
            self._registry.own(EXPORT_DURATION.name, gauges)
            if complete:
                self._recovered()
                success = [(EXPORT_LAST_SUCCESS, (_EXPORTER,), now)]
                self._registry.own(EXPORT_LAST_SUCCESS.name, success)
            return complete

    async def _export_all(self, deadline: float) -> bool:
        if self._acknowledgements is None:
            return await self._send_all(deadline)
        if not await self._acknowledgements.begin():
            self._failed(Outcome(reason="ledger", detail="deltas are not sent without a ledger"))
            return False
        lost = True  # if it is cancelled nobody knows what has arrived
        self._unanswered = False
        try:
            complete = await self._send_all(deadline)
            lost = self._unanswered
        finally:
            self._acknowledgements.end(lost=lost)
        return complete

    async def _send_all(self, deadline: float) -> bool:
        complete = True
        async with aclosing(self._encoder.requests(self._registry, self._foreign())) as requests:
            async for request in requests:
                outcome = await self._deliver(request, deadline)
                complete &= self._account(request, outcome)
                if outcome.reason and outcome.retryable:
                    break  # the receiver is in trouble: the rest would fail too
        return complete

    def _account(self, request: Request, outcome: Outcome) -> bool:
        """Whether the receiver took all points of the request."""
        if outcome.reason:
            self._failed(outcome)
            return False
        self._encoder.accepted(request)
        if self._acknowledgements is not None:
            self._acknowledgements.accepted(request.states, request.time_ns)
        if outcome.rejected:
            self._failed(Outcome(reason="partial", detail=_rejected(outcome)))
            return False
        if outcome.detail:
            log.warning("otlp receiver warns", detail=outcome.detail)
        return True

    def _foreign(self) -> Iterable[tuple[Heading, list[bytes]]]:
        process = process_points(self._process) if self._process is not None else ()
        return chain(process, cicd_points(self._registry) if self._cicd else ())

    async def _deliver(self, request: Request, deadline: float) -> Outcome:
        """Send with retries until ``deadline`` in the event loop's time."""
        clock = asyncio.get_running_loop()
        backoff = _BACKOFF
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    outcome = await self._transport.send(request.body)
            except TimeoutError:
                self._unanswered = True
                return Outcome(reason="timeout", retryable=True)
            self._unanswered |= outcome.unanswered
            if not outcome.retryable:
                return outcome
            spread = self._jitter.uniform(1 - _SPREAD, 1 + _SPREAD)
            wait = backoff * spread if outcome.retry_after is None else outcome.retry_after
            if clock.time() + wait >= deadline:
                return outcome
            await asyncio.sleep(wait)
            backoff = min(backoff * 2, _BACKOFF_MAX)

    def _failed(self, outcome: Outcome) -> None:
        self._registry.count(EXPORT_FAILURES, (_EXPORTER, outcome.reason))
        if self._failing != outcome.reason:
            log.warning("otlp export failed", reason=outcome.reason, detail=outcome.detail)
            self._failing = outcome.reason

    def _recovered(self) -> None:
        if self._failing:
            log.info("otlp export works again", after=self._failing)
            self._failing = ""


def _rejected(outcome: Outcome) -> str:
    return f"{outcome.rejected} points rejected: {outcome.detail}"
