"""``argoscope simulate`` from a terminal."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from support.simulated import SECONDS, simulating

COMMAND = (sys.executable, "-m", "argoscope", "simulate")


def test_it_says_what_to_do_next_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    with simulating(tmp_path) as running:
        assert running.address in running.greeting
        assert f"kubectl --kubeconfig {running.kubeconfig} get workflows -A" in running.greeting
        assert stat.S_IMODE(running.kubeconfig.stat().st_mode) == 0o600
    assert running.process.returncode == 0
    assert not running.kubeconfig.exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--listen", "nonsense"), "is not HOST:PORT"),
        (("--listen", "0.0.0.0:0"), "set --token, or listen on 127.0.0.1"),
        (("--listen", "192.0.2.1:0", "--token", "t"), "can't listen on 192.0.2.1:0"),
        (("--still", "--scenario", "quiet"), "--still and --scenario exclude each other"),
        (("--still", "--truth", "truth.jsonl"), "--still and --truth exclude each other"),
        (("--kubeconfig", "/proc/nowhere/config"), "can't write /proc/nowhere/config"),
    ],
)
def test_what_can_t_be_is_said(tmp_path: Path, arguments: tuple[str, ...], complaint: str) -> None:
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 2
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == []


def test_a_kubeconfig_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "config"
    mine.write_text("current-context: production\n")
    done = subprocess.run(
        [*COMMAND, "--kubeconfig", str(mine)], capture_output=True, text=True, timeout=SECONDS
    )
    assert (done.returncode, mine.read_text()) == (2, "current-context: production\n")
    assert "--kubeconfig" in done.stderr
