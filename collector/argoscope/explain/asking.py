"""Which runs are explained, and which they are compared with."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from argoscope.explain.answer import Answer, answer, past
from argoscope.explain.objects import Objects
from argoscope.explain.runs import ExplainedRun, explained, head_of
from argoscope.explain.usual import Past
from argoscope.inspect.reading import Complain
from argoscope.resources.world import Key


class NothingToExplainError(Exception):
    """There is no such run; the text says what there is, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """Which runs are meant; nothing means all there are."""

    namespace: str = ""
    """Empty for any."""
    name: str = ""
    pipeline: str = ""
    last: int = 20
    """Of a pipeline so many runs, those that ended last; a run is compared with as many."""
    labels: tuple[str, ...] = ()
    """Workflow labels or annotations that name the pipeline."""


@dataclass(frozen=True, slots=True)
class Explanation:
    run: ExplainedRun
    answer: Answer
    stored: int = 0
    """Finished Workflows of its pipeline, with its own, that there are."""


History = Callable[[str, str], Sequence[Past]]
"""(namespace, pipeline) -> runs that are known from elsewhere."""


def explain(
    objects: Objects, question: Question, history: History, now: float, complain: Complain
) -> list[Explanation]:
    """The runs that are asked for, the oldest end first, those that go on at last.

    Raises NothingToExplainError.
    """
    return _Asked(objects, question, history, now, complain).explanations()


class _Asked:
    def __init__(
        self,
        objects: Objects,
        question: Question,
        history: History,
        now: float,
        complain: Complain,
    ) -> None:
        self._objects = objects
        self._question = question
        self._history = history
        self._now = now
        self._complain = complain
        self._heads: dict[Key, tuple[str, float]] = {}
        """Of those that can be read: (pipeline, when it ended or 0)."""
        self._runs: dict[Key, ExplainedRun | None] = {}

    def explanations(self) -> list[Explanation]:
        for key, raw in self._objects.workflows.items():
            head = head_of(raw, self._question.labels)
            if head is None:
                self._run(key)  # says why it can't be read
            else:
                self._heads[key] = head
        chosen = self._chosen()
        if not chosen:
            raise NothingToExplainError(self._nothing())
        runs = [run for key in chosen if (run := self._run(key)) is not None]
        if not runs:
            raise NothingToExplainError("What was asked for can't be read: see above.")
        stored = Counter(
            (namespace, pipeline)
            for (namespace, _), (pipeline, ended) in self._heads.items()
            if ended
        )
        stored.update(self._objects.passed_over)
        return [
            Explanation(
                run,
                answer(run, self._others(run)),
                stored[run.line.namespace, run.line.pipeline],
            )
            for run in runs
        ]

    def _chosen(self) -> list[Key]:
        asked = self._question
        found = [
            key
            for key, (pipeline, _) in self._heads.items()
            if asked.namespace in ("", key[0])
            and asked.name in ("", key[1])
            and asked.pipeline in ("", pipeline)
        ]
        found.sort(key=lambda key: self._heads[key][1] or float("inf"))
        return found[-asked.last :] if asked.pipeline else found

    def _run(self, key: Key) -> ExplainedRun | None:
        if key not in self._runs:
            self._runs[key] = explained(
                self._objects, key, self._now, self._question.labels, self._complain
            )
        return self._runs[key]

    def _others(self, run: ExplainedRun) -> list[Past]:
        """Runs of the same pipeline that have ended, the latest ones first."""
        pipeline, namespace = run.line.pipeline, run.line.namespace
        ended = sorted(
            (
                (ended, key)
                for key, (known, ended) in self._heads.items()
                if known == pipeline and key[0] == namespace and ended and key != run.key
            ),
            reverse=True,
        )
        found = {}
        for _, key in ended[: self._question.last]:
            other = self._run(key)
            if other is not None:
                found[other.line.uid, other.line.finished] = past(other)
        for recorded in self._history(namespace, pipeline):
            if recorded.uid != run.line.uid:
                # A daemon saw the pods: it knows more than an object that is left of a run.
                known = found.get((recorded.uid, recorded.finished))
                if recorded.causes or known is None:
                    found[recorded.uid, recorded.finished] = recorded
        latest = sorted(found.values(), key=lambda known: -known.finished)
        return latest[: self._question.last]

    def _nothing(self) -> str:
        asked = self._question
        if not self._objects.workflows:
            kinds = sorted({"Pod": self._objects.pods, "Event": self._objects.events}.items())
            there = [f"{kind}s" for kind, known in kinds if known] + sorted(self._objects.left_out)
            told = f" (there are {', '.join(there)})" if there else ""
            return f"There is no Workflow in the input{told}. Give its object, best with its pods."
        if asked.name:
            names = [key[1] for key in self._heads]
            wanted, what = asked.name, f"run {asked.namespace or '*'}/{asked.name}"
        else:
            names = [pipeline for pipeline, _ in self._heads.values()]
            wanted, what = asked.pipeline, runs_of(asked)
        return none_of(what, wanted, names, "here")


def runs_of(asked: Question) -> str:
    """What a question about a pipeline asks for."""
    within = f" in {asked.namespace}" if asked.namespace else ""
    return f"run of a pipeline {asked.pipeline}{within}"


def none_of(what: str, wanted: str, names: Iterable[str], where: str) -> str:
    """That there is none of it, and what there is in its place."""
    known = sorted(set(names))
    near = get_close_matches(wanted, known, n=3, cutoff=0.5) or known
    more = ", …" if len(near) > 5 else ""
    there = f" There is: {', '.join(near[:5])}{more}" if near else ""
    return f"There is no {what} {where}.{there}"
