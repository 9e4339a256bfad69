"""Rules for a faster cluster: every time in them is shorter, and nothing else has changed."""

import shutil
import subprocess
import tomllib
from pathlib import Path

import promql_parser
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from argoscope.demo import prometheus
from argoscope.demo.faster_rules import CLOCK, expression, faster, seconds, shorter

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("up == 0", "up == 0"),
        ("increase(x_total[10m]) > 0", "increase(x_total[10000ms]) > 0"),
        ("increase(x_total[1m])", "increase(x_total[5000ms])"),  # never without samples
        ("x offset 1d", "x offset 1440000ms"),
        ("x offset -1h30m", "x offset -90000ms"),
        ("max_over_time(x[1d:5m])", "max_over_time(x[1440000ms:5000ms])"),
        ("max_over_time(x[1d:])", "max_over_time(x[1440000ms:])"),
        ("time() - last", f"{CLOCK} - last"),
        ("rate(x_total[5m]) > 0.1", "(rate(x_total[5000ms]) / 60) > 0.1"),
        (
            "sum by (a) (rate(x_total{b='rate(y[5m])'}[1h]))",
            "sum by (a) ((rate(x_total{b='rate(y[5m])'}[60000ms]) / 60))",
        ),
        ('x{a="[5m] offset 1h time()"}', 'x{a="[5m] offset 1h time()"}'),
        ("x{a=`)[5m]`} # [5m] rate(", "x{a=`)[5m]`} # [5m] rate("),
        (
            "rate(max_over_time(x[5m])[1h:1m])",
            "(rate(max_over_time(x[5000ms])[60000ms:1000ms]) / 60)",
        ),
        ("runtime() + x_time() * timestamp(x)", "runtime() + x_time() * timestamp(x)"),
        ("x_rate(1)", "x_rate(1)"),
    ],
)
def test_times_in_queries_are_divided(query: str, expected: str) -> None:
    assert expression(query, 60.0) == expected


@given(
    st.lists(
        st.sampled_from(["sum(", "max by (a) (", "rate(", "increase(", "histogram_quantile(0.9, "]),
        max_size=4,
    ),
    st.sampled_from(["x", 'x{a=")"}', "x{a='rate(('}"]),
    st.sampled_from(["", " > 3", " / time()", " and on () y"]),
)
def test_queries_stay_queries(functions: list[str], metric: str, more: str) -> None:
    ranged = any(name.startswith(("rate", "increase")) for name in functions[-1:])
    selector = f"{metric}[10m]" if ranged else metric
    query = "".join(functions) + selector + ")" * len(functions) + more
    try:
        promql_parser.parse(query)
    except ValueError:
        return  # such as a rate of a rate
    promql_parser.parse(expression(query, 60.0))


@given(st.integers(1, 10**6), st.floats(1, 1000))
def test_durations_keep_their_meaning(minutes: int, speed: float) -> None:
    assert seconds(shorter(f"{minutes}m", speed)) == pytest.approx(
        60 * minutes / speed, abs=0.00051
    )


def test_a_file_keeps_all_that_is_no_time() -> None:
    rule = {"alert": "A", "expr": "x > 5", "for": "10m", "keep_firing_for": "1h"}
    rule |= {"labels": {"severity": "critical"}, "annotations": {"summary": "for 10m"}}
    group = {"name": "g", "interval": "1m", "rules": [rule]}
    made = faster({"groups": [group]}, 60.0)
    assert made["groups"][0]["interval"] == "1s"
    assert made["groups"][0]["rules"] == [{**rule, "for": "10000ms", "keep_firing_for": "60000ms"}]
    assert group["interval"] == "1m" and rule["for"] == "10m", "the argument has changed"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
def test_prometheus_takes_them(tmp_path: Path) -> None:
    expr = "time() - max_over_time(x[1d:5m] offset 1h) > 60 and rate(y_total[5m]) > 0"
    rule = {"alert": "A", "expr": expr, "for": "10m", "keep_firing_for": "5m"}
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(faster({"groups": [{"name": "g", "rules": [rule]}]}, 60.0)))
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
def test_prometheus_takes_the_rules_that_are_shipped(tmp_path: Path) -> None:
    pages = {"argo-rollouts-metrics": ("127.0.0.1:1", "/_simulator/metrics/argo-rollouts")}
    alerts = prometheus.write(tmp_path, "127.0.0.1:2", pages, 60.0)
    assert alerts > 0, "the checkout has rendered rules"
    config = str(tmp_path / "prometheus.yml")
    done = subprocess.run(["promtool", "check", "config", config], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    texts = "".join(path.read_text() for path in tmp_path.glob("*.rules.yaml"))
    assert "time()" not in texts


def test_the_rules_of_an_installed_package_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    source = "alerts/rendered"
    target = build["targets"]["wheel"]["force-include"][source]
    shutil.copytree(ROOT / source, tmp_path / target)
    monkeypatch.setattr(prometheus.resources, "files", lambda name: tmp_path / name)
    found = [path.relative_to(tmp_path / target).as_posix() for path in prometheus.rule_files()]
    assert found == ["argoscope.rules.yaml"]
