"""What a daemon has counted of Workflows, beside a recount."""

from typing import Any

from argoscope.metrics.internal import RUNS_UNOBSERVED
from argoscope.metrics.model import Metric
from argoscope.resources.workflow import metrics as workflow
from support.box import Life
from support.workflow_recount import Recount


def sums(life: Life, metric: Metric) -> tuple[dict[Any, float], dict[Any, float]]:
    """Values, or numbers of samples, that are not 0; and the sums of histograms."""
    counts = {labels: n for labels, n in life.registry.samples(metric) if n}
    return counts, {labels: life.registry.sum(metric, labels) for labels in counts}


def assert_workflows_are_counted_as(life: Life, expected: Recount) -> None:
    assert sums(life, workflow.RUNS)[0] == expected.runs
    assert sums(life, workflow.RUN_DURATION) == (expected.runs, expected.run_seconds)
    assert sums(life, workflow.TEMPLATE_DURATION) == (expected.attempts, expected.attempt_seconds)
    assert sums(life, workflow.TEMPLATE_RETRIES)[0] == expected.retries
    assert sums(life, workflow.RESOURCE_SECONDS)[0] == expected.resources


def unobserved(life: Life) -> dict[str, float]:
    """Runs that are missing, by reason."""
    return {labels[0]: n for labels, n in life.registry.samples(RUNS_UNOBSERVED) if n}
