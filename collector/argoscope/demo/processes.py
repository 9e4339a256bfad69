"""Child processes that end with us, and the ports that they listen on."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

DRAIN = 6.0
"""Seconds that a process may take to end after SIGTERM; then it is killed."""


@asynccontextmanager
async def child(
    *command: str, env: Mapping[str, str] | None = None, log: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs a process as long as the context lasts; its output goes to ``log`` if there is one.

    It has a session of its own: Ctrl-C is ours, it is told to end and waited for.
    """
    output = log.open("wb") if log is not None else None
    try:
        process = await asyncio.create_subprocess_exec(
            *command, env=env, stdout=output, stderr=output, start_new_session=True
        )
    finally:
        if output is not None:
            output.close()
    try:
        yield process
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), DRAIN)
    except TimeoutError:
        process.kill()
        await process.wait()


def free_address(wanted: str) -> str:
    """``wanted`` (HOST:PORT), or the same host with a free port when its port is in use.

    Raises OSError for a host that is not this machine's.
    """
    host, _, port = wanted.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            probe.bind((host, 0))
        return f"{host}:{probe.getsockname()[1]}"
