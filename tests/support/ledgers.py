"""Ledgers of tests: what is put in, and what has come back."""

import os
import sys
from pathlib import Path
from typing import Any

from argoscope.ledger import metrics
from argoscope.ledger.ledger import Ledger
from argoscope.metrics.model import Labels
from argoscope.metrics.registry import Registry
from argoscope.resources._base import RunRecord
from support.scrape import DURATION, METRICS, RUNS

ETL: Labels = ("team", "etl", "Failed")
PLACE: Labels = ("team",)
NOW = 1_700_000_000.0
Truth = dict[str, Any]


def registry_at(now: float = NOW) -> Registry:
    return Registry([*METRICS, *metrics.METRICS], now=lambda: now)


def run_record(number: int = 0, **fields: Any) -> RunRecord:
    given: dict[str, Any] = {
        "uid": f"uid-{number}",
        "namespace": "team",
        "pipeline": "etl",
        "name": f"etl-{number}",
        "phase": "Succeeded",
        "created": NOW + number - 20.0,
        "started": NOW + number - 10.0,
        "finished": NOW + number,
        "resources": {"cpu": 12.0, "memory": 400.0},
    }
    return RunRecord(**{**given, **fields})


def contents(ledger: Ledger) -> Truth:
    """All that a daemon gets back from it."""
    registry = registry_at()
    ledger.restore(registry)
    return {
        "counters": {
            labels: (one.value, one.start) for labels, one in registry.cumulative(RUNS).items()
        },
        "histograms": {
            labels: (tuple(one.counts), one.total, one.start)
            for labels, one in registry.cumulative(DURATION).items()
        },
        "objects": dict(ledger.objects("workflows")),
        "runs": list(ledger.past_runs(0.0)),
        "noted": ledger.noted("fact"),
    }


def subprocess_environment() -> dict[str, str]:
    """For a Python process that is to find what this one has found."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def files(path: Path) -> dict[str, bytes]:
    """The bytes of everything in a folder but locks."""
    return {
        file.name: file.read_bytes() for file in path.iterdir() if not file.name.endswith(".lock")
    }
