"""The command `argoscope-alerts`."""

from pathlib import Path

import yaml
from click.testing import CliRunner

from argoscope_alerts.cli import main
from support.promtool import run, tool


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


def test_list_names_every_alert_with_what_must_happen() -> None:
    code, said = invoke("list")
    assert code == 0
    assert "ArgoCronMissed" in said
    assert "3 scheduled runs of a cron fail one after the other" in said


def test_build_writes_rules_with_other_addresses_labels_and_limits(tmp_path: Path) -> None:
    limits = tmp_path / "limits.yaml"
    limits.write_text("ArgoPipelineFailureRatioHigh: 0.05\n")
    code, said = invoke(
        *("build", "--out", str(tmp_path / "out"), "--cluster-label", "region"),
        *("--grafana-url", "https://g.example.org/", "--thresholds", str(limits)),
    )
    assert code == 0, said
    text = (tmp_path / "out" / "argoscope.rules.yaml").read_text()
    assert "by (region, namespace, pipeline)" in text
    assert "+ 0.05" in text
    assert "https://g.example.org/d/argoscope-pipeline?" in text
    path = str(tmp_path / "out" / "argoscope.rules.yaml")
    assert run(tool("promtool", "prometheus"), "check", "rules", path)[0] == 0


def test_build_prints_a_resource_for_the_operator() -> None:
    code, said = invoke("build", "--format", "prometheusrule")
    assert code == 0
    assert yaml.safe_load(said)["apiVersion"] == "monitoring.coreos.com/v1"


def test_everything_that_is_wrong_with_limits_is_said_at_once(tmp_path: Path) -> None:
    limits = tmp_path / "limits.yaml"
    limits.write_text(
        "ArgoPipelineFailureRatio: 1\nArgoCronLate: soon\n"
        "ArgoWorkflowStuck: 5\nArgoCronMissed: yes\n"
    )
    code, said = invoke("build", "--thresholds", str(limits))
    assert code == 2
    assert "did you mean ArgoPipelineFailureRatioHigh?" in said
    assert "ArgoCronLate: 'soon' is not a number" in said
    assert "ArgoWorkflowStuck: must be from 60 to" in said
    assert "ArgoCronMissed: True is not a number" in said


def test_files_and_labels_that_are_no_such_thing(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [")
    assert "not YAML" in invoke("build", "--thresholds", str(broken))[1]
    broken.write_text("- a")
    assert "must be a mapping" in invoke("build", "--thresholds", str(broken))[1]
    code, said = invoke("build", "--thresholds", str(tmp_path / "absent"))
    assert code == 2
    assert "No such file" in said
    assert "is not the name of a label" in invoke("build", "--cluster-label", "a-b")[1]
    for taken in ("namespace", "cron", "le"):
        code, said = invoke("build", "--cluster-label", taken)
        assert code == 2
        assert "means something else" in said
    file = tmp_path / "file"
    file.write_text("")
    code, said = invoke("build", "--out", str(file / "sub"))
    assert code == 2
    assert "choose another --out" in said
