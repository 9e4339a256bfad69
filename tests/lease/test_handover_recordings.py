"""Recorded clusters, watched by one daemon after the other, with times without any in between.

What all of them count together is compared with a daemon that watched all the time. Nothing may be
more; what is less was never seen by any, or is reported.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress

import pytest

from argoscope.metrics.internal import RUNS_UNOBSERVED
from argoscope.metrics.model import Metric
from argoscope.resources.cron_workflow import metrics as cron
from argoscope.resources.pod import _metrics as pod
from argoscope.resources.rollout import metrics as rollout
from argoscope.resources.workflow import metrics as workflow
from argoscope.watch.mark import SKEW, Mark
from support.box import KINDS, Begin, Complete, Event, Item, Life, Tick, streams
from support.stories import recorded

RECORDINGS = ("argo-4.1", "argo-4.1-loaded", "argo-3.6")
Totals = Counter[tuple[Metric, tuple[str, ...]]]

EXACT = {
    workflow.RUNS: (),
    workflow.RUN_DURATION: (),
    workflow.FAILURES: ("cause",),
    workflow.TEMPLATE_DURATION: (),
    workflow.TEMPLATE_FAILURES: ("cause",),
    workflow.TEMPLATE_RETRIES: (),
    workflow.RESOURCE_SECONDS: (),
    workflow.RUN_PENDING: (),
    workflow.WORKFLOW_ACTIONS: ("action",),
    workflow.STEP_GAP: (),
    pod.STAGE_SECONDS: ("pipeline", "template"),
    pod.EPISODES: ("pipeline", "reason"),
    rollout.ATTEMPTS: (),
    rollout.ABORTS: (),
    rollout.CONVERGENCE: ("phase",),
    rollout.PAUSED: (),
    cron.START_DELAY: (),
    cron.REPLACED_RUNS: (),
    cron.MISSED_RUNS: (),
}
"""What may never be more than what is true, and labels that may differ for what nobody watched all
the time: a cause that another object tells, the pipeline of a workflow that is gone, the first of
several phases."""


@dataclass
class Relay:
    """Daemons that follow each other, each with the marks of the one before."""

    told: Sequence[Event]
    totals: Totals = field(default_factory=Counter)
    marks: dict[str, Mark] = field(default_factory=dict)
    live: dict[tuple[str, str], Event] = field(default_factory=dict)
    attempts: set[tuple[str, str]] = field(default_factory=set)
    """(uid, finishedAt) of what any of them was shown."""
    lives: int = 0

    def run(self, until: Sequence[tuple[float, float]]) -> None:
        """``until``: for each daemon when it ends, and when the next begins."""
        place, begin = 0, self.told[0].at
        for end, following in until:
            life = self._begin(begin)
            heard = dict.fromkeys(KINDS, begin)
            positions = dict.fromkeys(KINDS, self._version())
            while place < len(self.told) and self.told[place].at <= end:
                event = self.told[place]
                self._happens(event)
                self._shown(event)
                life.do(event)
                heard[event.kind], positions[event.kind] = event.at, event.version
                place += 1
            life.do(Tick(end))
            self._end(life)
            self.marks = {k: Mark(heard[k] + SKEW, positions[k]) for k in KINDS}
            while place < len(self.told) and self.told[place].at <= following:
                self._happens(self.told[place])
                place += 1
            begin = following

    def _begin(self, now: float) -> Life:
        life = Life(now)
        life.pipeline.inherit(self.marks)
        for kind in sorted(KINDS, key=lambda name: KINDS[name].order):
            for stream in streams(kind):
                life.do(Begin(kind, stream))
                for event in sorted(self.live.values(), key=lambda event: event.uid):
                    if (event.kind, event.stream) == (kind, stream):
                        self._shown(event)
                        life.do(Item(event, now))
                life.do(Complete(kind, stream, self._version(), now))
        self.lives += 1
        return life

    def _end(self, life: Life) -> None:
        assert not [problem for problem in life.problems if problem[1] == "bug"]
        for metric, coarse in {**EXACT, RUNS_UNOBSERVED: ()}.items():
            kept = [name not in coarse for name in metric.label_names]
            for labels, value in life.registry.samples(metric):
                self.totals[metric, tuple(compress(labels, kept))] += round(value)

    def _happens(self, event: Event) -> None:
        key = (event.kind, event.uid)
        if event.type == "DELETED":
            self.live.pop(key, None)
        else:
            self.live[key] = event

    def _shown(self, event: Event) -> None:
        status = event.object.get("status") or {}
        over = status.get("phase") in ("Succeeded", "Failed", "Error")
        if event.kind == "workflows" and over and status.get("finishedAt"):
            self.attempts.add((event.uid, status["finishedAt"]))

    def _version(self) -> int:
        return max((event.version for event in self.live.values()), default=0)

    def sum(self, metric: Metric) -> int:
        return sum(value for (known, _), value in self.totals.items() if known is metric)


def _watched_all_the_time(told: Sequence[Event]) -> Relay:
    relay = Relay(told)
    relay.run([(told[-1].at, told[-1].at)])
    return relay


def _plan(told: Sequence[Event], lives: int, away: float, seed: int) -> list[tuple[float, float]]:
    chance = random.Random(seed)
    begin, end = told[0].at, told[-1].at
    moments = sorted(chance.uniform(begin, end) for _ in range(lives - 1))
    plan = []
    for moment in moments:
        if not plan or moment > plan[-1][1]:
            plan.append((moment, moment + chance.uniform(0.0, 2 * away)))
    return [*plan, (end, end)]


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize(("lives", "away", "seed"), [(6, 3.0, 1), (30, 1.0, 2), (8, 60.0, 3)])
def test_together_they_count_everything_once(
    recording: str, lives: int, away: float, seed: int
) -> None:
    print("seed", seed)
    told = recorded(recording)
    relay = Relay(told)
    relay.run(_plan(told, lives, away, seed))
    truth = _watched_all_the_time(told)
    more = {
        (metric.prometheus, labels): (value, truth.totals[metric, labels])
        for (metric, labels), value in relay.totals.items()
        if metric is not RUNS_UNOBSERVED and value > truth.totals[metric, labels]
    }
    assert more == {}
    handover = relay.totals[RUNS_UNOBSERVED, ("handover",)]
    counted = relay.sum(workflow.RUNS)
    print(relay.lives, "lives;", counted, "of", len(relay.attempts), "runs;", handover, "reported")
    for metric in EXACT:
        print(metric.prometheus, relay.sum(metric), "of", truth.sum(metric))
    assert len(relay.attempts) - handover <= counted <= len(relay.attempts)
