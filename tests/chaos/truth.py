"""What the counters must be in the end, counted from everything that was ever put into the cluster.

Nothing of the daemon is used here: runs and node attempts are recounted by support.workflow_recount
from the states as they were written. Series are named as the exposition writes them.
"""

import re
from collections import Counter, defaultdict
from copy import deepcopy
from datetime import datetime
from typing import Any

from support.workflow_recount import LEAVES, OVER, pipeline_of, recount

Object = dict[str, Any]

GHOST = "ghost-"
"""Prefix of pipelines whose runs may end unseen: for them only sums hold, see ``ghosts``."""
_PIPELINE = re.compile(r'pipeline="([^"]*)"')


def series(name: str, **labels: str) -> str:
    """A series as the exposition writes it; labels in the catalogue's order."""
    pairs = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{pairs}}}"


def pipeline_in(line: str) -> str:
    found = _PIPELINE.search(line)
    return found[1] if found else ""


class Truth:
    """Expected values of the series that are checked, by pipeline, cron or rollout."""

    def __init__(self) -> None:
        self.expected: dict[str, Counter[str]] = defaultdict(Counter)
        self.attempts: dict[tuple[str, int], str] = {}
        """(name, finishedAt in Unix seconds) -> phase of every run attempt there ever was. No name
        comes twice, and uids are the API server's to give."""
        self._states: dict[str, list[Object]] = {}
        self._counted: dict[str, Counter[str]] = {}

    def saw(self, workflow: Object) -> None:
        """A state of a Workflow was written."""
        state = deepcopy(workflow)
        self._states.setdefault(state["metadata"]["uid"], []).append(state)
        status = state["status"]
        if status.get("phase") in OVER:
            end = int(datetime.fromisoformat(status["finishedAt"]).timestamp())
            self.attempts[state["metadata"]["name"], end] = status["phase"]

    def close(self, uid: str) -> None:
        """All of its states have been written, or all until it is retried: they must be counted.
        Of one that was retried the whole is counted anew."""
        states = self._states[uid]
        into = self.expected[pipeline_of(states[-1])]
        into.subtract(self._counted.get(uid, Counter()))
        self._counted[uid] = _counted(states)
        into.update(self._counted[uid])

    def forget(self, uid: str) -> None:
        """It will not change any more; what it counted for stays."""
        self._states.pop(uid, None)
        self._counted.pop(uid, None)

    def everything(self) -> dict[str, float]:
        """All series that must not be 0, with their values."""
        return {
            line: value
            for of_one in self.expected.values()
            for line, value in of_one.items()
            if value
        }


def _counted(states: list[Object]) -> Counter[str]:
    """What the states of one Workflow are counted for."""
    found: Counter[str] = Counter()
    result = recount(states)
    first = states[0]["metadata"]
    where = {"namespace": first["namespace"], "pipeline": pipeline_of(states[0])}
    for (_, _, phase), runs in result.runs.items():
        labels = where | {"phase": phase}
        found[series("argo_workflow_runs_total", **labels)] = runs
        found[series("argo_workflow_run_duration_seconds_count", **labels)] = runs
        seconds = result.run_seconds[where["namespace"], where["pipeline"], phase]
        found[series("argo_workflow_run_duration_seconds_sum", **labels)] = seconds
    for leaf, count in result.attempts.items():
        names = ("template", "node_type", "phase")
        labels = where | dict(zip(names, leaf[2:], strict=True))
        found[series("argo_template_duration_seconds_count", **labels)] = count
        seconds = result.attempt_seconds[leaf]
        found[series("argo_template_duration_seconds_sum", **labels)] = seconds
    for (*_, template), count in result.retries.items():
        found[series("argo_template_retries_total", **where, template=template)] = count
    for (*_, resource), amount in result.resources.items():
        line = series("argo_workflow_resource_seconds_total", **where, resource=resource)
        found[line] = amount
    found[series("argo_workflow_run_pending_seconds_count", **where)] = 1
    _add_causes(found, states, where)
    return found


def _add_causes(found: Counter[str], states: list[Object], where: dict[str, str]) -> None:
    """The generator only lets containers fail, by an exit code or for want of memory."""
    failed: dict[tuple[str, str], tuple[str, str]] = {}
    runs: dict[str, str] = {}
    for state in states:
        status = state["status"]
        for node in status["nodes"].values():
            if node["type"] in LEAVES and node["phase"] == "Failed":
                cause = "oom" if "OOMKilled" in node["message"] else "exit_code"
                failed[node["id"], node["startedAt"]] = (node["templateName"], cause)
        if status["phase"] == "Failed":
            runs[status["finishedAt"]] = _root_cause(status["nodes"])
    for template, cause in failed.values():
        line = series("argo_template_failures_total", **where, template=template, cause=cause)
        found[line] += 1
    for cause in runs.values():
        found[series("argo_workflow_failures_total", **where, cause=cause)] += 1
    starts = {state["status"]["startedAt"] for state in states}
    if len(starts) > 1:
        line = series("argo_workflow_actions_total", **where, action="retry")
        found[line] = len(starts) - 1


def _root_cause(nodes: dict[str, Object]) -> str:
    """Of the failed leaf that is not retried; the generator lets a run fail with only one."""
    messages = [
        node["message"]
        for node in nodes.values()
        if node["type"] in LEAVES and node["phase"] == "Failed"
    ]
    return "oom" if "OOMKilled" in messages[-1] else "exit_code"
