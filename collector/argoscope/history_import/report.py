"""What came of an import, in a few lines."""

from collections.abc import Iterator
from datetime import UTC, datetime

from argoscope.history_import.importing import Summary
from argoscope.history_import.source import Wanted
from argoscope.resources.workflow.metrics import RUN_PHASES


def lines(summary: Summary, wanted: Wanted, *, dry_run: bool) -> Iterator[str]:
    """The lines to print."""
    verb = "would be imported" if dry_run else "imported"
    yield f"{verb:<18}{summary.imported:,} runs of {len(summary.pipelines):,} pipelines"
    for phase in RUN_PHASES:
        yield f"  {phase:<16}{summary.phases[phase]:,}"
    if summary.imported:
        yield f"ended             {_moment(summary.oldest)} to {_moment(summary.newest)}"
    yield f"known before      {summary.known:,}"
    if summary.unwanted:
        yield f"not asked for     {summary.unwanted:,}"
    for reason, count in sorted(summary.skipped.items()):
        yield f"skipped           {count:,} {reason}"
    if not (summary.imported or summary.known or summary.unwanted or summary.skipped):
        yield (
            f"No run has ended since {_moment(wanted.since)}: is persistence.archive true in Argo's"
            " configuration, and is this the right cluster?"
        )


def _moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
