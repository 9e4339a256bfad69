"""From settings to a running daemon: everything that can be in the way is found first."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial

from argoscope import simulated_clock
from argoscope._checks import split_address
from argoscope._structlog import structlog  # before others import it
from argoscope.app import DRAIN, Daemon
from argoscope.export import otlp_settings
from argoscope.export.otlp_settings import Signal
from argoscope.gate.tls import ServingTls, TlsError
from argoscope.kube.config import Credentials, InCluster, find_credentials
from argoscope.kube.errors import ConfigError
from argoscope.lease.claim import Claim, configured
from argoscope.ledger.errors import LedgerError
from argoscope.ledger.ledger import Ledger
from argoscope.server import ListenError, bind
from argoscope.settings import Settings
from argoscope.sharding import Shard
from argoscope.sharding import configured as configured_shard

log = structlog.get_logger()


class StartError(Exception):
    """The daemon can't start: everything that is in the way."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


def main(settings: Settings, environ: Mapping[str, str]) -> None:
    """Runs the daemon until a signal ends it. Raises StartError before anything is started."""
    problems: list[str] = []
    otlp, otlp_problems = otlp_settings.read(environ)
    traces, trace_problems = otlp_settings.read(environ, Signal.TRACES)
    problems += dict.fromkeys([*otlp_problems, *trace_problems])  # variables of both are said once
    credentials = listener = lease = clock = shard = tls = None
    try:
        clock = simulated_clock.from_environment(environ)
        credentials = find_credentials(settings.kubeconfig or None, settings.context or None)
        shard = configured_shard(settings.sharding.shards, settings.sharding.shard)
        lease = find_lease(settings, credentials, shard)
    except ConfigError as error:
        problems.append(str(error))
    try:
        tls = find_tls(settings)
    except TlsError as error:
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
        ledger = open_ledger(settings, clock or time.time)
        make = partial(
            Daemon,
            settings,
            credentials,
            listener,
            otlp=otlp,
            traces=traces,
            ledger=ledger,
            lease=lease,
            tls=tls,
            shard=shard,
        )
        asyncio.run(_until_signal(make, credentials, clock))


def find_lease(
    settings: Settings, credentials: Credentials, shard: Shard | None = None
) -> Claim | None:
    """The lease that stands in for a ledger, if one does. Raises ConfigError."""
    in_pod = isinstance(credentials, InCluster)
    wanted = settings.lease if shard is None else replace(settings.lease, shard=shard.number)
    return configured(wanted, in_pod=in_pod, ledger=bool(settings.ledger.path))


def find_tls(settings: Settings) -> ServingTls | None:
    """The server's certificate, if it has one. Raises TlsError, also when tokens or client
    certificates are asked for without it."""
    tls = settings.tls
    if not tls.cert and not tls.key:
        if tls.client_ca or settings.authentication.tokens != "off":
            raise TlsError(
                "tls.cert and tls.key: must be set where client certificates or tokens are asked"
                " for, which would else be sent in the clear"
            )
        return None
    if not tls.cert or not tls.key:
        raise TlsError("tls.cert and tls.key: both must be set, or none")
    return ServingTls(tls.cert, tls.key, tls.client_ca)


def open_ledger(settings: Settings, now: Callable[[], float] = time.time) -> Ledger | None:
    """The ledger that is configured, if one is. Raises StartError."""
    if not settings.ledger.path:
        return None
    try:
        retention = settings.ledger.retention * 86400.0
        return Ledger.open(settings.ledger.path, retention=retention, now=now)
    except LedgerError as error:
        raise StartError([str(error)]) from error


async def _until_signal(
    make: Callable[..., Daemon],
    credentials: Credentials,
    clock: simulated_clock.Clock | None,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stop, number)
    if not await _has_credentials(credentials, stop):
        return
    try:
        if clock is not None:
            simulated_clock.check_server((await credentials.access()).server)
        daemon = make(clock=clock or time.time)
    except OSError as error:
        raise StartError([f"OTLP certificates: {error}"]) from error
    except (LedgerError, ConfigError) as error:
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
