"""The daemon: everything that runs, started and stopped in order. The one place that knows all."""

import asyncio
import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby

import structlog

from argoscope import __version__
from argoscope._checks import split_address
from argoscope.catalogue import catalogue
from argoscope.export import otlp_settings
from argoscope.export.otlp import OtlpExporter, resource_attributes
from argoscope.export.otlp_settings import OtlpSettings
from argoscope.export.process import process_registry
from argoscope.export.prometheus import Exposition
from argoscope.kube.client import Client
from argoscope.kube.config import Credentials, InCluster, find_credentials
from argoscope.kube.errors import ConfigError
from argoscope.kube.leases import Leases
from argoscope.lease.claim import Claim, configured
from argoscope.lease.claim import State as LeaseState
from argoscope.lease.holder import Holder
from argoscope.ledger.acknowledgements import LedgerAcknowledgements
from argoscope.ledger.errors import LedgerError
from argoscope.ledger.keeper import Keeper
from argoscope.ledger.ledger import Ledger
from argoscope.metrics.registry import Registry
from argoscope.monitor import Monitor
from argoscope.pipeline import Pipeline
from argoscope.resources._base import Options
from argoscope.server import ListenError, Server, bind
from argoscope.settings import Settings
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


class StartError(Exception):
    """The daemon can't start: everything that is in the way."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


def main(settings: Settings, environ: Mapping[str, str]) -> None:
    """Runs the daemon until a signal ends it. Raises StartError before anything is started."""
    problems = []
    otlp, otlp_problems = otlp_settings.read(environ)
    problems += otlp_problems
    credentials = listener = lease = None
    try:
        credentials = find_credentials(settings.kubeconfig or None, settings.context or None)
        lease = find_lease(settings, credentials)
    except ConfigError as error:
        problems.append(str(error))
    try:
        listener = bind(*split_address(settings.listen))
    except ListenError as error:
        problems.append(str(error))
    if credentials is None or listener is None or problems:
        if listener is not None:
            listener.close()
        raise StartError(problems)
    with listener:
        ledger = open_ledger(settings)
        asyncio.run(_until_signal(settings, credentials, listener, otlp, ledger, lease))


def find_lease(settings: Settings, credentials: Credentials) -> Claim | None:
    """The lease that stands in for a ledger, if one does. Raises ConfigError."""
    in_pod = isinstance(credentials, InCluster)
    return configured(settings.lease, in_pod=in_pod, ledger=bool(settings.ledger.path))


def open_ledger(settings: Settings) -> Ledger | None:
    """The ledger that is configured, if one is. Raises StartError."""
    if not settings.ledger.path:
        return None
    try:
        return Ledger.open(settings.ledger.path, retention=settings.ledger.retention * 86400.0)
    except LedgerError as error:
        raise StartError([str(error)]) from error


async def _until_signal(
    settings: Settings,
    credentials: Credentials,
    listener: socket.socket,
    otlp: OtlpSettings | None,
    ledger: Ledger | None,
    lease: Claim | None,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stop, number)
    if not await _has_credentials(credentials, stop):
        return
    try:
        daemon = Daemon(settings, credentials, listener, otlp=otlp, ledger=ledger, lease=lease)
    except OSError as error:
        raise StartError([f"OTLP certificates: {error}"]) from error
    except LedgerError as error:
        raise StartError([str(error)]) from error
    await daemon.run(stop)


async def _has_credentials(credentials: Credentials, stop: asyncio.Event) -> bool:
    """Reads them a first time; False if ``stop`` came first. Raises StartError."""
    reading = asyncio.create_task(credentials.access(), name="credentials")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    either = {reading, stopping}
    await asyncio.wait(either, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
    if not reading.done():
        log.info("waiting for credentials")  # of a plugin, which may ask a person
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not reading.done():
        reading.cancel()
        return False
    try:
        await reading
    except ConfigError as error:
        raise StartError([str(error)]) from error
    return True


def _stop(stop: asyncio.Event, number: int) -> None:
    if stop.is_set():
        # Whoever asks twice does not want to wait for a receiver that hangs.
        os._exit(128 + number)
    log.info("stopping", signal=signal.Signals(number).name)
    stop.set()
    # A credential plugin that hangs is in a thread, which Python would wait for.
    watchdog = threading.Timer(DRAIN + 0.3, os._exit, (0,))
    watchdog.daemon = True
    watchdog.start()


class Daemon:
    """Watches a cluster and exports what it derives. ``run`` once."""

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        listener: socket.socket,
        *,
        otlp: OtlpSettings | None = None,
        ledger: Ledger | None = None,
        lease: Claim | None = None,
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
            pipeline_labels=settings.labels.pipeline, workflow_labels=settings.labels.workflow
        )
        self._pipeline = Pipeline(self._resources, self.registry, options, memory=ledger)
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
        self._monitor = Monitor(self.registry)
        self._server = Server(
            self.registry,
            Exposition(self.registry),
            self._shown,
            notes=self._notes,
            cluster=settings.cluster,
        )
        self._exporter = self._otlp(otlp, settings.cluster) if otlp is not None else None
        if ledger is not None and otlp is not None and not otlp.delta:
            ledger.forget_acknowledged()

    def _restored(self, ledger: Ledger) -> Keeper:
        begin = time.perf_counter()
        series = ledger.restore(self.registry)
        self._pipeline.restore(self._clock())
        took = round(time.perf_counter() - begin, 2)
        where = str(ledger.database.path)
        runs = ledger.database.runs
        log.info("ledger restored", path=where, series=series, runs=runs, seconds=took)
        return Keeper(ledger, self.registry, self._pipeline.changes)

    def _limit_series(self, budgets: Mapping[str, int]) -> None:
        for family in self.registry.families:
            family.budget = budgets.get(family.metric.prometheus, family.budget)

    def _otlp(self, settings: OtlpSettings, cluster: str) -> OtlpExporter:
        return OtlpExporter(
            self.registry,
            settings,
            resource=resource_attributes(version=__version__, cluster=cluster),
            version=__version__,
            process=process_registry(),
            acknowledgements=self._acknowledgements(settings.delta),
        )

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
        return [self._holder.note] if self._holder is not None else []

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
            if self._exporter is not None:
                tasks.append(group.create_task(self._keep_exporting(), name="otlp"))
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

    async def _keep_exporting(self) -> None:
        """A bug in the exporter costs exports, never the watching."""
        assert self._exporter is not None
        while True:
            try:
                await self._exporter.run()
            except Exception:
                log.exception("otlp export failed for a reason that is a bug; starting it anew")
                await asyncio.sleep(60.0)

    async def _drain(self) -> None:
        """The last export, and the end of all connections."""
        try:
            async with asyncio.timeout(DRAIN):
                try:
                    if self._exporter is not None:
                        await self._exporter.flush(FLUSH)
                    if self._keeper is not None and not await self._keeper.close(LAST_COMMIT):
                        log.warning("the last changes are not in the ledger: they come again")
                finally:
                    await self._server.close()
                    await self._client.close()
        except TimeoutError:
            log.warning("not everything was closed in time", seconds=DRAIN)
        log.info("stopped")


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
