"""What people do with workflows: the argo command's ways of changing the objects."""

import copy

from argoscope.simulator.engine.argo.nodes import FAILED
from argoscope.simulator.engine.argo.storage import inflate
from argoscope.simulator.engine.argo.told import tell_node
from argoscope.simulator.engine.kernel import Kernel, Object, stamp
from argoscope.simulator.engine.pods import delete_pod

ACTION = "workflows.argoproj.io/action"
ACTOR = "workflows.argoproj.io/actor"


def submit(kernel: Kernel, workflow: Object) -> Object:
    """``argo submit`` or ``kubectl create``: a generateName becomes a name."""
    made = copy.deepcopy(workflow)
    meta = made["metadata"]
    if "name" not in meta:
        meta["name"] = meta["generateName"] + kernel.suffix()
    meta.setdefault("namespace", "default")
    kernel.put("workflows", made)
    return made


def stop(kernel: Kernel, namespace: str, name: str, actor: str = "") -> None:
    _shut_down(kernel, namespace, name, "Stop", actor)


def terminate(kernel: Kernel, namespace: str, name: str, actor: str = "") -> None:
    _shut_down(kernel, namespace, name, "Terminate", actor)


def _shut_down(kernel: Kernel, namespace: str, name: str, strategy: str, actor: str) -> None:
    workflow = _find(kernel, namespace, name)
    workflow["spec"]["shutdown"] = strategy
    _sign(kernel, workflow, strategy, actor)
    kernel.put("workflows", workflow)


def suspend(kernel: Kernel, namespace: str, name: str, actor: str = "") -> None:
    workflow = _find(kernel, namespace, name)
    workflow["spec"]["suspend"] = True
    _sign(kernel, workflow, "Suspend", actor)
    kernel.put("workflows", workflow)


def resume(kernel: Kernel, namespace: str, name: str, actor: str = "") -> None:
    """Resumes a suspended workflow, and approves what waits for it."""
    workflow = _find(kernel, namespace, name)
    workflow["spec"].pop("suspend", None)
    for node in (workflow.get("status", {}).get("nodes") or {}).values():
        if node["type"] == "Suspend" and node["phase"] == "Running":
            node |= {
                "phase": "Succeeded",
                "message": f"Resumed by: map[User:{actor or 'admin'}]",
                "finishedAt": stamp(kernel.now),
            }
            kernel.truth.tell("approved", namespace=namespace, workflow=name, node=node["id"])
            tell_node(kernel, workflow, node)
    _sign(kernel, workflow, "Resume", actor)
    kernel.put("workflows", workflow)


def retry(kernel: Kernel, namespace: str, name: str, actor: str = "") -> None:
    """``argo retry``: what failed is forgotten and made again, under the same uid and ids."""
    workflow = _find(kernel, namespace, name)
    status, meta = workflow["status"], workflow["metadata"]
    inflate(status)
    nodes = status.get("nodes") or {}
    gone = {
        i
        for i, n in nodes.items()
        if (
            n["phase"] in (*FAILED, "Omitted", "Skipped")
            and n["type"] in ("Pod", "Skipped", "Suspend", "HTTP")
        )
        or n["name"].endswith(".onExit")
    }
    for node in list(nodes.values()):
        if node["id"] in gone:
            del nodes[node["id"]]
        elif node["phase"] in FAILED:
            node |= {"phase": "Running", "startedAt": stamp(kernel.now)}
            for field in ("finishedAt", "message", "outboundNodes"):
                node.pop(field, None)
    for node in nodes.values():
        if "children" in node:
            node["children"] = [i for i in node["children"] if i not in gone]
    _delete_pods(kernel, namespace, name, gone)
    for field in ("phase", "finishedAt", "message"):
        status.pop(field, None)
    status["startedAt"] = stamp(kernel.now)
    for condition in status.get("conditions", ()):
        if condition["type"] == "Completed":
            condition["status"] = "False"
    meta["labels"]["workflows.argoproj.io/completed"] = "false"
    meta["labels"].pop("workflows.argoproj.io/phase", None)
    workflow["spec"].pop("shutdown", None)
    _sign(kernel, workflow, "Retry", actor)
    kernel.truth.tell(
        "retried", namespace=namespace, workflow=name, uid=meta["uid"], removed=sorted(gone)
    )
    kernel.put("workflows", workflow)


def _delete_pods(kernel: Kernel, namespace: str, name: str, nodes: set[str]) -> None:
    for key, stored in list(kernel.cluster.collections["pods"].objects.items()):
        if key[0] != namespace or stored.labels.get("workflows.argoproj.io/workflow") != name:
            continue
        pod = kernel.get("pods", *key)
        if pod is None:
            continue
        node = (pod["metadata"].get("annotations") or {}).get("workflows.argoproj.io/node-id")
        if node in nodes:
            delete_pod(kernel, pod, grace=0)


def resubmit(kernel: Kernel, namespace: str, name: str, actor: str = "") -> Object:
    """``argo resubmit``: a new workflow of the same spec, which says where it comes from."""
    old = _find(kernel, namespace, name)
    meta = old["metadata"]
    base = meta.get("generateName") or f"{name}-"
    own = {k: v for k, v in (meta.get("labels") or {}).items() if "argoproj.io" not in k}
    labels = {**own, "workflows.argoproj.io/resubmitted-from-workflow": name}
    made: Object = {
        "metadata": {"generateName": base, "namespace": namespace, "labels": labels},
        "spec": {k: v for k, v in copy.deepcopy(old["spec"]).items() if k != "shutdown"},
    }
    _sign(kernel, made, "Resubmit", actor)
    return submit(kernel, made)


def delete(kernel: Kernel, namespace: str, name: str, actor: str = "") -> None:
    """``kubectl delete``: nothing says who did it."""
    del actor
    kernel.remove("workflows", _find(kernel, namespace, name))


def _sign(kernel: Kernel, workflow: Object, action: str, actor: str) -> None:
    meta = workflow["metadata"]
    kernel.truth.tell(
        "action",
        namespace=meta["namespace"],
        workflow=meta.get("name", ""),
        uid=meta.get("uid", ""),
        action=action.lower(),
    )
    if actor:
        labels = workflow["metadata"].setdefault("labels", {})
        labels |= {ACTION: action, ACTOR: actor}


def _find(kernel: Kernel, namespace: str, name: str) -> Object:
    found = kernel.get("workflows", namespace, name)
    if found is None:
        raise LookupError(f"there is no workflow {namespace}/{name}")
    return found
