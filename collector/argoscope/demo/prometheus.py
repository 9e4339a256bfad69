"""A Prometheus of the demo's own: it scrapes the daemon and the controllers, with the alerts."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from argoscope.demo.faster_rules import faster
from argoscope.demo.processes import child

INTERVAL = "1s"
JOB = "argoscope"
LOG = "prometheus.log"


def rule_files() -> list[Path]:
    """The rendered alert rules: in the package, or in the checkout that it was installed from."""
    package = Path(str(resources.files("argoscope")))
    checkout = package.parents[1]
    folders = (
        package / "_kit" / "alerts",
        checkout / "alerts" / "rendered",
    )
    for folder in folders:
        found = sorted(path for path in folder.rglob("*.y*ml") if _has_groups(path))
        if found:
            return found
    return []


def _has_groups(path: Path) -> bool:
    """Whether it is a rule file: rendered PrometheusRule objects and the like are not."""
    document = yaml.safe_load(path.read_text())
    return isinstance(document, dict) and "groups" in document


def write(folder: Path, daemon: str, pages: Mapping[str, tuple[str, str]], speed: float) -> int:
    """Writes ``prometheus.yml`` and the rules for it; returns how many alerts there are.

    ``daemon`` is its HOST:PORT, ``pages`` are other jobs: name -> (HOST:PORT, path).
    """
    names, alerts = [], 0
    for path in rule_files():
        rules = faster(yaml.safe_load(path.read_text()), speed)
        alerts += sum("alert" in rule for group in rules["groups"] for rule in group["rules"])
        (folder / path.name).write_text(yaml.safe_dump(rules, sort_keys=False))
        names.append(path.name)
    config = _config(daemon, pages, names)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config, sort_keys=False))
    return alerts


def _config(
    daemon: str, pages: Mapping[str, tuple[str, str]], rules: Iterable[str]
) -> dict[str, Any]:
    jobs = [_job(JOB, daemon, "/metrics")]
    jobs += [_job(name, *where) for name, where in pages.items()]
    return {
        "global": {
            "scrape_interval": INTERVAL,
            "scrape_timeout": INTERVAL,
            "evaluation_interval": INTERVAL,
        },
        "rule_files": list(rules),
        "scrape_configs": jobs,
    }


def _job(name: str, target: str, path: str) -> dict[str, Any]:
    return {
        "job_name": name,
        "metrics_path": path,
        "honor_labels": True,  # a pod's or workflow's namespace is the metric's own label
        "static_configs": [{"targets": [target]}],
    }


@asynccontextmanager
async def running(
    program: str, folder: Path, address: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Prometheus on that address, with what ``write`` has written."""
    async with child(
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={address}",
        "--log.level=warn",
        log=folder / LOG,
    ) as process:
        yield process
