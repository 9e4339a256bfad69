"""The ``argoscope inspect`` command."""

import sys
import time

import click
from rich.console import Console

from argoscope.export.prometheus import Exposition
from argoscope.inspect.problems import Problems
from argoscope.inspect.reading import Item, read
from argoscope.inspect.replay import Replay
from argoscope.inspect.report import render
from argoscope.resources._base import Options


@click.command("inspect")
@click.argument("paths", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["prom", "openmetrics", "table"]),
    default="prom",
    show_default=True,
    help="The exposition that the daemon would serve, or a report to read.",
)
@click.option(
    "--recorded",
    is_flag=True,
    help='FILE holds recorded watch events ({"t": ..., "event": ...}): replay them in time.',
)
@click.option("--strict", is_flag=True, help="Exit with 1 if anything was skipped.")
@click.option(
    "--pipeline-label",
    "pipeline_labels",
    multiple=True,
    metavar="KEY",
    help="Workflow label or annotation that names the pipeline; repeatable.",
)
def inspect_command(
    paths: tuple[str, ...],
    form: str,
    recorded: bool,
    strict: bool,
    pipeline_labels: tuple[str, ...],
) -> None:
    """Derive the metrics from objects in files.

    FILE is an object, a List, the output of `kubectl get -o json|yaml`, JSON lines of watch
    events, a folder or a .tar.zst of recorded streams, or - for standard input:

        kubectl get workflows -A -o json | argoscope inspect -
    """
    problems = Problems()
    replay = Replay(
        now=time.time(),
        options=Options(pipeline_labels=pipeline_labels),
        complain=problems,
    )
    items: list[Item] = []
    for path in paths:
        try:
            items.extend(read(path, problems))
        except OSError as error:
            raise click.ClickException(f"{path}: {error.strerror or error}") from error
    if recorded or any(item.at for item in items):
        replay.recorded(items)
    else:
        replay.objects(items)
    problems.close(replay.unwatched)
    _print(replay, form)
    if strict and problems.count:
        sys.exit(1)


def _print(replay: Replay, form: str) -> None:
    if form == "table":
        console = Console()
        if not console.is_terminal:  # into a file or pipe: names must not be cut to 80 columns
            console.width = 160
        render(replay, console)
        return
    accept = "application/openmetrics-text; version=1.0.0" if form == "openmetrics" else ""
    body, _ = Exposition(replay.registry, process=False).render(accept, "")
    sys.stdout.buffer.write(body)
    sys.stdout.flush()
