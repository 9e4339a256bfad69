"""Every Workflow with a status in ../shared/corpus, inspected and counted a second time by hand.

The objects are real and partly dirty: without uid, phase or times, with nodes that name no type,
with ends before starts. Each must count what it surely says, and what it leaves out is reported.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from argoscope.inspect.reading import read
from argoscope.inspect.replay import Replay
from argoscope.resources.workflow import metrics as m
from support.recordings import require_shared, shared_dir
from support.workflow_recount import LEAVES, OVER, pipeline_of

FOLDER = shared_dir() / "corpus" / "Workflow"
FILES = sorted(FOLDER.glob("*.json")) if FOLDER.exists() else []
NOW = datetime.fromisoformat("2026-11-22T13:00:00Z").timestamp()


def with_status(path: Path) -> bool:
    return bool(json.loads(path.read_bytes()).get("status"))


CASES = [path for path in FILES if with_status(path)]


@dataclass
class Count:
    runs: Counter[str] = field(default_factory=Counter)
    run_seconds: Counter[str] = field(default_factory=Counter)
    attempts: Counter[tuple[str, str]] = field(default_factory=Counter)
    attempt_seconds: Counter[tuple[str, str]] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    untimed: int = 0
    """Runs and attempts that were counted without a duration."""


def moment(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp() if text else None
    except (TypeError, ValueError):
        return None


def lasted(start: Any, end: Any) -> float | None:
    started, ended = moment(start), moment(end)
    if started is None or ended is None or ended < started:
        return None
    return ended - started


def by_hand(workflow: dict[str, Any]) -> Count:
    count, status = Count(), workflow["status"]
    over = status.get("phase") in OVER
    if over:
        count.runs[status["phase"]] += 1
        seconds = lasted(status.get("startedAt"), status.get("finishedAt"))
        if seconds is not None:
            count.run_seconds[status["phase"]] += seconds
        else:
            count.untimed += bool(status.get("startedAt"))
    nodes = status.get("nodes") or {}
    retried = {
        child
        for node in nodes.values()
        if node.get("type") == "Retry"
        for child in node.get("children") or ()
    }
    for identity, node in nodes.items():
        if node.get("type") not in LEAVES or node.get("phase") not in OVER:
            continue
        if not node.get("finishedAt") and not over:
            continue
        if (node.get("memoizationStatus") or {}).get("hit"):
            continue
        reference = (node.get("templateRef") or {}).get("template")
        template = reference or node.get("templateName") or "(inline)"
        flagged = (node.get("nodeFlag") or {}).get("retried") or identity in retried
        name = node.get("name") or ""
        if flagged and name.endswith(")") and not name.endswith("(0)"):
            count.retries[template] += 1
        seconds = lasted(node.get("startedAt"), node.get("finishedAt") or status.get("finishedAt"))
        if seconds is None:
            count.untimed += 1
            continue
        count.attempts[template, node["phase"]] += 1
        count.attempt_seconds[template, node["phase"]] += seconds
    return count


def inspect(*paths: Path) -> tuple[Replay, list[tuple[str, str, str]]]:
    complaints: list[tuple[str, str, str]] = []

    def complain(file: str, kind: str, reason: str) -> None:
        complaints.append((file, kind, reason))

    replay = Replay(now=NOW, complain=complain)
    replay.objects(item for path in paths for item in read(str(path), complain))
    return replay, complaints


def found_by(replay: Replay, pipeline: str) -> Count:
    registry, count = replay.registry, Count()
    for (_, name, phase), n in registry.samples(m.RUNS):
        assert not n or name == pipeline
        count.runs[phase] += int(n)
    for labels, n in registry.samples(m.RUN_DURATION):
        count.run_seconds[labels[2]] += registry.sum(m.RUN_DURATION, labels) if n else 0
    for labels, n in registry.samples(m.TEMPLATE_DURATION):
        count.attempts[labels[2], labels[4]] += int(n)
        count.attempt_seconds[labels[2], labels[4]] += registry.sum(m.TEMPLATE_DURATION, labels)
    for labels, n in registry.samples(m.TEMPLATE_RETRIES):
        count.retries[labels[2]] += int(n)
    return count


@pytest.mark.skipif(not CASES, reason="needs the real input in ../shared/corpus/Workflow")
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem[:60])
def test_totals_equal_a_recount_by_hand(path: Path) -> None:
    workflow = json.loads(path.read_bytes())
    expected = by_hand(workflow)
    replay, complaints = inspect(path)
    found = found_by(replay, pipeline_of(workflow))
    assert +found.runs == expected.runs
    assert +found.run_seconds == +expected.run_seconds
    assert found.attempts == expected.attempts
    assert found.attempt_seconds == expected.attempt_seconds
    assert found.retries == expected.retries
    reasons = [reason.split(":")[0] for _, _, reason in complaints]
    assert "bug" not in reasons
    times = {"no_finish", "no_start", "bad_time", "negative_duration", "future_time"}
    timed = sum(reason in times for reason in reasons)
    assert timed >= expected.untimed


def test_corpus_has_not_lost_its_workflows() -> None:
    require_shared("corpus/Workflow")
    assert len(FILES) == 274
    assert len(CASES) > 150
    runs = sum((by_hand(json.loads(path.read_bytes())).runs for path in CASES), Counter())
    assert runs.total() > 50


def test_whole_corpus_gives_no_bug_and_explains_what_it_skips() -> None:
    folder = require_shared("corpus")
    files = [p for p in sorted(folder.rglob("*")) if p.suffix in (".json", ".yaml", ".yml")]
    replay, complaints = inspect(*files)
    assert not [c for c in complaints if c[2].startswith("bug")]
    assert all(file and reason for file, _, reason in complaints)
    assert replay.taken["Workflow"] >= 274
    assert not [c for c in complaints if c[1] == "Workflow" and c[2].startswith("wrong_shape")]
