"""Every real Workflow that we have is explained, and its causes add up."""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from argoscope.advice.advising import advise
from argoscope.advice.evidence import Evidence
from argoscope.advice.manifest import manifest_of
from argoscope.explain.answer import answer
from argoscope.explain.asking import Explanation
from argoscope.explain.objects import Collector
from argoscope.explain.page import page
from argoscope.explain.runs import ExplainedRun, explained
from argoscope.inspect.reading import read
from support.recordings import require_shared

decode = msgspec.json.Decoder(float_hook=Decimal).decode


def runs() -> Iterator[ExplainedRun]:
    for file in sorted(require_shared("corpus/Workflow").glob("*.json")):
        collector = Collector(lambda *_: None)
        for item in read(str(file), lambda *_: None):
            collector.add(item)
        for key in collector.objects.workflows:
            if run := explained(collector.objects, key, 0.0, (), lambda *_: None):
                yield run


def test_causes_add_up_in_every_real_workflow() -> None:
    found = list(runs())
    assert len(found) > 100
    for run in found:
        told = msgspec.json.encode(answer(run, ()))
        plain = decode(told)
        assert sum(plain["causes"].values()) == plain["total_seconds"], run.key
        assert sum(part["seconds"] for part in plain["path"]) == plain["total_seconds"], run.key
        advise(Evidence(run.line, run.path, manifest_of(run.raw), pods=run.pods))
    page([Explanation(run, answer(run, ())) for run in found])
