"""The command line: what it prints, what it refuses, with which exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from argoscope import __version__
from argoscope.cli import main

COMMANDS = ("demo", "doctor", "import", "inspect", "ledger", "metrics", "run", "settings")


def run(*args: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, args, env={"ARGOSCOPE_SHARED": "", **(env or {})})
    return result.exit_code, result.stdout, result.stderr


def test_help_lists_every_command_with_a_line() -> None:
    code, text, _ = run("--help")
    assert code == 0
    lines = {line.split()[0]: line for line in text.partition("Commands:")[2].splitlines() if line}
    for command in COMMANDS:
        assert len(lines[command].split()) > 3


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    code, text, _ = run(command, "-h")
    assert (code, text.partition(" ")[0]) == (0, "Usage:")


def test_help_does_not_wait_for_the_daemon_to_be_imported() -> None:
    script = (
        "import sys; from argoscope.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print({name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "Usage:" in done.stdout
    for heavy in ("aiohttp", "kubernetes", "opentelemetry", "rich", "prometheus_client", "jinja2"):
        assert f"'{heavy}'" not in done.stderr


def test_the_version_is_the_package_s() -> None:
    assert run("--version")[:2] == (0, f"argoscope, version {__version__}\n")


def test_an_unknown_command_or_option_ends_with_2() -> None:
    assert run("watch")[0] == 2
    assert run("run", "--lisen", "x")[0] == 2


def test_wrong_settings_end_with_2_and_all_of_them_on_stderr(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("log: {level: loud}\nnamespace: ci\n")
    code, out, err = run(
        *("run", "--config", str(file), "--listen", "nowhere"),
        env={"ARGOSCOPE_SELECTOR": "a=b=c"},
    )
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert all(line.startswith("argoscope: ") for line in lines)
    assert [line.split(": ")[1] for line in lines] == [
        "namespace",
        "log.level",
        "selector",
        "listen",
    ]


def test_the_configuration_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("selector: '='\n")
    code, _, err = run("run", env={"ARGOSCOPE_CONFIG": str(file)})
    assert code == 2
    assert str(file) in err


@pytest.mark.parametrize(
    ("form", "start"),
    [("table", "CronWorkflow"), ("json", "["), ("markdown", "# Metrics\n")],
)
def test_metrics_are_listed_in_every_format(form: str, start: str) -> None:
    code, text, err = run("metrics", "--format", form)
    assert (code, err) == (0, "")
    assert text.startswith(start)
    assert "argo_workflow_runs_total" in text
    if form == "json":
        assert len(json.loads(text)) > 50


@pytest.mark.parametrize(
    ("form", "start"),
    [("table", "┏"), ("yaml", "# Address"), ("markdown", "# Configuration\n")],
)
def test_settings_are_listed_in_every_format(form: str, start: str) -> None:
    code, text, err = run("settings", "--format", form)
    assert (code, err) == (0, "")
    assert text.startswith(start)
    assert "listen" in text
