"""What holds for every rule: names from the catalogue, a runbook, a dashboard, a severity."""

import json
import re
from pathlib import Path

import pytest
import yaml

from argoscope.resources._limits import PIPELINE_THRESHOLD
from argoscope.resources._thresholds import THRESHOLDS
from argoscope_alerts import reference, render
from argoscope_alerts._load import load
from argoscope_alerts._promql import Query, select
from argoscope_alerts._rule import Alert, Record, dashboard_url
from argoscope_alerts.config import DEFAULT, SEVERITIES, Config
from contract.promql import Contract

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "docs" / "runbooks"
BASE = ROOT / "deploy" / "kustomize" / "base"
RULES = [rule for group in load() for rule in group.built(DEFAULT)]
ALERTS = [rule for rule in RULES if isinstance(rule, Alert)]
SECTIONS = ("What it means", "Look at first", "Causes, the likeliest first", "Fix", "Silence")
alerts = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


def contract() -> Contract:
    """The catalogue and all recording rules; groups may use each other's."""
    known = Contract(counters_in_rates=True)
    for rule in RULES:
        if isinstance(rule, Record):  # first the names, so that the order does not matter
            known.record(rule.name, "vector(1)", rule.name)
    for _ in range(3):  # labels follow from the rules that a rule is made of
        for rule in RULES:
            if isinstance(rule, Record):
                known.record(rule.name, rule.expr, rule.name, rule.labels)
    return known


CONTRACT = contract()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_expression_names_what_exists(rule: Alert | Record) -> None:
    assert CONTRACT.problems(rule.expr, rule.name) == []


def test_a_wrong_name_would_be_noticed() -> None:
    expr = next(alert.expr for alert in ALERTS if alert.name == "ArgoCronLate")
    for wrong in (
        expr.replace("start_delay", "start_delays"),
        expr.replace("namespace, cron", "namespace, crom"),
        expr.replace('alert="ArgoCronLate"', 'alert="ArgoCronLatte"'),
    ):
        assert wrong != expr
        assert CONTRACT.problems(wrong, "x")


@alerts
def test_labels_that_texts_and_links_use_are_in_the_result(alert: Alert) -> None:
    labels = CONTRACT.labels(alert.expr)
    used = set(re.findall(r"\$labels\.(\w+)", f"{alert.summary} {alert.description}"))
    assert used | set(alert.variables) <= labels | {"severity"}


