"""The compose file: valid by the specification's schema, and every path that it mounts is there."""

import asyncio
import json
import shutil
import subprocess
from typing import Any

import click
import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from argoscope.cli import main
from argoscope.simulator.engine.pace import Pace
from argoscope.simulator.engine.playing import begin
from argoscope.simulator.scenarios import read
from support.manifests import DEPLOY

FOLDER = DEPLOY / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SCHEMA = "github.com/compose-spec/compose-go/v2@v2.8.1"


def test_it_is_valid_by_the_compose_specification() -> None:
    """The schema comes with the specification's own Go module."""
    if shutil.which("go") is None:
        pytest.skip("needs go, to fetch the compose specification's schema")
    done = subprocess.run(
        ["go", "mod", "download", "-json", SCHEMA], capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    assert "Dir" in found, found.get("Error")
    with open(f"{found['Dir']}/schema/compose-spec.json") as file:
        schema = json.load(file)
    validator = jsonschema.Draft7Validator(schema)
    validator.validate(COMPOSE)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({"services": {"a": {"imagine": "b"}}})


def test_what_is_mounted_is_there() -> None:
    mounts = [one for service in COMPOSE["services"].values() for one in service.get("volumes", ())]
    assert len(mounts) >= 6
    for mount in mounts:
        source, target, *mode = mount.split(":")
        if source in COMPOSE["volumes"]:
            continue
        assert (FOLDER / source).exists(), source
        assert target.startswith("/")
        assert mode == ["ro"]
    assert (FOLDER / COMPOSE["services"]["argoscope"]["build"]["context"]).resolve().is_dir()


def test_ports_are_open_on_this_machine_only() -> None:
    for service in COMPOSE["services"].values():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:")


def test_prometheus_and_grafana_find_each_other() -> None:
    prometheus = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    (scraped,) = prometheus["scrape_configs"]
    assert scraped["static_configs"][0]["targets"] == ["argoscope:9464"]
    mounts = " ".join(COMPOSE["services"]["prometheus"]["volumes"])
    assert prometheus["rule_files"][0].removesuffix("/*.yaml") in mounts
    (source,) = yaml.safe_load((FOLDER / "grafana/datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((FOLDER / "grafana/providers/argoscope.yaml").read_text())[
        "providers"
    ]
    grafana = COMPOSE["services"]["grafana"]
    assert any(provider["options"]["path"] in mount for mount in grafana["volumes"])
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    rendered = DEPLOY.parent / "dashboards" / "rendered"
    assert (rendered / home.rpartition("/")[2]).exists()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
def test_promtool_takes_the_configuration() -> None:
    command = ["promtool", "check", "config", "--syntax-only", str(FOLDER / "prometheus.yaml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_command_exists() -> None:
    command = COMPOSE["services"]["argoscope"]["command"]
    assert CliRunner().invoke(main, [*command, "--help"]).exit_code == 0


@pytest.mark.looptime
async def test_the_demo_is_as_fast_as_life() -> None:
    """Prometheus and the rules beside it know only real time: theirs are not made faster, as those
    of the demo's own Prometheus are."""
    command, *arguments = COMPOSE["services"]["argoscope"]["command"]
    found = main.get_command(click.Context(main), command)
    assert found is not None
    asked = found.make_context(command, list(arguments)).params
    assert (asked["speed"], asked["alerts"]) == (1.0, False)
    loop = asyncio.get_running_loop()
    world = begin(read(asked["scenario"]), seed=asked["seed"], start=1_800_000_000.0)
    pace = Pace(world, asked["speed"], clock=loop.time)
    begun = loop.time()
    task = asyncio.create_task(pace.run())
    for minute in (1, 2):
        await asyncio.sleep(60.0)
        assert loop.time() - begun == pytest.approx(minute * 60.0, abs=0.1)
        assert world.kernel.now - pace.virtual_start == pytest.approx(minute * 60.0, abs=0.1)
        assert world.workflows.running
    task.cancel()
