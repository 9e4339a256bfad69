"""`argoscope ledger`: what is in it, also while a daemon writes it."""

import csv
import io
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from argoscope.cli import main
from argoscope.ledger.command import when
from argoscope.ledger.ledger import Ledger
from argoscope.resources._base import RunCauses
from support.ledgers import ETL, NOW, registry_at, run_record
from support.scrape import RUNS


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    registry = registry_at()
    ledger = Ledger.open(tmp_path)
    registry.count(RUNS, ETL)
    ledger.record(run_record(0, finished=NOW + 0.25, started=0.0))
    where = {"pull": 12.5, "main": 7.75}
    ledger.attribute(RunCauses(uid="uid-0", finished=NOW + 0.25, causes=where))
    ledger.record(run_record(86_400, pipeline="build, and test", counted=False))
    failed = run_record(2 * 86_400, namespace="ci", phase="Failed", cause="oom", retries=3)
    failed.actor, failed.action = "jane", "Retry"
    ledger.record(failed)
    ledger.commit(registry.hold(), [("workflows", "u1", b"1"), ("workflows", "u2", b"1")])
    yield ledger
    ledger.close()


def run(*args: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["ledger", *args], env=env)
    return result.exit_code, result.stdout, result.stderr


def test_export_prints_json_lines_oldest_first_while_the_daemon_runs(
    ledger: Ledger, tmp_path: Path
) -> None:
    code, out, _ = run("export", str(tmp_path))
    assert code == 0
    first, second, third = (json.loads(line) for line in out.splitlines())
    assert first == {
        "uid": "uid-0",
        "namespace": "team",
        "pipeline": "etl",
        "name": "etl-0",
        "cron": "",
        "phase": "Succeeded",
        "cause": "",
        "created": "2023-11-14T22:13:00Z",
        "started": None,
        "finished": "2023-11-14T22:13:20.250000Z",
        "retries": 0,
        "resources": {"cpu": 12.0, "memory": 400.0},
        "actor": "",
        "action": "",
        "counted": True,
        "causes": {"pull": 12.5, "main": 7.75},
    }
    assert (second["pipeline"], second["counted"]) == ("build, and test", False)
    facts = [third[name] for name in ("phase", "cause", "retries", "actor", "action")]
    assert facts == ["Failed", "oom", 3, "jane", "Retry"]


def test_export_prints_csv_that_reads_back(ledger: Ledger, tmp_path: Path) -> None:
    code, out, _ = run("export", str(tmp_path), "--format", "csv")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["pipeline"] for row in rows] == ["etl", "build, and test", "etl"]
    assert json.loads(rows[0]["resources"]) == {"cpu": 12.0, "memory": 400.0}
    assert rows[0]["started"] == ""


@pytest.mark.usefixtures("ledger")
def test_export_says_that_the_disk_is_full(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        found = subprocess.run(
            [sys.executable, "-m", "argoscope", "ledger", "export", str(tmp_path)],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert found.returncode == 1
    assert found.stderr.startswith(b"Error: can't write the run records: No space left on device")
    assert b"Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("options", "uids"),
    [
        (("--since", "2023-11-15"), ["uid-86400", "uid-172800"]),
        (("--since", "2023-11-15T22:13:20Z"), ["uid-86400", "uid-172800"]),
        (("--since", "2023-11-15T22:13:21+00:00"), ["uid-172800"]),
        (("--since", "1m"), []),
        (("--pipeline", "etl"), ["uid-0", "uid-172800"]),
        (("--namespace", "ci"), ["uid-172800"]),
        (("--pipeline", "etl", "--namespace", "team"), ["uid-0"]),
        (("--pipeline", "et"), []),
    ],
    ids=" ".join,
)
def test_export_filters(
    ledger: Ledger, tmp_path: Path, options: tuple[str, ...], uids: list[str]
) -> None:
    code, out, _ = run("export", str(tmp_path), *options)
    assert code == 0
    assert [json.loads(line)["uid"] for line in out.splitlines()] == uids


def test_a_time_that_is_none_ends_with_2(ledger: Ledger, tmp_path: Path) -> None:
    code, _, err = run("export", str(tmp_path), "--since", "yesterday")
    assert code == 2
    assert "'yesterday' is neither like 7d or 12h nor a date or time" in err


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1.5m", 90), ("2h", 7200), ("7d", 604_800), ("1w", 604_800)]
)
def test_times_ago(text: str, seconds: float) -> None:
    assert when(text, NOW) == NOW - seconds


def test_info_says_what_is_in_it(ledger: Ledger, tmp_path: Path) -> None:
    code, out, _ = run("info", str(tmp_path), "--check", "--format", "json")
    assert code == 0
    facts = json.loads(out)
    assert facts["path"] == str(tmp_path / "argoscope.db")
    assert (facts["series"], facts["objects"]) == (1, {"workflows": 2})
    assert (facts["runs_counted"], facts["runs_history"]) == (2, 1)
    assert facts["newest_run"] == "2023-11-16T22:13:20Z"
    assert facts["bytes"] > 4096
    assert facts["checked"] == "every row is intact"
    code, out, _ = run("info", str(tmp_path))
    assert "2 workflows" in out


def test_the_path_may_come_from_the_environment(ledger: Ledger, tmp_path: Path) -> None:
    code, out, _ = run("info", env={"ARGOSCOPE_LEDGER": str(tmp_path)})
    assert (code, str(tmp_path) in out) == (0, True)


def test_damage_is_found_by_info_check(ledger: Ledger, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "argoscope.db")
    connection.execute("UPDATE run SET body = replace(body, 'oom', 'cpu')")
    connection.commit()
    connection.close()
    code, _, err = run("info", str(tmp_path), "--check")
    assert code == 1
    assert "it is damaged: put a backup in its place" in err


@pytest.mark.parametrize("key", ["x'ffffffffffffffff61'", "x'00'", "'text'", "1.5"])
@pytest.mark.parametrize("place", ["min", "max"])
@pytest.mark.parametrize("check", [(), ("--check",)])
def test_damage_to_the_end_of_a_run_is_found_by_info(
    ledger: Ledger, tmp_path: Path, key: str, place: str, check: tuple[str, ...]
) -> None:
    ledger.close()
    connection = sqlite3.connect(tmp_path / "argoscope.db")
    where = f"key = (SELECT {place}(key) FROM run)"
    connection.execute(f"UPDATE run SET key = {key} WHERE {where}")
    connection.commit()
    connection.close()
    code, _, err = run("info", str(tmp_path), *check)
    assert code == 1
    assert "it is damaged" in err


@pytest.mark.parametrize("command", ["info", "export", "vacuum"])
def test_a_ledger_that_is_not_there_is_said_and_not_made(tmp_path: Path, command: str) -> None:
    code, _, err = run(command, str(tmp_path))
    assert code == 1
    assert "there is no such file or folder" in err
    assert not list(tmp_path.iterdir())


def test_vacuum_needs_the_daemon_to_be_stopped(ledger: Ledger, tmp_path: Path) -> None:
    code, _, err = run("vacuum", str(tmp_path))
    assert code == 1
    assert "another process holds it" in err
    ledger.close()
    code, out, _ = run("vacuum", str(tmp_path))
    assert code == 0
    assert "bytes before" in out
