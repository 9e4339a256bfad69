"""``argoscope simulate`` as a process, and the real kubectl."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml

from support.kubernetes_tools import tool

SECONDS = 60.0
"""That a command may take on a busy machine."""


@dataclass
class Simulator:
    """A running one; ``output`` goes on after its first lines."""

    process: subprocess.Popen[str]
    kubeconfig: Path
    greeting: str

    @property
    def address(self) -> str:
        found = yaml.safe_load(self.kubeconfig.read_text())
        server: str = found["clusters"][0]["cluster"]["server"]
        return server

    def control(self, path: str, body: Any = None, method: str = "POST") -> Any:
        """Asks for something under /_simulator."""
        data = None if body is None else json.dumps(body).encode()
        url = f"{self.address}/_simulator/{path}"
        request = urllib.request.Request(url, data=data, method=method)
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            return json.loads(response.read())


@contextmanager
def simulating(folder: Path, *arguments: str, still: bool = True) -> Iterator[Simulator]:
    """Started, and ended by Ctrl-C. ``still``: nothing runs in it."""
    kubeconfig = folder / "kubeconfig"
    command = [sys.executable, "-m", "argoscope", "simulate", "--kubeconfig", str(kubeconfig)]
    if still:
        command.append("--still")
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        yield Simulator(process, kubeconfig, _greeting(process.stdout))
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _greeting(output: IO[str] | None) -> str:
    assert output is not None
    lines: list[str] = []
    for line in output:
        lines.append(line)
        if "Ctrl-C" in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


class Kubectl:
    """With a kubeconfig and a cache of its own."""

    def __init__(self, kubeconfig: Path, home: Path) -> None:
        self._base = [tool("kubectl"), "--kubeconfig", str(kubeconfig)]
        self._env = {**os.environ, "HOME": str(home), "KUBECACHEDIR": str(home / "cache")}

    def __call__(self, *arguments: str, stdin: str = "", fails: bool = False) -> str:
        """What it printed; with its complaint when it ``fails`` as it should."""
        done = subprocess.run(
            [*self._base, *arguments],
            input=stdin,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr if fails else done.stdout

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """One that goes on, such as ``get --watch``."""
        process = subprocess.Popen(
            [*self._base, *arguments], env=self._env, stdout=subprocess.PIPE, text=True
        )
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=SECONDS)