@alerts
def test_each_has_a_runbook_of_the_same_parts(alert: Alert) -> None:
    text = (RUNBOOKS / f"{alert.name}.md").read_text()
    assert text.startswith(f"# {alert.name}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == list(SECTIONS)
    look = text.partition("## Look at first")[2].partition("## Causes")[0]
    assert re.findall(r"^\d\.", look, re.MULTILINE) == ["1.", "2.", "3."]
    assert look.count("`") >= 6
    assert f"alertname={alert.name}" in text
    assert f"Severity {alert.severity}. It fires when {alert.happens}." in text
    for other in re.findall(r"see (Argo\w+)", text):
        assert other in {each.name for each in ALERTS}, other


def test_runbooks_look_at_the_daemon_that_is_deployed() -> None:
    (daemon,) = yaml.safe_load_all((BASE / "statefulset.yaml").read_text())
    labels = daemon["spec"]["template"]["metadata"]["labels"]
    mounts = daemon["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    namespace = yaml.safe_load((BASE / "namespace.yaml").read_text())["metadata"]["name"]
    known = {f"-l {name}={value}" for name, value in labels.items()} | {
        f"{daemon['metadata']['name']}-0 -- df -h {one['mountPath']}" for one in mounts
    }
    for path in RUNBOOKS.glob("*.md"):
        for command in re.findall(
            r"`(kubectl (?:logs|exec) [^`]*argoscope[^`]*)`", path.read_text()
        ):
            assert f"-n {namespace} " in command, (path.name, command)
            assert any(one in command for one in known), (path.name, command)


@pytest.mark.parametrize("name", [name for name, one in THRESHOLDS.items() if one.of])
def test_a_runbook_tells_the_limit_that_holds(name: str) -> None:
    told = re.search(r"\(default ([\d.]+)[^\d.)]*\)", (RUNBOOKS / f"{name}.md").read_text())
    assert told, name
    assert float(told[1]) == THRESHOLDS[name].default


def test_every_runbook_has_an_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {alert.name for alert in ALERTS}


@alerts
def test_severity_and_durations(alert: Alert) -> None:
    assert alert.severity in SEVERITIES
    assert alert.wait
    assert alert.severity != "critical" or alert.wait != "0m"


@alerts
def test_what_a_gauge_says_survives_a_restart_of_the_daemon(alert: Alert) -> None:
    """Increases look back over it; without this a gauge's alert ends and pages once more."""
    if "increase" not in alert.expr and not alert.name.startswith("Argoscope"):
        assert alert.keep


@alerts
def test_the_dashboard_exists_and_has_the_variables(alert: Alert) -> None:
    path = ROOT / "dashboards" / "rendered" / f"{alert.dashboard}.json"
    assert path.exists(), alert.dashboard
    dashboard = json.loads(path.read_text())
    assert dashboard["uid"] == alert.dashboard
    names = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert {*alert.variables, "cluster"} <= names


def test_names_are_unique() -> None:
    names = [alert.name for alert in ALERTS]
    assert len(set(names)) == len(names)


def test_every_threshold_is_used_and_every_limit_of_its_own_is_asked_for() -> None:
    by_name = {alert.name: alert for alert in ALERTS}
    assert set(THRESHOLDS) <= set(by_name)
    for name, threshold in THRESHOLDS.items():
        own = select(PIPELINE_THRESHOLD, ("alert", "=", name))
        assert (own in by_name[name].expr) is bool(threshold.of), name
        assert threshold.lowest <= threshold.default <= threshold.highest


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_nothing_hangs_on_how_a_version_writes_le(rule: Alert | Record) -> None:
    assert not re.search(r"\ble\s*(=|!)", rule.expr)


@pytest.mark.parametrize("label", ["cluster", "k8s_cluster", ""])
def test_every_aggregation_keeps_the_cluster(label: str) -> None:
    config = Config(cluster_label=label)
    for group in load():
        for rule in group.built(config):
            for by in re.findall(r"\b(?:by|on) \(([^)]*)\)", rule.expr):
                if by:
                    assert label == "" or by.startswith(label), rule.name
                    assert label == "cluster" or "cluster" not in by.split(", "), rule.name
            if isinstance(rule, Alert):
                assert ("var-cluster" in dashboard_url(rule, config)) is bool(label)


def test_the_rendered_files_and_the_docs_are_up_to_date() -> None:
    for form, name in render.FILES.items():
        text = (ROOT / "alerts" / "rendered" / name).read_text()
        assert text == render.rendered(form, DEFAULT), "run make generate"
    assert (ROOT / "docs" / "alerts.md").read_text() == reference.markdown(), "run make generate"


def test_both_forms_hold_the_same_rules() -> None:
    plain = yaml.safe_load(render.rendered("rules", DEFAULT))
    resource = yaml.safe_load(render.rendered("prometheusrule", DEFAULT))
    assert resource["spec"] == plain
    assert resource["kind"] == "PrometheusRule"


@pytest.mark.parametrize(
    "change",
    [
        {"name": "CronLate"},
        {"severity": "page"},
        {"wait": "soon"},
        {"keep": "1"},
        {"variables": ("pod",)},
        {"summary": "One."},
        {"description": "no sentence"},
    ],
)
def test_an_alert_that_breaks_the_conventions_is_refused(change: dict[str, object]) -> None:
    fields = {name: getattr(ALERTS[0], name) for name in ALERTS[0].__dataclass_fields__}
    with pytest.raises(ValueError, match="alert "):
        Alert(**{**fields, **change})


def test_queries_refuse_what_a_metric_does_not_have() -> None:
    with pytest.raises(ValueError, match="has no label pod"):
        select(PIPELINE_THRESHOLD, ("pod", "=", "x"))
    with pytest.raises(ValueError, match="a histogram has parts"):
        select(PIPELINE_THRESHOLD, part="bucket")
    assert Query(DEFAULT).labels("namespace") == "(cluster, namespace)"
