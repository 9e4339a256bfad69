"""Sends traces to the receiver, oldest first, and again until it has accepted them.

While it is down traces wait in the queue (traces/queue.py says how many). What it refuses for good
is given up and counted: sent again it would be refused again.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping

import structlog

from argoscope.export.otlp_settings import OtlpSettings
from argoscope.export.otlp_transport import Outcome, Transport, transport
from argoscope.metrics.internal import (
    DROP_REASON,
    EXPORT_DURATION,
    EXPORT_FAILURES,
    EXPORT_LAST_SUCCESS,
    EXPORT_REASON,
    TRACES_DROPPED,
    TRACES_SENT,
    TRACES_SPANS_SENT,
    TRACES_SPANS_TRUNCATED,
)
from argoscope.metrics.registry import Registry
from argoscope.resources.workflow.critical_path import CriticalPath, critical_path
from argoscope.resources.workflow.timeline import Timeline
from argoscope.resources.world import EndedRun
from argoscope.traces.choice import MAX_BYTES
from argoscope.traces.encode import Envelope, SpanEncoder
from argoscope.traces.queue import Chunk, Queue, chunks
from argoscope.traces.tree import tree

MOST = 2_000_000
"""Bytes of spans in a request. gRPC receivers refuse 4 MiB by default."""
COMMIT = 5.0
"""Seconds that traces wait for the commit before they are sent."""
LARGE = 300
"""Nodes of a run whose spans are made in a thread: more take longer than 50 ms."""
_EXPORTER = "otlp_traces"
_BACKOFF = 1.0  # seconds before the second attempt, doubled for each further one
_BACKOFF_MAX = 60.0
_SPREAD = 0.2  # daemons that lost the same receiver do not come back in step
_MENDED = frozenset({"unauthorized"})
"""Refusals that somebody will mend: a token, a permission. They are not the trace's fault."""

Commit = Callable[[float], Awaitable[bool]]
"""Commits everything up to now within so many seconds; whether it was."""

log = structlog.get_logger()


