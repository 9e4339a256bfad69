"""What people do to rollouts: the changes that ``kubectl argo rollouts`` and ``kubectl`` make.

Each raises LookupError when there is no such object.
"""

from copy import deepcopy
from typing import Any

from argoscope.simulator.engine.kernel import Kernel, Object, stamp
from argoscope.simulator.engine.rollouts import spec
from argoscope.simulator.engine.rollouts.replicas import hash_of, revision_of


def create(kernel: Kernel, plural: str, obj: Object) -> Object:
    """``kubectl create``: the first generation, no status."""
    obj["metadata"].setdefault("generation", 1)
    kernel.put(plural, obj)
    return obj


def delete(kernel: Kernel, namespace: str, name: str) -> None:
    kernel.remove("rollouts", _get(kernel, "rollouts", namespace, name))


def patch(kernel: Kernel, plural: str, namespace: str, name: str, change: Object) -> Object:
    """A JSON merge patch; a changed spec is another generation, as the API server counts it."""
    obj = _get(kernel, plural, namespace, name)
    before = deepcopy(obj.get("spec"))
    _merge(obj, deepcopy(change))
    if obj.get("spec") != before:
        obj["metadata"]["generation"] = obj["metadata"].get("generation", 1) + 1
    kernel.put(plural, obj)
    return obj


def set_image(
    kernel: Kernel, namespace: str, name: str, image: str, container: str | None = None
) -> None:
    """``set image``: of one container, or of all; of the workload that the rollout refers to."""
    plural, obj = _workload(kernel, namespace, name)
    template = deepcopy(obj["spec"]["template"])
    for each in template["spec"]["containers"]:
        if container in (None, each["name"]):
            each["image"] = image
    patch(kernel, plural, namespace, obj["metadata"]["name"], {"spec": {"template": template}})


def promote(kernel: Kernel, namespace: str, name: str, *, full: bool = False) -> None:
    """``promote``: ends a pause, or skips the present step; ``full`` goes to the end."""
    rollout = _get(kernel, "rollouts", namespace, name)
    status = rollout.get("status") or {}
    if full:
        if status.get("currentPodHash") != status.get("stableRS"):
            patch(kernel, "rollouts", namespace, name, {"status": {"promoteFull": True}})
        return
    if rollout["spec"].get("paused"):
        patch(kernel, "rollouts", namespace, name, {"spec": {"paused": False}})
    if status.get("pauseConditions"):
        patch(kernel, "rollouts", namespace, name, {"status": {"pauseConditions": None}})
    elif spec.steps(rollout):
        index = min((status.get("currentStepIndex") or 0) + 1, len(spec.steps(rollout)))
        change = {"pauseConditions": None, "currentStepIndex": index}
        patch(kernel, "rollouts", namespace, name, {"status": change})


def abort(kernel: Kernel, namespace: str, name: str) -> None:
    patch(kernel, "rollouts", namespace, name, {"status": {"abort": True}})


def retry(kernel: Kernel, namespace: str, name: str) -> None:
    """``retry rollout``: another attempt of the revision that was aborted."""
    patch(kernel, "rollouts", namespace, name, {"status": {"abort": False}})


def pause(kernel: Kernel, namespace: str, name: str) -> None:
    patch(kernel, "rollouts", namespace, name, {"spec": {"paused": True}})


def resume(kernel: Kernel, namespace: str, name: str) -> None:
    patch(kernel, "rollouts", namespace, name, {"spec": {"paused": False}})


def restart(kernel: Kernel, namespace: str, name: str) -> None:
    """``restart``: pods older than now are replaced."""
    patch(kernel, "rollouts", namespace, name, {"spec": {"restartAt": stamp(kernel.now)}})


def scale(kernel: Kernel, namespace: str, name: str, replicas: int) -> None:
    patch(kernel, "rollouts", namespace, name, {"spec": {"replicas": replicas}})


def undo(kernel: Kernel, namespace: str, name: str, revision: int = 0) -> None:
    """``undo``: back to the pod template of a revision; 0 is the one before the present one."""
    plural, obj = _workload(kernel, namespace, name)
    rollout = _get(kernel, "rollouts", namespace, name)
    current = (rollout.get("status") or {}).get("currentPodHash", "")
    uid, found = rollout["metadata"]["uid"], []
    for where, each in list(kernel.cluster.collections["replicasets"].objects):
        replica_set = kernel.get("replicasets", where, each)
        if replica_set and any(
            owner["uid"] == uid for owner in replica_set["metadata"].get("ownerReferences") or ()
        ):
            found.append(replica_set)
    old = [each for each in found if hash_of(each) != current]
    chosen = [each for each in old if revision in (0, revision_of(each))]
    if not chosen:
        raise LookupError(f"rollout {namespace}/{name} has no revision {revision or 'before'}")
    template = deepcopy(max(chosen, key=revision_of)["spec"]["template"])
    template["metadata"]["labels"].pop(spec.HASH, None)
    obj["spec"]["template"] = {}
    patch(kernel, plural, namespace, obj["metadata"]["name"], {"spec": {"template": template}})


def _workload(kernel: Kernel, namespace: str, name: str) -> tuple[str, Object]:
    """(plural, object) of what has the pod template."""
    rollout = _get(kernel, "rollouts", namespace, name)
    reference = rollout["spec"].get("workloadRef")
    if reference:
        return "deployments", _get(kernel, "deployments", namespace, reference["name"])
    return "rollouts", rollout


def _get(kernel: Kernel, plural: str, namespace: str, name: str) -> Object:
    found = kernel.get(plural, namespace, name)
    if found is None:
        raise LookupError(f"{plural} {namespace}/{name} not found")
    return found


def _merge(target: Object, change: dict[str, Any]) -> None:
    for key, value in change.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            kept = target.get(key)
            if not isinstance(kept, dict):
                kept = target[key] = {}
            _merge(kept, value)
        else:
            target[key] = value
