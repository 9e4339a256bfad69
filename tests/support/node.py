"""A real Kubernetes with one real node, from ../shared/envtest, for as long as a test needs it.

etcd, API server, controller manager, scheduler and the server of custom resources; containerd,
runc and kubelet beside them. Only one node can live on a machine, since containerd's socket has a
fixed path: a lock file sees to that. Everything has its own folder and free ports, is ended by
process id, and a process that is left behind is an error.
"""

import fcntl
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from support.envtest import EnvTest, assets
from support.recordings import require_shared

Object = dict[str, Any]

MERGE = "application/merge-patch+json"
KUBELET_ARGS = "--node-status-update-frequency=1s --volume-stats-agg-period=2s"
"""Sooner ready, and evictions in seconds. At its default rates a kubelet reports states late and
skips some, which is what the daemon has to live with."""

_SOCKET = Path("/run/containerd/containerd.sock")
_TOOLS = "containerd ctr runc ip nsenter unshare iptables busybox gcc zstd openssl curl kubectl"
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
_LOCK_SECONDS = 60.0
_END_SECONDS = 15.0
_POLL_SECONDS = 0.2  # the cluster is real, so is its time


@dataclass(frozen=True, kw_only=True)
class RealNode:
    """A running cluster."""

    folder: Path
    server: EnvTest

    def logs(self, lines: int = 5) -> str:
        """The ends of the logs of all its processes, for the message of a failure."""
        parts = []
        for log in sorted((*self.folder.glob("*.log"), *self.folder.glob("*/*.log"))):
            tail = log.read_text(errors="replace").splitlines()[-lines:]
            parts.append("\n".join([f"--- {log.name}", *(line[:400] for line in tail)]))
        return "\n".join(parts)

    def client(self) -> "Api":
        return Api(self.server.address, self.server.state / "pki" / "ca.crt")


class Api:
    """The requests that a controller makes, as an administrator; an async context manager.

    Not the daemon's own client: the test must not see the cluster through what it tests.
    """

    def __init__(self, address: str, ca: Path) -> None:
        self._address = address
        self._ca = ca
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Api":
        self._session = aiohttp.ClientSession(
            self._address,
            headers={"Authorization": "Bearer admin-token"},
            connector=aiohttp.TCPConnector(
                ssl=ssl.create_default_context(cafile=str(self._ca)), limit=0
            ),
            read_bufsize=4 << 20,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def call(
        self, method: str, path: str, body: Object | None = None, content: str = "application/json"
    ) -> Object:
        """Raises AssertionError, with the server's message, for an answer of 400 and above."""
        assert self._session is not None
        data = json.dumps(body) if body is not None else None
        headers = {"Content-Type": content}
        async with self._session.request(method, path, data=data, headers=headers) as response:
            answer: Object = await response.json(content_type=None)
            assert response.status < 400, f"{method} {path}: {answer.get('message')}"
            return answer

    async def watch(self, path: str, version: str) -> AsyncIterator[Object]:
        """Watch events from that resourceVersion on, until the server ends the stream."""
        assert self._session is not None
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "600"}
        async with self._session.get(path, params=query) as response:
            assert response.status == 200, await response.text()
            async for line in response.content:
                yield json.loads(line)


@contextmanager
def real_node() -> Iterator[RealNode]:
    """Starts a cluster with a node and ends it; skips, saying why, where none can be started."""
    scripts = require_shared("envtest")
    if reason := _unable():
        pytest.skip(f"no real node here: {reason}")
    with _lock(), tempfile.TemporaryDirectory(prefix="argoscope-node-") as name:
        folder = Path(name)
        controllers = {"WITH_KCM": "1", "WITH_SCHED": "1"}
        server = EnvTest(folder, scripts / "start", assets(scripts), controllers)
        node = RealNode(folder=folder, server=server)
        with ExitStack() as ending:  # all of it, whatever fails
            ending.callback(_end, folder)
            ending.callback(server.kill)
            ending.callback(_run, scripts / "node", "stop", node)
            server.start()
            if failed := _run(scripts / "node", "start", node):
                pytest.fail(f"the node did not start: {failed}\n{node.logs()}")
            yield node


def _unable() -> str:
    """Why a node can't be started on this machine; empty if it can."""
    if os.name != "posix" or os.geteuid() != 0:
        return "it needs root"
    missing = [tool for tool in _TOOLS.split() if shutil.which(tool, path=_PATH) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if not Path("/usr/lib/cni/bridge").exists():
        return "not installed: containernetworking-plugins"
    if not Path("/usr/include/signal.h").exists():
        return "not installed: libc6-dev"
    if _answers(_SOCKET):
        return f"another containerd listens on {_SOCKET}"
    unshare = ["unshare", "-m", "--propagation", "private", "true"]
    if subprocess.run(unshare, capture_output=True, env={"PATH": _PATH}).returncode:
        return "mount namespaces are not allowed"
    return _without_cgroups()


def _without_cgroups() -> str:
    root = Path("/sys/fs/cgroup")
    probe = (root / "memory" if (root / "memory").is_dir() else root) / "argoscope-probe"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        return f"cgroups can't be made: {error.strerror}"
    return ""


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@contextmanager
def _lock() -> Iterator[None]:
    """At most one node on this machine, also among several checkouts and users' test runs."""
    with (Path(tempfile.gettempdir()) / "argoscope-real-node.lock").open("w") as file:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    pytest.skip("another test run has the machine's one real node")
                time.sleep(_POLL_SECONDS)
        yield


def _run(script: Path, action: str, node: RealNode) -> int:
    """Runs the node's script in a session of its own; its exit code. What it leaves in the
    background must not hold a pipe of ours, so the output goes into a file."""
    own = {"NODE": str(node.folder / "node"), "KUBELET_ARGS": KUBELET_ARGS, "PATH": _PATH}
    with (node.folder / f"node-{action}.log").open("w") as log:
        done = subprocess.run(
            [script, action],
            env={**node.server.env, **own},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            timeout=120,
        )
    return done.returncode


def _end(folder: Path) -> None:
    """Waits for the processes of that folder to be gone. What stays is killed, and an error."""
    deadline = time.monotonic() + _END_SECONDS
    while left := _processes(folder):
        if time.monotonic() > deadline:
            for process in left:
                process.kill()
            raise AssertionError(f"left behind: {left}")
        time.sleep(_POLL_SECONDS)


def _processes(folder: Path) -> list[psutil.Process]:
    """The living ones of that folder: the scripts' offspring, and what runs in pods."""
    return [
        process
        for process in psutil.process_iter(["status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE and _belongs(process.pid, folder)
    ]


def _belongs(pid: int, folder: Path) -> bool:
    proc = Path(f"/proc/{pid}")
    try:
        return (
            os.fsencode(f"STATE={folder}/") in (proc / "environ").read_bytes()
            or "/kubepods" in (proc / "cgroup").read_text()
        )
    except OSError:  # it has just ended
        return False
