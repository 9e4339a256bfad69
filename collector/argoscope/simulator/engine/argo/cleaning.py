"""What goes when work is over: pods by podGC, workflows by their TTL, and the label on pods."""

from argoscope.simulator.engine.argo import expand
from argoscope.simulator.engine.argo.nodes import FULFILLED, Nodes
from argoscope.simulator.engine.kernel import Kernel, Object, key_of
from argoscope.simulator.engine.pods import delete_pod

COMPLETED = "workflows.argoproj.io/completed"
DELAY = 5.0
"""Seconds between a pod's completion and its deletion by podGC (its default)."""


class Cleaning:
    """Argo's pod clean-up queue and TTL controller."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def after_look(self, workflow: Object, nodes: Nodes, pods: dict[str, Object]) -> None:
        """Pods of nodes that are over are labelled, or deleted where podGC says so."""
        strategy, delay = _pod_gc(workflow)
        for node in nodes.ended:
            pod = pods.get(node["id"])
            if pod is None or node["phase"] not in FULFILLED:
                continue
            if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
                continue
            good = node["phase"] == "Succeeded"
            if strategy == "OnPodCompletion" or (strategy == "OnPodSuccess" and good):
                self._delete(pod, delay)
            else:
                self._label(pod)

    def over(self, workflow: Object, pods: dict[str, Object]) -> None:
        strategy, delay = _pod_gc(workflow)
        phase = workflow["status"]["phase"]
        if strategy == "OnWorkflowCompletion" or (
            strategy == "OnWorkflowSuccess" and phase == "Succeeded"
        ):
            for pod in pods.values():
                self._delete(pod, delay)
        seconds = self._ttl(workflow)
        if seconds is not None:
            uid = workflow["metadata"]["uid"]
            key = key_of(workflow)
            late = self._kernel.between(0.1, 1.0)
            self._kernel.after(seconds + late, lambda: self._expire(key, uid))

    def _ttl(self, workflow: Object) -> float | None:
        status = workflow["status"]
        spec = status.get("storedWorkflowTemplateSpec") or workflow["spec"]
        ttl = spec.get("ttlStrategy")
        if not isinstance(ttl, dict):
            return None
        own = "secondsAfterSuccess" if status["phase"] == "Succeeded" else "secondsAfterFailure"
        found = ttl.get(own, ttl.get("secondsAfterCompletion"))
        return float(found) if isinstance(found, int | float) else None  # of a spec refused: any

    def _expire(self, key: tuple[str, str], uid: str) -> None:
        workflow = self._kernel.get("workflows", *key)
        if workflow is None or workflow["metadata"]["uid"] != uid:
            return
        labels = workflow["metadata"].get("labels") or {}
        if labels.get(COMPLETED) == "true":
            self._kernel.remove("workflows", workflow)

    def _label(self, pod: Object) -> None:
        def label() -> None:
            found = self._kernel.get("pods", *key_of(pod))
            if found is not None and found["metadata"]["uid"] == pod["metadata"]["uid"]:
                found["metadata"]["labels"][COMPLETED] = "true"
                self._kernel.put("pods", found)
                self._kernel.forget("pods", found)

        self._kernel.after(self._kernel.between(0.01, 0.1), label)

    def _delete(self, pod: Object, delay: float) -> None:
        def delete() -> None:
            found = self._kernel.get("pods", *key_of(pod))
            if found is not None and found["metadata"]["uid"] == pod["metadata"]["uid"]:
                delete_pod(self._kernel, found)

        self._kernel.after(delay, delete)


def _pod_gc(workflow: Object) -> tuple[str, float]:
    status = workflow.get("status") or {}
    spec = status.get("storedWorkflowTemplateSpec") or workflow["spec"]
    found = spec.get("podGC")
    if not isinstance(found, dict):
        return "", DELAY
    delay = found.get("deleteDelayDuration")
    return found.get("strategy", ""), DELAY if delay is None else expand.seconds(delay)
