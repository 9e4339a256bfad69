"""What numbers come to, asked of promtool: what is true once is shown once, however many shards and
clusters one Prometheus has, and what somebody wanted is no trouble."""

import re
from pathlib import Path

import pytest
import yaml

from dashboards.lint import panels
from dashboards.support import rendered
from support.promtool import run, tool

_UP = 'argoscope_watch_up{resource="%s", cluster="%s", instance="%s"}'
_KINDS = {
    _UP % (resource, cluster, instance): "1x5"
    for resource in ("pods", "workflows")
    for cluster in ("eu", "us")
    for instance in ("argoscope-0", "argoscope-1")
}
_ONE_DOWN = {**_KINDS, **{_UP % ("pods", "eu", f"argoscope-{n}"): "0x5" for n in (0, 1)}}
_PHASE = 'argo_rollout_phase{namespace="shop", rollout="cart", cluster="%s", phase="%s"}'
_PAUSED = {
    _PHASE % (cluster, phase): f"{int(phase == 'Paused')}x5"
    for phase in ("Healthy", "Progressing", "Paused", "Degraded", "Unknown")
    for cluster in ("eu", "us")
}
_RUNS = {
    f'argoscope_ledger_runs{{cluster="{cluster}", instance="argoscope-{shard}"}}': "70x5"
    for cluster in ("eu", "us")
    for shard in (0, 1)
}
_MISSED = {
    f'argo_cron_missed_runs_total{{namespace="ops", cron="{reason}", reason="{reason}"}}': "0+1x5"
    for reason in ("suspended", "stopped", "when_false", "forbidden")
}
_CART = '{namespace="shop", rollout="cart", cluster="%s"}'


@pytest.mark.parametrize(
    ("uid", "title", "series", "shown"),
    [
        pytest.param("argoscope-self", "Kinds watched", _KINDS, {"{}": 2}, id="kinds"),
        pytest.param("argoscope-self", "Kinds watched", _ONE_DOWN, {"{}": 1}, id="one is down"),
        pytest.param("argoscope-fleet", "Kinds not watched", _ONE_DOWN, {"{}": 1}, id="fleet"),
        pytest.param("argoscope-fleet", "Kinds not watched", _KINDS, {"{}": 0}, id="none is"),
        pytest.param("argoscope-self", "Run records", _RUNS, {"{}": 140}, id="run records"),
        pytest.param("argoscope-fleet", "Cron runs missed", _MISSED, {"{}": 4}, id="missed"),
        pytest.param(
            *("argoscope-rollouts", "Phases", _PAUSED),
            {_CART % "eu": 2, _CART % "us": 2},
            id="phases: 2 is Paused",
        ),
    ],
)
def test_shown_once(
    uid: str, title: str, series: dict[str, str], shown: dict[str, float], tmp_path: Path
) -> None:
    (panel,) = (one for one in panels(rendered()[uid]) if one["title"] == title)
    query = re.sub(r"\$\{\w+\}", ".*", panel["targets"][0]["expr"]).replace("$__range", "5m")
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": query,
                "eval_time": "4m",
                "exp_samples": [{"labels": labels, "value": v} for labels, v in shown.items()],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}))
    code, said = run(tool("promtool", "prometheus"), "test", "rules", str(tmp_path / "test.yaml"))
    assert code == 0, said
