"""Each alert fires where it should and stays quiet where it should not, says promtool.

The cases are files beside this one; what an alert says when it fires is golden.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from argoscope.resources._thresholds import THRESHOLDS
from argoscope_alerts._load import load
from argoscope_alerts._rule import Alert
from argoscope_alerts.config import DEFAULT
from support.promtool import RULES, Fired, fired, run, tool

CASES = Path(__file__).parent / "cases"
ALERTS = {
    rule.name: rule for group in load() for rule in group.built(DEFAULT) if isinstance(rule, Alert)
}


def _case(alert: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((CASES / f"{alert}.yaml").read_text())
    return document


def _cases(kind: str) -> list[Any]:
    return [
        pytest.param(path.stem, case, id=f"{path.stem}: {case['when']}")
        for path in sorted(CASES.glob("*.yaml"))
        for case in _case(path.stem)[kind]
    ]


def test_every_alert_has_cases_of_both_kinds_and_every_case_an_alert() -> None:
    assert {path.stem for path in CASES.glob("*.yaml")} == set(ALERTS)
    for alert in ALERTS:
        assert _case(alert)["fires"], alert
        assert _case(alert)["quiet"], alert


def test_every_limit_of_its_own_has_a_case() -> None:
    for alert, threshold in THRESHOLDS.items():
        if threshold.of:
            cases = [*_case(alert)["fires"], *_case(alert)["quiet"]]
            assert any("argo_pipeline_threshold" in str(case["series"]) for case in cases), alert


@pytest.mark.parametrize(("alert", "case"), _cases("fires"))
def test_fires(
    alert: str, case: dict[str, Any], tmp_path: Path, golden: Callable[[str, str], None]
) -> None:
    found = fired(case, alert, _case(alert)["interval"], tmp_path)
    assert found
    for each in found:
        for text in each.annotations.values():
            assert "<error" not in text
            assert "<no value>" not in text
    index = _case(alert)["fires"].index(case)
    golden(f"alerts/{alert}-{index}.txt", "\n".join(map(_told, found)))


@pytest.mark.parametrize(("alert", "case"), _cases("quiet"))
def test_stays_quiet(alert: str, case: dict[str, Any], tmp_path: Path) -> None:
    assert fired(case, alert, _case(alert)["interval"], tmp_path) == []


def test_the_rules_are_well_formed() -> None:
    code, said = run(tool("promtool", "prometheus"), "check", "rules", str(RULES))
    assert code == 0, said
    assert "SUCCESS" in said


def test_promtool_notices_a_rule_that_is_broken(tmp_path: Path) -> None:
    broken = tmp_path / "rules.yaml"
    broken.write_text(RULES.read_text().replace("sum by (", "sum by ((", 1))
    code, _ = run(tool("promtool", "prometheus"), "check", "rules", str(broken))
    assert code != 0


@pytest.mark.parametrize("alert", ["ArgoCronMissed", "ArgoWorkflowStuck", "ArgoscopeWatchDown"])
def test_a_rule_that_never_fires_and_one_that_always_does_would_be_noticed(
    alert: str, tmp_path: Path
) -> None:
    document = yaml.safe_load(RULES.read_text())
    rules = {r["alert"]: r for g in document["groups"] for r in g["rules"] if "alert" in r}
    case = _case(alert)
    changed = tmp_path / "rules.yaml"
    rules[alert]["expr"] = "vector(1) > 2"
    changed.write_text(yaml.safe_dump(document))
    assert fired({**case["fires"][0], "rules": changed}, alert, "1m", tmp_path) == []
    rules[alert] |= {"expr": "vector(1)", "for": "0m"}
    changed.write_text(yaml.safe_dump(document))
    assert fired({**case["quiet"][0], "rules": changed}, alert, "1m", tmp_path) != []


def _told(alert: Fired) -> str:
    labels = ", ".join(f"{k}={v}" for k, v in alert.labels.items() if k != "alertname")
    notes = "\n".join(f"{name}: {text}" for name, text in sorted(alert.annotations.items()))
    return f"{labels}\n{notes}\n"
