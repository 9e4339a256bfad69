"""A real API server from ../shared/envtest, without a node: etcd, kube-apiserver 1.20, and behind
it the custom resource server of 1.36 for everything of argoproj.io.

It has its own folder and its own free ports, can be killed and started again on the same data, and
only processes that it started are ended, by their ids.
"""

import asyncio
import os
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from argoscope.kube.client import Client
from argoscope.kube.config import Access, KubeConfig, Static
from argoscope.kube.errors import ApiError, KubeError
from support.ports import free_ports
from support.recordings import require_shared

Object = dict[str, Any]

CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WORKFLOWS = "/apis/argoproj.io/v1alpha1/workflows"

_TOOLS = ("openssl", "curl", "zstd", "kubectl")
_PROCESSES = ("ext", "sched", "kcm", "apiserver", "etcd")
_START_SECONDS = 240  # on two busy cores


class EnvTest:
    """The servers of one folder. ``start`` and ``kill`` may alternate: etcd's data stays."""

    def __init__(
        self, folder: Path, start: Path, assets: str, more: dict[str, str] | None = None
    ) -> None:
        """``more`` are further variables for ``start``, such as WITH_KCM."""
        self.state = folder / "state"
        self._start = start
        self._port, self._etcd_port = free_ports(4), free_ports(2)
        self.env = {
            **os.environ,
            "KUBEBUILDER_ASSETS": assets,
            "STATE": str(self.state),
            "PORT": str(self._port),
            "ETCD_PORT": str(self._etcd_port),
            "WITH_EXT": "1",
            **(more or {}),
        }

    @property
    def kubeconfig(self) -> Path:
        """Of an administrator, by client certificate."""
        return self.state / "kubeconfig"

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    def start(self) -> None:
        log = self.state.parent / "start.log"
        with log.open("w") as output:
            done = subprocess.run(
                [self._start],
                env=self.env,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_START_SECONDS,
                check=False,
            )
        assert done.returncode == 0, log.read_text()[-2000:]

    def kill(self) -> None:
        """As a power cut does it: no process gets to say goodbye."""
        for name in _PROCESSES:
            file = self.state / f"{name}.pid"
            if file.exists():
                _kill(int(file.read_text()))
                file.unlink()

    def client(self) -> Client:
        """An administrator's."""
        return Client(KubeConfig(str(self.kubeconfig)))

    def viewer(self) -> Client:
        """A user without any rights but those that a test gives to ``viewer``."""
        tls = ssl.create_default_context(cafile=str(self.state / "pki" / "ca.crt"))
        token = "Bearer viewer-token"
        return Client(Static(Access(server=self.address, authorization=token, tls=tls)))


async def apply(client: Client, path: str, obj: Object) -> Object:
    """Creates the object in that collection, or replaces it; returns what the server made of it."""
    try:
        body = await client.send("POST", path, obj)
    except ApiError as error:
        if error.status != 409:
            raise
        one = f"{path}/{obj['metadata']['name']}"
        version = (await client.get_json(one))["metadata"]["resourceVersion"]
        meta = {**obj["metadata"], "resourceVersion": version}
        body = await client.send("PUT", one, {**obj, "metadata": meta})
    made: Object = msgspec.json.decode(body)
    return made


async def install_crds(client: Client, *plurals: str) -> None:
    """Applies those CRDs of ../shared/crds, and returns when they are served."""
    for path in sorted(require_shared("crds").glob("argoproj-*.json")):
        crd = msgspec.json.decode(path.read_bytes())
        if crd["spec"]["names"]["plural"] in plurals and "__full-" not in path.name:
            # The server of custom resources may come up after the API server before it.
            await eventually(lambda crd=crd: apply(client, CRD_PATH, crd))
    for plural in plurals:
        await eventually(lambda p=plural: client.get(f"/apis/argoproj.io/v1alpha1/{p}"))


async def eventually(attempt: Any, seconds: float = 60.0) -> Any:
    """The result of the first attempt that neither fails nor is false. Real time: the servers'
    time is real."""
    end = time.monotonic() + seconds
    while True:
        try:
            result = attempt()
            if asyncio.iscoroutine(result):
                result = await result
            if result or time.monotonic() > end:
                assert result, "did not come true in time"
                return result
        except (KubeError, OSError):
            if time.monotonic() > end:
                raise
        await asyncio.sleep(0.05)


def running(folder: Path) -> Iterator[EnvTest]:
    """A started server, for a fixture to yield from; skips, saying why, where it can't be."""
    start = require_shared("envtest/start")
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} to start the real API server")
    server = EnvTest(folder, start, assets(start.parent))
    try:
        server.start()
        yield server
    finally:
        server.kill()


def assets(envtest: Path) -> str:
    """The folder with the unpacked binaries; KUBEBUILDER_ASSETS names one that is there already."""
    if folder := os.environ.get("KUBEBUILDER_ASSETS"):
        return folder
    done = subprocess.run([envtest / "unpack"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _kill(pid: int) -> None:
    """Ends a process that ``start`` started, and returns when its ports are free."""
    try:
        os.kill(pid, signal.SIGKILL)
        while True:
            os.kill(pid, 0)
            if _is_zombie(pid):
                return
            time.sleep(0.01)
    except ProcessLookupError:
        return


def _is_zombie(pid: int) -> bool:
    """Dead, but its parent (init, where there is one) has not taken notice yet."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
