"""The daemon end to end, in virtual time: from an API server's objects to scrapes."""

import asyncio

import pytest

from argoscope.export.otlp import OtlpExporter
from argoscope.export.otlp_settings import OtlpSettings
from argoscope.monitor import Monitor
from argoscope.resources._load import load
from argoscope.settings import Labels, Resources, Series, Settings
from argoscope.simulator.api_server import ApiServer
from support.api_server import EPOCH, virtual_clock
from support.scrape import OPENMETRICS, Key, key, parse, values
from support.scripted.workload import Workload
from support.serving import Site, daemon, ready, workflow

pytestmark = pytest.mark.looptime

SUCCEEDED = key("argo_workflow_runs_total", namespace="ci", pipeline="build", phase="Succeeded")


@pytest.fixture
async def api():  # type: ignore[no-untyped-def]
    async with ApiServer() as running:
        yield running


async def scrape(found: Site, accept: str = "") -> dict[Key, float]:
    status, text, response = await found.get("/metrics", Accept=accept)
    assert status == 200
    return values(parse(text.encode(), response.headers["Content-Type"]))


async def published() -> None:
    """The next tick, after which what has arrived can be seen."""
    await asyncio.sleep(2.0)


@pytest.mark.parametrize("accept", ["", OPENMETRICS], ids=["text", "openmetrics"])
async def test_a_run_that_ends_under_its_eyes_is_counted_and_one_of_before_is_history(
    api: ApiServer, accept: str
) -> None:
    api.cluster.put("workflows", workflow("build-1", phase="Succeeded", begin=EPOCH - 900))
    api.cluster.put("workflows", workflow("build-2", phase="Running", begin=EPOCH - 60))
    async with daemon(api) as found:
        await ready(found)
        await published()
        before = await scrape(found, accept)
        api.cluster.put("workflows", workflow("build-2", phase="Succeeded", begin=EPOCH - 60))
        await published()
        after = await scrape(found, accept)
    week = key("argo_workflow_completed_runs_7d", namespace="ci", pipeline="build")
    assert (before[SUCCEEDED], before[week]) == (0, 1)
    assert (after[SUCCEEDED], after[week]) == (1, 2)
    assert after[key("argoscope_watch_up", resource="workflows")] == 1
    assert before[key("argo_workflow_active", namespace="ci", pipeline="build", state="running")]


async def test_crons_are_listed_first_and_workflows_before_their_pods(api: ApiServer) -> None:
    async with daemon(api) as found:
        await ready(found)
    first = list(dict.fromkeys(path.partition("?")[0] for _, path in api.requests))
    plurals = [path.rpartition("/")[2] for path in first]
    assert plurals.index("cronworkflows") < plurals.index("workflows") < plurals.index("pods")
    assert set(plurals) == {resource.plural for resource in load()}


async def test_a_kind_that_rbac_refuses_is_named_with_what_to_grant(api: ApiServer) -> None:
    api.denied = {("list", "pods"), ("watch", "pods")}
    async with daemon(api) as found:
        await asyncio.sleep(10.0)
        status, text, _ = await found.get("/readyz")
        assert status == 503
        first, *others = text.splitlines()
        assert first.startswith("waiting pods (")
        assert "grant get, list and watch on pods" in first
        assert "ok workflows synced" in others
        assert (await scrape(found))[key("argoscope_watch_up", resource="pods")] == 0
        api.denied = set()
        await asyncio.sleep(120.0)
        assert (await found.get("/readyz"))[0] == 200
        assert (await scrape(found))[key("argoscope_watch_up", resource="pods")] == 1


async def test_optional_kinds_may_be_refused(api: ApiServer) -> None:
    api.denied = {(verb, plural) for verb in ("list", "watch") for plural in ("nodes", "events")}
    async with daemon(api) as found:
        await ready(found)
        await published()
        seen = await scrape(found)
        assert key("argoscope_watch_up", resource="nodes") not in seen, "nothing is down"
        assert "nodes forbidden" in (await found.get("/readyz"))[1]


async def test_a_crd_that_is_not_installed_is_not_waited_for_and_found_when_it_comes(
    api: ApiServer,
) -> None:
    rollouts = api.cluster.collections["rollouts"].kind
    api.cluster.withdraw("rollouts")
    async with daemon(api) as found:
        await ready(found)
        await published()
        assert "rollouts absent" in (await found.get("/readyz"))[1]
        assert key("argoscope_watch_up", resource="rollouts") not in await scrape(found)
        api.cluster.serve(rollouts)
        await asyncio.sleep(150.0)
        assert "ok rollouts synced" in (await found.get("/readyz"))[1]


async def test_an_outage_shows_as_a_watch_that_is_down_and_lags_until_it_is_over(
    api: ApiServer,
) -> None:
    up, lag = (key(f"argoscope_watch_{name}", resource="pods") for name in ("up", "lag_seconds"))
    async with daemon(api) as found:
        await ready(found)
        await api.stop()
        await asyncio.sleep(100.0)
        down = await scrape(found)
        assert down[up] == 0
        assert down[lag] >= 99
        assert (await found.get("/readyz"))[0] == 200, "what it knows still stands"
        await api.start()
        await asyncio.sleep(200.0)
        again = await scrape(found)
        assert again[up] == 1
        assert again[lag] < 100, "a bookmark came"


