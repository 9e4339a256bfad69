"""What the daemon derives from simulated rollouts equals what the simulator says it did."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from argoscope.metrics.model import Metric
from argoscope.resources import analysis_run as analysis
from argoscope.resources.rollout import RESOURCE as ROLLOUTS
from argoscope.resources.rollout import metrics as m
from argoscope.simulator.engine.kernel import Kernel, Object
from argoscope.simulator.engine.rollouts import actions
from support.release_gauges import differences
from support.rollout_scenarios import NAMESPACE, cluster
from support.virtual_daemon import VirtualDaemon

BEHAVIOUR = "simulator.argoscope.dev/behaviour"
ANALYSIS = "simulator.argoscope.dev/analysis"

CANARY = {
    "steps": [
        {"setWeight": 25},
        {"pause": {"duration": "40s"}},
        {"setWeight": 50},
        {"analysis": {"templates": [{"templateName": "errors"}]}},
        {"pause": {}},
        {"setWeight": 75},
        {"pause": {"duration": 30}},
    ]
}
ROUTED = {
    "canaryService": "next",
    "stableService": "now",
    "trafficRouting": {"nginx": {"stableIngress": "web"}},
    "steps": [
        {"setCanaryScale": {"replicas": 1}},
        {"setWeight": 10},
        {"pause": {"duration": "1m"}},
        {"setWeight": 60},
        {"pause": {"duration": "1m"}},
    ],
}
BACKGROUND = {
    "analysis": {"startingStep": 1, "templates": [{"templateName": "errors"}]},
    "steps": [{"setWeight": 20}, {"pause": {"duration": "90s"}}, {"setWeight": 60}],
}
BLUE_GREEN = {"activeService": "now", "previewService": "next", "autoPromotionEnabled": False}
BLUE_GREEN_ANALYSED = {
    "activeService": "now",
    "autoPromotionSeconds": 45,
    "prePromotionAnalysis": {"templates": [{"templateName": "errors"}]},
    "postPromotionAnalysis": {"templates": [{"templateName": "errors"}]},
}

Do = Callable[["Story"], None]


class Story:
    """One rollout in a cluster that a daemon watches."""

    def __init__(self, strategy: Object, seed: int = 1, **options: Any) -> None:
        self.kernel: Kernel = cluster(seed, **options)
        self.versions = 1
        self.daemon = VirtualDaemon(self.kernel, (ROLLOUTS, analysis.RESOURCE))
        self.kernel.run_until(self.kernel.now + 0.5)
        for name in ("now", "next"):
            service = {"metadata": {"namespace": NAMESPACE, "name": name}, "spec": {}}
            actions.create(self.kernel, "services", service)
        metric = {"name": "errors", "interval": "5s", "count": 3, "failureLimit": 1}
        template = {
            "metadata": {"namespace": NAMESPACE, "name": "errors"},
            "spec": {"metrics": [{**metric, "provider": {"prometheus": {"query": "errors"}}}]},
        }
        actions.create(self.kernel, "analysistemplates", template)
        actions.create(self.kernel, "rollouts", rollout("web", strategy))
        self.wait(30)

    def wait(self, seconds: float) -> None:
        self.daemon.run_until(self.kernel.now + seconds)

    def release(self, version: int, behaviour: Object | None = None, **results: Any) -> None:
        patch = {"spec": {"template": template(version, behaviour, results or None)}}
        actions.patch(self.kernel, "rollouts", NAMESPACE, "web", patch)

    def act(self, action: Callable[..., None], *args: Any, **options: Any) -> None:
        action(self.kernel, NAMESPACE, "web", *args, **options)

    @property
    def rollout(self) -> Object:
        found = self.kernel.get("rollouts", NAMESPACE, "web")
        assert found is not None
        return found


def rollout(name: str, strategy: Object) -> Object:
    kind = "blueGreen" if "activeService" in strategy else "canary"
    return {
        "metadata": {"namespace": NAMESPACE, "name": name},
        "spec": {
            "replicas": 4,
            "progressDeadlineSeconds": 120,
            "progressDeadlineAbort": True,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {kind: json.loads(json.dumps(strategy))},
            "template": template(1),
        },
    }


def template(
    version: int, behaviour: Object | None = None, analysis_says: Object | None = None
) -> Object:
    annotations = {
        BEHAVIOUR: json.dumps({"seconds": None, "ready": [1.0, 4.0], **(behaviour or {})})
    }
    if analysis_says:
        annotations[ANALYSIS] = json.dumps(analysis_says)
    web = {"name": "web", "image": f"web:{version}"}
    return {
        "metadata": {"labels": {"app": "web"}, "annotations": annotations},
        "spec": {"containers": [web]},
    }


# Stories


def promoted(story: Story) -> None:
    story.release(2)
    story.wait(200)
    story.act(actions.promote)
    story.wait(200)


def promoted_by_itself(story: Story) -> None:
    story.release(2)
    story.wait(400)


def aborted_by_a_person_and_retried(story: Story) -> None:
    story.release(2)
    story.wait(25)
    story.act(actions.abort)
    story.wait(40)
    story.act(actions.retry)
    story.wait(200)
    story.act(actions.promote)
    story.wait(200)


def aborted_by_analysis(story: Story) -> None:
    story.release(2, results=["Successful", "Failed"])
    story.wait(400)
    story.release(3)
    story.wait(120)


def aborted_by_an_analysis_that_can_not_measure(story: Story) -> None:
    story.release(2, results=["Error"], error="the provider is down")
    story.wait(400)


def paused_by_an_inconclusive_analysis(story: Story) -> None:
    story.release(2, results=["Inconclusive"])
    story.wait(200)
    story.act(actions.abort)
    story.wait(30)


def timed_out(story: Story) -> None:
    story.release(2, {"image_error": "not found"})
    story.wait(400)
    story.act(actions.undo)
    story.wait(60)


def superseded_twice(story: Story) -> None:
    for version in (2, 3, 4):
        story.release(version)
        story.wait(15)
    story.wait(300)


def rolled_back(story: Story) -> None:
    story.release(2)
    story.wait(25)
    story.act(actions.undo)
    story.wait(60)


def promoted_in_full(story: Story) -> None:
    story.release(2)
    story.wait(12)
    story.act(actions.promote, full=True)
    story.wait(120)


def paused_and_resumed(story: Story) -> None:
    story.act(actions.pause)
    story.wait(10)
    story.release(2)
    story.wait(60)
    story.act(actions.resume)
    story.wait(400)


def restarted_and_scaled(story: Story) -> None:
    story.act(actions.restart)
    story.wait(200)
    for replicas in (8, 2, 0, 3):
        story.act(actions.scale, replicas)
        story.wait(40)


def deleted_in_the_middle(story: Story) -> None:
    story.release(2)
    story.wait(20)
    story.act(actions.delete)
    story.wait(20)


STORIES: list[tuple[str, Object, Do]] = [
    (f"{kind}-{do.__name__}", strategy, do)
    for kind, strategy, stories in (
        (
            "canary",
            CANARY,
            (
                promoted,
                aborted_by_a_person_and_retried,
                aborted_by_analysis,
                aborted_by_an_analysis_that_can_not_measure,
                paused_by_an_inconclusive_analysis,
                timed_out,
                superseded_twice,
                rolled_back,
                promoted_in_full,
                paused_and_resumed,
                restarted_and_scaled,
                deleted_in_the_middle,
            ),
        ),
        ("routed", ROUTED, (promoted_by_itself, rolled_back, superseded_twice, promoted_in_full)),
        ("background", BACKGROUND, (promoted_by_itself, aborted_by_analysis)),
        (
            "blue-green",
            BLUE_GREEN,
            (
                promoted,
                aborted_by_a_person_and_retried,
                timed_out,
                superseded_twice,
                rolled_back,
                promoted_in_full,
                paused_and_resumed,
                restarted_and_scaled,
                deleted_in_the_middle,
            ),
        ),
        (
            "blue-green-analysed",
            BLUE_GREEN_ANALYSED,
            (promoted_by_itself, aborted_by_analysis, superseded_twice),
        ),
        ("plain", {}, (promoted_by_itself, superseded_twice, rolled_back)),
    )
    for do in stories
]


@pytest.mark.parametrize("durations", [True, False], ids=["1.10", "1.5-1.9"])
@pytest.mark.parametrize(
    ("strategy", "do"), [(s, do) for _, s, do in STORIES], ids=[name for name, _, _ in STORIES]
)
def test_every_metric_equals_the_truth(strategy: Object, do: Do, durations: bool) -> None:
    story = Story(strategy, durations=durations)
    do(story)
    assert_equal(story)


def assert_equal(story: Story) -> None:
    truth, daemon = story.kernel.truth, story.daemon
    assert not daemon.problems
    ended = truth.of("rollout_ended")
    assert ended
    seconds = 2.5  # Kubernetes' whole seconds at both ends, and a look of the daemon
    check(daemon, m.ATTEMPTS, m.DURATION, ended, "result", seconds)
    aborts = [line for line in ended if line["result"] == "aborted"]
    check(daemon, m.ABORTS, None, aborts, "cause", seconds)
    check(daemon, m.STEP_SECONDS, m.STEP_SECONDS, truth.of("rollout_step"), "type", seconds)
    check(daemon, m.PAUSED, m.PAUSED, truth.of("rollout_pause"), "cause", seconds)
    check(daemon, m.CONVERGENCE, m.CONVERGENCE, truth.of("rollout_converged"), "phase", seconds)
    check(daemon, analysis.RUNS, analysis.DURATION, truth.of("analysis_run"), "phase", seconds)
    check_gauges(story)


def check(
    daemon: VirtualDaemon,
    counted: Metric,
    timed: Metric | None,
    lines: Iterable[Object],
    field: str,
    resolution: float,
) -> None:
    """Counts are exact; the sum of the seconds is within the resolution of every sample."""
    counts: Counter[tuple[str, ...]] = Counter()
    sums: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for line in lines:
        labels = (line["namespace"], line["rollout"], line[field])
        counts[labels] += 1
        sums[labels] += line["seconds"]
    assert daemon.counts(counted) == counts, counted.name
    if timed is None:
        return
    assert daemon.counts(timed) == counts, timed.name
    for labels, total in daemon.sums(timed).items():
        assert abs(total - sums[labels]) <= resolution * counts[labels], (timed.name, labels)


def check_gauges(story: Story) -> None:
    kernel, daemon = story.kernel, story.daemon
    if kernel.get("rollouts", NAMESPACE, "web") is None:
        for metric in (m.INFO, m.PHASE, m.PHASE_AGE, m.REPLICAS, m.WEIGHT, m.STEP, m.STEPS):
            assert not daemon.gauges(metric)
        return
    phases = kernel.truth.of("rollout_phase")
    shown = [labels[2] for labels, on in daemon.gauges(m.PHASE).items() if on]
    assert shown == [phases[-1]["phase"]]
    age = daemon.gauges(m.PHASE_AGE)[NAMESPACE, "web"]
    assert abs(age - (kernel.now - phases[-1]["t"])) <= 2.5
    assert not differences(kernel, daemon, NAMESPACE, "web")
    weights = kernel.truth.of("rollout_weight")
    if weights:
        shares = {labels[2]: value for labels, value in daemon.gauges(m.WEIGHT).items()}
        assert shares == {"canary": weights[-1]["canary"], "stable": 100 - weights[-1]["canary"]}
