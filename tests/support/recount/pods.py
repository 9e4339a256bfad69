"""Where the time of pods goes, and pods that were made again."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from support.recount.lines import Labels, Line, Lines, Samples

Span = tuple[float, float]


class Pods:
    """Counts from the lines of one scenario."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._created = {p["uid"]: p["t"] for p in lines.of("pod_made")}
        self._bound = {p["uid"]: p["t"] for p in lines.of("pod_scheduled")}
        self._templates = {
            (n["namespace"], n["node"]): n["template"] for n in lines.of("node_made")
        }
        self._pulls: defaultdict[str, list[Span]] = defaultdict(list)
        for pull in lines.of("image_pulled"):
            self._pulls[pull["uid"]].append((pull["t"] - pull["seconds"], pull["t"]))

    def stages(self) -> Samples:
        """Of Argo's pods when nothing more is told of them, of others the start-up when they are
        ready: schedule until a machine had it, init while init containers ran, pull while images
        came, prepare for the rest before main, main, and wait for what was left after it."""
        found = Samples()
        started: set[str] = set()
        for shown in self._last_words():
            template = self._templates.get((shown["namespace"], shown["node"]), "")
            labels = (shown["namespace"], self._lines.pipeline_of_pod(shown), template)
            if shown["uid"] not in started:
                started.add(shown["uid"])
                for stage, seconds in self._start_up(shown):
                    found.add((*labels, stage), seconds)
            if not shown["ready"]:
                for stage, seconds in self._run(shown):
                    found.add((*labels, stage), seconds)
        return found

    def _last_words(self) -> Iterator[Line]:
        """Pods that never had a machine have no kubelet that speaks of them."""
        unbound = set(self._created) - set(self._bound)
        for line in self._lines.all:
            if line["what"] == "pod_shown" and not (line["ready"] and line["workflow"]):
                yield line
            elif line["what"] == "pod_gone" and line["uid"] in unbound:
                yield {**line, "ready": False, "inits": {}, "containers": {}}

    def _start_up(self, shown: Line) -> Iterator[tuple[str, float]]:
        uid = shown["uid"]
        bound = self._bound.get(uid)
        if bound is None:
            return
        yield "schedule", bound - self._created[uid]
        inits: list[list[float | None]] = list(shown["inits"].values())
        begun = min((start for start, _ in inits if start is not None), default=None)
        ends = [end for _, end in inits]
        ready = max(end for end in ends if end is not None) if inits and all(ends) else None
        mains = [start for start, _ in self._mains(shown) if start is not None]
        main = min(mains, default=None)
        first = begun if begun is not None else main
        pulls = self._pulls[uid]
        in_init = 0.0
        if begun is not None and ready is not None:
            in_init = _within(pulls, begun, ready)
            yield "init", ready - begun - in_init
        if first is None:
            return
        horizon = main or ready if ready is not None or begun is None else first
        pulled = _within(pulls, bound, horizon or first)
        prepare = first - bound - (pulled - in_init)
        if ready is not None and main is not None:
            prepare += main - ready
        yield "prepare", prepare
        if pulls:
            yield "pull", pulled

    def _mains(self, shown: Line) -> list[list[float | None]]:
        containers = shown["containers"]
        if "main" in containers:
            return [containers["main"]]
        return [times for name, times in containers.items() if name != "wait"]

    def _run(self, shown: Line) -> Iterator[tuple[str, float]]:
        mains = self._mains(shown)
        if not mains or any(end is None for _, end in mains):
            return
        ended = max(end for _, end in mains if end is not None)
        yield "main", ended - min(start for start, _ in mains if start is not None)
        wait = shown["containers"].get("wait", (None, None))[1]
        if wait is not None:
            yield "wait", max(0.0, wait - ended)

    def restarts(self) -> Counter[Labels]:
        """Pods that stood in for one that was deleted before its main had started; counted when
        the second one's life is over."""
        found: Counter[Labels] = Counter()
        over = {s["uid"] for s in self._last_words() if not s["ready"]}
        started = {
            s["uid"]
            for s in self._lines.of("pod_shown")
            if any(start is not None for start, _ in self._mains(s))
        }
        lost: dict[tuple[str, str], str] = {}
        before: dict[tuple[str, str], str] = {}
        for line in self._lines.all:
            if line["what"] == "retried":
                for node in line["removed"]:
                    before.pop((line["namespace"], node), None)
            elif line["what"] == "pod_asked_for" and line["node"]:
                node = (line["namespace"], line["node"])
                lost = {**lost, line["uid"]: before[node]} if node in before else lost
                before[node] = line["uid"]
        for line in self._lines.of("pod_asked_for"):
            uid = line["uid"]
            if uid in lost and lost[uid] not in started and uid in over:
                found[(line["namespace"], self._lines.pipeline_of_pod(line))] += 1
        return found

    def phases(self) -> Counter[Labels]:
        """Pods that exist at the time of the last line, by what was last reported of them."""
        live: dict[str, Labels] = {}
        for line in self._lines.all:
            if line["what"] == "pod_made":
                live[line["uid"]] = (line["namespace"], "Pending")
            elif line["what"] == "pod_phase" and line["uid"] in live:
                live[line["uid"]] = (line["namespace"], line["phase"])
            elif line["what"] == "pod_gone":
                live.pop(line["uid"], None)
        return Counter(live.values())


def _within(pulls: list[Span], low: float, high: float) -> float:
    return sum(max(0.0, min(high, end) - max(low, start)) for start, end in pulls)
