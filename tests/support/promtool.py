"""Prometheus' own tools over the rendered rules."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "alerts" / "rendered" / "argoscope.rules.yaml"
_PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')
_ALERT = re.compile(r"Labels:\{(.*)\}\n\s*Annotations:\{(.*)\}")


@dataclass(frozen=True)
class Fired:
    labels: dict[str, str]
    annotations: dict[str, str]


def tool(name: str, package: str) -> str:
    """The path of a program; skips, saying why, where it is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs {name}: the Debian package {package}")
    return path


def run(*command: str) -> tuple[int, str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    return done.returncode, done.stdout + done.stderr


def fired(case: dict[str, Any], alert: str, interval: str, folder: Path) -> list[Fired]:
    """The alerts that fire in a case, told by `promtool test rules`, which is told that none
    does."""
    series = [{"series": name, "values": values} for name, values in case["series"].items()]
    rules = _of(alert, case, folder)
    document = {
        "rule_files": [str(rules)],
        # Else promtool takes the groups in another order each time, and what one group records
        # another finds an interval later, or not.
        "group_eval_order": [one["name"] for one in yaml.safe_load(rules.read_text())["groups"]],
        "evaluation_interval": interval,
        "tests": [
            {
                "interval": interval,
                "input_series": series,
                "alert_rule_test": [
                    {"eval_time": case["at"], "alertname": alert, "exp_alerts": []}
                ],
            }
        ],
    }
    path = folder / "test.yaml"
    path.write_text(yaml.safe_dump(document))
    code, said = run(tool("promtool", "prometheus"), "test", "rules", str(path))
    if code == 0:
        assert "SUCCESS" in said, said
        return []
    got = said.partition("got:[")[2]
    assert got, said
    return [Fired(_pairs(labels), _pairs(notes)) for labels, notes in _ALERT.findall(got)]


def _of(alert: str, case: dict[str, Any], folder: Path) -> Path:
    """The rules that a case needs: the alert's group, and four weeks of history only where runs
    are given, since promtool evaluates every group every time, whatever its interval."""
    everything = yaml.safe_load(Path(case.get("rules", RULES)).read_text())
    history = any("_run_duration_seconds_bucket" in series for series in case["series"])
    groups = [
        group
        for group in everything["groups"]
        if (history and "history" in group["name"])
        or any(rule.get("alert") == alert for rule in group["rules"])
    ]
    path = folder / "rules-of-the-case.yaml"
    path.write_text(yaml.safe_dump({"groups": groups}))
    return path


def _pairs(text: str) -> dict[str, str]:
    return {name: json.loads(value) for name, value in _PAIR.findall(text)}
