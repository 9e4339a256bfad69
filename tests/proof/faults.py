"""What happens to the daemon, or the cluster, that no scenario file can say.

Some of it is real (the daemon's own code meets the fault), some is made up where the real thing
needs a network or a second daemon; ``Play.injected`` names the latter.
"""

import asyncio
import random
import tempfile

from argoscope.lease import metrics as lease_metrics
from argoscope.ledger import metrics as ledger_metrics
from argoscope.ledger.keeper import Keeper
from argoscope.ledger.ledger import Ledger
from argoscope.metrics import internal
from argoscope.resources.workflow.metrics import TEMPLATE_DURATION
from argoscope.watch.status import State
from proof.playing import Stage
from support.scripted import objects as make

WORKFLOW_ERRORS = (
    'argo_workflows_queue_retries{queue_name="workflow_queue"}',
    'argo_workflows_k8s_request_total{kind="pods",verb="Create",status_code="403"}',
    'argo_workflows_pod_missing{node_phase="Running",recently_started="false"}',
)
ROLLOUT_ERRORS = (
    'rollout_reconcile_error{namespace="hangs",name="never-ready"}',
    'analysis_run_reconcile_error{namespace="hangs",name="measured"}',
)
STORED = 5200
"""Finished workflows of the namespace that nobody cleans up: more than the alerts' limits."""


_SENT = (internal.TRACES_SENT, internal.TRACES_SPANS_SENT)


def blind(stage: Stage) -> None:
    """For its last 40 minutes the daemon sees no pods, can't write its ledger, and exports fail.
    It has no lease, and a metric that may have one series only."""
    _keep_a_ledger(stage)
    registry, world = stage.daemon.registry, stage.world
    for metric in lease_metrics.METRICS:
        registry.register(metric)
    registry.own("lease", [(lease_metrics.HELD, (), 0.0)])
    registry.own("watermark", [(lease_metrics.WATERMARK, (), stage.start)])
    for family in registry.families:
        if family.metric is TEMPLATE_DURATION:
            family.budget = 1
    exporter = internal.EXPORTER.values[0]
    for reason in internal.EXPORT_REASON.values:
        registry.declare(internal.EXPORT_FAILURES, (exporter, reason))
    registry.declare(internal.EXPORT_UNACKNOWLEDGED, (exporter,))

    for reason in internal.TRACE_REASON.values:
        registry.declare(internal.TRACES_DECIDED, (reason,))
    for reason in internal.DROP_REASON.values:
        registry.declare(internal.TRACES_DROPPED, (reason,))
    for metric in (*_SENT, internal.TRACES_SPANS_TRUNCATED):
        registry.declare(metric, ())

    def trace(*, fails: bool) -> None:
        registry.count(internal.TRACES_DECIDED, ("failure" if fails else "share",))
        waiting = 900.0 if fails else 0.0
        queued = (internal.TRACES_QUEUED, internal.TRACES_QUEUED_BYTES)
        registry.own("traces", [(metric, (), waiting) for metric in queued])
        if fails:
            registry.count(internal.TRACES_DROPPED, ("queue_full",))
            registry.count(internal.TRACES_SPANS_TRUNCATED, (), 100)
        else:
            for metric in _SENT:
                registry.count(metric, ())

    def export(*, fails: bool) -> None:
        trace(fails=fails)
        registry.own("export", [(internal.EXPORT_DURATION, (exporter,), 9.5 if fails else 0.04)])
        if fails:
            registry.count(internal.EXPORT_FAILURES, (exporter, "connection"))
            registry.count(ledger_metrics.RUNS_DROPPED, ())
        else:
            registry.count(internal.EXPORT_UNACKNOWLEDGED, (exporter,))
            last = [(internal.EXPORT_LAST_SUCCESS, (exporter,), world.kernel.now)]
            registry.own("last export", last)

    bad = stage.end - 2400.0

    def every_minute() -> None:
        export(fails=world.kernel.now >= bad)
        world.kernel.after(60.0, every_minute)

    def fail() -> None:
        pods = stage.statuses["pods"]
        pods.state, pods.up, pods.reason = State.FAILING, False, "403 Forbidden"
        pods.relists["error"] = 3
        registry.own("shards", [(internal.SHARDS, (), 2.0)])  # and there is no second one

    every_minute()
    world.at(bad, fail)


def gone(stage: Stage) -> None:
    """It can't be scraped any more for the last quarter of an hour."""

    def leave() -> None:
        stage.reachable = False

    stage.world.at(stage.end - 900.0, leave)


def hoarding(stage: Stage) -> None:
    """More finished workflows without a TTL than anybody should keep."""
    rng = random.Random("hoard")  # of its own: the engine draws the other uids from the seed
    kernel, then = stage.world.kernel, stage.start - 86_400.0
    for number in range(STORED):
        name = f"kept-{number:05}"
        found = make.workflow(name, "untidy", then, rng, generate_name="kept-")
        found["metadata"]["labels"] = {
            "workflows.argoproj.io/completed": "true",
            "workflows.argoproj.io/phase": "Succeeded",
        }
        times = {"startedAt": make.stamp(then), "finishedAt": make.stamp(then + 60.0)}
        del found["spec"]["ttlStrategy"]
        found["status"] = {"phase": "Succeeded", **times}
        kernel.put("workflows", found)


def hanging(stage: Stage) -> None:
    """The volumes of ``no-mount`` can't be mounted, which only an Event says; and Argo's
    controllers count errors, which the simulated ones never make."""
    world = stage.world
    stage.more["workflow-controller"] = lambda: _grown(WORKFLOW_ERRORS, stage)
    stage.more["argo-rollouts"] = lambda: _grown(ROLLOUT_ERRORS, stage)

    def complain() -> None:
        for key in list(world.cluster.collections["pods"].objects):
            pod = world.kernel.get("pods", *key)
            if key[1].startswith("no-mount-") and pod is not None:
                message = 'MountVolume.SetUp failed for volume "data" : rpc error: timeout'
                world.recorder.event(
                    "Pod", pod, "FailedMount", message, component="kubelet", warning=True
                )
        if world.kernel.now < stage.start + 7200.0:
            world.kernel.after(120.0, complain)

    world.at(stage.start + 700.0, complain)


def _keep_a_ledger(stage: Stage) -> None:
    """A real ledger on a real disk, to which it can't be written for the last 40 minutes."""
    registry = stage.daemon.registry
    for metric in ledger_metrics.METRICS:
        registry.register(metric)
    folder = stage.ending.enter_context(tempfile.TemporaryDirectory(prefix="argoscope-proof-"))
    ledger = Ledger.open(folder, now=lambda: stage.world.kernel.now)
    keeper = Keeper(ledger, registry, lambda: ())
    runner = stage.ending.enter_context(asyncio.Runner())
    stage.ending.callback(lambda: runner.run(keeper.close(2.0)))
    stage.daemon.publish = lambda: runner.run(keeper.step())
    refuse = "PRAGMA query_only = 1"
    stage.world.at(stage.end - 2400.0, lambda: ledger.database.query(refuse))


def _grown(names: tuple[str, ...], stage: Stage) -> str:
    """Counters that grow by one a minute."""
    value = int((stage.world.kernel.now - stage.start) / 60.0)
    return "".join(f"{name} {value}\n" for name in names)
