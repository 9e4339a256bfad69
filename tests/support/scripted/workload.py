"""A small company's day, scripted and seeded: what the demo's cluster is doing."""

from random import Random

from support.scripted import objects as make
from support.scripted.objects import Object
from support.scripted.releases import Release
from support.scripted.runs import Pipeline, Put, Remove, Run, Step

WEEK = 7 * 86400.0

_EXTRACT = Step(name="extract", template="extract", seconds=(3.0, 7.0), pull=1.0)
_CLEAN = tuple(
    Step(name=f"clean({i}:{region})", template="clean", seconds=(3.0, 9.0), fails=0.03)
    for i, region in enumerate(("eu", "us", "apac", "latam"))
)
_LOAD = Step(name="load", template="load", seconds=(2.0, 5.0), fails=0.05, retries=2)

PIPELINES = (
    Pipeline(
        name="nightly-etl",
        namespace="data",
        groups=((_EXTRACT,), _CLEAN, (_LOAD,)),
        every=35.0,
        template=True,
    ),
    Pipeline(
        name="train-model",
        namespace="ml",
        groups=(
            (Step(name="prepare", template="prepare", pull=3.0),),
            (
                Step(
                    name="train",
                    template="train",
                    seconds=(8.0, 20.0),
                    pull=6.0,
                    oom=0.35,
                    retries=2,
                    unschedulable=18.0,
                ),
            ),
            (Step(name="evaluate", template="evaluate", fails=0.1, exit_code=3),),
        ),
        every=45.0,
    ),
    Pipeline(
        name="build-and-test",
        namespace="ci",
        groups=(
            (Step(name="checkout", template="git", seconds=(1.0, 2.0)),),
            (
                Step(name="unit", template="test", seconds=(4.0, 10.0), fails=0.12),
                Step(name="lint", template="lint", seconds=(1.0, 4.0), fails=0.05, exit_code=2),
            ),
            (Step(name="image", template="kaniko", seconds=(5.0, 9.0), image_error=0.12),),
        ),
        every=20.0,
    ),
    Pipeline(
        name="billing-report",
        namespace="finance",
        groups=((Step(name="report", template="report", seconds=(4.0, 8.0), fails=0.15),),),
        every=60.0,
        cron=True,
    ),
)


class Workload:
    """Moves the scripted cluster on. ``put`` and ``remove`` write to the API server's memory.

    Everything follows from ``seed`` and the times at which ``advance`` is called.
    """

    def __init__(self, seed: int, put: Put, remove: Remove, now: float) -> None:
        self._random = Random(seed)
        self._put, self._remove = put, remove
        self._runs: list[Run] = []
        self._finished: list[tuple[float, Run]] = []
        self._due = {p.name: now + i * 1.5 for i, p in enumerate(PIPELINES) if not p.cron}
        self._last_minute = int(now // 60)
        self._releases = [
            Release(name, namespace, self._random, put, now, fails=fails)
            for name, namespace, fails in (
                ("checkout", "shop", 0.3),
                ("search", "shop", 0.1),
                ("payments", "finance", 0.5),
            )
        ]
        self._templates(now)
        self._history(now)

    def advance(self, now: float) -> None:
        """Write all that has changed by ``now`` (Unix seconds, never going back)."""
        self._start_due(now)
        for run in self._runs:
            run.advance(now)
        for release in self._releases:
            release.advance(now)
        for run in [r for r in self._runs if r.done]:
            self._runs.remove(run)
            self._finished.append((now, run))
        while self._finished and self._finished[0][0] < now - 120.0:
            self._collect(self._finished.pop(0)[1])

    def _start_due(self, now: float) -> None:
        for pipeline in PIPELINES:
            if not pipeline.cron and now >= self._due[pipeline.name]:
                self._due[pipeline.name] = now + pipeline.every * self._random.uniform(0.8, 1.2)
                self._runs.append(Run(pipeline, now, self._random, self._put))
        minute = int(now // 60)
        if minute > self._last_minute:
            self._last_minute = minute
            for pipeline in PIPELINES:
                if pipeline.cron:
                    scheduled = minute * 60.0
                    self._runs.append(
                        Run(pipeline, now, self._random, self._put, scheduled=scheduled)
                    )
                    self._write_cron(pipeline, scheduled)

    def _collect(self, run: Run) -> None:
        """TTL and podGC in one: the workflow and its pods go."""
        self._remove("workflows", run.workflow)
        for pod in run.pods:
            self._remove("pods", pod)

    def _templates(self, now: float) -> None:
        for pipeline in PIPELINES:
            if pipeline.template:
                self._put(
                    "workflowtemplates",
                    self._object("WorkflowTemplate", pipeline, now, {"templates": []}),
                )
            if pipeline.cron:
                self._crons = {pipeline.name: self._object("CronWorkflow", pipeline, now, _CRON)}
                self._write_cron(pipeline, 0.0)

    def _object(self, kind: str, pipeline: Pipeline, now: float, spec: Object) -> Object:
        return {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": kind,
            "metadata": {
                "name": pipeline.name,
                "namespace": pipeline.namespace,
                "uid": make.uid(self._random),
                "creationTimestamp": make.stamp(now - 30 * 86400),
            },
            "spec": spec,
            "status": {},
        }

    def _write_cron(self, pipeline: Pipeline, scheduled: float) -> None:
        cron = self._crons[pipeline.name]
        if scheduled:
            cron["status"] = {"phase": "Active", "lastScheduledTime": make.stamp(scheduled)}
        self._put("cronworkflows", cron)

    def _history(self, now: float) -> None:
        """Finished workflows of the last week, as a cluster with a long TTL has them."""
        for pipeline in PIPELINES:
            for _ in range(self._random.randint(6, 14)):
                begin = now - self._random.uniform(3600.0, WEEK - 3600.0)
                length = self._random.uniform(60.0, 900.0)
                found = make.workflow(
                    f"{pipeline.name}-{make.suffix(self._random)}",
                    pipeline.namespace,
                    begin,
                    self._random,
                    generate_name=f"{pipeline.name}-",
                )
                phase = "Failed" if self._random.random() < 0.15 else "Succeeded"
                root = make.node(
                    found["metadata"]["name"],
                    found["metadata"]["name"],
                    "main",
                    "Pod",
                    begin,
                    template="main",
                )
                root |= {"phase": phase, "finishedAt": make.stamp(begin + length)}
                if phase == "Failed":
                    root["message"] = "main: Error (exit code 1)"
                found["status"] = {
                    "phase": phase,
                    "startedAt": make.stamp(begin),
                    "finishedAt": make.stamp(begin + length),
                    "message": root.get("message", ""),
                    "nodes": {root["id"]: root},
                }
                self._put("workflows", found)


_CRON: Object = {
    "schedules": ["* * * * *"],
    "timezone": "Europe/Berlin",
    "concurrencyPolicy": "Forbid",
    "workflowSpec": {"entrypoint": "main", "templates": [{"name": "main"}]},
}
