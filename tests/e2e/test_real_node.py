"""The daemon beside a real kubelet: what is derived equals what was run.

The cluster is real, so its time is real as well: what is waited for is polled, with a limit.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from support.argo_part import TEMPLATE, Observer, Run, container_times, seconds
from support.daemon import Daemon, Scrape, daemon
from support.envtest import install_crds
from support.node import Api, Object, RealNode, real_node
from support.node_release import ROLLOUT, Release
from support.node_scenarios import SCENARIOS, Scenario
from support.scrape import key

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

NAMESPACE = "e2e"
KINDS = (
    "workflows",
    "cronworkflows",
    "workflowtemplates",
    "clusterworkflowtemplates",
    "rollouts",
    "analysisruns",
)
STAGES = ("schedule", "prepare", "init", "main", "wait")
_SETTLED_SECONDS = 20.0


@dataclass(repr=False)
class Lived:
    """What has happened, as the API server told the test, and as the daemon told it."""

    runs: dict[str, Run] = field(default_factory=dict)
    release: list[list[Object]] = field(default_factory=list)
    """The rollout's pods, each with all its versions."""
    pods: dict[str, list[Object]] = field(default_factory=dict)
    remaining: Counter[str] = field(default_factory=Counter)
    """Pods that are there at the end, by phase."""
    scrape: Scrape = field(default_factory=dict)
    scrapes: int = 0
    went_back: list[str] = field(default_factory=list)
    exit_code: int | None = None
    log: str = ""

    def value(self, name: str, **labels: str) -> float:
        return self.scrape.get(key(name, namespace=NAMESPACE, **labels), 0.0)

    def statuses(self, name: str) -> str:
        """All versions of that run's pods, for the message of a failure."""
        versions = (pod["status"] for uid in self.runs[name].pods for pod in self.pods[uid])
        return "\n".join(map(str, versions))

    def by_label(self, name: str, pipeline: str, label: str) -> dict[str, float]:
        """The values above 0 of a pipeline's series, by one label."""
        found: dict[str, float] = {}
        for (sample, labels), value in self.scrape.items():
            named = dict(labels)
            if sample == name and named.get("pipeline") == pipeline and value:
                found[named[label]] = found.get(named[label], 0.0) + value
        return found


@pytest.fixture(scope="module")
def lived() -> Iterator[Lived]:
    """Runs all scenarios side by side, once; the tests look at what came out."""
    with real_node() as node:
        result = Lived()
        try:
            asyncio.run(_live(node, result))
        except BaseException as error:
            error.add_note(f"daemon:\n{result.log}\ncluster:\n{node.logs()}")
            raise
        yield result


async def _live(node: RealNode, result: Lived) -> None:
    async with node.server.client() as client:
        await install_crds(client, *KINDS)
    async with node.client() as api:
        await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        observer = Observer(api, NAMESPACE)
        watching = asyncio.create_task(observer.run())
        try:
            async with daemon(node.server.kubeconfig) as argoscope:
                try:
                    await argoscope.ready(30.0)
                    scraping = asyncio.create_task(_keep_scraping(argoscope, result))
                    await _play_all(api, observer, result)
                    await _settle(argoscope, result)
                    scraping.cancel()
                    result.remaining = await _phases(api)
                    result.scrape = await argoscope.scrape()
                    result.pods = observer.pods
                    result.went_back = argoscope.went_back
                    result.exit_code = await argoscope.stop()
                finally:
                    result.log = argoscope.log()
        finally:
            watching.cancel()


async def _play_all(api: Api, observer: Observer, result: Lived) -> None:
    release = Release(NAMESPACE, api, observer)
    async with asyncio.TaskGroup() as group:
        group.create_task(release.play())
        for scenario in SCENARIOS:
            run = Run(scenario.name, NAMESPACE, scenario.pod, api, observer)
            result.runs[scenario.name] = run
            group.create_task(scenario.play(run))
    result.release = release.pods()


async def _keep_scraping(argoscope: Daemon, result: Lived) -> None:
    while True:
        await argoscope.scrape()
        result.scrapes += 1
        await asyncio.sleep(1.0)


