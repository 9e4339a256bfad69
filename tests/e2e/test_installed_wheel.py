"""The wheel as the image has it: installed by itself, run by a user who owns nothing, with a
read-only root and home.

Needs root, which can become somebody else, and the distribution's Python where that of these tests
lies in a folder that nobody else may enter.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml

from argoscope import __version__
from support.manifests import DEPLOY
from support.recordings import ROOT

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else"),
]

USER = 65532
"""Of the image; nobody here."""
CONFINED = """
set -e
mount -t tmpfs -o mode=1777 tmpfs "$TMPDIR"
for folder in "$HOME" "$VIRTUAL_ENV"; do
  mount --bind "$folder" "$folder"
  mount -o remount,ro,bind "$folder"
done
mount -o remount,ro,bind /
exec setpriv --reuid=65532 --regid=65532 --clear-groups --no-new-privs --bounding-set=-all -- "$@"
"""
"""As the kubelet confines the pod: nothing to write to but /tmp, no capability to get."""
WORKFLOW = b"""
{"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
 "metadata": {"name": "etl-x1", "generateName": "etl-", "namespace": "data", "uid": "1"},
 "spec": {"entrypoint": "main"},
 "status": {"phase": "Succeeded", "startedAt": "2026-01-01T00:00:00Z",
            "finishedAt": "2026-01-01T00:01:40Z"}}
"""


@dataclass
class Installed:
    """A virtual environment with the wheel and what it needs, and nothing of the checkout."""

    folder: Path

    def command(self, program: str, *arguments: str) -> list[str]:
        """To run it confined; ``program`` is one of the environment or a path."""
        inside = self.folder / "venv" / "bin" / program
        confine = ("unshare", "--mount", "--propagation", "private", "sh", "-c", CONFINED, "sh")
        return [*confine, str(inside), *arguments]

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "scratch"),
            "VIRTUAL_ENV": str(self.folder / "venv"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(
        self, program: str, *arguments: str, stdin: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.command(program, *arguments),
            input=stdin,
            env=self.environ,
            cwd="/",
            capture_output=True,
            timeout=120,
        )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built of what the Dockerfile copies, and of nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for line in re.findall(r"^COPY (?!--)(.+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE):
        *names, target = line.split()
        for name in names:
            if (ROOT / name).is_dir():
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / name, source / target, ignore=ignore)
            else:
                shutil.copy(ROOT / name, source / target)
    _pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(source))
    (found,) = folder.glob("argoscope-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Iterator[Installed]:
    # Not below pytest's own folder, which others may not enter.
    with TemporaryDirectory(prefix="argoscope-installed-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for sub in ("home", "scratch"):
            (folder / sub).mkdir(mode=0o555)
        venv = folder / "venv"
        subprocess.run([_python(), "-m", "venv", "--without-pip", str(venv)], check=True)
        into = ("--python", str(venv / "bin" / "python"))
        _pip(
            *into,
            "install",
            "--no-compile",
            "--constraint",
            str(ROOT / "constraints.txt"),
            str(wheel),
        )
        yield Installed(folder)


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def _python() -> str:
    """An interpreter that another user may run: that of these tests, or the distribution's."""
    probe = "import sys, venv; assert sys.version_info >= (3, 11)"
    for path in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        try:
            done = subprocess.run([path, "-Ic", probe], user=USER, group=USER, extra_groups=[])
        except OSError:
            continue
        if done.returncode == 0:
            return path
    pytest.fail("no Python 3.11 or later that another user may run: apt install python3")


def test_the_wheel_holds_the_daemon_the_kit_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    packages = r"(argoscope|argoscope_alerts|argoscope_dashboards|argoscope-[^/]*\.dist-info)/"
    assert [name for name in names if not re.match(packages, name)] == []
    assert names >= {
        "argoscope/cli.py",
        "argoscope/_kit/dashboards/argoscope-fleet.json",
        "argoscope_dashboards/fleet.py",
        "argoscope_alerts/config.py",
    }


def test_this_user_can_write_nothing_but_temporary_files(installed: Installed) -> None:
    """Otherwise the tests below would prove nothing."""
    script = 'id -u; for at in "$TMPDIR" "$HOME" "$VIRTUAL_ENV" /var /; do touch "$at/mine"; done'
    done = installed.run("/bin/sh", "-c", script)
    assert done.stdout.split() == [str(USER).encode()]
    said = done.stderr.decode().splitlines()
    assert len(said) == 4, said
    assert all("Read-only file system" in line for line in said), said


def test_it_says_its_version(installed: Installed) -> None:
    done = installed.run("argoscope", "--version")
    assert (done.returncode, done.stderr) == (0, b"")
    assert __version__ in done.stdout.decode()


def test_without_the_extra_kit_the_built_dashboards_are_there_and_it_says_where(
    installed: Installed,
) -> None:
    done = installed.run("argoscope-dashboards", "list")
    assert done.returncode != 0
    said = done.stderr.decode()
    assert "argoscope[kit]" in said
    where = re.search(r"^Built ones.*: (\S+)$", said, re.MULTILINE)
    assert where is not None, said
    assert Path(where[1], "argoscope-fleet.json").exists()


def test_inspect_reads_what_it_is_given(installed: Installed) -> None:
    done = installed.run("argoscope", "inspect", "-", stdin=WORKFLOW)
    assert done.returncode == 0, done.stderr
    assert b'pipeline="etl"' in done.stdout


def test_without_a_cluster_it_says_what_is_missing(installed: Installed) -> None:
    done = installed.run("argoscope", "run")
    assert done.returncode == 2
    assert b"no cluster: not in a pod" in done.stderr


def test_the_demo_of_the_compose_file_serves_metrics(installed: Installed) -> None:
    """The daemon itself, a child of it, with events and scrapes."""
    compose = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    command = compose["services"]["argoscope"]["command"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    given = [address if one == "0.0.0.0:9464" else one for one in command]
    assert given != command
    with subprocess.Popen(
        installed.command("argoscope", *given, "--duration", "60", "--past", "60"),
        env=installed.environ,
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            text = _scraped(f"http://{address}/metrics", process)
        finally:
            process.terminate()
            said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "A minute of it is 60 s here" in said
    assert "argo_workflow_active{" in text


def _scraped(url: str, process: subprocess.Popen[str]) -> str:
    """The first scrape with a Workflow in it. Real time: the process's time is real."""
    while process.poll() is None:
        try:
            with urlopen(url, timeout=5) as answer:
                text: str = answer.read().decode()
        except (URLError, OSError):
            text = ""
        if "argo_workflow_active{" in text:
            return text
        time.sleep(0.2)
    pytest.fail("it ended before it served a Workflow")
