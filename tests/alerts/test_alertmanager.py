"""The sample for Alertmanager: well formed, routes as it says, and inhibits alerts that exist."""

import re
from pathlib import Path

import pytest
import yaml

from argoscope_alerts._load import load
from argoscope_alerts._rule import Alert
from argoscope_alerts.config import DEFAULT
from support.promtool import ROOT, run, tool

SAMPLE = ROOT / "alerts" / "alertmanager.yaml"
NAMES = {r.name for g in load() for r in g.built(DEFAULT) if isinstance(r, Alert)}


def amtool() -> str:
    return tool("amtool", "prometheus-alertmanager")


def test_it_is_well_formed_and_what_is_broken_is_noticed(tmp_path: Path) -> None:
    code, said = run(amtool(), "check-config", str(SAMPLE))
    assert code == 0, said
    assert "6 inhibit rules" in said
    broken = tmp_path / "broken.yaml"
    broken.write_text(SAMPLE.read_text().replace("receiver: on-call", "receiver: nobody-known"))
    assert run(amtool(), "check-config", str(broken))[0] != 0


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("alertname=ArgoscopeAbsent", "severity=critical"), "on-call"),
        (("alertname=ArgoCronMissed", "severity=warning", "namespace=team-a"), "team-a"),
        (("alertname=ArgoCronMissed", "severity=warning", "namespace=ci"), "platform"),
        (("alertname=ArgoWorkflowApprovalWaiting", "severity=info"), "nobody"),
        (("alertname=NodeDown", "severity=critical"), "nobody"),
    ],
)
def test_routes(labels: tuple[str, ...], receiver: str) -> None:
    code, said = run(
        amtool(), "config", "routes", "test", f"--config.file={SAMPLE}",
        f"--verify.receivers={receiver}", *labels,
    )  # fmt: skip
    assert code == 0, said


def test_every_inhibition_names_alerts_that_exist() -> None:
    for rule in yaml.safe_load(SAMPLE.read_text())["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            pattern = matcher.partition('"')[2].rstrip('"')
            for part in pattern.split("|"):
                assert any(re.fullmatch(part, name) for name in NAMES), part
