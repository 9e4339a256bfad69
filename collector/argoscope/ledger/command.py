"""The ``argoscope ledger`` commands: what is in a ledger, also while a daemon writes it."""

import csv
import re
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click
import msgspec

from argoscope.ledger.database import Database, locate
from argoscope.ledger.errors import LedgerError
from argoscope.ledger.reading import FIRST_RUN, LAST_RUN
from argoscope.ledger.runs import COUNTED, moment, run_of
from argoscope.resources._base import RunRecord

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhdw])\Z")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_FIRST = datetime.min.replace(tzinfo=UTC).timestamp()
_TIMES = ("created", "started", "finished")


def _reported(command: Callable[..., None]) -> Callable[..., None]:
    """Faults of the ledger are said in one line, with exit code 1."""

    @wraps(command)
    def run(**kwargs: Any) -> None:
        try:
            command(**kwargs)
        except LedgerError as error:
            raise click.ClickException(str(error)) from error

    return run


_path = click.argument("path", envvar="ARGOSCOPE_LEDGER", metavar="PATH")


@click.group("ledger")
def ledger_command() -> None:
    """Look into a ledger: the run records, how many there are, how large it is.

    PATH is the ledger's file or folder, by default that of ARGOSCOPE_LEDGER. All but vacuum may be
    used while a daemon writes it.
    """


@ledger_command.command("info")
@_path
@click.option("--check", is_flag=True, help="Look at every page and every row for damage.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="A table to read, or one JSON object.",
)
@_reported
def info_command(path: str, check: bool, form: str) -> None:
    """What is in it and how large it is; exits with 1 if it is damaged."""
    database = Database.read(locate(path))
    try:
        if check:
            database.check()
        facts = _facts(database)
        if check:
            facts["checked"] = "every row is intact"
    finally:
        database.close()
    if form == "json":
        click.echo(msgspec.json.encode(facts))
        return
    for name, value in facts.items():
        shown = f"{value:,}" if isinstance(value, int) else value
        if isinstance(value, dict):
            shown = ", ".join(f"{count:,} {kind}" for kind, count in value.items()) or "none"
        click.echo(f"{name.replace('_', ' '):<16}{shown if shown is not None else '-'}")


def _facts(database: Database) -> dict[str, Any]:
    scalar = database.scalar
    kinds = database.query("SELECT kind, count(*) FROM object GROUP BY kind ORDER BY kind")
    counted = scalar("SELECT count(*) FROM run WHERE substr(body, 1, 1) = ?", (COUNTED,))
    return {
        "path": str(database.path),
        "version": scalar("PRAGMA user_version"),
        "bytes": database.bytes(),
        "opened": _iso(float(database.meta().get("opened", "0"))),
        "series": scalar("SELECT count(*) FROM series"),
        "objects": dict(kinds),
        "runs_counted": counted,
        "runs_history": scalar("SELECT count(*) FROM run") - counted,
        "oldest_run": _iso(database.run_end(FIRST_RUN)),
        "newest_run": _iso(database.run_end(LAST_RUN)),
    }


@ledger_command.command("export")
@_path
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    default="jsonl",
    show_default=True,
    help="JSON lines, or CSV with a heading.",
)
@click.option(
    "--since",
    default="",
    metavar="WHEN",
    help="Only runs that ended since then: 90m, 12h, 7d, 4w ago, or a date or time (UTC).",
)
@click.option("--pipeline", default="", metavar="NAME", help="Only runs of this pipeline.")
@click.option("--namespace", default="", metavar="NAME", help="Only runs in this namespace.")
@_reported
def export_command(path: str, form: str, since: str, pipeline: str, namespace: str) -> None:
    """Print the run records, oldest first: times, phase, cause, retries, resource seconds, and
    where the time went."""
    try:
        begin = when(since, time.time()) if since else 0.0
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from error
    database = Database.read(locate(path))
    try:
        _print(_runs(database, begin, pipeline, namespace), form)
        sys.stdout.flush()  # a full disk is said here, not at the end of the process
    except BrokenPipeError:
        raise  # whoever read it has had enough: click's business
    except OSError as error:
        raise click.ClickException(f"can't write the run records: {error.strerror}") from error
    finally:
        database.close()


def when(text: str, now: float) -> float:
    """Unix seconds of "7d" (before ``now``) or of an ISO date or time. Raises ValueError."""
    if ago := _AGO.match(text):
        return max(now - float(ago[1]) * _UNITS[ago[2]], _FIRST)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither like 7d or 12h nor a date or time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _runs(
    database: Database, since: float, pipeline: str, namespace: str
) -> Iterator[dict[str, object]]:
    for rows in database.run_rows(moment(since)):
        for run in map(run_of, rows):
            if pipeline in ("", run.pipeline) and namespace in ("", run.namespace):
                run.causes = database.causes(run.finished, run.uid)
                yield _flat(run)


def _flat(run: RunRecord) -> dict[str, object]:
    fields: dict[str, object] = msgspec.structs.asdict(run)
    for name in _TIMES:
        fields[name] = _iso(getattr(run, name))
    return fields


def _iso(at: float | None) -> str | None:
    """RFC 3339 in UTC, as Kubernetes writes it; None for no time."""
    if not at:
        return None
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="auto")
    return text.replace("+00:00", "Z")


def _print(runs: Iterator[dict[str, object]], form: str) -> None:
    out = sys.stdout
    if form == "jsonl":
        for run in runs:
            out.write(msgspec.json.encode(run).decode() + "\n")
        return
    writer = csv.DictWriter(out, [field.name for field in msgspec.structs.fields(RunRecord)])
    writer.writeheader()
    for run in runs:
        objects = {
            name: msgspec.json.encode(run[name]).decode() for name in ("resources", "causes")
        }
        writer.writerow({**run, **objects})


@ledger_command.command("vacuum")
@_path
@_reported
def vacuum_command(path: str) -> None:
    """Give the room of deleted rows back to the disk. The daemon must not run."""
    file = locate(path)
    if not Path(file).exists():
        raise LedgerError(file, "missing", "")
    database = Database.open(file)
    try:
        before = database.bytes()
        database.vacuum()
        click.echo(f"{file}: {before:,} bytes before, {database.bytes():,} now")
    finally:
        database.close()
