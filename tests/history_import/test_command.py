"""`argoscope import` as a process: what it prints, how it ends, and that it can be cut off."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from argoscope.ledger.database import Database
from argoscope.ledger.ledger import Ledger
from argoscope.ledger.runs import run_of
from support.archive_server import TOKEN, archive_server, problem
from support.archived import DAY, archive

SEED = 20260925
SECONDS = 60.0
"""What anything here may take on a busy machine."""


@pytest.fixture(autouse=True)
def _print_seed() -> None:
    print(f"seed {SEED}")


@asynccontextmanager
async def started(*args: str, token: str = TOKEN) -> AsyncIterator[asyncio.subprocess.Process]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("ARGO", "PG", "MYSQL"))}
    if token:
        environ["ARGO_TOKEN"] = token
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "argoscope", "import", *args),
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def run(*args: str, token: str = TOKEN, stdin: bytes = b"") -> tuple[int, str, str]:
    """Exit code, stdout and stderr; neither may show the token."""
    async with started(*args, token=token) as process:
        out, err = await asyncio.wait_for(process.communicate(stdin), SECONDS)
    assert process.returncode is not None
    assert TOKEN.encode() not in out + err
    return process.returncode, out.decode(), err.decode()


def rows(path: Path) -> int:
    if not path.exists():
        return 0
    database = Database.read(path)
    try:
        return int(database.scalar("SELECT count(*) FROM run"))
    finally:
        database.close()


async def test_the_summary_says_what_came_of_it(tmp_path: Path) -> None:
    runs, truth = archive(SEED, 300, time.time())
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    path = tmp_path / "l.db"
    async with archive_server(runs) as server:
        server.broken = {runs[5]["metadata"]["uid"]: 404}
        arguments = ["server", server.address, "--token-file", str(token), "--ledger", str(path)]
        code, out, err = await run(*arguments, token="")
        again = await run(*arguments, token="")
    assert code == 0
    lines = dict(line.rsplit("  ", 1) for line in out.splitlines())
    found = {name.strip(): text for name, text in lines.items()}
    assert found["imported"] == f"299 runs of {len(truth.completed)} pipelines"
    succeeded = sum(not cause for cause in truth.causes.values())
    succeeded -= not truth.causes[runs[5]["metadata"]["uid"]]
    assert found["Succeeded"] == str(succeeded)
    assert found["Failed"] == str(299 - succeeded)
    assert found["skipped"] == "1 gone"
    assert "it is no longer in the archive" in err
    assert again[0] == 0
    assert "imported          0 runs" in again[1]
    assert "known before      299" in again[1]


async def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    runs, _ = archive(SEED, 20, time.time())
    path = tmp_path / "l.db"
    async with archive_server(runs) as server:
        code, out, _ = await run("server", server.address, "--dry-run", "--ledger", str(path))
        without = await run("server", server.address, "--dry-run")
    assert (code, without[0]) == (0, 0)
    assert "would be imported 20 runs" in out
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill-9"])
async def test_an_import_that_was_cut_off_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    runs, _ = archive(SEED, 3_000, time.time())
    path = tmp_path / "l.db"
    Ledger.open(path).close()
    # However slow this machine is, the import can't be through before it is cut off.
    async with archive_server(runs, stall_after=2_500) as server:
        arguments = ["server", server.address, "--ledger", str(path), "--concurrency", "4"]
        async with started(*arguments) as process:
            deadline = time.monotonic() + SECONDS
            while not rows(path):
                assert process.returncode is None
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
            process.send_signal(number)
            out, err = await asyncio.wait_for(process.communicate(), SECONDS)
        kept = rows(path)
        assert 0 < kept < 3_000
        if number == signal.SIGINT:
            assert process.returncode == 130
            assert f"imported          {kept:,} runs" in out.decode()
            assert "run the import again to go on" in err.decode()
        server.requests.clear()
        server.stall_after = None
        code, out_again, _ = await run(*arguments)
        objects = server.requests.total() - server.requests["list"]
    assert code == 0
    assert objects == 3_000 - kept
    assert f"imported          {3_000 - kept:,} runs" in out_again
    assert rows(path) == 3_000


async def test_a_ledger_in_use_says_what_to_do_and_is_not_touched(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "l.db")
    async with archive_server([]) as server:
        code, _, err = await run("server", server.address, "--ledger", str(tmp_path / "l.db"))
    ledger.close()
    assert code == 1
    assert "before the daemon's first start, or stop the daemon" in err
    assert server.requests.total() == 0


async def test_an_error_of_the_server_is_one_line(tmp_path: Path) -> None:
    async with archive_server([]) as server:
        server.faults.append(problem(401, 16, "token not valid"))
        arguments = ["server", server.address, "--ledger", str(tmp_path / "l.db")]
        code, out, err = await run(*arguments)
    assert (code, out) == (1, "")
    assert err == (
        f"Error: {server.address} says 401 token not valid: give a valid token in ARGO_TOKEN or"
        " --token-file (`argo auth token` prints one)\n"
    )


async def test_a_terminal_shows_a_bar_and_problems_on_lines_of_their_own(tmp_path: Path) -> None:
    runs, _ = archive(SEED, 200, time.time())
    ours, theirs = os.openpty()
    async with archive_server(runs) as server:
        server.broken = {run_["metadata"]["uid"]: 404 for run_ in runs[50:60]}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "argoscope", "import", "server", server.address, "--dry-run"),
            env={**os.environ, "ARGO_TOKEN": TOKEN, "TERM": "xterm", "COLUMNS": "80"},
            stdout=subprocess.PIPE,
            stderr=theirs,
        )
        os.close(theirs)
        out, shown = await asyncio.wait_for(
            asyncio.gather(process.stdout.read(), asyncio.to_thread(_all, ours)),  # type: ignore[union-attr]
            SECONDS,
        )
        await process.wait()
    os.close(ours)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    problems = [line for line in re.split(r"[\r\n]+", plain) if "gone:" in line]
    assert len(problems) == 10
    assert all(line.startswith(("ci/", "etl/")) for line in problems)
    assert "200/200" in plain
    assert b"would be imported 190 runs" in out


def _all(terminal: int) -> bytes:
    found = b""
    try:
        while piece := os.read(terminal, 65536):
            found += piece
    except OSError:  # as Linux says it when the other side has been closed
        pass
    return found


async def test_since_ever_is_a_time_like_others(tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text('{"kind": "List", "items": []}')
    given = ["files", str(tmp_path / "none.json"), "--ledger", str(tmp_path / "l.db")]
    code, out, err = await run(*given, "--since", "99999999999999w")
    assert code == 0, err
    assert "No run has ended since 0001-01-01" in out or "No run has ended since 1-01-01" in out


async def test_an_empty_archive_is_no_silent_success(tmp_path: Path) -> None:
    async with archive_server([]) as server:
        code, out, _ = await run("server", server.address, "--ledger", str(tmp_path / "l.db"))
    assert code == 0
    assert "is persistence.archive true" in out


async def test_what_is_missing_or_wrong_is_said_before_anything_starts(tmp_path: Path) -> None:
    ledger = str(tmp_path / "l.db")
    code, _, err = await run("server", "http://127.0.0.1:1")
    assert (code, "--ledger is missing" in err) == (2, True)
    code, _, err = await run("server", "http://127.0.0.1:1", "--ledger", ledger, "--since", "x")
    assert (code, "--since" in err) == (2, True)
    code, _, err = await run("files", "absent", "--ledger", ledger, "--namespace", "No Name")
    assert (code, "namespaces" in err) == (2, True)
    assert os.listdir(tmp_path) == []
    code, _, err = await run("files", str(tmp_path / "absent"), "--ledger", ledger)
    assert (code, "No such file" in err) == (1, True)


async def test_pipelines_are_named_as_the_daemon_is_configured(tmp_path: Path) -> None:
    runs, _ = archive(SEED, 30, time.time())
    for run_ in runs[:10]:
        run_["metadata"]["labels"]["team.example/product"] = "shop"
    config = tmp_path / "config.yaml"
    path = tmp_path / "l.db"
    config.write_text(f"labels: {{pipeline: [team.example/product]}}\nledger: {{path: {path}}}\n")
    objects = "\n".join(json.dumps(run_) for run_ in runs).encode()
    code, out, err = await run("files", "-", "--config", str(config), stdin=objects)
    assert code == 0, err
    database = Database.read(path)
    found = Counter(run_of(row).pipeline for rows in database.run_rows() for row in rows)
    database.close()
    assert found.pop("shop") == 10
    assert sum(found.values()) == 20
    assert "imported          30 runs" in out


async def test_files_hold_other_kinds_and_the_same_run_twice(tmp_path: Path) -> None:
    runs, _ = archive(SEED, 8, time.time())
    pod = {"kind": "Pod", "metadata": {"name": "p", "uid": "p"}}
    items = [*runs, pod, runs[3], {"kind": "Workflow", "metadata": {"name": "no-uid"}}]
    (tmp_path / "list.json").write_text(json.dumps({"kind": "List", "items": items}))
    (tmp_path / "bad.json").write_text("{")
    path = tmp_path / "l.db"
    given = [str(tmp_path / name) for name in ("list.json", "bad.json")]
    code, out, err = await run("files", *given, "--ledger", str(path))
    assert code == 0
    assert rows(path) == 8
    assert "known before      1" in out
    assert "skipped           1 malformed" in out
    assert "not JSON" in err
    assert "left out: 1 Pod" in err


async def test_an_import_of_files_that_was_stopped_keeps_what_it_had(tmp_path: Path) -> None:
    runs, _ = archive(SEED, 8, time.time())
    (tmp_path / "runs.json").write_text(json.dumps({"kind": "List", "items": runs}))
    path = tmp_path / "l.db"
    os.mkfifo(tmp_path / "slow.json")  # nothing ever comes
    given = [str(tmp_path / name) for name in ("runs.json", "slow.json")]
    async with started("files", *given, "--ledger", str(path)) as process:
        writer = await asyncio.to_thread((tmp_path / "slow.json").open, "wb")  # till it is read
        with writer:
            process.send_signal(signal.SIGINT)
            out, err = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 130, err
    assert b"imported          8 runs" in out
    assert b"run the import again to go on" in err
    assert rows(path) == 8


async def test_what_is_nested_deep_is_read_and_what_is_garbage_costs_only_itself(
    tmp_path: Path,
) -> None:
    runs, _ = archive(SEED, 8, time.time())
    lines = [json.dumps(run_).encode() for run_ in runs]
    more = b'{"deep":' + b"[" * 9_900 + b"]" * 9_900 + b","  # API servers take 10,000
    lines[0] = more + lines[0][1:]
    lines[3] = lines[3].replace(b'"name": "', b'"name": "\xff', 1)
    lines[5] = b'{"deep":' + b"[" * 20_000 + b"]" * 20_000 + b"," + lines[5][1:]
    lines[6] = b"[1,"
    (tmp_path / "runs.jsonl").write_bytes(b"\n".join(lines))
    (tmp_path / "cut.tar.zst").write_bytes(b"no archive at all")
    path = tmp_path / "l.db"
    given = [str(tmp_path / name) for name in ("runs.jsonl", "cut.tar.zst")]
    code, _, err = await run("files", *given, "--ledger", str(path))
    assert code == 0, err
    assert rows(path) == 5
    for said in ("runs.jsonl:4: ", "runs.jsonl:6: ", "runs.jsonl:7: ", "cut.tar.zst: "):
        assert said in err


async def test_a_run_of_last_month_is_kept_only_if_asked_for(tmp_path: Path) -> None:
    runs, _ = archive(SEED, 50, time.time() - 20 * DAY)
    path = tmp_path / "l.db"
    (tmp_path / "list.json").write_text(json.dumps({"kind": "List", "items": runs}))
    arguments = ["files", str(tmp_path / "list.json"), "--ledger", str(path)]
    _, out, _ = await run(*arguments)
    assert "not asked for     50" in out
    await run(*arguments, "--since", "4w")
    assert rows(path) == 50


async def test_a_full_disk_keeps_what_was_committed(tmp_path: Path) -> None:
    runs, _ = archive(SEED, 5_000, time.time())
    (tmp_path / "list.jsonl").write_text("\n".join(json.dumps(run_) for run_ in runs))
    path = tmp_path / "l.db"
    Ledger.open(path).close()
    # The log of one commit of 1,000 runs fits, that of all does not.
    limit = f"ulimit -f 1000; exec {sys.executable} -m argoscope import files"
    process = await asyncio.create_subprocess_shell(
        f"{limit} {tmp_path}/list.jsonl --ledger {path}",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    _, err = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 1, err
    assert b"ledger" in err
    assert b"Traceback" not in err
    kept = rows(path)
    assert 0 < kept < 5_000
    code, out, _ = await run("files", f"{tmp_path}/list.jsonl", "--ledger", str(path))
    assert (code, rows(path)) == (0, 5_000)
    assert f"known before      {kept:,}" in out
