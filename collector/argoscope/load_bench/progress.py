"""How far a run is: a bar on a terminal, a line now and then in a log; on stderr."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

EVERY = 10.0
"""Seconds between two lines in a log."""


class Bar:
    """One task of a known length."""

    def __init__(self, what: str, total: int) -> None:
        console = Console(stderr=True)
        self._terminal = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not self._terminal,
        )
        self._task = self._progress.add_task(what, total=total, note="")
        self._what, self._total = what, total
        self._told_at = time.monotonic()

    @contextmanager
    def shown(self) -> Iterator["Bar"]:
        with self._progress:
            yield self

    def at(self, done: int, note: str = "") -> None:
        self._progress.update(self._task, completed=done, note=note)
        now = time.monotonic()
        if not self._terminal and now - self._told_at >= EVERY:
            self._told_at = now
            click.echo(f"{self._what}: {done:,} of {self._total:,} {note}".rstrip(), err=True)
