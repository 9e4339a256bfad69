"""``argoscope-dashboards`` as a person uses it."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from argoscope_dashboards import cli


def _run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.main, arguments)
    return result.exit_code, result.output


def test_list_names_each_dashboard_with_what_it_answers() -> None:
    code, text = _run("list")
    assert code == 0
    assert len(text.splitlines()) == 8
    assert "argoscope-fleet" in text
    assert "Start here." in text


def test_build_writes_json_to_import(tmp_path: Path) -> None:
    code, text = _run("build", "--out", str(tmp_path / "new"), "--cluster-label", "region")
    assert code == 0
    assert "8 dashboards" in text
    data = json.loads((tmp_path / "new" / "argoscope-fleet.json").read_text())
    assert 'region=~"${cluster}"' in data["panels"][1]["targets"][0]["expr"]


def test_a_folder_of_json_is_a_directory(tmp_path: Path) -> None:
    _run("build", "--out", str(tmp_path), "--folder", "Argo")
    assert (tmp_path / "Argo" / "argoscope-self.json").exists()


def test_configmaps_carry_the_sidecars_label_and_the_whole_dashboard(tmp_path: Path) -> None:
    _run("build", "--out", str(tmp_path / "json"))
    code, _ = _run("build", "--out", str(tmp_path), "--format", "configmap", "--folder", "Argo")
    assert code == 0
    resource = yaml.safe_load((tmp_path / "argoscope-fleet.configmap.yaml").read_text())
    assert resource["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert resource["metadata"]["annotations"] == {"grafana_folder": "Argo"}
    plain = (tmp_path / "json" / "argoscope-fleet.json").read_text()
    assert resource["data"] == {"argoscope-fleet.json": plain}
    assert len(plain) < 1_000_000  # a ConfigMap holds 1 MiB


def test_operator_resources_hold_the_dashboard(tmp_path: Path) -> None:
    code, _ = _run("build", "--out", str(tmp_path), "--format", "grafana-operator")
    assert code == 0
    path = tmp_path / "argoscope-pipeline.grafanadashboard.yaml"
    resource = yaml.safe_load(path.read_text())
    # By the operator's CRD: the instances are required and can't be changed, there is one source.
    assert resource["apiVersion"] == "grafana.integreatly.org/v1beta1"
    assert resource["kind"] == "GrafanaDashboard"
    assert set(resource["spec"]) == {"folder", "instanceSelector", "json"}
    assert resource["spec"]["instanceSelector"] == {"matchLabels": {"dashboards": "grafana"}}
    assert resource["spec"]["folder"] == "argoscope"
    assert json.loads(resource["spec"]["json"])["uid"] == "argoscope-pipeline"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--cluster-label", "my-cluster"), "is no label name"),
        (("--cluster-label", "namespace"), "means something else"),
        (("--folder", "../x"), "a name, not a path"),
        (("--format", "xml"), "grafana-operator"),
    ],
)
def test_wrong_options_are_refused_with_the_reason(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    code, text = _run("build", "--out", str(tmp_path / "x"), *arguments)
    assert code == 2
    assert said in text
    assert not (tmp_path / "x").exists()


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, text = _run("build", "--out", str(tmp_path / "file" / "below"))
    assert code == 1
    assert "can't be written" in text
    assert "--out" in text


def test_without_grafanalib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    code, text = _run("list")
    assert code == 2
    assert "pip install 'argoscope[kit]'" in text
    assert "_kit" in text
