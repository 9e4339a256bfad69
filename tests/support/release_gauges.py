"""What the gauges of a rollout have to be when nothing is changing: from its spec, the pods that
there are, and the lines of truth about its steps."""

import json

from argoscope.metrics.model import Metric
from argoscope.resources.rollout import metrics as m
from argoscope.simulator.engine.kernel import Kernel, Object
from argoscope.simulator.engine.rollouts.spec import HASH
from support.virtual_daemon import VirtualDaemon


def differences(
    kernel: Kernel, daemon: VirtualDaemon, namespace: str, name: str, app: str | None = None
) -> list[str]:
    """Of REPLICAS, STEP, STEPS and INFO; ``app`` selects its pods where others have theirs."""
    rollout = kernel.get("rollouts", namespace, name)
    assert rollout is not None
    strategy: Object = rollout["spec"]["strategy"]
    kind = next(iter(strategy), "")
    steps = (strategy.get("canary") or {}).get("steps") or []
    pods = _pods(kernel, namespace, app)
    ready = [pod for pod in pods if _is_ready(pod)]
    if kind == "blueGreen":  # what serves is what is available
        service = kernel.get("services", namespace, strategy[kind]["activeService"])
        assert service is not None
        active = service["spec"]["selector"][HASH]
        ready = [pod for pod in ready if pod["metadata"]["labels"][HASH] == active]
    routers = (strategy.get("canary") or {}).get("trafficRouting") or {}
    found: list[str] = []

    def check(metric: Metric, labels: tuple[str, ...], expected: float) -> None:
        shown = daemon.gauges(metric).get((namespace, name, *labels))
        if shown != expected:
            found.append(f"{metric.prometheus}{(name, *labels)}: {shown}, in truth {expected}")

    check(m.REPLICAS, ("desired",), rollout["spec"].get("replicas", 1))
    check(m.REPLICAS, ("current",), len(pods))
    check(m.REPLICAS, ("ready",), len(ready))
    check(m.REPLICAS, ("available",), len(ready))
    check(m.INFO, (kind, "", "+".join(sorted(routers))), 1.0)
    told = [
        line["index"]
        for line in kernel.truth.of("rollout_at_step")
        if (line["namespace"], line["rollout"]) == (namespace, name)
    ]
    if steps:
        check(m.STEPS, (), len(steps))
        check(m.STEP, (), told[-1])
    return found


def live(kernel: Kernel, plural: str) -> list[Object]:
    """All objects of a kind, as the API has them."""
    return [json.loads(s.json) for s in kernel.cluster.collections[plural].objects.values()]


def _pods(kernel: Kernel, namespace: str, app: str | None) -> list[Object]:
    found = []
    for pod in live(kernel, "pods"):
        meta = pod["metadata"]
        labels = meta.get("labels") or {}
        mine = meta["namespace"] == namespace and (app is None or labels.get("app") == app)
        going = "deletionTimestamp" in meta or pod["status"]["phase"] == "Failed"
        if mine and not going:
            found.append(pod)
    return found


def _is_ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
