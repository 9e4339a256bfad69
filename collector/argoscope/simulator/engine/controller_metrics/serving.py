"""Offers the metrics to a Prometheus: what ``ApiServer.metrics`` answers under /_simulator/metrics.

``workflow-controller`` and ``argo-rollouts`` are the controllers', ``clock`` is the cluster's time.
"""

from collections.abc import Callable

from argoscope.simulator.engine.controller_metrics.exposition import Family, exposition
from argoscope.simulator.engine.controller_metrics.rollouts_controller import (
    RolloutsControllerMetrics,
)
from argoscope.simulator.engine.controller_metrics.workflow_controller import (
    WorkflowControllerMetrics,
)
from argoscope.simulator.engine.kernel import Kernel

JOBS = {
    "workflow-controller": "workflow-controller-metrics",
    "argo-rollouts": "argo-rollouts-metrics",
    "clock": "argoscope-simulator",
}
"""Name in the path -> job, as the Services of the two projects are called."""

Text = Callable[[], str | None]


def metrics(kernel: Kernel, *, workflows_run: Callable[[], bool]) -> dict[str, Text]:
    """The controllers', from now on; objects that are there already are taken in.

    ``workflows_run``: whether the workflow controller is up; there is no page while it is down.
    """
    workflows, rollouts = WorkflowControllerMetrics(kernel), RolloutsControllerMetrics(kernel)
    return {
        "workflow-controller": lambda: workflows.text() if workflows_run() else None,
        "argo-rollouts": rollouts.text,
    }


def clock_page(now: Callable[[], float]) -> Text:
    """The cluster's time, which ``now`` gives in Unix seconds."""
    clock = Family(
        "argoscope_simulator_time_seconds",
        "gauge",
        "The simulated cluster's time in Unix seconds",
        ask=lambda: [((), now())],
    )
    return lambda: exposition([clock])
