"""The controllers' own metrics: exact names, and values that follow what the engine does."""

import shutil
import subprocess
from typing import Any

import aiohttp
import pytest

from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.engine.controller_metrics.rollouts_controller import (
    RolloutsControllerMetrics,
)
from argoscope.simulator.engine.controller_metrics.workflow_controller import (
    WorkflowControllerMetrics,
)
from argoscope.simulator.engine.kernel import Kernel, Object, stamp
from argoscope.simulator.engine.recorder import Recorder

START = 1_790_000_000.0
WORKFLOW = "workflows.argoproj.io/workflow"


@pytest.fixture
def kernel() -> Kernel:
    return Kernel(seed=1, start=START)


def samples(text: str) -> dict[str, float]:
    """Each line of values as it is written."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def write(kernel: Kernel, plural: str, obj: Object) -> None:
    kernel.put(plural, obj)
    kernel.run_until(kernel.now)


def workflow(name: str = "w", **spec: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "ci"}, "spec": spec}


def pod(name: str, status: Object) -> Object:
    meta = {"name": name, "namespace": "ci", "labels": {WORKFLOW: "w"}}
    return {"metadata": meta, "spec": {}, "status": status}


def test_workflows_are_counted_as_they_enter_phases(kernel: Kernel) -> None:
    metrics = WorkflowControllerMetrics(kernel)
    one = workflow(workflowTemplateRef={"name": "build"})
    write(kernel, "workflows", one)
    one["status"] = {"phase": "Running", "startedAt": stamp(START)}
    write(kernel, "workflows", one)
    write(kernel, "workflows", one)  # another look changes nothing
    running = samples(metrics.text())
    assert running['argo_workflows_gauge{phase="Running"}'] == 1
    assert running['argo_workflows_total_count{phase="Running",namespace="ci"}'] == 1
    one["status"] |= {"phase": "Succeeded", "finishedAt": stamp(START + 90)}
    write(kernel, "workflows", one)
    found = samples(metrics.text())
    assert 'argo_workflows_gauge{phase="Running"}' not in found
    assert found['argo_workflows_gauge{phase="Succeeded"}'] == 1
    assert found['argo_workflows_total_count{phase="Succeeded",namespace="ci"}'] == 1
    template = 'name="build",namespace="ci",cluster_scope="false"'
    triggered = f'argo_workflows_workflowtemplate_triggered_total{{{template},phase="Succeeded"}}'
    assert found[triggered] == 1
    assert found[f"argo_workflows_workflowtemplate_runtime_sum{{{template}}}"] == 90
    kernel.remove("workflows", one)
    kernel.run_until(kernel.now)
    gone = samples(metrics.text())
    assert 'argo_workflows_gauge{phase="Succeeded"}' not in gone
    assert gone['argo_workflows_total_count{phase="Succeeded",namespace="ci"}'] == 1


def test_pods_of_workflows_are_counted_and_others_are_not(kernel: Kernel) -> None:
    metrics = WorkflowControllerMetrics(kernel)
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    write(kernel, "pods", pod("a", {"phase": "Pending", "conditions": [scheduled]}))
    waiting = {"name": "main", "state": {"waiting": {"reason": "PodInitializing"}}}
    write(kernel, "pods", pod("b", {"phase": "Pending", "containerStatuses": [waiting]}))
    other = pod("c", {"phase": "Running"})
    other["metadata"]["labels"] = {}
    write(kernel, "pods", other)
    found = samples(metrics.text())
    assert found['argo_workflows_pods_gauge{phase="Pending"}'] == 2
    assert found['argo_workflows_pod_pending_count{reason="Unschedulable",namespace="ci"}'] == 1
    assert "PodInitializing" not in metrics.text()
    assert (
        found['argo_workflows_k8s_request_total{kind="pods",verb="Create",status_code="201"}'] == 2
    )


def test_crons_are_triggered_by_the_workflows_that_they_make(kernel: Kernel) -> None:
    metrics = WorkflowControllerMetrics(kernel)
    made = workflow()
    made["metadata"]["labels"] = {"workflows.argoproj.io/cron-workflow": "nightly"}
    write(kernel, "workflows", made)
    found = samples(metrics.text())
    assert found['argo_workflows_cronworkflows_triggered_total{name="nightly",namespace="ci"}'] == 1


def test_work_is_timed_by_queue(kernel: Kernel) -> None:
    metrics, rollouts = WorkflowControllerMetrics(kernel), RolloutsControllerMetrics(kernel)
    with kernel.work("workflow_queue", ("ci", "w")):
        pass
    with kernel.work("Rollouts", ("shop", "cart")):
        pass
    found = samples(metrics.text())
    assert found["argo_workflows_operation_duration_seconds_count"] == 1
    assert found['argo_workflows_queue_duration_count{queue_name="workflow_queue"}'] == 1
    assert found['argo_workflows_queue_latency_bucket{queue_name="workflow_queue",le="1"}'] == 1
    released = samples(rollouts.text())
    assert released['rollout_reconcile_count{namespace="shop",name="cart"}'] == 1
    assert released['workqueue_work_duration_seconds_count{name="Rollouts"}'] == 1


def rollout(**status: Any) -> Object:
    return {
        "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"replicas": 3, "strategy": {"canary": {"trafficRouting": {"istio": {}}}}},
        "status": status,
    }


def test_rollouts_are_shown_as_their_controller_shows_them(kernel: Kernel) -> None:
    metrics = RolloutsControllerMetrics(kernel)
    progressing = {"type": "Progressing", "status": "False", "reason": "RolloutAborted"}
    shown = rollout(conditions=[progressing], replicas=3, availableReplicas=2, updatedReplicas=1)
    write(kernel, "rollouts", shown)
    found = samples(metrics.text())
    of = 'namespace="shop",name="cart"'
    info = f'rollout_info{{{of},strategy="canary",traffic_router="Istio",phase="Abort"}}'
    assert found[info] == 1
    assert found[f"rollout_info_replicas_desired{{{of}}}"] == 3
    assert found[f"rollout_info_replicas_unavailable{{{of}}}"] == 1
    assert found[f'rollout_phase{{{of},strategy="canary",phase="Abort"}}'] == 1
    assert found[f'rollout_phase{{{of},strategy="canary",phase="Completed"}}'] == 0
    Recorder(kernel).event(
        *("Rollout", shown, "RolloutAborted", "Rollout aborted update to revision 2"),
        component="rollouts-controller",
        warning=True,
    )
    kernel.run_until(kernel.now)
    counted = samples(metrics.text())
    assert counted[f'rollout_events_total{{{of},type="Warning",reason="RolloutAborted"}}'] == 1
    kernel.remove("rollouts", shown)
    kernel.run_until(kernel.now)
    assert 'name="cart"' not in "".join(
        line for line in samples(metrics.text()) if line.startswith("rollout_")
    )


def test_an_attempts_time_is_observed_once(kernel: Kernel) -> None:
    metrics = RolloutsControllerMetrics(kernel)
    times = {
        "rolloutStartedAt": stamp(START),
        "finishedAt": stamp(START + 100),
        "completionStatus": "Completed",
        "totalManualPauseDuration": 40,
    }
    shown = rollout(duration=times)
    for _ in range(3):
        write(kernel, "rollouts", shown)
    found = samples(metrics.text())
    assert found['rollout_duration_seconds_sum{status="Completed"}'] == 100
    assert found['rollout_progression_duration_seconds_sum{status="Completed"}'] == 60
    assert found['rollout_duration_seconds_count{status="Completed"}'] == 1


def test_label_values_are_escaped(kernel: Kernel) -> None:
    metrics = WorkflowControllerMetrics(kernel, version='v"1"\n')
    assert 'argo_workflows_version{version="v\\"1\\"\\n"' in metrics.text()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
def test_promtool_has_nothing_against_it_but_the_real_names(kernel: Kernel) -> None:
    for metrics in (WorkflowControllerMetrics(kernel), RolloutsControllerMetrics(kernel)):
        write(kernel, "workflows", {**workflow(metrics.__class__.__name__.lower()), "status": {}})
        write(kernel, "rollouts", rollout())
        with kernel.work("workflow_queue", ("a", "b")), kernel.work("Rollouts", ("a", "b")):
            pass
        done = subprocess.run(
            ["promtool", "check", "metrics"], input=metrics.text(), capture_output=True, text=True
        )
        allowed = (
            'should have "_total" suffix',
            "non-histogram",
            "non-counter",
            "include type 'gauge'",
        )
        others = [
            line
            for line in (done.stdout + done.stderr).splitlines()
            if line and not any(words in line for words in allowed)
        ]
        assert others == []


async def test_the_server_serves_them_and_503_while_a_controller_is_down(kernel: Kernel) -> None:
    async with ApiServer(kernel.cluster) as server, aiohttp.ClientSession() as session:
        metrics = WorkflowControllerMetrics(kernel)
        server.metrics["workflow-controller"] = metrics.text
        server.metrics["argo-rollouts"] = lambda: None
        root = f"{server.address}/_simulator/metrics"
        async with session.get(f"{root}/workflow-controller") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert await answer.text() == metrics.text()
        for name, status in (("argo-rollouts", 503), ("nobody", 404)):
            async with session.get(f"{root}/{name}") as answer:
                assert answer.status == status
