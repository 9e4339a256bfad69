"""Past runs of a pipeline from a daemon's ledger."""

from collections import deque

from argoscope.explain.usual import Past
from argoscope.ledger.database import Database, locate
from argoscope.ledger.runs import run_of
from argoscope.resources._base import RunRecord


def from_ledger(path: str, namespace: str, pipeline: str, most: int) -> list[Past]:
    """Those that ended last. Raises LedgerError."""
    latest: deque[RunRecord] = deque(maxlen=most)
    database = Database.read(locate(path))
    try:
        for rows in database.run_rows():
            for run in map(run_of, rows):
                if (run.namespace, run.pipeline) == (namespace, pipeline):
                    latest.append(run)
        return [_past(database, run) for run in latest]
    finally:
        database.close()


def _past(database: Database, run: RunRecord) -> Past:
    causes = database.causes(run.finished, run.uid)
    total = sum(causes.values()) or run.finished - (run.created or run.started)
    return Past(run.uid, run.finished, run.phase == "Succeeded", max(0.0, total), causes)
