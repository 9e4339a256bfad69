"""Every alert leads to a dashboard that exists, and sets variables that it has."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from dashboards.support import rendered

RULES = Path(__file__).parents[2] / "alerts" / "rendered" / "argoscope.rules.yaml"


def _urls() -> dict[str, str]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    return {rule["alert"]: rule["annotations"]["dashboard_url"] for rule in rules}


@pytest.mark.parametrize(("alert", "url"), _urls().items(), ids=list(_urls()))
def test_an_alert_leads_to_a_dashboard_with_its_variables(alert: str, url: str) -> None:
    dashboards = rendered()
    uid = re.split(r"[?{]", urlsplit(url).path.removeprefix("/d/"))[0]  # {{ is Go's template
    assert uid in dashboards
    there = {one["name"] for one in dashboards[uid]["templating"]["list"]}
    assert set(re.findall(r"var-(\w+)=", url)) <= there
