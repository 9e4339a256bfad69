"""Grafana's own types read what is written, drop nothing and change nothing."""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from argoscope_alerts.config import Config
from argoscope_dashboards._dashboard import Options
from argoscope_dashboards._load import load

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it prefers schema v2
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

RENDERED = Path(__file__).parents[2] / "dashboards" / "rendered"
UIDS = tuple(dashboard.uid for dashboard in load())


def _lost(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Keys that were dropped and values that changed. Defaults may be added."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key not in after:
                yield f"{path}.{key} was dropped"
            else:
                yield from _lost(value, after[key], f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _lost(one, other, f"{path}[{index}]")
    elif before != after:
        yield f"{path} was {before!r} and is {after!r}"


def _round_trip(data: dict[str, Any]) -> list[str]:
    register_default_plugins()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        typed = Dashboard.from_json(json.loads(json.dumps(data)))
    return list(_lost(data, json.loads(JSONEncoder().encode(typed))))


@pytest.mark.parametrize("uid", UIDS)
def test_nothing_is_dropped_or_changed(uid: str) -> None:
    (dashboard,) = (one for one in load() if one.uid == uid)
    assert _round_trip(json.loads(dashboard.render())) == []


@pytest.mark.parametrize("key", ["decimals", "unitt"])
def test_a_key_that_grafana_does_not_know_is_found(key: str) -> None:
    data = json.loads(load()[0].render())
    data["panels"][1]["options"][key] = 1
    assert _round_trip(data) == [f".panels[1].options.{key} was dropped"]


def test_committed_files_are_what_is_built() -> None:
    built = {dashboard.file: dashboard.render() for dashboard in load()}
    committed = {path.name: path.read_text() for path in RENDERED.glob("*.json")}
    assert committed == built, "run make generate"


def test_the_same_input_gives_the_same_bytes() -> None:
    for dashboard in load():
        assert dashboard.render() == dashboard.render(Config(), Options())


def test_configuration_reaches_queries_variables_and_thresholds() -> None:
    config = Config(cluster_label="k8s_cluster")
    texts = {one.uid: one.render(config, Options(datasource="prom-1")) for one in load()}
    for text in texts.values():
        assert 'k8s_cluster=~\\"${cluster}\\"' in text
        assert "{cluster=~" not in text
        assert "by (cluster" not in text
        assert json.loads(text)["templating"]["list"][0]["current"]["value"] == "prom-1"
    lax = Config(thresholds={**Config().thresholds, "ArgoPipelineFailureRatioHigh": 0.77})
    assert "0.77" in next(one for one in load() if one.uid == "argoscope-fleet").render(lax)
