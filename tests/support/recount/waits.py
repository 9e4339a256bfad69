"""What pods wait for before main starts: episodes, and who waits now."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from support.recount.lines import Labels, Line, Lines, Samples

PATIENCE = 30.0
"""Seconds that normal start-up may take without being an episode."""
_PASSING = ("Scheduling", "ContainerCreating", "ContainerCreating: image pull", "PodInitializing")
_PLAIN = {
    "scheduling": "Scheduling",
    "gated": "SchedulingGated",
    "creating": "ContainerCreating",
    "pulling": "ContainerCreating: image pull",
    "initializing": "PodInitializing",
}
_SHORT_OF = {
    "Too many pods": "Unschedulable: too many pods",
    "Insufficient cpu": "Unschedulable: insufficient cpu",
    "Insufficient memory": "Unschedulable: insufficient memory",
}
"""The scarcer the later."""
_UNFIT = {
    "node(s) didn't match Pod's node affinity": "Unschedulable: node selector",
    "node(s) were unschedulable": "Unschedulable: node cordoned",
}
_IMAGES = {
    "pull QPS exceeded": "ErrImagePull: pull QPS exceeded",
    "toomanyrequests": "ErrImagePull: rate limited",
    "not found": "ErrImagePull: not found",
}
"""Words in the messages of the scenarios' registries."""


@dataclass
class Wait:
    """One contiguous trouble of one pod."""

    trouble: str
    since: float
    reasons: list[tuple[float, str]] = field(default_factory=list)
    """From when on it was called what."""

    @property
    def reason(self) -> str:
        return self.reasons[-1][1]

    def longest(self, end: float) -> str:
        spent: defaultdict[str, float] = defaultdict(float)
        for (since, reason), until in zip(
            self.reasons, [*(t for t, _ in self.reasons[1:]), end], strict=True
        ):
            spent[reason] += until - since
        return max(spent, key=lambda reason: spent[reason])


class Waits:
    """Follows the lines of one scenario."""

    def __init__(self, lines: Lines, patience: float = PATIENCE) -> None:
        self._lines = lines
        self._patience = patience
        self._open: dict[str, tuple[Line, Wait]] = {}
        self._closed: list[tuple[Line, str, float]] = []
        self._spans: list[tuple[Labels, float, float, float]] = []
        """(labels, from when, until when, waits since) of each time that a pod waited."""
        self._calls: dict[str, tuple[Labels, float, float]] = {}
        for line in lines.all:
            if line["what"] == "pod_waits":
                self._waits(line)
            elif line["what"] in ("pod_gone", "pod_ended"):
                self._close(line, line["t"])
        for labels, begun, since in self._calls.values():
            self._spans.append((labels, begun, float("inf"), since))

    def episodes(self) -> Counter[Labels]:
        return Counter((*self._key(pod), reason) for pod, reason, _ in self._told())

    def seconds(self) -> Samples:
        found = Samples()
        for pod, reason, seconds in self._told():
            found.add((pod["namespace"], reason), seconds)
        return found

    def during(self, begin: float, end: float) -> dict[Labels, tuple[int, int, list[float]]]:
        """By (namespace, pipeline, reason): how many pods waited for it all the time from
        ``begin`` to ``end``, how many at any time, and since when these."""
        found: dict[Labels, tuple[int, int, list[float]]] = {}
        for labels, low, high, since in self._spans:
            if low > end or high < begin:
                continue
            always, ever, begun = found.get(labels, (0, 0, []))
            whole = low <= begin and high >= end
            found[labels] = (always + whole, ever + 1, [*begun, since])
        return found

    def _name(self, line: Line, reason: str, since: float) -> None:
        """From now on it is called that; empty: nothing any more."""
        labels, begun, of = self._calls.pop(line["uid"], ((), 0.0, 0.0))
        if labels:
            self._spans.append((labels, begun, line["t"], of))
        if reason:
            self._calls[line["uid"]] = ((*self._key(line), reason), line["t"], since)

    def _key(self, pod: Line) -> Labels:
        return pod["namespace"], self._lines.pipeline_of_pod(pod)

    def _told(self) -> Iterator[tuple[Line, str, float]]:
        for pod, reason, seconds in self._closed:
            if reason not in _PASSING or seconds >= self._patience:
                yield pod, reason, seconds

    def _waits(self, line: Line) -> None:
        now, why = line["t"], line["why"]
        if not why:
            self._close(line, now)
            return
        reason = _reason(why, line["detail"])
        before = self._open.get(line["uid"])
        trouble = "creating" if why == "pulling" else why
        if before is None or before[1].trouble != trouble:
            self._close(line, now)
            self._open[line["uid"]] = (line, Wait(trouble, now, [(now, reason)]))
            self._name(line, reason, now)
            return
        wait = before[1]
        if why == "pulling":  # what is being created was an image all the time
            wait.reasons = [(wait.since, reason)]
        elif why != "creating" and wait.reason != reason:
            wait.reasons.append((now, reason))
        self._name(line, wait.reason, wait.since)

    def _close(self, line: Line, now: float) -> None:
        before = self._open.pop(line["uid"], None)
        if before is not None:
            pod, wait = before
            self._name(line, "", now)
            self._closed.append((pod, wait.longest(now), now - wait.since))


def _reason(why: str, detail: str | dict[str, int]) -> str:
    """The metrics' word for what the engine says a pod waits for."""
    if isinstance(detail, dict):
        return _unschedulable(detail) if why == "unschedulable" else _PLAIN[why]
    if why == "image":
        return next(reason for words, reason in _IMAGES.items() if words in detail)
    return _PLAIN[why]


def _unschedulable(refusals: dict[str, int]) -> str:
    """Machines that only lack room were nearly usable, so what most of them lack is the cause, of
    several the scarcer; next come those that the pod could select."""
    short = [(count, word) for word, count in refusals.items() if word in _SHORT_OF]
    if short:
        words = list(_SHORT_OF)
        return _SHORT_OF[max(short, key=lambda found: (found[0], words.index(found[1])))[1]]
    return next(
        (reason for word, reason in _UNFIT.items() if word in refusals),
        "Unschedulable: no nodes",
    )
