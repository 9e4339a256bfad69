"""Limits of single pipelines: from annotations and from the configuration, refused where wrong."""

from typing import Any

import msgspec
import pytest

from argoscope import settings
from argoscope.metrics.registry import Registry
from argoscope.pipeline import Pipeline
from argoscope.resources import cluster_workflow_template, cron_workflow, rollout, workflow_template
from argoscope.resources._base import AnyResource, Options, Seen
from argoscope.resources._limits import ANNOTATION, PIPELINE_THRESHOLD, limit_key
from argoscope.resources.world import World

RATIO = "ArgoPipelineFailureRatioHigh"
PAUSED = "ArgoRolloutPausedTooLong"
TEMPLATE, CRON = workflow_template.RESOURCE, cron_workflow.RESOURCE


class Objects:
    def __init__(self, kind: AnyResource, options: Options | None = None) -> None:
        self.problems: list[str] = []
        self.registry = Registry(kind.metrics, now=lambda: 0.0, on_problem=self._problem)
        self._kind = kind
        self.deriver = kind.derive(World(), self.registry, options or Options())

    def _problem(self, kind: str, reason: str, detail: str) -> None:
        if reason == "threshold":  # the crons here are broken otherwise, too
            self.problems.append(detail)

    def take(self, limits: dict[str, str], namespace: str = "ci", **spec: Any) -> None:
        meta = {
            "name": "etl",
            "namespace": namespace,
            "uid": "1",
            "annotations": {"team": "data"} | {ANNOTATION + k: v for k, v in limits.items()},
        }
        raw = msgspec.json.encode({"metadata": meta, "spec": spec})
        decode = self._kind.decode
        obj = decode(raw) if decode else msgspec.json.decode(raw, type=self._kind.object_type)
        self.deriver.upsert(obj, Seen(1.0))
        self.deriver.tick(1.0)

    def limits(self) -> dict[tuple[str, ...], float]:
        return dict(self.registry.samples(PIPELINE_THRESHOLD))


@pytest.mark.parametrize(
    ("kind", "alert"), [(TEMPLATE, RATIO), (CRON, RATIO), (CRON, "ArgoCronLate")]
)
def test_an_annotation_is_a_limit_as_long_as_it_is_there(kind: AnyResource, alert: str) -> None:
    objects = Objects(kind)
    objects.take({alert: "1"})
    assert objects.limits() == {("ci", "etl", alert): 1.0}
    objects.take({})
    assert objects.limits() == {}
    objects.take({alert: "1"})
    objects.deriver.delete("1", None, Seen(2.0))
    assert objects.limits() == {}
    assert not objects.problems


def test_a_rollout_carries_limits_of_its_own() -> None:
    objects = Objects(rollout.RESOURCE)
    objects.take({PAUSED: "86400"}, strategy={"canary": {}})
    assert objects.limits() == {("ci", "etl", PAUSED): 86400.0}


@pytest.mark.parametrize(
    ("kind", "limits", "says"),
    [
        (TEMPLATE, {RATIO: "a lot"}, "'a lot' is not a number"),
        (TEMPLATE, {RATIO: "nan"}, f"{RATIO} must be from 0 to 1, not nan"),
        (TEMPLATE, {RATIO: "20"}, f"{RATIO} must be from 0 to 1, not 20"),
        (TEMPLATE, {RATIO: "-inf"}, f"{RATIO} must be from 0 to 1, not -inf"),
        (TEMPLATE, {"ArgoPipelineFailureRate": "0.1"}, f"did you mean {RATIO}?"),
        (TEMPLATE, {"ArgoCronLate": "60"}, "ArgoCronLate is about a cron"),
        (TEMPLATE, {"ArgoWorkflowsStoredTooMany": "9"}, "has one limit for all"),
        (CRON, {PAUSED: "86400"}, f"{PAUSED} is about a rollout"),
    ],
)
def test_what_is_wrong_is_counted_and_no_limit(
    kind: AnyResource, limits: dict[str, str], says: str
) -> None:
    objects = Objects(kind)
    objects.take(limits)
    assert objects.limits() == {}
    (detail,) = objects.problems
    assert "ci/etl" in detail
    assert says in detail


def test_a_wrong_one_does_not_cost_the_others() -> None:
    objects = Objects(TEMPLATE)
    objects.take({RATIO: "2", "ArgoWorkflowStuck": "600"})
    assert objects.limits() == {("ci", "etl", "ArgoWorkflowStuck"): 600.0}


def test_a_cluster_wide_template_and_a_cron_with_a_template_name_no_pipeline_of_theirs() -> None:
    wide = Objects(cluster_workflow_template.RESOURCE)
    wide.take({RATIO: "0.5"}, namespace="")
    assert wide.limits() == {}
    assert "use alerts.thresholds" in wide.problems[0]
    cron = Objects(CRON)
    reference = {"workflowTemplateRef": {"name": "shared"}}
    cron.take({RATIO: "0.5", "ArgoCronLate": "60"}, workflowSpec=reference)
    assert cron.limits() == {("ci", "etl", "ArgoCronLate"): 60.0}
    assert "annotate that WorkflowTemplate" in cron.problems[0]


def test_what_is_configured_wins() -> None:
    options = Options(limits={("ci", "etl", RATIO): 0.9})
    objects = Objects(TEMPLATE, options)
    objects.take({RATIO: "0.1"})
    assert objects.limits() == {}
    registry = Registry(TEMPLATE.metrics, now=lambda: 0.0)
    Pipeline((TEMPLATE,), registry, options)
    assert dict(registry.samples(PIPELINE_THRESHOLD)) == {("ci", "etl", RATIO): 0.9}


def test_settings_take_limits_from_file_and_environment(tmp_path: Any) -> None:
    file = tmp_path / "argoscope.yaml"
    file.write_text(
        f"alerts: {{thresholds: {{ci/etl/{RATIO}: 0.5, ci/a/b/ArgoWorkflowStuck: 90}}}}"
    )
    loaded = settings.load(str(file)).alerts.thresholds
    assert {limit_key(k): v for k, v in loaded.items()} == {
        ("ci", "etl", RATIO): 0.5,
        ("ci", "a/b", "ArgoWorkflowStuck"): 90.0,
    }
    env = {"ARGOSCOPE_ALERTS_THRESHOLDS": f"ci/etl/{RATIO}=0.25"}
    assert settings.load(None, env).alerts.thresholds == {f"ci/etl/{RATIO}": 0.25}


def test_settings_refuse_what_is_wrong_all_at_once() -> None:
    env = {"ARGOSCOPE_ALERTS_THRESHOLDS": f"etl/{RATIO}=0.5,ci/etl/ArgoCronLatte=5,ci/x/{RATIO}=7"}
    with pytest.raises(settings.SettingsError) as error:
        settings.load(None, env)
    (problem,) = error.value.problems
    assert problem.key == "alerts.thresholds"
    for part in ("is not namespace/name/alert", "did you mean ArgoCronLate?", "from 0 to 1, not 7"):
        assert part in problem.message
