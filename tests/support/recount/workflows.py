"""Runs, and attempts of their nodes."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from support.recount.lines import Labels, Line, Lines, Samples, pipeline, workflow

LEAVES = ("Pod", "Container", "HTTP", "Plugin", "Suspend")
POLICY = ("stopped", "terminated", "replaced")


class Workflows:
    """Counts from the lines of one scenario."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    # Runs

    def _ended(self) -> Iterator[tuple[Labels, Line]]:
        for end in self._lines.of("workflow_ended"):
            yield (end["namespace"], pipeline(end)), end

    def runs(self) -> Counter[Labels]:
        return Counter((*key, end["phase"]) for key, end in self._ended())

    def completed(self) -> Counter[Labels]:
        return Counter(key for key, _ in self._ended())

    def failures(self) -> Counter[Labels]:
        return Counter(
            (*key, self._lines.cause(end))
            for key, end in self._ended()
            if end["phase"] != "Succeeded"
        )

    def failed(self) -> Counter[Labels]:
        """Failed runs, without those that people and policies ended."""
        found: Counter[Labels] = Counter()
        for (*key, cause), count in self.failures().items():
            if cause not in POLICY:
                found[tuple(key)] += count
        return found

    def durations(self) -> Samples:
        found = Samples()
        for key, end in self._ended():
            found.add((*key, end["phase"]), end["finished"] - end["started"])
        return found

    def pending(self) -> Samples:
        """Only first attempts wait from their creation on; a retry tells of no start."""
        found = Samples()
        for start in self._lines.of("workflow_started"):
            labels = (start["namespace"], pipeline(start))
            found.add(labels, start["started"] - start["created"])
        return found

    def unobserved(self) -> Counter[Labels]:
        """Ends that nobody could see, and runs whose nodes nobody could."""
        found: Counter[Labels] = Counter()
        live: set[tuple[str, str]] = set()
        offloaded: set[tuple[str, str]] = set()
        for line in self._lines.all:
            what = line["what"]
            if what in ("workflow_created", "retried"):
                live.add(workflow(line))
            elif what == "stored" and line["storage"] == "offloaded":
                offloaded.add(workflow(line))
            elif what == "workflow_ended":
                live.discard(workflow(line))
                found[("offloaded",)] += workflow(line) in offloaded
            elif what == "workflow_deleted" and workflow(line) in live:
                live.discard(workflow(line))
                found[("deleted_running",)] += 1
        return found

    def actions(self) -> Counter[Labels]:
        """Of those whose workflow has a name; a resubmission is its new workflow's."""
        found: Counter[Labels] = Counter()
        for new in self._lines.of("workflow_created"):
            found[(new["namespace"], pipeline(new), "resubmit")] += RESUBMITTED in new["labels"]
        for action in self._lines.of("action"):
            if action["action"] != "resubmit":
                name = self._lines.pipelines[workflow(action)]
                found[(action["namespace"], name, action["action"])] += 1
        return found

    def lock_waits(self) -> Samples:
        """A workflow waits from its creation on, a node from when it is made: it asks at once.
        Who lets go without having had the lock waits no more, and never got it."""
        found = Samples()
        waits: dict[tuple[str, str], float] = {}
        for line in self._lines.all:
            if line["what"] not in ("lock_wanted", "lock_taken", "lock_let_go"):
                continue
            namespace, name, *_ = line["key"].split("/")
            one = (line["lock"], line["key"])
            if line["what"] == "lock_wanted":
                waits[one] = line["t"]
                continue
            since = waits.pop(one, None)
            if since is not None and line["what"] == "lock_taken":
                labels = (namespace, self._lines.pipelines[namespace, name])
                found.add(labels, line["t"] - since)
        return found

    # Nodes

    def _attempts(self) -> Iterator[tuple[Labels, Line]]:
        """(namespace, pipeline), and the end of each attempt of a leaf."""
        for node in self._lines.of("node_ended"):
            ran = node["type"] in LEAVES and not node["memoized"]
            if ran and node["phase"] in ("Succeeded", "Failed", "Error"):
                yield (node["namespace"], self._lines.pipelines[workflow(node)]), node

    def templates(self) -> Samples:
        found = Samples()
        for key, n in self._attempts():
            labels = (*key, n["template"], n["type"], n["phase"])
            found.add(labels, n["finished"] - n["started"])
        return found

    def retries(self) -> Counter[Labels]:
        """Attempts beyond the first of a retryStrategy: ``name(1)`` and later."""
        return Counter((*key, n["template"]) for key, n in self._attempts() if _is_again(n))

    def template_failures(self) -> Counter[Labels]:
        """A container set tells once, for all its containers."""
        return Counter(
            (*key, n["template"], self._lines.cause(n))
            for key, n in self._attempts()
            if n["phase"] != "Succeeded" and n["type"] != "Container"
        )

    def spent(self) -> Counter[Labels]:
        """Resource seconds of each attempt of a pod. A workflow's own total is less: a retry by
        hand takes the failed nodes away, and their seconds with them."""
        found: Counter[Labels] = Counter()
        for key, node in self._attempts():
            if node["type"] == "Pod":
                for resource, seconds in node["spent"].items():
                    if seconds:
                        found[(*key, resource)] += seconds
        return found

    def gaps(self) -> Samples:
        """From the last end among what a node had waited for, as the controller knows, to when the
        controller made it. Later attempts and hooks come after nothing; what `argo retry` kept has
        ended before somebody decided to go on."""
        found = Samples()
        graphs: defaultdict[tuple[str, str], _Graph] = defaultdict(_Graph)
        for line in self._lines.all:
            what = line["what"]
            if what == "node_made":
                graphs[workflow(line)].made(line)
            elif what == "retried":
                graphs[workflow(line)].retried(line)
            elif what == "node_ended":
                graph = graphs[workflow(line)]
                graph.ended[line["node"]] = line["finished"]
                gap = graph.gap_before(line)
                if gap is not None:
                    labels = (line["namespace"], self._lines.pipelines[workflow(line)])
                    found.add(labels, gap)
        return found


