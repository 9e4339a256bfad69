"""Random workflows, run by a scheduler that knows what each moment was spent on: the causes that
are worked out of the nodes and pods alone must be the same.

The scheduler does as Argo does: it looks every few seconds and makes all that can start in one go,
connects nodes as ``children`` do, and lets virtual nodes end at its next look.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from argoscope.resources._pod_life import PodLife, PodTimes, pod_life
from argoscope.resources.workflow.critical_path import critical_path
from argoscope.resources.workflow.timeline import HOOKED, NodeSpan, Timeline

CREATED = 1000
Template = tuple[Any, ...]
"""("pod", seconds of its six stages), ("http", seconds), ("suspend", seconds), ("skip",),
("retry", attempts, backoff), ("steps", groups), ("dag", tasks with their dependencies)."""


class Spent(NamedTuple):
    """Where a branch stands, and what its time went to; the first three decide which is last."""

    at: int
    earlier: int
    node: str
    seconds: tuple[tuple[str, int], ...]

    def then(self, cause: str, until: int) -> "Spent":
        return self._replace(at=until, seconds=(*self.seconds, (cause, until - self.at)))


@dataclass
class Cluster:
    """A controller that looks at the workflow every ``pace`` seconds."""

    pace: int
    nodes: dict[str, NodeSpan] = field(default_factory=dict)
    pods: dict[str, tuple[PodLife, ...]] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=dict)

    def look(self, at: int) -> int:
        """When the controller sees what is so at that time."""
        return -(-at // self.pace) * self.pace

    def add(self, name: str, kind: str, since: int, end: int, boundary: str, flags: int = 0) -> str:
        phase = "Skipped" if kind == "Skipped" else "Succeeded"
        self.nodes[name] = NodeSpan(
            id=name, name=name, type=kind, phase=phase, template="t", started=float(since),
            finished=float(end), boundary=boundary, flags=flags,
        )  # fmt: skip
        return name

    def join(self, before: list[str], after: str) -> None:
        for one in before:
            self.children.setdefault(one, []).append(after)

    def run(
        self, what: Template, name: str, boundary: str, made: Spent, flags: int = 0
    ) -> tuple[Spent, list[str]]:
        """Runs a template whose node is made now; how that went, and the nodes it ends with."""
        kind, *rest = what
        if kind == "skip":
            return made, [self.add(name, "Skipped", made.at, made.at, boundary)]
        if kind in ("http", "suspend"):
            end = made.at + rest[0]
            self.add(name, "HTTP" if kind == "http" else "Suspend", made.at, end, boundary, flags)
            spent = made.then("main" if kind == "http" else "approval", end)
            return spent._replace(earlier=-made.at, node=name), [name]
        if kind == "pod":
            return self._pod(rest[0], name, boundary, made, flags), [name]
        if kind == "retry":
            return self._retry(rest[0], rest[1], name, boundary, made)
        return (self._steps if kind == "steps" else self._dag)(rest[0], name, boundary, made)

    def _pod(
        self, stages: tuple[int, ...], name: str, boundary: str, made: Spent, flags: int = 0
    ) -> Spent:
        times, spent = [made.at], made
        for cause, seconds in zip(
            ("schedule", "prepare", "init", "prepare", "main", "wait"), stages, strict=True
        ):
            spent = spent.then(cause, spent.at + seconds)
            times.append(spent.at)
        self.pods[name] = (pod_life(PodTimes(*times, spent.at)),)
        self.add(name, "Pod", made.at, spent.at, boundary, flags)
        return spent._replace(earlier=-made.at, node=name)

    def _retry(
        self, attempts: list[tuple[int, ...]], backoff: int, name: str, boundary: str, made: Spent
    ) -> tuple[Spent, list[str]]:
        since, last = made.at, ""
        for number, stages in enumerate(attempts):
            last = f"{name}({number})"
            self.join([name], last)
            ended = self._pod(stages, last, name, made)
            if number < len(attempts) - 1:
                ended = ended._replace(seconds=made.then("retry", ended.at).seconds)
                made = ended.then("backoff", self.look(ended.at + backoff))
        self.add(name, "Retry", since, self.look(ended.at), boundary)
        return ended, [last]

    def _steps(
        self, groups: list[list[Template]], name: str, boundary: str, made: Spent
    ) -> tuple[Spent, list[str]]:
        since, before = made.at, [name]
        for number, steps in enumerate(groups):
            group = self.add(f"{name}[{number}]", "StepGroup", made.at, 0, name)
            self.join(before, group)
            before, results = [], []
            for index, step in enumerate(steps):
                self.join([group], f"{group}.{index}")
                spent, outs = self.run(step, f"{group}.{index}", name, made)
                results.append(spent)
                before += outs
            ended = max(results)
            made = ended.then("gap", self.look(ended.at))
        self.add(name, "Steps", since, made.at, boundary)
        return ended, before

    def _dag(
        self, tasks: list[tuple[Template, set[int]]], name: str, boundary: str, made: Spent
    ) -> tuple[Spent, list[str]]:
        ends: list[Spent] = []
        outs: list[list[str]] = []
        for index, (what, needs) in enumerate(tasks):
            task, needed = f"{name}.{index}", sorted(n % index for n in needs) if index else []
            self.join([out for n in needed for out in outs[n]] or [name], task)
            ready = max((ends[n] for n in needed), default=made)
            spent, last = self.run(what, task, name, ready.then("gap", self.look(ready.at)))
            ends.append(spent)
            outs.append(last)
        needed_by_others = {n % i for i, (_, needs) in enumerate(tasks) if i for n in needs}
        sinks = [out for i, last in enumerate(outs) if i not in needed_by_others for out in last]
        self.add(name, "DAG", made.at, self.look(max(ends).at), boundary)
        return max(ends), sinks


seconds = st.integers(1, 90)
stages = st.tuples(*[st.integers(0, 40)] * 4, seconds, st.integers(0, 20))
leaves: st.SearchStrategy[Template] = st.one_of(
    st.tuples(st.just("pod"), stages),
    st.tuples(st.just("http"), seconds),
    st.tuples(st.just("suspend"), seconds),
    st.tuples(st.just("skip")),
    st.tuples(st.just("retry"), st.lists(stages, min_size=1, max_size=3), st.integers(0, 60)),
)


def composed(inner: st.SearchStrategy[Template]) -> st.SearchStrategy[Template]:
    groups = st.lists(st.lists(inner, min_size=1, max_size=3), min_size=1, max_size=3)
    needs = st.sets(st.integers(0, 5), max_size=2)
    return st.one_of(
        st.tuples(st.just("steps"), groups),
        st.tuples(st.just("dag"), st.lists(st.tuples(inner, needs), min_size=1, max_size=5)),
    )


@settings(max_examples=300, deadline=None)
@given(st.recursive(leaves, composed, max_leaves=12), st.integers(1, 10), st.none() | leaves)
def test_the_causes_of_random_workflows_are_what_the_scheduler_knows(
    template: Template, pace: int, on_exit: Template | None
) -> None:
    cluster = Cluster(pace)
    spent = Spent(CREATED, 0, "", ()).then("queue", cluster.look(CREATED + 1))
    started = spent.at
    spent, _ = cluster.run(template, "wf", "", spent)
    if on_exit is not None:
        spent = spent.then("gap", cluster.look(spent.at))
        spent, _ = cluster.run(on_exit, "wf.onExit", "", spent, HOOKED)
    spent = spent.then("gap", cluster.look(spent.at))
    line = Timeline(
        namespace="ci", name="wf", uid="u", pipeline="p", cron="", phase="Succeeded", cause="",
        message="", created=float(CREATED), started=float(started), finished=float(spent.at),
        first=True, pods=cluster.pods,
        nodes={
            name: msgspec.structs.replace(node, children=tuple(cluster.children.get(name, ())))
            for name, node in cluster.nodes.items()
        },
    )  # fmt: skip
    truth: Counter[str] = Counter()
    for cause, length in spent.seconds:
        truth[cause] += length
    found = critical_path(line).causes_ms()
    assert found == {cause: length * 1000 for cause, length in truth.items() if length}