async def _settle(argoscope: Daemon, result: Lived) -> None:
    """Waits until the daemon has seen the end of every run, and two seconds more."""
    deadline = time.monotonic() + _SETTLED_SECONDS
    while time.monotonic() < deadline:
        scrape = await argoscope.scrape()
        ended = sum(v for (name, _), v in scrape.items() if name == "argo_workflow_runs_total")
        if ended >= len(result.runs):
            break
        await asyncio.sleep(0.5)
    await asyncio.sleep(2.0)


async def _phases(api: Api) -> Counter[str]:
    pods = await api.call("GET", f"/api/v1/namespaces/{NAMESPACE}/pods")
    return Counter(pod["status"]["phase"] for pod in pods["items"])


def _stages(versions: list[Object]) -> dict[str, float]:
    """Seconds of each stage of a pod that both ends are known of: the recount."""
    created = seconds(versions[0]["metadata"]["creationTimestamp"])
    scheduled = next(
        (
            seconds(condition["lastTransitionTime"])
            for pod in versions
            for condition in pod["status"].get("conditions", ())
            if condition["type"] == "PodScheduled" and condition["status"] == "True"
        ),
        0.0,
    )
    times = container_times(versions)
    (init, init_end) = times.get("init", (0.0, 0.0))
    (main, main_end) = times.get("main") or times.get("web", (0.0, 0.0))
    found = {}
    if scheduled:
        found["schedule"] = scheduled - created
    if init_end:
        found["init"] = init_end - init
    if init:
        found["prepare"] = init - scheduled + (main - init_end if main else 0.0)
    elif main:
        found["prepare"] = main - scheduled
    if main_end:
        found["main"] = main_end - main
        found["wait"] = max(0.0, times["wait"][1] - main_end)
    return found


scenarios = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)


@scenarios
def test_each_run_is_counted_once_with_its_cause(lived: Lived, scenario: Scenario) -> None:
    causes = {scenario.cause: 1.0} if scenario.cause else {}
    name = scenario.name
    assert lived.by_label("argo_workflow_runs_total", name, "phase") == {scenario.phase: 1.0}, (
        lived.log
    )
    assert lived.by_label("argo_workflow_failures_total", name, "cause") == causes, lived.log
    assert lived.by_label("argo_template_failures_total", name, "cause") == causes, lived.log


@scenarios
def test_runs_and_attempts_last_as_long_as_their_status_says(
    lived: Lived, scenario: Scenario
) -> None:
    run = lived.runs[scenario.name]
    labels = {"pipeline": scenario.name, "phase": run.phase}
    whole = seconds(run.finished) - seconds(run.started)
    node = seconds(run.node_finished) - seconds(run.node_started)
    step = {**labels, "template": TEMPLATE, "node_type": "Pod"}
    assert lived.value("argo_workflow_run_duration_seconds_sum", **labels) == whole
    assert lived.value("argo_template_duration_seconds_count", **step) == 1.0
    assert lived.value("argo_template_duration_seconds_sum", **step) == node


@scenarios
def test_stages_equal_a_recount_of_the_container_statuses(lived: Lived, scenario: Scenario) -> None:
    recounted = [_stages(lived.pods[uid]) for uid in lived.runs[scenario.name].pods]
    labels = {"pipeline": scenario.name, "template": TEMPLATE}
    for stage in STAGES:
        values = [stages[stage] for stages in recounted if stage in stages]
        count = lived.value("argo_pod_stage_seconds_count", stage=stage, **labels)
        total = lived.value("argo_pod_stage_seconds_sum", stage=stage, **labels)
        what = f"{stage}: {recounted}\n{lived.statuses(scenario.name)}\n{lived.log}"
        assert count == len(values), what
        assert total == sum(values), what