RESUBMITTED = "workflows.argoproj.io/resubmitted-from-workflow"


def _is_again(node: Line) -> bool:
    return bool(node["retried"]) and not node["name"].endswith("(0)")


class _Graph:
    """What came after what in one workflow."""

    def __init__(self) -> None:
        self.ended: dict[str, float] = {}
        self._made: dict[str, Line] = {}
        self._below: defaultdict[str, list[str]] = defaultdict(list)
        """Leaves by the name of each node that they are part of."""
        self._begun = 0.0

    def made(self, line: Line) -> None:
        self._made[line["node"]] = line
        if line["type"] in LEAVES:
            name = line["name"]
            for place, sign in enumerate(name):
                if sign in "([.":
                    self._below[name[:place]].append(line["node"])

    def retried(self, line: Line) -> None:
        self._begun = line["t"]
        for node in line["removed"]:
            self._made.pop(node, None)
            self.ended.pop(node, None)

    def gap_before(self, end: Line) -> float | None:
        made = self._made.get(end["node"])
        if made is None or end["type"] not in LEAVES or end["type"] == "Container":
            return None
        if end["memoized"] or end["phase"] not in ("Succeeded", "Failed", "Error"):
            return None
        if made["hooked"] or _is_again(end):
            return None
        last = self._last_end(made)
        if last is None or last < int(self._begun):
            return None
        return max(0.0, made["t"] - last)

    def _last_end(self, made: Line) -> float | None:
        ends = [end for node in made["after"] if (end := self._end_of(node)) is not None]
        return max(ends, default=None)

    def _end_of(self, node: str) -> float | None:
        """Of a leaf its own end, of a part the last of its leaves; what ran nothing ended when
        what it had waited for did."""
        made = self._made.get(node)
        if made is None:
            return None
        if made["type"] in LEAVES:
            return self.ended.get(node)
        ends = [self.ended[leaf] for leaf in self._below[made["name"]] if leaf in self.ended]
        return max(ends) if ends else self._last_end(made)
