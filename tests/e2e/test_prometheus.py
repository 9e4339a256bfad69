"""A real Prometheus scrapes the daemon: it reads every format, and sees each first failure.

The daemon is a process of its own and watches a scripted API server. Time is real, because
Prometheus has no other: what is waited for is polled, with a limit. A missed cron run takes up to
two minutes: one to come, one to be sure.
"""

import asyncio
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.cluster import Cluster
from support.daemon import Daemon, daemon
from support.prometheus import Prometheus, prometheus
from support.promtool import RULES
from support.scrape import OPENMETRICS
from support.scripted import objects as make

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

NAMESPACE = "ci"
_SCRAPED = 3.0  # seconds in which two scrapes, a second apart, have certainly happened
_SEEN = 15.0
_CRON = 140.0


@dataclass
class Watched:
    """What Prometheus has seen."""

    up: dict[str, str] = field(default_factory=dict)
    """Last error by job; empty for none."""
    samples: dict[str, float] = field(default_factory=dict)
    """scrape_samples_scraped by job."""
    exposed: int = 0
    """Samples of the daemon's own answer."""
    plain: str = ""
    """The scrape as Prometheus text."""
    rules: list[dict[str, Any]] = field(default_factory=list)
    """The rendered rules as they were evaluated on these scrapes."""
    increases: dict[str, float] = field(default_factory=dict)
    """increase() over the test's time, by query."""
    log: str = ""


