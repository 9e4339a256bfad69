"""Private database servers for a test run, with the archive's table as Argo makes it."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from argoscope.simulator.cluster import Object
from support.ports import free_port

PASSWORD = "n0t-to-be-shown"
START_SECONDS = 60.0
_COLUMNS = "uid, name, phase, namespace, workflow, startedat, finishedat, clustername, instanceid"


def table(json_type: str, more: str = "") -> str:
    """The archive's table after Argo's migrations; what differs between versions is given."""
    return (
        "CREATE TABLE argo_archived_workflows ("
        "uid varchar(128) NOT NULL, name varchar(256) NOT NULL, phase varchar(25) NOT NULL,"
        f"namespace varchar(256) NOT NULL, workflow {json_type} NOT NULL,"
        "startedat timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,"
        "finishedat timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,"
        f"clustername varchar(64) NOT NULL, instanceid varchar(64) NOT NULL{more},"
        "PRIMARY KEY (clustername, uid))"
    )


def insert(
    connection: Any, runs: list[Object], *, cluster: str = "default", instance: str = ""
) -> None:
    """Archive runs as the controller does: times are in UTC, without a zone."""
    marks = ",".join(["%s"] * 9)
    rows = [
        (
            run["metadata"]["uid"],
            run["metadata"]["name"],
            run["status"]["phase"],
            run["metadata"]["namespace"],
            json.dumps(run),
            _stamp(run["status"]["startedAt"]),
            _stamp(run["status"]["finishedAt"]),
            cluster,
            instance,
        )
        for run in runs
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO argo_archived_workflows ({_COLUMNS}) VALUES ({marks})",
            rows,
        )


def _stamp(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


def _program(name: str, *folders: str) -> str:
    """Where a program is; skips the test if it is not installed."""
    for folder in folders:
        for found in sorted(Path("/").glob(folder.lstrip("/")), reverse=True):
            if (found / name).exists():
                return str(found / name)
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def _as_user(user: str) -> list[str]:
    """Database servers refuse to run as root: what to put before their command."""
    if os.geteuid() != 0:
        return []
    return [_program("setpriv"), f"--reuid={user}", f"--regid={user}", "--clear-groups"]


@contextmanager
def _folder(user: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="argoscope-db-") as made:
        if os.geteuid() == 0:
            try:
                shutil.chown(made, user, user)
            except LookupError:
                pytest.skip(f"there is no user {user} to run a database server as")
        yield Path(made)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-1000:]}{done.stderr[-1000:]}"


@contextmanager
def _server(command: list[str], log: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """Runs it until the end of the context, which begins when it is ready."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            alive = process.poll() is None and time.monotonic() < deadline
            assert alive, log.read_text(errors="replace")[-2000:]
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server; its URL for the superuser, with the password."""
    initdb = _program("initdb", "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
    with _folder("postgres") as folder:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        user = _as_user("postgres")
        data = str(folder / "data")
        _run(*user, initdb, "-D", data, "-U", "argo", "-A", "scram-sha-256", "--no-sync",
             f"--pwfile={secret}", "-E", "UTF8", "--locale=C")  # fmt: skip
        port = free_port()
        options = {"port": port, "listen_addresses": "127.0.0.1", "fsync": "off",
                   "unix_socket_directories": folder, "timezone": "Asia/Tokyo"}  # fmt: skip
        command = [*user, str(Path(initdb).with_name("postgres")), "-D", data]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        check = [str(Path(initdb).with_name("pg_isready")), "-h127.0.0.1", f"-p{port}", "-q"]
        with _server(command, folder.with_suffix(".log"), lambda: not subprocess.call(check)):
            yield f"postgresql://argo:{PASSWORD}@127.0.0.1:{port}/postgres"
        folder.with_suffix(".log").unlink()


@contextmanager
def mariadb() -> Iterator[str]:
    """A MariaDB server; a URL for a user who may do everything, with the password."""
    install, server = _program("mariadb-install-db"), _program("mariadbd")
    with _folder("mysql") as folder:
        user = _as_user("mysql")
        data = f"--datadir={folder / 'data'}"
        _run(*user, install, "--no-defaults", data, "--skip-test-db",
             "--auth-root-authentication-method=normal")  # fmt: skip
        start = folder / "start.sql"
        start.write_text(
            "CREATE DATABASE argo;\n"  # one statement a line
            f"CREATE USER 'argo'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL ON *.* TO 'argo'@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        start.chmod(0o644)
        port = free_port()
        command = [*user, server, "--no-defaults", data, f"--port={port}",
                   "--bind-address=127.0.0.1", f"--socket={folder / 's'}",
                   f"--pid-file={folder / 'pid'}", f"--init-file={start}", "--skip-name-resolve",
                   "--innodb-flush-log-at-trx-commit=0", "--default-time-zone=+09:00"]  # fmt: skip
        with _server(command, folder.with_suffix(".log"), lambda: _is_open(port)):
            yield f"mysql://argo:{PASSWORD}@127.0.0.1:{port}/argo"
        folder.with_suffix(".log").unlink()
