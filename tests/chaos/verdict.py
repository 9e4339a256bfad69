"""The comparison of what the daemon shows and has written with the truth."""

import json
import re
import sqlite3
from pathlib import Path

from argoscope.ledger.runs import run_of
from chaos.stage import Stage
from chaos.truth import GHOST, pipeline_in

_COMPARED = re.compile(
    r"argo_workflow_(runs_total|run_duration_seconds_(count|sum)|run_pending_seconds_count"
    r"|failures_total|actions_total|resource_seconds_total)"
    r"|argo_template_(duration_seconds_(count|sum)|retries_total|failures_total)"
    r"|argo_pod_(stage_seconds_count|pending_episodes_total|restarts_before_start_total)"
    r"|argo_cron_(start_delay_seconds_count|replaced_runs_total)"
    r"|argo_rollouts_total"
)
"""Series that must be equal to the truth, those that it does not name being 0."""
_NEVER = re.compile(r"argoscope_(decode_errors_total|series_folded_total)")


def series(stage: Stage) -> list[str]:
    """Series that are not what they must be."""
    expected = stage.truth.everything()
    shown = {
        line: value
        for line, value in stage.shown.values.items()
        if value and _COMPARED.match(line.partition("{")[0]) and _is_certain(line)
    }
    return [
        f"{line}: {shown.get(line, 0.0):g}, not {expected.get(line, 0):g}"
        for line in sorted(expected.keys() | shown.keys())
        if abs(shown.get(line, 0.0) - expected.get(line, 0)) > 1e-6
    ] + [
        f"{line}: {value:g}"
        for line, value in stage.shown.values.items()
        if _NEVER.match(line) and value
    ]


def _is_certain(line: str) -> bool:
    return not pipeline_in(line).startswith(GHOST)


def run_records(ledger: sqlite3.Connection, stage: Stage) -> list[str]:
    """Run records that are of no attempt, of a wrong phase, or missing."""
    rows = ledger.execute("SELECT key, body FROM run").fetchall()
    attempts = stage.truth.attempts
    found = [
        f"run record that is of no attempt: {run}"
        for run in map(run_of, rows)
        if attempts.get((run.name, int(run.finished))) != run.phase or not run.counted
    ]
    shown = stage.shown.total("argo_workflow_runs_total")
    if len(rows) != shown:
        found.append(f"{len(rows)} run records, {shown:.0f} runs counted")
    return found


def log_lines(log: Path) -> list[str]:
    """What the daemon has logged that must not happen."""
    found = []
    for line in log.read_text(errors="replace").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            found.append(f"log: {line}")
            continue
        if record.get("level") == "error" or record.get("event") == "object or field skipped":
            found.append(f"log: {line}")
    return found[:20]
