"""Commit, then publish: once a second, without holding up the event loop.

While commits fail, the daemon goes on watching: gauges are shown as ever, counters and histograms
stay at what was committed last, and what is counted meanwhile waits in memory: one batch, the
changed series (bounded by their budgets), a bounded number of run records, and about 0.1 KB for
each object deleted. The batch that failed is tried again as it was, so that nothing can be
committed without what came before it.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import structlog

from argoscope.ledger import metrics
from argoscope.ledger.errors import REASONS, LedgerError
from argoscope.ledger.ledger import Change, Ledger
from argoscope.ledger.rows import Batch
from argoscope.metrics.held import Held
from argoscope.metrics.registry import Registry

PATIENCE = 0.9
"""Seconds that a look at the time waits for a commit; a slower one is looked for at the next."""
SLOW = 10.0
"""Seconds after which a commit that has not ended counts as a failing ledger."""
_RETRY_MAX = 30.0

log = structlog.get_logger()


class Keeper:
    """Owns the ledger of a running daemon and the thread that writes it."""

    def __init__(
        self, ledger: Ledger, registry: Registry, changes: Callable[[], Iterable[Change]]
    ) -> None:
        self.ledger = ledger
        self.registry = registry
        self._changes = changes
        self._stepping = asyncio.Lock()
        self._taken = 0
        self._committed = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._batch: Batch | None = None
        self._writing: asyncio.Future[float] | None = None
        self._began = 0.0
        self._retry_at = 0.0
        self._failures = 0
        self._failing = ""
        self._committed_at = registry.now()
        self._dropped = 0
        for reason in REASONS:
            registry.declare(metrics.ERRORS, (reason,))
        registry.declare(metrics.COMMIT_DURATION, ())
        registry.declare(metrics.RUNS_DROPPED, ())

    @property
    def failing(self) -> str:
        """Why commits fail; empty while they succeed."""
        return self._failing

    async def step(self, patience: float = PATIENCE) -> None:
        """Commit what was counted since the last time, and publish it; gauges in any case.

        Waits ``patience`` seconds for the disk and looks again at the next call.
        """
        async with self._stepping:
            await self._step(patience)

    async def _step(self, patience: float) -> None:
        loop = asyncio.get_running_loop()
        if self._writing is None and loop.time() >= self._retry_at:
            if self._batch is None:
                self._batch = self.ledger.take(self.registry.hold(), self._changes())
                self._taken += 1
            self._began = loop.time()
            self._writing = loop.run_in_executor(self._thread, self._write, self._batch)
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=patience)
            if self._writing.done():
                self._settle(self._writing)
            elif loop.time() - self._began >= SLOW:
                self._fail("slow", f"a commit takes longer than {SLOW:.0f} s")
        self._tell()
        self.registry.publish(Held())

    async def commit(self, limit: float) -> bool:
        """Commit everything up to now, in at most ``limit`` seconds; whether it was."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit
        # A commit that is going on was taken before the last changes.
        wanted = self._taken + 1
        while self._committed < wanted:
            left = deadline - loop.time()
            if left <= 0 or self._failing:
                return False
            await self.step(left)
        return True

    def _write(self, batch: Batch) -> float:
        """In the thread: one commit; returns its seconds."""
        begin = time.perf_counter()
        if batch:
            self.ledger.write(batch)
        return time.perf_counter() - begin

    def _settle(self, writing: asyncio.Future[float]) -> None:
        batch, self._writing = self._batch, None
        assert batch is not None
        try:
            seconds = writing.result()
        except LedgerError as error:
            self._fail(error.reason, str(error))
            self.registry.count(metrics.ERRORS, (error.reason,))
            self._failures += 1
            pause = min(2.0 ** (self._failures - 1), _RETRY_MAX)
            self._retry_at = asyncio.get_running_loop().time() + pause
            return
        self._batch = None
        if batch:
            self.registry.observe(metrics.COMMIT_DURATION, (), seconds)
            self._thread.submit(self._checkpoint)
        batch.held.publish()
        self._committed_at = batch.now
        self._committed = self._taken
        self._recover()

    def _checkpoint(self) -> None:
        """In the thread, between commits: no scrape waits for the disk."""
        try:
            self.ledger.database.checkpoint()
        except LedgerError as error:
            log.warning("checkpoint failed; the next commit tries again", problem=str(error))

    def _fail(self, reason: str, detail: str) -> None:
        if self._failing != reason:
            self._failing = reason
            log.error("ledger failing: counters stand still, watching goes on", problem=detail)

    def _recover(self) -> None:
        self._failures = 0
        self._retry_at = 0.0
        if self._failing:
            log.info("ledger works again", after=self._failing)
            self._failing = ""

    def _tell(self) -> None:
        own = self.registry.own
        own(metrics.UP.name, [(metrics.UP, (), float(not self._failing))])
        own(metrics.LAST_COMMIT.name, [(metrics.LAST_COMMIT, (), self._committed_at)])
        own(metrics.BYTES.name, [(metrics.BYTES, (), float(self.ledger.database.bytes()))])
        own(metrics.RUNS.name, [(metrics.RUNS, (), float(self.ledger.database.runs))])
        if dropped := self.ledger.dropped - self._dropped:
            self._dropped = self.ledger.dropped
            self.registry.count(metrics.RUNS_DROPPED, (), dropped)

    async def close(self, limit: float) -> bool:
        """The last commit, in at most ``limit`` seconds; whether everything is in the ledger."""
        self._failing, self._retry_at = "", 0.0  # one more attempt, whatever happened
        complete = await self.commit(limit)
        if self._writing is None:
            self._thread.shutdown()
            self.ledger.close()
        else:
            self._thread.shutdown(wait=False)
        return complete