@scenarios
def test_stages_last_as_long_as_what_was_run(lived: Lived, scenario: Scenario) -> None:
    labels = {"pipeline": scenario.name, "template": TEMPLATE}
    if scenario.main:
        low, high = scenario.main
        main = lived.value("argo_pod_stage_seconds_sum", stage="main", **labels)
        assert low - 1.0 <= main <= high + 1.0
        wait = lived.value("argo_pod_stage_seconds_sum", stage="wait", **labels)
        assert 1.0 <= wait <= 6.0
    if lived.value("argo_pod_stage_seconds_count", stage="init", **labels):
        init = lived.value("argo_pod_stage_seconds_sum", stage="init", **labels)
        assert 1.0 <= init <= 6.0


@scenarios
def test_pending_episodes_have_the_reason_that_was_made(lived: Lived, scenario: Scenario) -> None:
    episodes = lived.by_label("argo_pod_pending_episodes_total", scenario.name, "reason")
    # On a busy machine normal start-up can take longer than the 30 s that it may.
    passing = {"ContainerCreating", "PodInitializing", "Scheduling"}
    specific = {reason: count for reason, count in episodes.items() if reason not in passing}
    assert specific == ({scenario.reason: 1.0} if scenario.reason else {}), lived.log


def test_waiting_is_timed(lived: Lived) -> None:
    for scenario in SCENARIOS:
        if scenario.reason:
            labels = {"reason": scenario.reason}
            assert lived.value("argo_pod_pending_seconds_count", **labels) == 1.0
            assert 3.0 <= lived.value("argo_pod_pending_seconds_sum", **labels) <= 90.0


@scenarios
def test_pods_made_again_before_they_started_are_counted(lived: Lived, scenario: Scenario) -> None:
    restarts = lived.value("argo_pod_restarts_before_start_total", pipeline=scenario.name)
    assert restarts == scenario.restarts
    assert len(lived.runs[scenario.name].pods) == 1 + scenario.restarts


def test_a_rollout_that_was_made_and_one_that_was_aborted_are_told_apart(lived: Lived) -> None:
    results = {
        dict(labels)["result"]: value
        for (name, labels), value in lived.scrape.items()
        if name == "argo_rollouts_total" and value
    }
    assert results == {"created": 1.0, "aborted": 1.0}, lived.log
    for phase in ("Healthy", "Degraded"):
        shown = lived.value("argo_rollout_phase", rollout=ROLLOUT, phase=phase)
        assert shown == (phase == "Degraded")


def test_pods_of_a_rollout_count_their_start_when_they_are_ready(lived: Lived) -> None:
    recounted = [_stages(versions) for versions in lived.release]
    assert len(recounted) == 2
    for stage in ("schedule", "prepare"):
        labels = {"pipeline": ROLLOUT, "template": "", "stage": stage}
        total = sum(stages[stage] for stages in recounted)
        assert lived.value("argo_pod_stage_seconds_count", **labels) == 2.0, lived.log
        assert lived.value("argo_pod_stage_seconds_sum", **labels) == total


def test_pods_by_phase_are_those_that_the_api_server_lists(lived: Lived) -> None:
    shown = {
        dict(labels)["phase"]: value
        for (name, labels), value in lived.scrape.items()
        if name == "argo_pods" and dict(labels)["namespace"] == NAMESPACE and value
    }
    assert shown == dict(lived.remaining)


def test_nobody_waits_at_the_end(lived: Lived) -> None:
    waiting = {k: v for k, v in lived.scrape.items() if k[0] == "argo_pods_pending" and v}
    assert not waiting


def test_counters_never_go_back(lived: Lived) -> None:
    assert lived.scrapes > 10
    assert not lived.went_back


def test_nothing_was_skipped_and_every_kind_is_watched(lived: Lived) -> None:
    skipped = {k: v for k, v in lived.scrape.items() if k[0] == "argoscope_decode_errors_total"}
    assert not any(skipped.values()), skipped
    watches = {k: v for k, v in lived.scrape.items() if k[0] == "argoscope_watch_up"}
    assert len(watches) >= len(KINDS)
    assert all(watches.values()), watches


def test_sigterm_ends_it_well(lived: Lived) -> None:
    assert lived.exit_code == 0, lived.log
