"""The lines of truth of one scenario, and what several counts need of them."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

Labels = tuple[str, ...]
Line = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name of a workflow."""

CRON = "workflows.argoproj.io/cron-workflow"


@dataclass
class Samples:
    """Of one histogram: how many, and their sum in seconds."""

    counts: Counter[Labels] = field(default_factory=Counter)
    sums: defaultdict[Labels, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, labels: Labels, seconds: float) -> None:
        self.counts[labels] += 1
        self.sums[labels] += seconds


class Lines:
    """All lines, by what they tell; oldest first."""

    def __init__(self, lines: list[Line]) -> None:
        self.all = lines
        self._by_what: defaultdict[str, list[Line]] = defaultdict(list)
        for line in lines:
            self._by_what[line["what"]].append(line)
        self.pipelines = {workflow(new): pipeline(new) for new in self.of("workflow_created")}
        """Of each workflow by its key: names are not used twice."""
        self._owners = {asked["uid"]: asked.get("owner", "") for asked in self.of("pod_asked_for")}

        self._fates = {
            (end["namespace"], end["node"]): end["why"]
            for end in self.of("pod_ended")
            if end["why"] not in ("", "deleted")
        } | {(victim["namespace"], victim["node"]): "preempted" for victim in self.of("preempted")}
        """What became of the pods of nodes."""

    def of(self, what: str) -> list[Line]:
        return self._by_what.get(what, [])

    def until(self, when: float) -> "Lines":
        """Only what had happened by then."""
        return Lines([line for line in self.all if line["t"] <= when])

    def pipeline_of_pod(self, line: Line) -> str:
        if line["workflow"]:
            return self.pipelines[line["namespace"], line["workflow"]]
        return str(self._owners.get(line["uid"], ""))

    def offloaded(self) -> set[Labels]:
        """(namespace, pipeline) of workflows whose nodes went to a database: nobody sees them."""
        gone = (line for line in self.of("stored") if line["storage"] == "offloaded")
        return {(line["namespace"], self.pipelines[workflow(line)]) for line in gone}

    def shut_down(self) -> dict[Key, str]:
        """Who ended a workflow before its time: stopped, terminated, or replaced by its cron."""
        names = {"stop": "stopped", "terminate": "terminated"}
        found = {workflow(a): names[a["action"]] for a in self.of("action") if a["action"] in names}
        return found | {workflow(line): "replaced" for line in self.of("replaced")}

    def cause(self, line: Line) -> str:
        """Why a workflow or node failed, in the metrics' words."""
        why = str(line["why"])
        if why in ("stopped", "terminated"):
            return self.shut_down().get(workflow(line), why)
        if why == "pod_deleted":  # when nobody looked; it may have failed before it was
            return self._fates.get((line["namespace"], line.get("node", "")), "error")
        return why


def workflow(line: Line) -> Key:
    return line["namespace"], line["workflow"]


def pipeline(new: Line) -> str:
    """The name that the runs have in common, of a line that says what a workflow is."""
    base = str(new["generate_name"]).rstrip("-")
    return str(new["template"] or new["labels"].get(CRON) or base or new["workflow"])
