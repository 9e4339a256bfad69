"""The daemon: everything that runs, started and stopped in order. The one place that knows all."""

import asyncio
import gc
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import chain, groupby

import structlog

from argoscope import __version__
from argoscope.catalogue import catalogue
from argoscope.export.otlp import OtlpExporter, resource_attributes
from argoscope.export.otlp_settings import OtlpSettings
from argoscope.export.process import process_registry
from argoscope.export.prometheus import Exposition
from argoscope.gate.gate import Gate
from argoscope.gate.review import Reviewer
from argoscope.gate.tls import ServingTls
from argoscope.kube.client import Client
from argoscope.kube.config import Credentials
from argoscope.kube.leases import Leases
from argoscope.lease.claim import Claim
from argoscope.lease.claim import State as LeaseState
from argoscope.lease.holder import Holder
from argoscope.ledger.acknowledgements import LedgerAcknowledgements
from argoscope.ledger.keeper import Keeper
from argoscope.ledger.ledger import Change, Ledger
from argoscope.metrics.registry import Registry
from argoscope.monitor import Monitor
from argoscope.pipeline import Pipeline
from argoscope.resources._base import Options, TraceOptions
from argoscope.resources._limits import limit_key
from argoscope.resources.workflow.metrics import RUNS
from argoscope.resources.workflow.timeline import Timeline
from argoscope.server import Server
from argoscope.settings import Settings
from argoscope.sharding import Shard
from argoscope.traces.exporter import TraceExporter
from argoscope.traces.queue import KIND as TRACES
from argoscope.traces.queue import Queue
from argoscope.watch.reflector import Reflector, WatchSettings, reflectors
from argoscope.watch.status import ReflectorStatus, State

log = structlog.get_logger()

TICK = 1.0
"""Seconds between two looks at the time, after each of which values are published."""
FIRST_LISTS = 60.0
"""Seconds in which kinds are first listed one after the other; then all at once."""
FLUSH = 3.0
"""Seconds that the last export may take."""
LAST_COMMIT = 2.0
"""Seconds that the last commit may take."""
RELEASE = 1.0
"""Seconds that letting the lease go may take."""
DRAIN = 4.5
"""Seconds from a signal to the end, whatever hangs."""
GC_THRESHOLDS = (50_000, 20, 50)
"""Records are not tracked by the collector; what is tracked comes and goes by reference count."""

_SELECTED = frozenset({"Workflow", "CronWorkflow", "Rollout"})


