"""Kubernetes' ReplicaSet controller: makes and deletes pods, and counts them."""

from copy import deepcopy

from argoscope.simulator.engine.kernel import Change, Kernel, Key, Object, key_of, unix
from argoscope.simulator.engine.pods import delete_pod
from argoscope.simulator.engine.recorder import Recorder

_TOLERATIONS = [
    {
        "key": f"node.kubernetes.io/{why}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }
    for why in ("not-ready", "unreachable")
]
_POD_DEFAULTS: Object = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
    "enableServiceLinks": True,
    "preemptionPolicy": "PreemptLowerPriority",
    "priority": 0,
    "tolerations": _TOLERATIONS,
}


class ReplicaSetController:
    """Looks after every ReplicaSet, whoever owns it."""

    def __init__(self, kernel: Kernel, recorder: Recorder) -> None:
        self._kernel = kernel
        self._recorder = recorder
        self._pods: dict[str, set[Key]] = {}
        """By the uid of the ReplicaSet that owns them."""
        self._keys: dict[str, Key] = {}
        self._looking: set[Key] = set()
        kernel.subscribe("replicasets", self._changed)
        kernel.subscribe("pods", self._pod_changed)

    def pods_of(self, replica_set: Object) -> list[Object]:
        """Its pods, the oldest first."""
        keys = self._pods.get(replica_set["metadata"]["uid"], ())
        found = [pod for key in sorted(keys) if (pod := self._kernel.get("pods", *key)) is not None]
        return sorted(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def _changed(self, change: Change, replica_set: Object) -> None:
        uid, key = replica_set["metadata"]["uid"], key_of(replica_set)
        if change == "DELETED":
            for pod in self.pods_of(replica_set):
                delete_pod(self._kernel, pod)
            self._keys.pop(uid, None)
            return
        self._keys[uid] = key
        self._look_after(key, self._kernel.between(0.01, 0.05))

    def _pod_changed(self, change: Change, pod: Object) -> None:
        for owner in pod["metadata"].get("ownerReferences") or ():
            if owner["kind"] != "ReplicaSet":
                continue
            uid = owner["uid"]
            if change == "DELETED":
                pods = self._pods.get(uid, set())
                pods.discard(key_of(pod))
                if not pods:
                    self._pods.pop(uid, None)
            else:
                self._pods.setdefault(uid, set()).add(key_of(pod))
            if uid in self._keys:
                self._look_after(self._keys[uid], self._kernel.between(0.01, 0.05))

    def _look_after(self, key: Key, seconds: float) -> None:
        if key not in self._looking:
            self._looking.add(key)
            self._kernel.after(seconds, lambda: self._look(key))

    def _look(self, key: Key) -> None:
        self._looking.discard(key)
        found = self._kernel.get("replicasets", *key)
        if found is None:
            return
        active = [pod for pod in self.pods_of(found) if _is_active(pod)]
        wanted = int(found["spec"].get("replicas") or 0)
        active += [self._create(found) for _ in range(wanted - len(active))]
        if len(active) > wanted:
            active = self._delete(found, active, len(active) - wanted)
        self._count(found, active)

    def _create(self, replica_set: Object) -> Object:
        kernel, meta = self._kernel, replica_set["metadata"]
        template = deepcopy(replica_set["spec"]["template"])
        stem = f"{meta['name']}-"
        pod: Object = {
            "metadata": {
                **template.get("metadata", {}),
                "name": stem + kernel.suffix(),
                "generateName": stem,
                "namespace": meta.get("namespace", ""),
                "ownerReferences": [
                    {
                        "apiVersion": "apps/v1",
                        "kind": "ReplicaSet",
                        "name": meta["name"],
                        "uid": meta["uid"],
                        "controller": True,
                        "blockOwnerDeletion": True,
                    }
                ],
            },
            "spec": {**deepcopy(_POD_DEFAULTS), **template["spec"]},
            "status": {"phase": "Pending", "qosClass": "BestEffort"},
        }
        pod["metadata"].pop("creationTimestamp", None)
        kernel.put("pods", pod)
        kernel.truth.tell(
            "pod_asked_for",
            namespace=meta.get("namespace", ""),
            pod=pod["metadata"]["name"],
            uid=pod["metadata"]["uid"],
            workflow="",
            node="",
            owner=next((o["name"] for o in meta.get("ownerReferences") or ()), meta["name"]),
        )
        self._pods.setdefault(meta["uid"], set()).add(key_of(pod))
        self._say(replica_set, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
        return pod

    def _delete(self, replica_set: Object, pods: list[Object], count: int) -> list[Object]:
        """Deletes the least useful pods; returns those that stay."""
        ranked = sorted(pods, key=_usefulness)
        for pod in ranked[:count]:
            self._say(replica_set, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
            delete_pod(self._kernel, pod)
        return ranked[count:]

    def _count(self, replica_set: Object, active: list[Object]) -> None:
        """Writes the status if the counts have changed."""
        least = float(replica_set["spec"].get("minReadySeconds") or 0)
        now = self._kernel.now
        ready = [since for pod in active if (since := _ready_since(pod)) is not None]
        waits = [since + least - now for since in ready if since + least > now]
        if waits:
            self._kernel.after(min(waits), lambda: self._look_after(key_of(replica_set), 0.0))
        available = len(ready) - len(waits)
        status: Object = {"replicas": len(active)}
        if active:
            status["fullyLabeledReplicas"] = len(active)
        if ready:
            status["readyReplicas"] = len(ready)
        if available:
            status["availableReplicas"] = available
        status["observedGeneration"] = replica_set["metadata"].get("generation", 1)
        if status != replica_set.get("status"):
            replica_set["status"] = status
            self._kernel.put("replicasets", replica_set)

    def _say(self, replica_set: Object, reason: str, message: str) -> None:
        self._recorder.event(
            "ReplicaSet",
            replica_set,
            reason,
            message,
            component="replicaset-controller",
            api_version="apps/v1",
        )


def _is_active(pod: Object) -> bool:
    over = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return not over and not pod["metadata"].get("deletionTimestamp")


def serves(pod: Object) -> bool:
    """Whether it is ready, and not on its way out."""
    return _is_active(pod) and _ready_since(pod) is not None


def _ready_since(pod: Object) -> float | None:
    """When the pod became ready, in Unix seconds."""
    for condition in pod.get("status", {}).get("conditions") or ():
        if condition["type"] == "Ready" and condition["status"] == "True":
            return unix(condition["lastTransitionTime"])
    return None


def _usefulness(pod: Object) -> tuple[bool, bool, float]:
    """Pods without a machine go first, then those not ready, then the youngest."""
    bound = bool(pod["spec"].get("nodeName"))
    ready = _ready_since(pod) is not None
    return bound, ready, -unix(pod["metadata"]["creationTimestamp"])
