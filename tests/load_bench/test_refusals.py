"""bench never guesses which cluster is meant."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from argoscope.load_bench.command import bench_command


@pytest.fixture
def kubeconfig(tmp_path: Path) -> str:
    contexts = [
        {"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("production", "play")
    ]
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": contexts,
        "current-context": "production",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return str(path)


@pytest.mark.parametrize("kind", ["workflows", "rollouts", "clean"])
def test_the_current_context_is_not_taken(kind: str, kubeconfig: str) -> None:
    result = CliRunner().invoke(bench_command, [kind, "--kubeconfig", kubeconfig])
    assert result.exit_code == 2
    assert "--context is missing" in result.stderr and "may be production" in result.stderr
    assert "play, production" in result.stderr


def test_a_context_that_is_not_there_is_refused_with_those_that_are(kubeconfig: str) -> None:
    result = CliRunner().invoke(
        bench_command, ["workflows", "--kubeconfig", kubeconfig, "--context", "plya"]
    )
    assert result.exit_code == 2
    assert "no context 'plya'" in result.stderr and "play, production" in result.stderr


def test_a_kubeconfig_that_is_not_there_is_refused(tmp_path: Path) -> None:
    missing = str(tmp_path / "none")
    result = CliRunner().invoke(
        bench_command, ["workflows", "--kubeconfig", missing, "--context", "play"]
    )
    assert result.exit_code == 2
    assert missing in result.stderr and "--kubeconfig" in result.stderr


def test_a_file_that_cant_be_written_is_refused_before_anything_is_made(
    kubeconfig: str, tmp_path: Path
) -> None:
    given = ["--kubeconfig", kubeconfig, "--context", "play", "--out", str(tmp_path)]
    result = CliRunner().invoke(bench_command, ["workflows", *given])
    assert result.exit_code == 2
    assert "--out" in result.stderr and "Is a directory" in result.stderr


def test_an_api_server_that_cant_be_reached_ends_the_run_before_it_begins(kubeconfig: str) -> None:
    given = ["--kubeconfig", kubeconfig, "--context", "play"]
    result = CliRunner().invoke(bench_command, ["workflows", *given])
    assert result.exit_code == 2
    assert "Cannot connect to host 127.0.0.1:1" in result.stderr


@pytest.mark.parametrize("option", ["--timeout", "--seconds"])
@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize("kind", ["workflows", "rollouts"])
def test_times_without_end_are_refused(kind: str, option: str, value: str, kubeconfig: str) -> None:
    given = ["--kubeconfig", kubeconfig, "--context", "play", option, value]
    result = CliRunner().invoke(bench_command, [kind, *given])
    assert result.exit_code == 2
    assert f"Invalid value for '{option}': {value} is no number of seconds" in result.stderr
