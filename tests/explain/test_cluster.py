"""Objects from an API server: no more than is needed, and what is refused is said."""

from typing import Any

import pytest

from argoscope.explain.asking import NothingToExplainError, Question, explain
from argoscope.explain.cluster import gather
from argoscope.explain.objects import Objects
from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.cluster import Cluster
from support.api_server import client_of
from support.explained import ask, two_steps

PLURALS = {"Workflow": "workflows", "Pod": "pods", "Event": "events"}


def filled(runs: int = 3) -> Cluster:
    cluster = Cluster()
    for number in range(runs):
        for made in two_steps(f"wf-{number}", pull=10 * (number + 1), shift=500 * number):
            cluster.put(PLURALS[made["kind"]], made)
    other = two_steps("other", shift=100)[0]
    other["metadata"]["generateName"] = "other-"
    cluster.put("workflows", other)
    return cluster


async def gathered(cluster: Cluster, question: Question, told: list[Any]) -> Objects:
    server = ApiServer(cluster)
    await server.start()
    try:
        async with client_of(server) as client:
            return await gather(client, question, lambda *what: told.append(what))
    finally:
        await server.stop()


async def test_a_run_comes_with_its_pods_events_and_siblings() -> None:
    told: list[Any] = []
    question = Question(namespace="ci", name="wf-2")
    objects = await gathered(filled(), question, told)
    assert sorted(name for _, name in objects.workflows) == ["wf-0", "wf-1", "wf-2"]
    (found,) = explain(objects, question, lambda *_: (), 0.0, lambda *what: told.append(what))
    assert found.answer.causes["pull"] == 30
    assert found.answer.usual is not None
    assert (found.answer.usual.runs, found.answer.usual.differences["pull"]) == (2, 15)
    assert told == []


async def test_of_a_pipeline_only_the_last_runs_are_kept() -> None:
    question = Question(pipeline="wf", last=1)
    objects = await gathered(filled(5), question, [])
    # One more, to compare with.
    assert sorted(name for _, name in objects.workflows) == ["wf-3", "wf-4"]


async def test_whether_a_cron_may_run_beside_itself_is_asked_for() -> None:
    cluster = filled()
    for made in two_steps("nightly-1", labels={"workflows.argoproj.io/cron-workflow": "nightly"}):
        cluster.put(PLURALS[made["kind"]], made)
    cluster.put("cronworkflows", {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "CronWorkflow",
        "metadata": {"name": "nightly", "namespace": "ci"},
        "spec": {"concurrencyPolicy": "Replace"},
    })  # fmt: skip
    objects = await gathered(cluster, Question(namespace="ci", name="nightly-1"), [])
    assert list(objects.crons) == [("ci", "nightly")]
    assert not (await gathered(cluster, Question(namespace="ci", name="wf-1"), [])).crons


async def test_runs_that_are_left_out_still_count_as_stored() -> None:
    question = Question(namespace="ci", pipeline="wf", last=1)
    objects = await gathered(filled(5), question, [])
    (found,) = explain(objects, question, lambda *_: (), 0.0, lambda *_: None)
    assert found.stored == 5


async def test_an_unknown_run_says_where_else_it_could_be() -> None:
    with pytest.raises(
        NothingToExplainError, match=r"no Workflow ci/nope in this cluster.*archive"
    ):
        await gathered(filled(), Question(namespace="ci", name="nope"), [])


async def test_an_unknown_pipeline_says_which_there_are() -> None:
    with pytest.raises(
        NothingToExplainError,
        match=r"no run of a pipeline othr in ci in this cluster\. There is: other$",
    ):
        await gathered(filled(), Question(namespace="ci", pipeline="othr"), [])
    with pytest.raises(NothingToExplainError, match=r"no run of a pipeline wf in this cluster\.$"):
        await gathered(Cluster(), Question(pipeline="wf"), [])


def test_no_cluster_is_an_error_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/no/such/kubeconfig")
    result = ask("ci/wf")
    assert result.exit_code == 1
    assert "/no/such/kubeconfig" in result.output
    assert "--file FILE" in result.output