class Daemon:
    """Watches a cluster and exports what it derives. ``run`` once."""

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        listener: socket.socket,
        *,
        otlp: OtlpSettings | None = None,
        traces: OtlpSettings | None = None,
        ledger: Ledger | None = None,
        lease: Claim | None = None,
        tls: ServingTls | None = None,
        shard: Shard | None = None,
        watching: WatchSettings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Restores the ledger, which is closed at the end. Raises LedgerError, OSError."""
        self.registry = Registry(catalogue(), now=clock)
        self.address = ""
        """http://host:port, once it is served."""
        self._clock = clock
        self._ready = False
        self._listener = listener
        self._limit_series(settings.series.budgets)
        self._resources = settings.kinds()
        options = Options(
            silenced_advice=settings.advice.silenced,
            pipeline_labels=settings.labels.pipeline,
            workflow_labels=settings.labels.workflow,
            limits={limit_key(key): value for key, value in settings.alerts.thresholds.items()},
            traces=_trace_options(settings) if traces is not None else None,
        )
        self._shard = shard
        self._tls = tls
        self._pipeline = Pipeline(
            self._resources, self.registry, options, memory=ledger, shard=shard
        )
        self._queue = Queue(self.registry)
        self._keeper = self._restored(ledger) if ledger is not None else None
        self._client = Client(credentials)
        self._holder = self._held(lease) if lease is not None else None
        self._reflectors = [
            reflector
            for resource in self._resources
            for reflector in reflectors(
                resource,
                self._client,
                self._pipeline,
                namespaces=settings.namespaces,
                label=settings.selector if resource.kind in _SELECTED else "",
                roster=self._pipeline.rosters[resource.name],
                settings=watching,
                clock=clock,
            )
        ]
        self._monitor = Monitor(self.registry, shard)
        self._gate = self._gatekeeper(settings)
        self._server = Server(
            self.registry,
            Exposition(self.registry),
            self._shown,
            notes=self._notes,
            cluster=settings.cluster,
            tls=tls.context if tls is not None else None,
            gate=self._gate,
        )
        self._exporter = None
        if otlp is not None:
            self._exporter = self._otlp(otlp, settings.cluster, cicd=settings.otlp.cicd)
        self._traces = self._tracing(traces, settings.cluster) if traces is not None else None
        if self._traces is None:
            self._queue.clear()  # of a life that had a receiver
        if ledger is not None and otlp is not None and not otlp.delta:
            ledger.forget_acknowledged()

    def _restored(self, ledger: Ledger) -> Keeper:
        begin = time.perf_counter()
        has = self._shard.has if self._shard is not None else None
        series = ledger.restore(self.registry, has)
        self._pipeline.restore(self._clock())
        self._queue.restore(ledger.objects(TRACES))
        took = round(time.perf_counter() - begin, 2)
        where = str(ledger.database.path)
        runs = ledger.database.runs
        log.info("ledger restored", path=where, series=series, runs=runs, seconds=took)
        return Keeper(ledger, self.registry, self._changes)

    def _changes(self) -> Iterator[Change]:
        return chain(self._pipeline.changes(), self._queue.changes())

    def _limit_series(self, budgets: Mapping[str, int]) -> None:
        for family in self.registry.families:
            family.budget = budgets.get(family.metric.prometheus, family.budget)

    def _otlp(self, settings: OtlpSettings, cluster: str, *, cicd: bool) -> OtlpExporter:
        return OtlpExporter(
            self.registry,
            settings,
            resource=resource_attributes(version=__version__, cluster=cluster),
            version=__version__,
            process=process_registry(),
            cicd=cicd,
            acknowledgements=self._acknowledgements(settings.delta),
        )

    def _tracing(self, settings: OtlpSettings, cluster: str) -> TraceExporter:
        exporter = TraceExporter(
            self.registry,
            settings,
            self._queue,
            resource=resource_attributes(version=__version__, cluster=cluster),
            version=__version__,
            commit=self._keeper.commit if self._keeper is not None else None,
            is_ours=self._has_run if self._shard is not None else None,
        )
        self._pipeline.world.on_run_ended(exporter.add)
        return exporter

    def _has_run(self, line: Timeline) -> bool:
        """Of several daemons, the one that counts a run traces it."""
        labels = (line.namespace, line.pipeline, line.phase)
        return self._shard is None or self._shard.has(RUNS, labels)

    def _acknowledgements(self, delta: bool) -> LedgerAcknowledgements | None:
        return LedgerAcknowledgements(self._keeper) if delta and self._keeper is not None else None

    def statuses(self) -> list[ReflectorStatus]:
        return [reflector.status for reflector in self._reflectors]

    def _held(self, claim: Claim) -> Holder:
        return Holder(Leases(self._client, claim.namespace), claim, self.registry, self._clock)

    def _shown(self) -> list[ReflectorStatus]:
        """What readiness is made of. Who stands by is ready: else a rolling update would never end
        the daemon that it waits for."""
        standing_by = self._holder is not None and self._holder.state is LeaseState.STANDBY
        return [] if standing_by else self.statuses()

    def _notes(self) -> list[str]:
        noting = (self._shard, self._holder, self._gate)
        return [one.note for one in noting if one is not None and one.note]

    def _gatekeeper(self, settings: Settings) -> Gate | None:
        """Who is let in; None lets everybody in."""
        tokens = settings.authentication.tokens == "review"
        if not tokens and not settings.tls.client_ca:
            return None
        audiences = settings.authentication.audiences
        return Gate(
            reviewer=Reviewer(self._client, audiences=audiences) if tokens else None,
            certificates=bool(settings.tls.client_ca),
            names=settings.tls.client_names,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set; then what was counted last is exported."""
        gc.set_threshold(*GC_THRESHOLDS)
        await self._tick()
        self.address = await self._server.start(self._listener)
        log.info("listening", address=self.address, version=__version__)
        try:
            await self._work(stop)
            await self._last_tick()
        finally:
            await self._drain()

    async def _work(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._watch(group), name="watch"),
                group.create_task(self._keep_ticking(), name="tick"),
            ]
            if self._tls is not None:
                tasks.append(group.create_task(self._tls.keep_fresh(), name="tls"))
            if self._exporter is not None:
                tasks.append(group.create_task(_keep_going(self._exporter.run), name="otlp"))
            if self._traces is not None:
                tasks.append(group.create_task(_keep_going(self._traces.run), name="traces"))
            if self._holder is not None:
                tasks.append(group.create_task(_end_when_lost(self._holder, stop), name="lease"))
            await stop.wait()
            for task in tasks:
                task.cancel()

    async def _watch(self, group: asyncio.TaskGroup) -> None:
        """Starts the reflectors, a stage of ``order`` after the other, and ends them all."""
        if self._holder is not None:
            self._pipeline.inherit(await self._holder.acquire())
        deadline = asyncio.get_running_loop().time() + FIRST_LISTS
        order = {resource.name: resource.order for resource in self._resources}
        tasks = []
        try:
            for _, stage in groupby(self._reflectors, lambda one: order[one.watched.name]):
                started = list(stage)
                tasks += [group.create_task(one.run(), name=_name(one)) for one in started]
                await _settled(started, deadline)
            await asyncio.Event().wait()
        finally:
            for task in tasks:
                task.cancel()

    async def _keep_ticking(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + TICK, loop.time())
            await asyncio.sleep(due - loop.time())
            await self._tick()

    async def _tick(self) -> None:
        self._derive()
        if self._keeper is not None:
            await self._keeper.step()
        elif self._holder is not None:
            await self._holder.step(self.statuses())
        else:
            self.registry.publish()
        if not self._ready and all(status.ready for status in self.statuses()):
            self._ready = True
            log.info("ready", objects=sum(status.objects for status in self.statuses()))
            # What was made until now will stay, and need not be looked through again.
            gc.collect()
            gc.freeze()

    async def _last_tick(self) -> None:
        if self._holder is None:
            await self._tick()
            return
        self._derive()
        read = self._exporter is not None
        await self._holder.release(self.statuses(), RELEASE, commit=read)

    def _derive(self) -> None:
        self._pipeline.tick(self._clock())
        self._monitor.update(self.statuses())

    async def _drain(self) -> None:
        """The last export, and the end of all connections."""
        try:
            async with asyncio.timeout(DRAIN):
                try:
                    exporters = (self._exporter, self._traces)
                    await asyncio.gather(
                        *(one.flush(FLUSH) for one in exporters if one is not None)
                    )
                    if self._keeper is not None and not await self._keeper.close(LAST_COMMIT):
                        log.warning("the last changes are not in the ledger: they come again")
                finally:
                    await self._server.close()
                    await self._client.close()
        except TimeoutError:
            log.warning("not everything was closed in time", seconds=DRAIN)
        log.info("stopped")


async def _keep_going(run: Callable[[], Awaitable[None]]) -> None:
    """A bug in an exporter costs exports, never the watching."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("otlp export failed for a reason that is a bug; starting it anew")
            await asyncio.sleep(60.0)


def _trace_options(settings: Settings) -> TraceOptions:
    shares = {}
    for key, share in settings.traces.pipelines.items():
        namespace, _, pipeline = key.partition("/")
        shares[namespace, pipeline] = share
    return TraceOptions(share=settings.traces.share, shares=shares, slow=settings.traces.slow)


async def _end_when_lost(holder: Holder, stop: asyncio.Event) -> None:
    await holder.lost.wait()
    stop.set()


def _name(reflector: Reflector) -> str:
    status = reflector.status
    return f"reflector {status.resource} {status.stream}".rstrip()


async def _settled(started: list[Reflector], deadline: float) -> None:
    """Waits until each has its first list, or has said why not; no longer than ``deadline``."""
    loop = asyncio.get_running_loop()
    while loop.time() < deadline and any(_listing(one.status) for one in started):  # noqa: ASYNC110
        await asyncio.sleep(0.02)


def _listing(status: ReflectorStatus) -> bool:
    return not status.has_synced and status.state is State.SYNCING
