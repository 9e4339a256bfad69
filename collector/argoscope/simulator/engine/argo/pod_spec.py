"""The pod that the controller makes for a node."""

from typing import Any

from argoscope.simulator.engine.argo.nodes import pod_name
from argoscope.simulator.engine.argo.version import Argo
from argoscope.simulator.engine.kernel import Kernel, Object


def make_pod(
    kernel: Kernel, argo: Argo, workflow: Object, node: Object, template: Object, spec: Object
) -> Object:
    """The pod of a node whose template runs containers; ``spec`` is the workflow's."""
    meta = workflow["metadata"]
    own = template.get("metadata") or {}
    wide = spec.get("podMetadata") or {}
    name = pod_name(meta["name"], node["name"], template["name"])
    annotations = {
        "kubectl.kubernetes.io/default-container": "main",
        "workflows.argoproj.io/node-id": node["id"],
        "workflows.argoproj.io/node-name": node["name"],
        **(wide.get("annotations") or {}),
        **(own.get("annotations") or {}),
    }
    trace = (meta.get("annotations") or {}).get("workflows.argoproj.io/trace-id")
    if trace:
        annotations |= {
            "workflows.argoproj.io/span-id": kernel.hex(16),
            "workflows.argoproj.io/trace-id": trace,
        }
    pod_spec: Object = {
        "volumes": [
            {"name": "var-run-argo", "emptyDir": {}},
            {"name": "tmp-dir-argo", "emptyDir": {}},
            *(spec.get("volumes") or ()),
            *(template.get("volumes") or ()),
        ],
        "initContainers": _inits(argo, workflow, node, template),
        "containers": _containers(argo, workflow, node, template),
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": spec.get("serviceAccountName", "default"),
        "securityContext": {},
        "schedulerName": "default-scheduler",
        "priority": int(template.get("priority") or spec.get("podPriority") or 0),
        "enableServiceLinks": True,
    }
    selector = {**(spec.get("nodeSelector") or {}), **(template.get("nodeSelector") or {})}
    if selector:
        pod_spec["nodeSelector"] = selector
    return {
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "labels": {
                **(wide.get("labels") or {}),
                **(own.get("labels") or {}),
                "workflows.argoproj.io/completed": "false",
                "workflows.argoproj.io/workflow": meta["name"],
            },
            "annotations": annotations,
            "ownerReferences": [owner(workflow)],
        },
        "spec": pod_spec,
        "status": {"phase": "Pending", "qosClass": _qos(pod_spec)},
    }


def make_agent(argo: Argo, workflow: Object, name: str) -> Object:
    """The pod that makes a workflow's HTTP requests and plugin calls."""
    meta = workflow["metadata"]
    container = {"name": "main", "image": argo.executor, "command": ["argoexec", "agent", "main"]}
    init = {"name": "init", "image": argo.executor, "command": ["argoexec", "agent", "init"]}
    return {
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "labels": {
                "workflows.argoproj.io/component": "agent",
                "workflows.argoproj.io/completed": "false",
                "workflows.argoproj.io/workflow": meta["name"],
            },
            "annotations": {
                "kubectl.kubernetes.io/default-container": "main",
                "simulator.argoscope.dev/behaviour": '{"seconds": null}',
            },
            "ownerReferences": [owner(workflow)],
        },
        "spec": {
            "initContainers": [init],
            "containers": [container],
            "restartPolicy": "OnFailure",
            "priority": 0,
        },
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    }


def owner(workflow: Object) -> Object:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "name": workflow["metadata"]["name"],
        "uid": workflow["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _executor(argo: Argo, workflow: Object, node: Object, name: str) -> Object:
    meta = workflow["metadata"]
    return {
        "name": name,
        "image": argo.executor,
        "command": ["argoexec", name, "--loglevel", "info", "--log-format", "text"],
        "env": [
            _field("ARGO_POD_NAME", "metadata.name"),
            _field("ARGO_POD_UID", "metadata.uid"),
            {"name": "ARGO_WORKFLOW_NAME", "value": meta["name"]},
            {"name": "ARGO_WORKFLOW_UID", "value": meta["uid"]},
            {"name": "ARGO_CONTAINER_NAME", "value": name},
            {"name": "ARGO_NODE_ID", "value": node["id"]},
        ],
        "resources": {},
        "volumeMounts": [{"name": "var-run-argo", "mountPath": "/var/run/argo"}],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }


def _field(name: str, path: str) -> Object:
    return {
        "name": name,
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}},
    }


def _inits(argo: Argo, workflow: Object, node: Object, template: Object) -> list[Object]:
    return [
        _executor(argo, workflow, node, "init"),
        *({"resources": {}, **c} for c in template.get("initContainers") or ()),
    ]


def _containers(argo: Argo, workflow: Object, node: Object, template: Object) -> list[Object]:
    waits = [] if "resource" in template else [_executor(argo, workflow, node, "wait")]
    if "containerSet" in template:
        mains = [dict(c) for c in template["containerSet"]["containers"]]
    elif "resource" in template:
        mains = [{"name": "main", "image": argo.executor, "command": ["argoexec", "resource"]}]
    else:
        source = template.get("container") or template.get("script") or {"image": argo.executor}
        main: dict[str, Any] = {k: v for k, v in source.items() if k != "source"}
        mains = [{**main, "name": "main"}]
        if "script" in template:
            mains[0]["args"] = [*(main.get("args") or ()), template["script"].get("source", "")]
    sidecars = [dict(c) for c in template.get("sidecars") or ()]
    full = {"resources": {}, "imagePullPolicy": "IfNotPresent"}
    return [*waits, *({**full, **c} for c in (*mains, *sidecars))]


def _qos(spec: Object) -> str:
    requested = any(
        (c.get("resources") or {}).get("requests") or (c.get("resources") or {}).get("limits")
        for c in spec["containers"]
    )
    return "Burstable" if requested else "BestEffort"
