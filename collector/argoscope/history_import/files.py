"""Workflows out of files: what kubectl or argo printed, and recordings."""

from collections import Counter
from collections.abc import Iterator, Sequence

from argoscope.history_import.source import SourceError
from argoscope.inspect.reading import Complain, read


def workflows(
    paths: Sequence[str], complain: Complain, others: Counter[str]
) -> Iterator[tuple[bytes, str]]:
    """(object, source) of each Workflow in files as ``argoscope inspect`` reads them.

    Objects of other kinds are counted in ``others``. Raises SourceError for a path that can't be
    opened.
    """
    for path in paths:
        try:
            for item in read(path, complain):
                if item.kind == "Workflow":
                    yield item.raw, item.source
                else:
                    others[item.kind or "of no kind"] += 1
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror or error}") from error
