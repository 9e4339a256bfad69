"""What could not be read, told on stderr."""

from collections.abc import Callable, Mapping

import click

SHOWN = 50  # lines of problems on stderr; more of the same help nobody


def _to_stderr(text: str) -> None:
    click.echo(text, err=True)


class Problems:
    """What could not be read or was skipped, told as it happens: on stderr, unless ``say`` does."""

    def __init__(self, say: Callable[[str], None] = _to_stderr) -> None:
        self.count = 0
        self._say = say

    def __call__(self, file: str, kind: str, reason: str) -> None:
        self.count += 1
        if self.count <= SHOWN:
            self._say(f"{file}: {kind or 'unknown kind'}: {reason}")

    def close(self, unwatched: Mapping[str, int]) -> None:
        if self.count > SHOWN:
            self._say(f"… and {self.count - SHOWN} more problems")
        if unwatched:
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(unwatched.items()))
            self._say(f"Not watched by argoscope, left out: {kinds}")
