"""What the API server fills in where a client left it out: only what clients are known to read."""

from typing import Any

from argoscope.simulator.kinds import Kind

Object = dict[str, Any]


def fill_in(kind: Kind, obj: Object) -> None:
    """Defaults of a new object, in place."""
    if kind.plural == "pods":
        _pod(obj)
    elif kind.plural == "namespaces":
        meta = obj["metadata"]
        meta["labels"] = {**(meta.get("labels") or {}), "kubernetes.io/metadata.name": meta["name"]}
        obj["spec"] = {**(obj.get("spec") or {}), "finalizers": ["kubernetes"]}
        obj["status"] = {"phase": "Active"}
    elif kind.plural == "services":
        obj["spec"] = {"type": "ClusterIP", "sessionAffinity": "None", **(obj.get("spec") or {})}
        obj["status"] = {"loadBalancer": {}}
    elif kind.plural in ("deployments", "replicasets"):
        obj["spec"] = {"replicas": 1, **(obj.get("spec") or {})}
        obj["status"] = {} if kind.plural == "deployments" else {"replicas": 0}
    elif kind.plural == "secrets":
        obj.setdefault("type", "Opaque")


def _pod(obj: Object) -> None:
    obj["spec"] = spec = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default",
        "schedulerName": "default-scheduler",
        **(obj.get("spec") or {}),
    }
    containers = spec.get("containers")
    requests = isinstance(containers, list) and any(
        isinstance(container, dict) and container.get("resources") for container in containers
    )
    obj["status"] = {"phase": "Pending", "qosClass": "Burstable" if requests else "BestEffort"}
