"""Which run attempts are traced, and under which id."""

from array import array
from collections import Counter
from typing import Any

import msgspec
import pytest

from argoscope.metrics.internal import TRACES_DECIDED
from argoscope.metrics.registry import Registry
from argoscope.resources._base import TraceOptions
from argoscope.resources.workflow.objects import Workflow, decode
from argoscope.resources.workflow.record import Record
from argoscope.resources.workflow.tracing import RARELY, Tracing
from argoscope.resources.world import Run, World
from support.scrape import METRICS

GIVEN = "0123456789abcdef0123456789abcdef"


class Pipeline:
    """Runs of one pipeline that end, one after the other."""

    def __init__(self, **options: Any) -> None:
        self.registry = Registry((*METRICS, TRACES_DECIDED), now=lambda: 0.0)
        self.world = World()
        self.tracing = Tracing(TraceOptions(**options), self.world, self.registry)
        self.now = 1e9
        self._number = 0

    def ends(
        self, seconds: float, phase: str = "Succeeded", after: float = 60.0, pipeline: str = "etl"
    ) -> str:
        self._number += 1
        self.now += after
        run = Run(
            namespace="ci",
            name=f"etl-{self._number}",
            uid=f"uid-{self._number}",
            pipeline=pipeline,
            phase=phase,
            started=self.now - seconds,
            finished=self.now,
        )
        trace = self.tracing.decide(bare(), record(run))
        return trace.why if trace else "none"


def bare(**annotations: str) -> Workflow:
    named = {f"workflows.argoproj.io/{k.replace('_', '-')}": v for k, v in annotations.items()}
    return decode(msgspec.json.encode({"metadata": {"name": "etl", "annotations": named}}))


def record(run: Run, since: float = 0.0, traced: str = "") -> Record:
    return Record(run=run, scope=("", ""), done=array("Q"), since=since, traced=traced)


def test_every_failure_is_traced() -> None:
    etl = Pipeline(share=0.0)
    assert {etl.ends(10, phase) for phase in ("Failed", "Error") for _ in range(50)} == {"failure"}


def test_the_share_of_the_rest_is_as_configured_and_by_the_id_alone() -> None:
    runs = [Pipeline(share=0.25, slow=1.0).ends(10) for _ in range(2)]
    assert runs[0] == runs[1]
    etl = Pipeline(share=0.25, slow=1.0)
    found = Counter(etl.ends(10, after=0.1) for _ in range(4000))
    assert found.keys() <= {"share", "rare", "none"}
    assert 900 < found["share"] < 1100
    assert found["rare"] <= 2
    counted = {labels[0]: n for labels, n in etl.registry.samples(TRACES_DECIDED) if n}
    assert counted == found


def test_a_pipeline_can_have_a_share_of_its_own() -> None:
    both = Pipeline(share=0.0, shares={("ci", "release"): 1.0})
    assert {both.ends(10) for _ in range(50)} == {"none"}
    assert {both.ends(10, pipeline="release") for _ in range(50)} == {"share"}


def test_what_takes_longer_than_the_pipeline_usually_does_is_traced() -> None:
    etl = Pipeline(share=0.0)
    assert [etl.ends(1000)] + [etl.ends(100 + i % 10) for i in range(19)] == ["none"] * 20
    assert etl.ends(1200) == "slow"
    assert etl.ends(100) == "none"
    assert etl.ends(10, pipeline="other") == "none"
    # When all runs become slower that is the usual, after some.
    later = [etl.ends(5000) for _ in range(70)]
    assert later[0] == "slow"
    assert later[-1] == "none"


def test_slowness_can_be_switched_off() -> None:
    etl = Pipeline(share=0.0, slow=1.0)
    assert {etl.ends(10**i) for i in range(9) for _ in range(9)} == {"none"}


def test_a_pipeline_that_runs_rarely_is_always_traced() -> None:
    nightly = Pipeline(share=1e-9, slow=1.0)
    assert {nightly.ends(10, after=RARELY) for _ in range(20)} == {"rare"}
    assert nightly.ends(10, after=60) == "none"


@pytest.mark.parametrize("broken", ["", "0" * 32, "abc", GIVEN.upper(), f"{GIVEN}0"])
def test_an_id_that_is_none_is_replaced_by_one_that_always_comes_out_the_same(broken: str) -> None:
    ids = set()
    for _ in range(2):
        run = Run(namespace="ci", name="etl", uid="u", pipeline="etl", phase="Failed", started=5.0)
        trace = Pipeline().tracing.decide(bare(trace_id=broken), record(run))
        assert trace is not None
        ids.add(trace.id)
    (found,) = ids
    assert len(bytes.fromhex(found)) == 16
    assert found != broken


def test_argos_id_is_taken() -> None:
    run = Run(namespace="ci", name="etl", uid="u", pipeline="etl", phase="Failed")
    trace = Pipeline().tracing.decide(bare(trace_id=GIVEN), record(run))
    assert trace is not None
    assert trace.id == GIVEN


def test_attempts_of_one_run_have_ids_of_their_own_and_lead_back() -> None:
    tracing = Pipeline().tracing
    run = Run(namespace="ci", name="etl", uid="u", pipeline="etl", phase="Failed", started=100.0)
    kept = record(run)
    found = []
    for started in (100.0, 200.0, 300.0):
        run.started, run.finished = started, started + 50
        kept.since = 0.0 if started == 100.0 else started - 50
        trace = tracing.decide(bare(), kept)
        assert trace is not None
        found.append(trace)
    assert len({trace.id for trace in found}) == 3
    assert [trace.links for trace in found] == [
        (),
        (("retry", found[0].id),),
        (("retry", found[1].id),),
    ]


def test_an_id_that_argo_resubmit_copied_stays_with_the_run_that_was_repeated() -> None:
    etl = Pipeline()
    first = Run(
        namespace="ci", name="etl", uid="u1", pipeline="etl", phase="Failed", trace_id=GIVEN
    )
    etl.world.runs["ci", "etl"] = first
    repeated = bare(trace_id=GIVEN)
    repeated.metadata.namespace = "ci"
    repeated.metadata.labels = {"workflows.argoproj.io/resubmitted-from-workflow": "etl"}
    run = Run(namespace="ci", name="etl-2", uid="u2", pipeline="etl", phase="Failed")
    trace = etl.tracing.decide(repeated, record(run))
    assert trace is not None
    assert trace.id != GIVEN
    assert trace.links == (("resubmit", GIVEN),)


def test_an_id_that_argo_retry_left_stays_with_the_attempt_before() -> None:
    tracing = Pipeline().tracing
    run = Run(namespace="ci", name="etl", uid="u", pipeline="etl", phase="Failed", started=100.0)
    kept = record(run)
    first = tracing.decide(bare(trace_id=GIVEN), kept)
    kept.since, run.started = 150.0, 200.0
    second = tracing.decide(bare(trace_id=GIVEN), kept)
    assert first is not None
    assert second is not None
    assert first.id == GIVEN
    assert second.id != GIVEN
    assert second.links == (("retry", GIVEN),)
    kept.counted = 250.0
    tracing.begin(bare(trace_id=GIVEN), kept)
    assert (run.trace_id, run.traced) == (second.id, True)


def test_pipelines_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("argoscope.resources.workflow.tracing._MOST_PIPELINES", 3)
    many = Pipeline(share=1e-9)
    for number in range(50):
        many.ends(1, pipeline=f"p{number}")
    assert len(many.tracing._pipelines) == 3