class TraceExporter:
    """Makes traces of run attempts and sends them. ``run`` is to be cancelled before ``flush``.

    Raises OSError for an unreadable certificate.
    """

    def __init__(
        self,
        registry: Registry,
        settings: OtlpSettings,
        queue: Queue,
        *,
        resource: Mapping[str, str],
        version: str,
        commit: Commit | None = None,
        is_ours: Callable[[Timeline], bool] | None = None,
        carrier: Transport | None = None,
        jitter: random.Random | None = None,
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._queue = queue
        self._envelope = Envelope(resource, version=version)
        self._commit = commit
        self._is_ours = is_ours
        self._transport = carrier or transport(settings)
        self._jitter = jitter or random.Random()  # noqa: S311 (not for secrets)
        self._wake = asyncio.Event()
        self._failing = ""
        self._alone = 0
        """So many chunks are sent one by one, to find the one that is refused."""
        self._kept = queue.number
        """Up to which chunk they are in the ledger."""
        for reason in EXPORT_REASON.values:
            registry.declare(EXPORT_FAILURES, (_EXPORTER, reason))
        for metric in (TRACES_SENT, TRACES_SPANS_SENT, TRACES_SPANS_TRUNCATED):
            registry.declare(metric, ())
        for reason in DROP_REASON.values:
            registry.declare(TRACES_DROPPED, (reason,))

    def add(self, ended: EndedRun) -> None:
        """Take a run attempt that has ended; for ``World.on_run_ended``."""
        line = ended.line
        if line.trace is None or (self._is_ours is not None and not self._is_ours(line)):
            return
        if len(line.nodes) > LARGE:
            self._queue.add([line])
        else:
            try:
                found, left_out = _made(line, ended.path)
            except Exception as error:  # noqa: BLE001 - a bug costs a trace, and no more
                self._broken(line, error)
                return
            self._queue.add(found)
            self._count_left_out(left_out)
        self._wake.set()

    async def make_large(self) -> None:
        """Make the spans of what has too many nodes to be made while others wait."""
        while (raw := self._queue.raw()) is not None:
            key, line = raw
            try:
                found, left_out = await asyncio.to_thread(_made_anew, line)
            except Exception as error:  # noqa: BLE001 - a bug costs a trace, and no more
                self._broken(line, error)
                self._queue.remove([key])
                continue
            self._queue.replace(key, found)
            self._count_left_out(left_out)

    def _broken(self, line: Timeline, error: Exception) -> None:
        where = f"{line.namespace}/{line.name}"
        log.error("no trace could be made", run=where, exc_info=error)
        self._registry.count(TRACES_DROPPED, ("bug",))

    def _count_left_out(self, spans: int) -> None:
        if spans:
            self._registry.count(TRACES_SPANS_TRUNCATED, (), spans)

    async def run(self) -> None:
        """Send what comes, until cancelled. Waits a little, so that traces travel together."""
        backoff = _BACKOFF
        pause = 0.0
        while True:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
            await asyncio.sleep(pause or self._settings.interval)
            outcome = await self.send_all()
            if not outcome.reason:
                backoff, pause = _BACKOFF, 0.0
                continue
            spread = self._jitter.uniform(1 - _SPREAD, 1 + _SPREAD)
            pause = backoff * spread if outcome.retry_after is None else outcome.retry_after
            backoff = min(backoff * 2, _BACKOFF_MAX)

    async def flush(self, limit: float = 3.0) -> bool:
        """Send what waits, in at most ``limit`` seconds; whether it is all sent. Connections are
        closed."""
        try:
            async with asyncio.timeout(limit):
                outcome = await self.send_all()
        except TimeoutError:
            outcome = Outcome(reason="timeout", detail=f"not flushed within {limit} s")
            self._failed(outcome)
        finally:
            await self._transport.close()
        if self._queue:
            kept = "in the ledger: they are sent after the next start" if self._commit else "lost"
            log.warning("not all traces were sent", traces=len(self._queue), rest=kept)
        return not outcome.reason

    async def send_all(self) -> Outcome:
        """One attempt with each request until nothing waits, or one has to be sent again."""
        clock = asyncio.get_running_loop()
        started = clock.time()
        outcome = Outcome()
        while self._queue:
            await self.make_large()
            outcome = await self._send_first()
            if outcome.reason:
                break
        took = [(EXPORT_DURATION, (_EXPORTER,), clock.time() - started)]
        self._registry.own(f"{EXPORT_DURATION.name}/{_EXPORTER}", took)
        return outcome

    async def _send_first(self) -> Outcome:
        """The next request; with a reason if it has to be sent again."""
        if not await self._keep():
            outcome = Outcome(reason="ledger", detail="traces are not sent before they are kept")
            self._failed(outcome)
            return outcome
        batch = self._queue.first(0 if self._alone else MOST, self._kept)
        if not batch:
            return Outcome()  # all that waits has come meanwhile
        body = self._envelope.request(chunk.unpack() for _, chunk in batch)
        outcome = await self._transport.send(body)
        if not outcome.reason:
            self._accepted(batch, outcome)
            return outcome
        self._failed(outcome)
        if outcome.retryable or outcome.reason in _MENDED:
            return outcome
        if len(batch) > 1:
            self._alone = len(batch)
        else:
            self._alone = max(0, self._alone - 1)
            self._queue.remove(key for key, _ in batch)
            self._registry.count(TRACES_DROPPED, ("rejected",))
        return Outcome()

    async def _keep(self) -> bool:
        """Whether what waits is in the ledger, if there is one."""
        number = self._queue.number
        if self._commit is not None and number > self._kept and not await self._commit(COMMIT):
            return False
        self._kept = number
        return True

    def _accepted(self, batch: list[tuple[str, Chunk]], outcome: Outcome) -> None:
        self._alone = max(0, self._alone - 1)
        self._queue.remove(key for key, _ in batch)
        spans = sum(chunk.spans for _, chunk in batch)
        self._registry.count(TRACES_SENT, (), sum(chunk.last for _, chunk in batch))
        self._registry.count(TRACES_SPANS_SENT, (), max(0, spans - outcome.rejected))
        if outcome.rejected:
            detail = f"{outcome.rejected} spans rejected: {outcome.detail}"
            self._failed(Outcome(reason="partial", detail=detail))
        else:
            self._recovered()
        if outcome.detail and not outcome.rejected:
            log.warning("otlp receiver warns", detail=outcome.detail)
        success = [(EXPORT_LAST_SUCCESS, (_EXPORTER,), self._registry.now())]
        self._registry.own(f"{EXPORT_LAST_SUCCESS.name}/{_EXPORTER}", success)

    def _failed(self, outcome: Outcome) -> None:
        self._registry.count(EXPORT_FAILURES, (_EXPORTER, outcome.reason))
        if self._failing != outcome.reason:
            advice = {"rejected": "OTEL_TRACES_EXPORTER=none switches traces off"}
            hint = advice.get(outcome.reason, "")
            log.warning("traces not sent", reason=outcome.reason, detail=outcome.detail, hint=hint)
            self._failing = outcome.reason

    def _recovered(self) -> None:
        if self._failing:
            log.info("traces are sent again", after=self._failing)
            self._failing = ""


def _made_anew(line: Timeline) -> tuple[list[Chunk], int]:
    return _made(line, critical_path(line))


def _made(line: Timeline, path: CriticalPath) -> tuple[list[Chunk], int]:
    """A trace, packed, and how many spans were left out of it."""
    assert line.trace is not None
    encoder = SpanEncoder(line.trace.id)
    found = tree(line, path)
    encoded = list(map(encoder.encode, found.spans))
    # Long items are in names: then even fewer spans than MAX_SPANS are too much.
    while (size := sum(map(len, encoded))) > MAX_BYTES and len(encoded) > 1:
        # What stays is what tells most, and can be longer than what goes.
        found = tree(line, path, min(len(encoded) - 1, len(encoded) * MAX_BYTES // size))
        encoded = list(map(encoder.encode, found.spans))
    return list(chunks(line.trace.id, encoded)), found.left_out
