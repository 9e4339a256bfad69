"""The ``argoscope import`` commands."""

import asyncio
import math
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click

from argoscope import settings as configuration
from argoscope.history_import import report
from argoscope.history_import.deriving import History
from argoscope.history_import.files import workflows
from argoscope.history_import.importing import Importer
from argoscope.history_import.progress import Bar
from argoscope.history_import.server import ArgoServer, ServerOptions, base_url
from argoscope.history_import.source import Archive, SourceError, Wanted
from argoscope.history_import.sql import TABLE, DatabaseOptions, Driver, SqlArchive
from argoscope.inspect.problems import Problems
from argoscope.ledger.command import when
from argoscope.ledger.database import Database, locate
from argoscope.ledger.errors import LedgerError
from argoscope.ledger.ledger import Ledger
from argoscope.resources._base import Options

INTERRUPTED = 130
STOP_SECONDS = 5.0  # that what is asked of the source may take to end after Ctrl-C


@dataclass(frozen=True, kw_only=True)
class Common:
    """What all sources have in common."""

    settings: configuration.Settings
    wanted: Wanted
    dry_run: bool


@click.group("import")
def import_command() -> None:
    """Fill a ledger with the runs of the past, from Argo's workflow archive or from files.

    So "failures of the last week" is right on the first day. Runs are kept as history: the 7-day
    gauges have them, counters do not. A run that the ledger has already is left out, so an import
    can be cut off and run again. The daemon must not run on the ledger meanwhile.
    """


def _common(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of all sources, and says in one line what went wrong (exit code 1)."""

    @wraps(command)
    def run(
        config: str | None,
        ledger: str | None,
        since: str,
        namespaces: tuple[str, ...],
        dry_run: bool,
        **kwargs: Any,
    ) -> None:
        flags = {"ledger.path": ledger, "namespaces": namespaces or None}
        common = _checked(config, flags, since, dry_run)
        try:
            command(common, **kwargs)
        except (SourceError, LedgerError) as error:
            raise click.ClickException(str(error)) from error

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


_OPTIONS = [
    click.option(
        "--ledger",
        metavar="PATH",
        help="The daemon's ledger: its file or folder. [env ARGOSCOPE_LEDGER]",
    ),
    click.option(
        "--since",
        default="7d",
        show_default=True,
        metavar="WHEN",
        help="Only runs that ended since then: 12h, 7d, 4w ago, or a date or time (UTC).",
    ),
    click.option(
        "--namespace",
        "namespaces",
        multiple=True,
        metavar="NAME",
        help="Only runs in this namespace; repeatable. By default those that the daemon watches.",
    ),
    click.option(
        "--config",
        metavar="FILE",
        envvar="ARGOSCOPE_CONFIG",
        help="The daemon's configuration, so that pipelines get the same names."
        " [env ARGOSCOPE_CONFIG]",
    ),
    click.option("--dry-run", is_flag=True, help="Read and count, but change nothing."),
]


def _checked(config: str | None, flags: dict[str, Any], since: str, dry_run: bool) -> Common:
    """What was asked for; ends the process with exit code 2 if that can't be."""
    given = {path: value for path, value in flags.items() if value is not None}
    try:
        settings = configuration.load(config, os.environ, given)
    except configuration.SettingsError as error:
        _refuse(*map(str, error.problems))
    try:
        begin = when(since, time.time())
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from error
    if not settings.ledger.path and not dry_run:
        _refuse("--ledger is missing: the ledger that the daemon is to start with (or --dry-run)")
    wanted = Wanted(since=begin, namespaces=settings.namespaces, selector=settings.selector)
    return Common(settings=settings, wanted=wanted, dry_run=dry_run)


def _refuse(*problems: str) -> None:
    for problem in problems:
        click.echo(f"argoscope: {problem}", err=True)
    sys.exit(2)


# -- sources


@import_command.command("server")
@click.argument("url", envvar="ARGO_SERVER", metavar="URL")
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False),
    help="File with the bearer token; otherwise it is taken from ARGO_TOKEN.",
)
@click.option("--ca-file", default="", metavar="FILE", help="Certificate authority of the server.")
@click.option(
    "--insecure-skip-verify",
    "insecure",
    is_flag=True,
    help="Do not check the server's certificate: argo-server makes its own by default.",
)
@click.option(
    "--longest",
    default="7d",
    show_default=True,
    metavar="TIME",
    help="How long runs may have lasted: the server selects them by when they started.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    help="Requests at the same time.",
)
@_common
def server_command(
    common: Common,
    url: str,
    token_file: str | None,
    ca_file: str,
    insecure: bool,
    longest: str,
    concurrency: int,
) -> None:
    """From an argo-server, by its HTTP API.

    URL is like https://argo-server.argo:2746, by default that of ARGO_SERVER. Each run is a
    request of its own, since the list does not tell what names a pipeline and why a run failed.
    """
    options = ServerOptions(
        url=base_url(url),
        token=_token(token_file),
        ca_file=ca_file,
        insecure=insecure,
        concurrency=concurrency,
        longest=_seconds(longest),
    )
    _import(common, lambda: ArgoServer.open(options))


