"""How far an import is: a bar on a terminal, a line now and then in a log."""

import time
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

EVERY = 10.0
"""Seconds between two lines in a log."""


class Bar:
    """Used as a context; on stderr."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._terminal = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not self._terminal,
        )
        self._task = self._progress.add_task("listing", total=None)
        self._what = "listed"
        self._done = 0
        self._total = 0
        self._told_at = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.__exit__(kind, error, trace)

    def begin(self, total: int) -> None:
        """What follows are objects, so many of them; 0 if that is not known."""
        self._what, self._done, self._total = "read", 0, total
        self._progress.update(self._task, description="importing", completed=0, total=total or None)

    def advance(self, count: int) -> None:
        self._done += count
        self._progress.advance(self._task, count)
        now = time.monotonic()
        if not self._terminal and now - self._told_at >= EVERY:
            self._told_at = now
            of = f" of {self._total:,}" if self._total else ""
            click.echo(f"{self._what} {self._done:,}{of} workflows", err=True)

    def say(self, text: str) -> None:
        """A line of text on stderr, above the bar if there is one."""
        if self._terminal:
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(text, err=True)
