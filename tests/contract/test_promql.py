"""The contract catches what it is there for, and lets pass what is right."""

import pytest

from argoscope.metrics.model import Instrument
from contract.promql import Contract, Family, plain

RIGHT = [
    "sum by (namespace, pipeline) (rate(argo_workflow_runs_total{phase='Failed'}[5m]))",
    (
        "histogram_quantile(0.95, sum by (le, pipeline) "
        "(rate(argo_workflow_run_duration_seconds_bucket{cluster=~'$cluster'}[$__rate_interval])))"
    ),
    (
        "rate(argo_workflow_run_duration_seconds_sum[5m]) "
        "/ rate(argo_workflow_run_duration_seconds_count[5m])"
    ),
    "time() - argo_cron_last_success_timestamp_seconds{job='argoscope', pod!=''}",
    "sum without (phase, instance) (argo_rollout_phase{phase=~'Paused|Degraded'})",
    "argo_rollout_step * on (namespace, rollout) group_left (strategy) argo_rollout_info",
    "topk($top, sum by (reason) (argo_pods_pending)) > 0 or on () vector(0)",
    "max_over_time(argo_workflow_object_bytes[$__range]) > bool 1e6",
    "label_replace(argo_cron_active, 'object', '$1', 'cron', '(.*)')",
    "absent(argoscope_watch_up{resource='pod'})",
    "up == 0",
]
WRONG = [
    ("argo_workflow_run_total", "no such series: argo_workflow_run_total"),
    ("argo_workflow_runs", "no such series: argo_workflow_runs"),
    ("argo_workflow_run_duration_seconds", "no such series"),
    ("argo_workflow_runs_total_bucket", "no such series"),
    ("{job='argoscope'}", "a selector without a name"),
    ("argo_cron_active{pipeline='x'}", "argo_cron_active has no label pipeline"),
    ("argo_workflow_runs_total{phase='Fialed'}", "never has phase 'Fialed'"),
    ("argo_workflow_runs_total{phase=~'Failed|Broken'}", "never has phase 'Broken'"),
    ("sum by (cron) (argo_workflow_active)", "no label cron there"),
    ("sum without (cron) (argo_workflow_active)", "no label cron there"),
    ("sum by (pipeline) (sum by (namespace) (argo_workflow_active))", "no label pipeline there"),
    ("rate(argo_workflow_active[5m])", "is no counter"),
    ("increase(argo_cron_active[1h])", "is no counter"),
    ("sum(rate(argo_pods{phase='Pending'}[5m]))", "is no counter"),
    ("histogram_quantile(0.9, rate(argo_workflow_runs_total[5m]))", "no label le there"),
    ("histogram_quantile(0.9, rate(argo_workflow_run_duration_seconds_sum[5m]))", "no label le"),
    (
        (
            "histogram_quantile(0.9, sum by (pipeline) "
            "(rate(argo_workflow_run_duration_seconds_bucket[5m])))"
        ),
        "no label le there",
    ),
    ("argo_cron_active / on (pipeline) argo_cron_suspended", "no label pipeline there, for on"),
    ("argo_cron_active * on (cron) group_left (pipeline) argo_cron_info", "no label pipeline"),
    ("label_replace(argo_cron_active, 'a', '$1', 'pipeline', '(.*)')", "no label pipeline"),
    ("sum by (namespace (argo_cron_active)", "unclosed left parenthesis"),
]
FOREIGN = (Family(name="up", instrument=Instrument.GAUGE, labels={}),)


@pytest.mark.parametrize("query", RIGHT)
def test_what_is_right_passes(query: str) -> None:
    assert Contract(foreign=FOREIGN).problems(query, "here") == []


@pytest.mark.parametrize(("query", "problem"), WRONG, ids=[query for query, _ in WRONG])
def test_what_would_return_nothing_is_named_with_place_and_query(query: str, problem: str) -> None:
    problems = Contract().problems(query, "fleet.json, panel Runs")
    assert problems
    assert any(problem in one for one in problems), problems
    assert all(one.startswith("fleet.json, panel Runs: ") for one in problems)
    assert all(one.endswith(query) for one in problems)


@pytest.mark.parametrize("query", ["argo_workflow_runs_total", "sum(argo_template_retries_total)"])
def test_a_raw_counter_is_no_panel_but_may_stand_in_a_rule(query: str) -> None:
    assert "only ever grows" in Contract(counters_in_rates=True).problems(query, "here")[0]
    assert Contract().problems(query, "here") == []


def test_counting_a_counters_series_is_no_use_of_its_value() -> None:
    query = "count(count by (pipeline) (argo_workflow_runs_total))"
    assert Contract(counters_in_rates=True).problems(query, "here") == []


def test_a_recording_rule_has_the_labels_of_its_expression() -> None:
    contract = Contract()
    rule = "sum by (namespace, le) (rate(argo_workflow_run_duration_seconds_bucket[5m]))"
    assert contract.record("namespace:run_duration:rate5m", rule, "rules", ["window"]) == []
    right = "histogram_quantile(0.5, namespace:run_duration:rate5m{window='5m'})"
    assert contract.problems(right, "here") == []
    wrong = "sum by (pipeline) (namespace:run_duration:rate5m)"
    assert "no label pipeline" in contract.problems(wrong, "here")[0]
    assert "no counter" in contract.problems("rate(namespace:run_duration:rate5m[5m])", "here")[0]


def test_a_broken_recording_rule_is_said() -> None:
    assert "no such series" in Contract().record("a:b", "sum(nothing)", "rules")[0]


def test_it_knows_which_metrics_were_used() -> None:
    contract = Contract()
    contract.problems("rate(argo_workflow_run_duration_seconds_count[5m])", "here")
    assert contract.used == {"argo_workflow_run_duration_seconds"}


def test_macros_and_variables_become_values_except_in_strings() -> None:
    query = "topk(${top}, rate(x{a=~\"${a:regex}\", b='$b'}[$__rate_interval]) * $__range_s)"
    assert plain(query) == "topk(5, rate(x{a=~\"${a:regex}\", b='$b'}[5m]) * 3600)"