RUNS = 'argo_workflow_runs_total{phase="Failed",pipeline="%s"}'
FAILURES = 'argo_workflow_failures_total{cause="%s",pipeline="%s"}'
ABORTED = 'argo_rollouts_total{result="aborted",rollout="web"}'
MISSED = 'argo_cron_missed_runs_total{cron="nightly",reason="%s"}'


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Lets things happen for the first time, once; the tests look at what Prometheus made of it."""
    result = Watched()
    try:
        rules = tmp_path_factory.mktemp("rules") / "argoscope.rules.yaml"
        rules.write_text(yaml.safe_dump(_often(yaml.safe_load(RULES.read_text()))))
        asyncio.run(_watch(result, rules))
    except BaseException as error:
        error.add_note(f"daemon:\n{result.log}")
        raise
    yield result


def _often(document: dict[str, Any]) -> dict[str, Any]:
    """The rules as they are, but evaluated every 5 seconds, so that all of them are in time."""
    return {"groups": [{**group, "interval": "5s"} for group in document["groups"]]}


async def _watch(result: Watched, rules: Path) -> None:
    async with ApiServer() as server, _daemon(server) as argoscope:
        try:
            await argoscope.ready(20.0)
            async with (
                _without_negotiation(argoscope) as relay,
                prometheus({"argoscope": argoscope.address, "text": relay}, [rules]) as prom,
            ):
                await _live(server.cluster, prom, result)
                await _compare(argoscope, prom, result)
        finally:
            result.log = argoscope.log()


@asynccontextmanager
async def _daemon(server: ApiServer) -> AsyncIterator[Daemon]:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server.address}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    with tempfile.TemporaryDirectory(prefix="argoscope-prom-") as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(config))
        async with daemon(kubeconfig) as running:
            yield running


@asynccontextmanager
async def _without_negotiation(argoscope: Daemon) -> AsyncIterator[str]:
    """The address of a proxy that asks the daemon for nothing but Prometheus text."""

    async def answer(_: web.Request) -> web.Response:
        status, body, content_type = await argoscope.get("/metrics", "text/plain;version=0.0.4")
        return web.Response(
            status=status, body=body.encode(), headers={"Content-Type": content_type}
        )

    app = web.Application()
    app.router.add_get("/metrics", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _live(cluster: Cluster, prom: Prometheus, result: Watched) -> None:
    """Everything happens for the first time, after Prometheus has seen that it did not yet."""
    start = time.time()
    assert await prom.until("sum(up) == 2", _SEEN), await prom.targets()
    cluster.put("cronworkflows", _cron("nightly"))
    cluster.put("rollouts", _rollout(1, start))
    cluster.put("workflows", _workflow("etl", start))
    await asyncio.sleep(_SCRAPED)
    cluster.put("rollouts", _rollout(2, start))
    await asyncio.sleep(_SCRAPED)
    cluster.put("rollouts", _rollout(2, start, aborted=time.time()))
    cluster.put("workflows", _workflow("etl", start, ended=time.time()))
    cluster.put("workflows", _workflow("broken", time.time(), ended=time.time(), invalid=True))
    for query, seconds in (
        (RUNS % "etl", _SEEN),
        (FAILURES % ("exit_code", "etl"), _SEEN),
        (RUNS % "broken", _SEEN),
        (FAILURES % ("invalid_spec", "broken"), _SEEN),
        (ABORTED, _SEEN),
        (MISSED % "controller", _CRON - (time.time() - start)),
    ):
        result.increases[query] = await prom.until(f"increase({query}[5m])", seconds)


async def _compare(argoscope: Daemon, prom: Prometheus, result: Watched) -> None:
    targets = await prom.targets()
    result.up = {job: target["lastError"] for job, target in targets.items()}
    result.plain = (await argoscope.get("/metrics", "text/plain"))[1]
    _, body, content_type = await argoscope.get("/metrics", OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text")
    result.exposed = sum(not line.startswith("#") for line in body.splitlines())
    await asyncio.sleep(_SCRAPED)  # nothing happens any more: the next scrapes have as many
    result.rules = await prom.rules()
    for job in targets:
        result.samples[job] = await prom.total(f'scrape_samples_scraped{{job="{job}"}}')


def _workflow(
    pipeline: str, started: float, *, ended: float = 0.0, invalid: bool = False
) -> make.Object:
    """A workflow of one step that runs, or has failed: at once and without nodes if invalid."""
    name = f"{pipeline}-x7k2p"
    rng = random.Random(name)
    found = make.workflow(name, NAMESPACE, started, rng, generate_name=f"{pipeline}-")
    leaf = make.node(name, name, name, "Pod", started, template="main")
    status = {"phase": "Running", "startedAt": make.stamp(started)}
    if ended:
        message = (
            "invalid spec: templates.main: unknown" if invalid else "main: Error (exit code 1)"
        )
        end = {"phase": "Failed", "finishedAt": make.stamp(ended), "message": message}
        status |= end
        leaf |= end
    found["status"] = {**status, "nodes": {} if invalid else {name: leaf}}
    return found


def _cron(name: str) -> make.Object:
    """Due every minute; there is no controller that would run it."""
    return {
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"schedules": ["* * * * *"], "workflowSpec": {"entrypoint": "main"}},
    }


def _rollout(revision: int, created: float, *, aborted: float = 0.0) -> make.Object:
    """A canary: revision 1 is stable, 2 is on its way or has been aborted."""
    stable, current = "a1", f"a{revision}"
    status = {
        "phase": "Healthy" if revision == 1 else "Progressing",
        "observedGeneration": str(revision),
        "currentPodHash": current,
        "stableRS": stable,
        "currentStepIndex": 1 if revision == 1 else 0,
        "conditions": [make.condition("Completed", str(revision == 1), created)],
    }
    if aborted:
        message = f"RolloutAborted: Rollout aborted update to revision {revision}"
        status |= {"phase": "Degraded", "abort": True, "abortedAt": make.stamp(aborted)}
        status |= {"message": message}
    return {
        "metadata": {
            "name": "web",
            "namespace": NAMESPACE,
            "generation": revision,
            "annotations": {"rollout.argoproj.io/revision": str(revision)},
        },
        "spec": {"replicas": 1, "strategy": {"canary": {"steps": [{"setWeight": 50}]}}},
        "status": status,
    }


def test_prometheus_scrapes_both_formats_without_errors(watched: Watched) -> None:
    assert watched.up == {"argoscope": "", "text": ""}


def test_prometheus_takes_every_sample(watched: Watched) -> None:
    assert watched.samples["argoscope"] == watched.exposed
    assert watched.samples["text"] == watched.exposed


def test_every_rule_is_evaluated_without_an_error(watched: Watched) -> None:
    assert len(watched.rules) > 60
    assert {rule["name"]: rule.get("lastError", "") for rule in watched.rules} == {
        rule["name"]: "" for rule in watched.rules
    }
    assert {rule["health"] for rule in watched.rules} == {"ok"}


def test_promtool_has_nothing_against_the_scrape(watched: Watched) -> None:
    promtool = shutil.which("promtool")
    assert promtool, "prometheus is installed without promtool"
    done = subprocess.run(
        [promtool, "check", "metrics"], input=watched.plain, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(RUNS % "etl", id="a pipeline that ran"),
        pytest.param(FAILURES % ("exit_code", "etl"), id="its cause"),
        pytest.param(RUNS % "broken", id="a pipeline that is first seen when it has failed"),
        pytest.param(FAILURES % ("invalid_spec", "broken"), id="its cause, an uncommon one"),
        pytest.param(ABORTED, id="a rollout"),
        pytest.param(MISSED % "controller", id="a cron"),
    ],
)
def test_the_first_failure_is_seen_by_increase(watched: Watched, query: str) -> None:
    assert watched.increases[query] > 0.0, watched.log
