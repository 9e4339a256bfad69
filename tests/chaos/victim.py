"""The daemon as a process, and the moments at which it is killed."""

import asyncio
import ctypes
import os
import select
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from chaos import wal
from support.ledgers import subprocess_environment
from support.ports import free_port

START = 60.0
"""Seconds that a start may take on a machine that is very busy."""
_IN_MODIFY = 2
_POLL = 0.02


class Victim:
    """``argoscope run`` on one ledger and one port, started again and again."""

    def __init__(self, folder: Path, kubeconfig: Path, ledger: Path) -> None:
        self.life = 0
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.ledger = ledger
        self.log = folder / "daemon.log"
        self.process: asyncio.subprocess.Process | None = None
        self._command = [sys.executable, "-m", "argoscope", "run", "--kubeconfig", str(kubeconfig)]
        self._command += ["--listen", f"127.0.0.1:{port}", "--ledger", str(ledger)]
        self._command += ["--log-format", "json"]

    async def start(self, otlp: Mapping[str, str] | None = None) -> None:
        foreign = ("ARGOSCOPE_", "OTEL_", "KUBE")
        environ = {n: v for n, v in subprocess_environment().items() if not n.startswith(foreign)}
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self._command, env=environ | dict(otlp or {}), stdout=log, stderr=log
            )
        self.life += 1

    async def listening(self) -> None:
        """Returns when it answers. Raises AssertionError if it ends, or takes too long."""
        assert self.process is not None
        deadline = time.monotonic() + START
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"{self.address}/healthz"):
                        return
                except aiohttp.ClientError:
                    pass
                gone = self.process.returncode is not None
                assert not gone and time.monotonic() < deadline, f"did not start:\n{self.tail()}"
                await asyncio.sleep(_POLL)

    @asynccontextmanager
    async def mortal(self) -> AsyncIterator[None]:
        """Whatever happens in the body, nothing runs on after it."""
        try:
            yield
        finally:
            if self.process is not None and self.process.returncode is None:
                self.process.kill()
                await self.process.wait()

    async def kill(self) -> None:
        """SIGKILL; returns when it is dead."""
        assert self.process is not None
        code = self.process.returncode
        assert code is None, f"it ended by itself, with {code}:\n{self.tail()}"
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self.process is not None
        self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), 10.0)

    async def kill_in_commit(self, seconds: float) -> bool:
        """Waits for a moment in which a transaction is half written, and kills it there.

        Returns whether such a moment came within that time; else it dies at the first write of
        the next commit that is noticed.
        """
        assert self.process is not None
        pid = self.process.pid
        torn = await asyncio.to_thread(_catch, pid, Path(f"{self.ledger}-wal"), seconds)
        await self.kill()
        return torn

    async def kill_before_commit(self, seconds: float) -> None:
        """Holds the lock that a commit needs, so that the commits of that time wait; then kills
        it. What it shows meanwhile must be what was committed before."""
        ledger = sqlite3.connect(self.ledger, isolation_level=None)
        try:
            ledger.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(seconds)
            await self.kill()
        finally:
            ledger.close()

    def tail(self, lines: int = 25) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def _catch(pid: int, log: Path, seconds: float) -> bool:
    """Stops the process at writes to the log until one is caught half way: it stays stopped."""
    deadline = time.monotonic() + seconds
    libc = ctypes.CDLL(None, use_errno=True)
    inotify = libc.inotify_init1(os.O_NONBLOCK)
    try:
        libc.inotify_add_watch(inotify, os.fsencode(log), _IN_MODIFY)
        before = wal.read(log)
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([inotify], [], [], left)[0]:
                break
            os.kill(pid, signal.SIGSTOP)
            _until_stopped(pid)
            now = wal.read(log)
            if now.torn_since(before):
                return True
            before = now
            _drain(inotify)
            os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass
    finally:
        os.close(inotify)
    return False


def _until_stopped(pid: int) -> None:
    stat = Path(f"/proc/{pid}/stat")
    while ") T " not in stat.read_text() and ") Z " not in stat.read_text():
        os.sched_yield()


def _drain(inotify: int) -> None:
    try:
        while os.read(inotify, 65536):
            pass
    except BlockingIOError:
        pass
