"""Every dashboard keeps every rule, and every rule can fail: a broken dashboard is caught."""

from collections.abc import Callable
from typing import Any

import pytest

from argoscope_dashboards._foreign import FOREIGN
from argoscope_dashboards._load import load
from dashboards.lint import panels, problems
from dashboards.support import contract, rendered

Json = dict[str, Any]
UIDS = tuple(dashboard.uid for dashboard in load())


def test_these_are_the_dashboards() -> None:
    assert UIDS == (
        "argoscope-controllers",
        "argoscope-cron-workflows",
        "argoscope-fleet",
        "argoscope-pending-pods",
        "argoscope-pipeline",
        "argoscope-rollouts",
        "argoscope-self",
        "argoscope-workflows",
    )


@pytest.mark.parametrize("uid", UIDS)
def test_a_dashboard_keeps_the_rules(uid: str) -> None:
    dashboards = rendered()
    assert problems(dashboards[uid], contract(), dashboards) == []


def _panel(dashboard: Json, kind: str) -> Json:
    return next(panel for panel in panels(dashboard) if panel["type"] == kind)


def _query(dashboard: Json, expr: str) -> None:
    _panel(dashboard, "timeseries")["targets"][0]["expr"] = expr


def _defaults(dashboard: Json) -> Json:
    defaults: Json = _panel(dashboard, "stat")["fieldConfig"]["defaults"]
    return defaults


def _link(dashboard: Json, url: str) -> None:
    _defaults(dashboard)["links"] = [{"title": "x", "url": url, "targetBlank": False}]


def _overlap(dashboard: Json) -> None:
    first, second = list(panels(dashboard))[:2]
    second["gridPos"] = dict(first["gridPos"])


BROKEN: dict[str, tuple[Callable[[Json], object], str]] = {
    "typo in a metric": (lambda d: _query(d, "sum(argo_workflow_actve)"), "no such series"),
    "label that is not there": (
        lambda d: _query(d, "sum by (cron) (argo_workflow_active)"),
        "no label cron",
    ),
    "raw counter": (lambda d: _query(d, "argo_workflow_runs_total"), "only ever grows"),
    "fixed window": (lambda d: _query(d, "rate(argo_workflow_runs_total{}[5m])"), "is fixed"),
    "range in a graph": (
        lambda d: _query(d, "increase(argo_workflow_runs_total[$__range])"),
        "over time",
    ),
    "undefined variable": (
        lambda d: _query(d, 'argo_workflow_active{pipeline="$typo"}'),
        "typo is not defined",
    ),
    "no description": (lambda d: _panel(d, "stat").update(description=""), "no description"),
    "no title": (lambda d: _panel(d, "stat").update(title=""), "no title"),
    "no query": (lambda d: _panel(d, "stat").update(targets=[]), "no query"),
    "fixed data source": (
        lambda d: _panel(d, "stat").update(datasource={"type": "prometheus", "uid": "abc"}),
        "data source is not the variable",
    ),
    "unknown unit": (lambda d: _defaults(d).update(unit="seconds"), "is not among Grafana's"),
    "no noValue": (lambda d: _defaults(d).update(noValue=""), "noValue"),
    "noValue that judges": (lambda d: _defaults(d).update(noValue="all good"), "noValue"),
    "threshold's base": (
        lambda d: _defaults(d)["thresholds"]["steps"][0].update(value=0),
        "is not null",
    ),
    "thresholds descend": (
        lambda d: _defaults(d)["thresholds"].update(
            steps=[{"color": "a", "value": v} for v in (None, 2, 1)]
        ),
        "do not ascend",
    ),
    "overlap": (_overlap, "overlaps"),
    "too wide": (lambda d: _panel(d, "stat")["gridPos"].update(x=23), "right edge"),
    "id twice": (lambda d: _panel(d, "stat").update(id=d["panels"][0]["id"]), "panel id"),
    "refId blank": (lambda d: _panel(d, "stat")["targets"][0].update(refId=""), "refIds"),
    "link to nowhere": (lambda d: _link(d, "/d/argoscope-none?"), "no dashboard argoscope-none"),
    "link to a variable that is not there": (
        lambda d: _link(d, "/d/argoscope-self?${__url_time_range}&var-rollout=x"),
        "argoscope-self has no variable rollout",
    ),
    "link that passes what it has not": (
        lambda d: _link(d, "/d/argoscope-rollouts?${__url_time_range}&${rollout:queryparam}"),
        "no variable rollout here",
    ),
    "link that loses the time": (lambda d: _link(d, "/d/argoscope-self?"), "time range is lost"),
    "link by a field that the table lacks": (
        lambda d: _link(d, "/d/argoscope-fleet?${__url_time_range}&x=${__data.fields.cron}"),
        "no field cron",
    ),
    "link by a field that the table leaves out": (
        lambda d: _panel(d, "table")["transformations"][1]["options"]["excludeByName"].update(
            namespace=True
        ),
        "no field namespace",
    ),
    "variable that nobody uses": (
        lambda d: d["templating"]["list"].append({**d["templating"]["list"][-1], "name": "idle"}),
        "idle is not used",
    ),
    "variable that is not refreshed": (
        lambda d: d["templating"]["list"][-1].update(refresh=1),
        "not refreshed",
    ),
    "old schema": (lambda d: d.update(schemaVersion=12), "old schema"),
    "no drop-down": (lambda d: d.update(links=[]), "no drop-down"),
    "unreadable uid": (lambda d: d.update(uid="aGx81"), "not readable"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_dashboard_is_caught(name: str) -> None:
    dashboards = rendered()
    dashboard = dashboards["argoscope-workflows"]
    breaks, problem = BROKEN[name]
    breaks(dashboard)
    found = problems(dashboard, contract(), dashboards)
    assert any(problem in one for one in found), found


def test_foreign_series_are_few_used_and_reasoned() -> None:
    kept = contract()
    for dashboard in rendered().values():
        problems(dashboard, kept, {})
    assert {one.prometheus for one in FOREIGN} <= kept.used
    assert all(one.because for one in FOREIGN)


def test_fleet_leads_to_a_failing_template_and_its_runs_in_three_clicks() -> None:
    dashboards = rendered()

    def leads(uid: str) -> set[str]:
        text = str(dashboards[uid])
        return {other for other in dashboards if f"/d/{other}?" in text}

    assert "argoscope-workflows" in leads("argoscope-fleet")
    assert "argoscope-pipeline" in leads("argoscope-workflows")
    pipeline = dashboards["argoscope-pipeline"]
    assert any(target["exemplar"] for panel in panels(pipeline) for target in panel["targets"])


@pytest.mark.parametrize("uid", UIDS)
def test_every_table_leads_somewhere_or_is_about_no_object(uid: str) -> None:
    for panel in panels(rendered()[uid]):
        objects = {"pipeline", "cron", "rollout", "namespace"} & {
            one["matcher"]["options"].lower()
            for one in panel["fieldConfig"]["overrides"]
            if "custom.hidden" not in {option["id"] for option in one["properties"]}
        }
        if panel["type"] == "table" and "pipeline" in objects:
            assert "/d/" in str(panel["fieldConfig"]), panel["title"]
