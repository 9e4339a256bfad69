"""A CronWorkflow in real minutes, of which some get no run."""

from chaos.pipelines import begin, end
from chaos.stage import NAMESPACE, Stage
from chaos.truth import Object, series
from support.scripted import objects as make

DECIDED = 63.0
"""Seconds after a minute at which it is known to be missed: 60, a tick, and a commit."""


class Cron:
    """Every child is counted; a minute without one is missed, also while no daemon lived."""

    def __init__(self, name: str, stage: Stage, now: float) -> None:
        self._name = name
        self._stage = stage
        self._minute = int(now // 60)
        self._next = 0.0
        self._live: list[tuple[float, Object]] = []
        self._over: list[Object] = []
        self._missed: list[float] = []
        self._failures = 0
        self._succeeded_at = 0.0
        meta = {"name": name, "namespace": NAMESPACE, "uid": make.uid(stage.random)}
        meta |= {"creationTimestamp": make.stamp(now - 86400.0)}
        spec: Object = {"schedules": ["* * * * *"], "concurrencyPolicy": "Allow"}
        spec |= {"workflowSpec": {"entrypoint": "main", "templates": [{"name": "main"}]}}
        self._object: Object = {"metadata": meta, "spec": spec, "status": {}}
        stage.put("cronworkflows", self._object)

    @property
    def idle(self) -> bool:
        return not self._live

    def advance(self, now: float) -> None:
        if now < self._next:
            return
        self._next = now + self._stage.random.uniform(0.1, 0.5)
        minute = int(now // 60)
        if minute > self._minute:
            self._minute = minute
            self._become_due(minute * 60.0, now)
        for due, child in [one for one in self._live if now >= one[0]]:
            self._live.remove((due, child))
            self._end(child, now)
        if self._over and self._stage.settled(self._name) and not self._stage.draining:
            gone = self._over.pop(0)
            self._stage.remove("workflows", gone)
            self._stage.truth.forget(gone["metadata"]["uid"])

    def problems(self, now: float) -> list[str]:
        """What the daemon shows otherwise than it is."""
        shown = self._stage.shown
        where = {"namespace": NAMESPACE, "cron": self._name}
        missed = shown.total("argo_cron_missed_runs_total", f'cron="{self._name}"')
        least = sum(at + DECIDED <= now for at in self._missed)
        found = []
        if not least <= missed <= len(self._missed):
            found.append(f"missed: {missed}, not {least} to {len(self._missed)}")
        for name, expected in (
            ("argo_cron_consecutive_failures", self._failures),
            ("argo_cron_last_success_timestamp_seconds", self._succeeded_at),
        ):
            if shown.get(series(name, **where)) != expected:
                found.append(f"{name}: {shown.get(series(name, **where))}, not {expected}")
        return found

    def _become_due(self, due: float, now: float) -> None:
        if self._is_watched() and not self._stage.draining and self._stage.chance(0.4):
            self._missed.append(due)
            return
        if self._stage.draining:
            return
        child = begin(self._name, self._stage.random, now)
        meta = child["metadata"]
        node = child["status"]["nodes"].pop(meta["name"])
        meta["name"] = node["id"] = node["name"] = f"{self._name}-{int(due)}"
        child["status"]["nodes"][meta["name"]] = node
        meta["labels"]["workflows.argoproj.io/cron-workflow"] = self._name
        meta["annotations"]["workflows.argoproj.io/scheduled-time"] = make.stamp(due)
        self._live.append((now + self._stage.random.uniform(0.5, 10.0), child))
        self._stage.put("workflows", child)
        self._object["status"] = {"phase": "Active", "lastScheduledTime": make.stamp(due)}
        self._stage.put("cronworkflows", self._object)

    def _is_watched(self) -> bool:
        """Only what was due after the CronWorkflow was first seen counts as missed."""
        return any(
            line.startswith("argo_cron_missed_runs_total{") for line in self._stage.shown.values
        )

    def _end(self, child: Object, now: float) -> None:
        failed = self._stage.chance(0.4)
        end(child, now, "Failed" if failed else "Succeeded")
        self._failures = self._failures + 1 if failed else 0
        self._succeeded_at = self._succeeded_at if failed else float(int(now))
        self._stage.put("workflows", child)
        self._stage.truth.close(child["metadata"]["uid"])
        into = self._stage.truth.expected[self._name]
        delay = series("argo_cron_start_delay_seconds_count", namespace=NAMESPACE, cron=self._name)
        into[delay] += 1
        self._over.append(child)
