"""With a ledger a daemon that is killed at any moment loses no trace, and makes none twice."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from argoscope.catalogue import catalogue
from argoscope.export.otlp_transport import Outcome
from argoscope.ledger.ledger import Ledger
from argoscope.metrics.registry import Registry
from argoscope.pipeline import Pipeline
from argoscope.resources.workflow.attribution import PATIENCE
from argoscope.traces.queue import KIND, Queue
from argoscope.watch.delta import Origin
from argoscope.watch.intake import Intake
from support.box import KINDS
from support.traces import EVERYTHING
from support.workflow_objects import BASE, node, workflow
from traces.test_exporter import DOWN, Receiver, made

LIVES: list["Life"] = []


@pytest.fixture(autouse=True)
def files_closed() -> Iterator[None]:
    yield
    while LIVES:
        LIVES.pop().crash()


class Life:
    """One process of the daemon over a ledger."""

    def __init__(self, path: Path, receiver: Receiver, live: list[dict[str, Any]]) -> None:
        self.now = BASE + 100
        self.registry = Registry(catalogue(), now=lambda: self.now)
        self.ledger = Ledger.open(path, now=lambda: self.now)
        self.pipeline = Pipeline(
            tuple(KINDS.values()), self.registry, EVERYTHING, memory=self.ledger
        )
        self.queue = Queue(self.registry)
        self.ledger.restore(self.registry)
        self.pipeline.restore(self.now)
        self.queue.restore(self.ledger.objects(KIND))
        self.exporter = made(self.registry, receiver, self.queue, self._commit)
        self.pipeline.world.on_run_ended(self.exporter.add)
        LIVES.append(self)
        self._list(live)

    async def _commit(self, limit: float) -> bool:
        self.commit()
        return True

    def commit(self) -> None:
        changes = [*self.pipeline.changes(), *self.queue.changes()]
        self.ledger.commit(self.registry.hold(), changes)

    def _list(self, live: list[dict[str, Any]]) -> None:
        for kind in KINDS.values():
            roster = self.pipeline.rosters[kind.name]
            for stream in ("",):
                intake = Intake(kind, self.pipeline, stream, roster)
                before = roster.listed_before(stream)
                intake.begin_list(Origin.RELIST if before else Origin.FIRST_LIST)
                for obj in live if kind.kind == "Workflow" else []:
                    intake.item(json.dumps(obj).encode(), self.now)
                intake.complete_list("1", self.now)
        self.tick()

    def tick(self) -> None:
        self.now += PATIENCE  # no pod comes: attempts wait no longer
        self.pipeline.tick(self.now)

    def send(self) -> Outcome:
        return asyncio.run(self.exporter.send_all())

    def crash(self) -> None:
        self.ledger.close()


def over(name: str, version: int = 2) -> dict[str, Any]:
    return workflow(node(name, run=name), name=name, end=200, version=version)


def going(name: str) -> dict[str, Any]:
    return workflow(name=name, phase="Running", end=None)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def path(tmp_path: Path, receiver: Receiver) -> Path:
    """A ledger that knows of the run, which goes on."""
    found = tmp_path / "ledger.db"
    life = Life(found, receiver, [going("wf")])
    life.commit()
    life.crash()
    assert receiver.runs == Counter()
    return found


def test_killed_before_the_commit_the_trace_is_made_again(path: Path, receiver: Receiver) -> None:
    life = Life(path, receiver, [over("wf")])
    assert len(life.queue) == 1
    life.crash()
    assert Life(path, receiver, [over("wf")]).send().reason == ""
    assert receiver.runs == Counter({"RUN wf": 1})


def test_killed_after_the_commit_the_trace_is_sent_though_its_run_is_gone(
    path: Path, receiver: Receiver
) -> None:
    receiver.answer = lambda _: DOWN
    life = Life(path, receiver, [over("wf")])
    assert life.send().reason == "unavailable"
    life.crash()
    receiver.answer = lambda _: Outcome()
    life = Life(path, receiver, [])
    assert life.send().reason == ""
    life.commit()
    life.crash()
    life = Life(path, receiver, [])
    assert len(life.queue) == 0
    assert receiver.runs == Counter({"RUN wf": 1})


def test_killed_after_the_answer_and_before_the_commit_the_same_spans_are_sent_again(
    path: Path, receiver: Receiver
) -> None:
    life = Life(path, receiver, [over("wf")])
    assert life.send().reason == ""
    life.crash()
    first = set(receiver.spans)
    life = Life(path, receiver, [over("wf")])
    assert life.send().reason == ""
    assert set(receiver.spans) == first  # not one with another id
    assert receiver.runs == Counter({"RUN wf": 2})


def test_what_had_ended_before_the_first_start_is_not_traced(
    tmp_path: Path, receiver: Receiver
) -> None:
    life = Life(tmp_path / "new.db", receiver, [over("wf")])
    assert len(life.queue) == 0


def test_a_trace_in_the_ledger_that_cannot_be_read_is_left_out_and_goes(
    path: Path, receiver: Receiver
) -> None:
    life = Life(path, receiver, [])
    life.queue.restore([("/0000000000000009", b"\x09nonsense"), ("odd", b"")])
    assert len(life.queue) == 0
    assert {key for _, key, data in life.queue.changes() if data is None} == {
        "/0000000000000009",
        "odd",
    }


def test_a_large_run_is_kept_before_its_spans_are_made(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("argoscope.traces.exporter.LARGE", 1)
    path = tmp_path / "ledger.db"
    parts = [node(f"wf.{i}") for i in range(9)]
    going = workflow(*parts, phase="Running", end=None)
    Life(path, receiver, [going]).commit()
    LIVES[-1].crash()
    life = Life(path, receiver, [workflow(node("wf", "DAG"), *parts, end=200, version=2)])
    assert life.queue.raw() is not None
    life.commit()
    life.crash()
    life = Life(path, receiver, [])
    assert life.queue.raw() is not None
    assert life.send().reason == ""
    life.commit()
    assert receiver.runs == Counter({"RUN wf": 1})
    assert len(receiver.spans) == 11
    life.crash()
    assert len(Life(path, receiver, []).queue) == 0