async def test_forgotten_history_is_a_relist_that_is_counted_and_counts_nothing_twice(
    api: ApiServer,
) -> None:
    relists = key("argoscope_relists_total", resource="workflows", reason="expired")
    api.cluster.put("workflows", workflow("build-1", phase="Running"))
    async with daemon(api) as found:
        await ready(found)
        api.cluster.put("workflows", workflow("build-1", phase="Succeeded"))
        await published()
        before = await scrape(found)
        await api.stop()
        api.cluster.put("workflows", workflow("other-1", phase="Running"))
        api.compact()
        await api.start()
        await asyncio.sleep(60.0)
        after = await scrape(found)
    assert (before[relists], before[SUCCEEDED]) == (0, 1)
    assert after[relists] >= 1
    assert after[SUCCEEDED] == 1


async def test_namespaces_and_selector_are_the_server_s_work(api: ApiServer) -> None:
    settings = Settings(namespaces=("ci", "data"), selector="team=a")
    async with daemon(api, settings) as found:
        await ready(found)
    asked = [path for _, path in api.requests]
    workflows = [path for path in asked if "/workflows?" in path]
    assert workflows
    assert all("labelSelector=team%3Da" in path.replace("=a", "%3Da") for path in workflows)
    assert {path.partition("/namespaces/")[2].partition("/")[0] for path in workflows} == {
        "ci",
        "data",
    }
    pods = [path for path in asked if "/pods?" in path]
    assert pods
    assert not any("team" in path for path in pods)
    assert any(path.startswith("/api/v1/nodes?") for path in asked), "nodes have no namespace"


async def test_a_kind_that_is_switched_off_is_not_asked_for(api: ApiServer) -> None:
    settings = Settings(resources=Resources(disabled=("nodes", "rollouts", "analysisruns")))
    async with daemon(api, settings) as found:
        await ready(found)
        assert "ok rollouts" not in (await found.get("/readyz"))[1]
        assert (await found.get("/"))[0] == 200
    assert not [path for _, path in api.requests if "rollouts?" in path or "nodes" in path]


async def test_configured_budgets_and_labels_reach_the_derivation(api: ApiServer) -> None:
    for number in range(6):
        run = workflow(f"p{number}-1", phase="Running")
        run["metadata"]["labels"] = {"app": f"shop-{number}"}
        api.cluster.put("workflows", run)
    settings = Settings(
        labels=Labels(pipeline=("app",)), series=Series(budgets={"argo_workflow_active": 8})
    )
    async with daemon(api, settings) as found:
        await ready(found)
        await published()
        seen = await scrape(found)
    pipelines = {
        dict(labels)["pipeline"] for name, labels in seen if name == "argo_workflow_active"
    }
    assert "_other" in pipelines
    assert 2 <= len(pipelines) < 6
    assert all(name.startswith("shop-") for name in pipelines - {"_other"})
    assert seen[key("argoscope_series_folded_total", metric="argo_workflow_active")] >= 4


async def test_a_receiver_that_is_down_costs_nothing_but_its_own_counter(api: ApiServer) -> None:
    otlp = OtlpSettings(endpoint="http://127.0.0.1:9/v1/metrics", interval=5.0, export_timeout=2.0)
    async with daemon(api, otlp=otlp) as found:
        await ready(found)
        api.cluster.put("workflows", workflow("build-1", phase="Succeeded"))
        await asyncio.sleep(30.0)
        seen = await scrape(found)
    assert seen[SUCCEEDED] == 1
    assert seen[key("argoscope_export_failures_total", exporter="otlp", reason="connection")] >= 3


async def test_a_bug_in_the_exporter_is_logged_and_costs_only_exports(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[float] = []

    async def broken(_: OtlpExporter) -> None:
        begun.append(asyncio.get_running_loop().time())
        raise RuntimeError("a bug")

    monkeypatch.setattr(OtlpExporter, "run", broken)
    otlp = OtlpSettings(endpoint="http://127.0.0.1:9/v1/metrics", export_timeout=1.0)
    async with daemon(api, otlp=otlp) as found:
        await asyncio.sleep(150.0)
        assert len(begun) == 3, "begun anew, with a pause"
        assert (await found.get("/readyz"))[0] == 200


async def test_a_bug_in_the_daemon_itself_ends_it(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(ExceptionGroup, match="unhandled"):
        async with daemon(api) as found:
            await ready(found)
            monkeypatch.setattr(Monitor, "update", broken)
            await asyncio.sleep(10.0)


async def test_ten_minutes_of_a_busy_cluster_leaves_no_problem_and_a_page_full_of_answers(
    api: ApiServer,
) -> None:
    workload = Workload(3, api.cluster.put, api.cluster.remove, virtual_clock())
    async with daemon(api) as found:
        for _ in range(600):
            await asyncio.sleep(1.0)
            workload.advance(virtual_clock())
        await published()
        seen = await scrape(found, OPENMETRICS)
        status, html, _ = await found.get("/")
    assert status == 200
    runs = sum(value for (name, _), value in seen.items() if name == "argo_workflow_runs_total")
    assert runs > 50
    assert "build-and-test" in html
    assert not [labels for name, labels in seen if name == "argoscope_decode_errors_total"]
