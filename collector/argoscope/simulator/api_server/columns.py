"""What ``kubectl get`` prints of each kind: the columns of Kubernetes and of Argo's CRDs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """``cell`` gets the object and the cluster's Unix time. Priority 1: only with ``-o wide``."""

    name: str
    cell: Callable[[Object, float], Any]
    type: str = "string"
    priority: int = 0


def duration(seconds: float) -> str:
    """As kubectl writes ages: 5s, 3m20s, 12m, 4h5m, 3d2h, 40d."""
    total = int(seconds)
    if total < 0:
        return "<invalid>" if total < -1 else "0s"
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if total < 120:
        return f"{total}s"
    if minutes < 10:
        return _two(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two(days // 365, "y", days % 365, "d") if days < 2920 else f"{days // 365}y"


def _two(large: int, unit: str, small: int, part: str) -> str:
    return f"{large}{unit}{small}{part}" if small else f"{large}{unit}"


def age(text: Any, now: float) -> str | None:
    """None, which prints as nothing, where there is no time."""
    if text is None:
        return None
    try:
        return duration(now - datetime.fromisoformat(text).timestamp())
    except (TypeError, ValueError):
        return "<unknown>"


def _at(obj: Object, path: str) -> Any:
    found: Any = obj
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _value(
    name: str, path: str, type_: str = "string", missing: Any = None, priority: int = 0
) -> Column:
    def cell(obj: Object, _: float) -> Any:
        found = _at(obj, path)
        return missing if found is None else found

    return Column(name, cell, type_, priority)


def _age(path: str = "metadata.creationTimestamp", name: str = "Age") -> Column:
    return Column(name, lambda obj, now: age(_at(obj, path), now))


def _since(name: str, path: str) -> Column:
    """As an age, empty where there is none."""
    return Column(name, lambda obj, now: age(found, now) if (found := _at(obj, path)) else "<none>")


def _pod_ready(obj: Object, _: float) -> str:
    statuses = _at(obj, "status.containerStatuses") or []
    total = len(_at(obj, "spec.containers") or [])
    return f"{sum(bool(s.get('ready')) for s in statuses)}/{total}"


def _pod_restarts(obj: Object, now: float) -> str:
    statuses = _at(obj, "status.containerStatuses") or []
    restarts = sum(status.get("restartCount", 0) for status in statuses)
    ended = [_at(status, "lastState.terminated.finishedAt") for status in statuses]
    last = max(filter(None, ended), default=None)
    return f"{restarts} ({age(last, now)} ago)" if restarts and last else str(restarts)


def _pod_status(obj: Object, _: float) -> str:
    """What printPod in kubernetes/pkg/printers/internalversion makes of a pod."""
    status = obj.get("status") or {}
    reason = _init_reason(obj)
    shown: str = reason or status.get("reason") or status.get("phase") or "Unknown"
    if not reason:
        running = False
        for container in reversed(status.get("containerStatuses") or []):
            state = container.get("state") or {}
            running |= "running" in state and bool(container.get("ready"))
            shown = _state_reason(state) or shown
        if shown == "Completed" and running:
            shown = "Running"
    if obj["metadata"].get("deletionTimestamp"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return shown


def _init_reason(obj: Object) -> str:
    statuses = _at(obj, "status.initContainerStatuses") or []
    for done, container in enumerate(statuses):
        state = container.get("state") or {}
        terminated = state.get("terminated")
        if terminated and not terminated.get("exitCode"):
            continue
        reason = _state_reason(state)
        if reason and reason != "PodInitializing":
            return f"Init:{reason}"
        return f"Init:{done}/{len(_at(obj, 'spec.initContainers') or statuses)}"
    return ""


def _state_reason(state: Object) -> str:
    if waiting := state.get("waiting"):
        return str(waiting.get("reason") or "")
    if terminated := state.get("terminated"):
        if signal := terminated.get("signal"):
            return str(terminated.get("reason") or f"Signal:{signal}")
        return str(terminated.get("reason") or f"ExitCode:{terminated.get('exitCode', 0)}")
    return ""


def _node_status(obj: Object, _: float) -> str:
    conditions = _at(obj, "status.conditions") or []
    ready = next((c.get("status") for c in conditions if c.get("type") == "Ready"), "Unknown")
    shown = {"True": "Ready", "False": "NotReady"}.get(str(ready), "Unknown")
    return shown + (",SchedulingDisabled" if _at(obj, "spec.unschedulable") else "")


def _node_roles(obj: Object, _: float) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = _at(obj, "metadata.labels") or {}
    return (
        ",".join(sorted(k.removeprefix(prefix) for k in labels if k.startswith(prefix))) or "<none>"
    )


def _event_object(obj: Object, _: float) -> str:
    involved = obj.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def _event_seen(obj: Object, now: float) -> str | None:
    last = obj.get("lastTimestamp") or _at(obj, "series.lastObservedTime") or obj.get("eventTime")
    return age(last, now)


def _schedules(obj: Object, _: float) -> str:
    spec = obj.get("spec") or {}
    return "; ".join([spec["schedule"]] if spec.get("schedule") else spec.get("schedules") or [])


def _size(path: str) -> Callable[[Object, float], int]:
    return lambda obj, _: len(_at(obj, path) or ())


def _ports(obj: Object, _: float) -> str:
    ports = _at(obj, "spec.ports") or []
    return ",".join(f"{p.get('port')}/{p.get('protocol', 'TCP')}" for p in ports) or "<none>"


def _ready_of(obj: Object, _: float) -> str:
    return f"{_at(obj, 'status.readyReplicas') or 0}/{_at(obj, 'spec.replicas') or 0}"


def _integer(name: str, path: str) -> Column:
    return _value(name, path, "integer")


_STATUS = _value("Status", "status.phase")

COLUMNS: dict[str, tuple[Column, ...]] = {
    "workflows": (*(_STATUS, _age("status.startedAt"), _value("Message", "status.message")),),
    "cronworkflows": (
        Column("Schedule", _schedules),
        Column("Suspend", lambda obj, _: str(bool(_at(obj, "spec.suspend")))),
        Column("Active", lambda obj, _: len(_at(obj, "status.active") or ()), "integer"),
        _since("Last Schedule", "status.lastScheduledTime"),
        _age(),
    ),
    "rollouts": (
        _integer("Desired", "spec.replicas"),
        _integer("Current", "status.replicas"),
        _integer("Up-to-date", "status.updatedReplicas"),
        _integer("Available", "status.availableReplicas"),
        _age(),
    ),
    "analysisruns": (_STATUS, _age()),
    "experiments": (_STATUS, _age()),
    "pods": (
        Column("Ready", _pod_ready),
        Column("Status", _pod_status),
        Column("Restarts", _pod_restarts),
        _age(),
        _value("IP", "status.podIP", missing="<none>", priority=1),
        _value("Node", "spec.nodeName", missing="<none>", priority=1),
        _value("Nominated Node", "status.nominatedNodeName", missing="<none>", priority=1),
        Column("Readiness Gates", lambda _, __: "<none>", priority=1),
    ),
    "nodes": (
        Column("Status", _node_status),
        Column("Roles", _node_roles),
        _age(),
        _value("Version", "status.nodeInfo.kubeletVersion"),
    ),
    "events": (
        Column("Last Seen", _event_seen),
        _value("Type", "type"),
        _value("Reason", "reason"),
        Column("Object", _event_object),
        _value("Message", "message"),
        _value("Count", "count", "integer", 1, 1),
    ),
    "namespaces": (_STATUS, _age()),
    "configmaps": (Column("Data", _size("data")), _age()),
    "secrets": (_value("Type", "type"), Column("Data", _size("data")), _age()),
    "services": (
        _value("Type", "spec.type"),
        _value("Cluster-IP", "spec.clusterIP", missing="<none>"),
        Column("External-IP", lambda _, __: "<none>"),
        Column("Port(s)", _ports),
        _age(),
    ),
    "deployments": (
        Column("Ready", _ready_of),
        _integer("Up-to-date", "status.updatedReplicas"),
        _integer("Available", "status.availableReplicas"),
        _age(),
    ),
    "replicasets": (
        _integer("Desired", "spec.replicas"),
        _integer("Current", "status.replicas"),
        _integer("Ready", "status.readyReplicas"),
        _age(),
    ),
    "leases": (_value("Holder", "spec.holderIdentity"), _age()),
}
"""By plural; kinds that are not here have an age only."""

AGE_ONLY = (_age(),)