@import_command.command("database")
@click.argument("url", metavar="URL")
@click.option("--table", default=TABLE, show_default=True, help="May be schema.table.")
@click.option(
    "--cluster-name",
    default="",
    metavar="NAME",
    help="persistence.clusterName of Argo's configuration, if clusters share the database.",
)
@click.option(
    "--instance-id",
    default=None,
    metavar="ID",
    help="instanceID of Argo's configuration, if controllers share the database.",
)
@_common
def database_command(
    common: Common, url: str, table: str, cluster_name: str, instance_id: str | None
) -> None:
    """From the archive's PostgreSQL or MySQL (MariaDB) database.

    URL is postgresql://user@host:5432/database or mysql://user@host:3306/database; the password is
    taken from PGPASSWORD or MYSQL_PWD. Nothing is written to it, and SELECT is enough.
    """
    options = DatabaseOptions(table=table, cluster=cluster_name, instance=instance_id)
    driver = driver_for(url)

    async def opened() -> Archive:
        return SqlArchive(driver, options)

    _import(common, opened)


@import_command.command("files")
@click.argument("paths", nargs=-1, required=True, metavar="FILE...")
@_common
def files_command(common: Common, paths: tuple[str, ...]) -> None:
    """From files: objects, Lists, JSON lines, YAML, folders, .tar.zst, or - for standard input.

    As `argoscope inspect` reads them, such as

    \b
        kubectl get workflows -A -o json | argoscope import files --ledger PATH -
    """
    others: Counter[str] = Counter()
    bar = Bar()
    problems = Problems(bar.say)
    with _Run(common, problems) as importer:
        # A shell that starts us in the background has it ignored.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with bar:
                bar.begin(0)
                importer.objects(workflows(paths, problems, others), bar.advance)
        except KeyboardInterrupt:
            _stopped(importer, common)
        finally:
            signal.signal(signal.SIGINT, before)
    problems.close(others)
    _report(importer, common)


def _token(file: str | None) -> str:
    if file is None:
        return os.environ.get("ARGO_TOKEN", "").strip()
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"--token-file {file}: {error}") from error


def _seconds(text: str) -> float:
    try:
        return -when(text, 0.0)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--longest") from error


def driver_for(url: str) -> Driver:
    """The driver of the URL's scheme, imported only now: it is an extra."""
    scheme = url.partition(":")[0]
    try:
        if scheme in ("postgresql", "postgres"):
            from argoscope.history_import.postgres import Postgres

            return Postgres(url)
        if scheme in ("mysql", "mariadb"):
            from argoscope.history_import.mysql import MySql

            return MySql(url)
    except ImportError as error:
        extra = "postgres" if scheme.startswith("postgres") else "mysql"
        raise SourceError(
            f"the driver is not installed ({error}): pip install 'argoscope[{extra}]'"
        ) from error
    raise SourceError("the URL must begin with postgresql:// or mysql://")


# -- running


class _Run:
    """The importer of one run, with the ledger open; what it has at the end is committed."""

    def __init__(self, common: Common, problems: Problems) -> None:
        self._ledger: Ledger | None = None
        self._known: Database | None = None
        path = common.settings.ledger.path
        if path and not common.dry_run:
            self._ledger = _opened(path)
        elif path and locate(path).exists():
            self._known = Database.read(locate(path))
        options = Options(pipeline_labels=common.settings.labels.pipeline)
        self._importer = Importer(
            History(options, problems), common.wanted, ledger=self._ledger, known=self._known
        )

    def __enter__(self) -> Importer:
        return self._importer

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            # After a failed commit another one would only fail again.
            if kind is None or not issubclass(kind, LedgerError):
                self._importer.commit()
        finally:
            for opened in (self._ledger, self._known):
                if opened is not None:
                    opened.close()


def _opened(path: str) -> Ledger:
    try:
        # It is the daemon that knows how long runs are kept: nothing is deleted here.
        return Ledger.open(path, retention=math.inf)
    except LedgerError as error:
        if error.reason != "locked":
            raise
        raise SourceError(
            f"{error}. Import before the daemon's first start, or stop the daemon while it is"
            " done; with --dry-run it need not be stopped"
        ) from error


def _import(common: Common, opened: Callable[[], Awaitable[Archive]]) -> None:
    bar = Bar()
    problems = Problems(bar.say)
    with _Run(common, problems) as importer:
        try:
            asyncio.run(_until_interrupted(_drain(importer, opened, bar)))
        except KeyboardInterrupt:
            _stopped(importer, common)
    problems.close(Counter())
    _report(importer, common)


async def _until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Runs ``work``; Ctrl-C ends it, whatever it waits for. Raises KeyboardInterrupt then."""
    task = asyncio.create_task(work, name="import")
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, interrupted.set)
    waiting = asyncio.create_task(interrupted.wait(), name="interrupt")
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            return
        task.cancel()
        await asyncio.wait({task}, timeout=STOP_SECONDS)
        raise KeyboardInterrupt
    finally:
        waiting.cancel()
        loop.remove_signal_handler(signal.SIGINT)


async def _drain(importer: Importer, opened: Callable[[], Awaitable[Archive]], bar: Bar) -> None:
    archive = await opened()
    try:
        with bar:
            await importer.archive(archive, bar.advance, bar.begin, bar.advance)
    finally:
        await archive.close()


def _stopped(importer: Importer, common: Common) -> NoReturn:
    importer.commit()
    _report(importer, common)
    click.echo("stopped; run the import again to go on", err=True)
    sys.exit(INTERRUPTED)


def _report(importer: Importer, common: Common) -> None:
    for line in report.lines(importer.summary, common.wanted, dry_run=common.dry_run):
        click.echo(line)
