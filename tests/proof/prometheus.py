"""A real Prometheus that holds what is written to it, and is asked at times of our own choice."""

import http.client
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from support.ports import free_port

_START_SECONDS = 30.0
_LONG = "4y"
"""One block for everything: a head takes samples as old as half of its shortest block."""

Labels = tuple[tuple[str, str], ...]


class QueryError(Exception):
    """Prometheus refused a query, with its reason."""


class Prometheus:
    def __init__(self, address: str) -> None:
        self.address = address
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=120.0)

    def close(self) -> None:
        self._connection.close()

    def instant(self, query: str, at: float) -> list[dict[str, Any]]:
        return list(self._ask("query", {"query": query, "time": f"{at:.3f}"})["result"])

    def range(self, query: str, begin: float, end: float, step: float) -> list[dict[str, Any]]:
        asked = {"query": query, "start": f"{begin:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        return list(self._ask("query_range", asked)["result"])

    def label_values(self, label: str, selector: str, begin: float, end: float) -> list[str]:
        asked = {"match[]": selector, "start": f"{begin:.3f}", "end": f"{end:.3f}"}
        return list(self._ask(f"label/{label}/values", asked))

    def _ask(self, what: str, parameters: dict[str, str]) -> Any:
        method, path, body = "POST", f"/api/v1/{what}", urlencode(parameters)
        if what.startswith("label/"):
            method, path, body = "GET", f"{path}?{body}", ""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request(method, path, body, headers)
        answer = json.loads(self._connection.getresponse().read())
        if answer["status"] != "success":
            raise QueryError(answer["error"])
        return answer["data"]


@contextmanager
def serving() -> Iterator[Prometheus]:
    """On a free port of 127.0.0.1, with a folder that goes with it. Raises FileNotFoundError."""
    program = shutil.which("prometheus")
    if program is None:
        raise FileNotFoundError("needs Prometheus: the Debian package prometheus")
    with tempfile.TemporaryDirectory(prefix="argoscope-proof-") as name:
        folder = Path(name)
        (folder / "prometheus.yml").write_text("global: {}\n")
        address = f"127.0.0.1:{free_port()}"
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    program,
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--storage.tsdb.min-block-duration={_LONG}",
                    f"--storage.tsdb.max-block-duration={_LONG}",
                    "--storage.tsdb.retention.time=90y",
                    "--query.max-samples=200000000",
                    f"--web.listen-address={address}",
                    "--web.enable-remote-write-receiver",
                    "--log.level=warn",
                ],
                stdout=log,
                stderr=log,
            )
        try:
            _wait(address, process, folder / "log")
            server = Prometheus(f"http://{address}")
            try:
                yield server
            finally:
                server.close()
        finally:
            process.kill()
            process.wait()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        connection = http.client.HTTPConnection(address, timeout=2.0)
        try:
            connection.request("GET", "/-/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        if process.poll() is not None or time.monotonic() > deadline:
            raise OSError(f"Prometheus did not start: {log.read_text(errors='replace')}")
        time.sleep(0.1)
