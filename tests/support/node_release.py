"""Plays the part of the Rollouts controller for a creation and a release that is aborted.

The ReplicaSets are real: the controller manager makes their pods and the kubelet runs them. The
status of the Rollout is written as Argo Rollouts 1.9 writes it.
"""

from dataclasses import dataclass

from support.argo_part import GROUP, Observer, now
from support.node import MERGE, Api, Object

ROLLOUT = "web"
_READY = 60.0
_COMMAND = "trap exit TERM; sleep 1; touch /tmp/ready; sleep 600 & wait"
_READINESS = {"exec": {"command": ["cat", "/tmp/ready"]}, "periodSeconds": 1}


@dataclass
class Release:
    """A canary of one replica: "aaa" becomes stable, "bbb" is aborted while its pod is ready."""

    namespace: str
    api: Api
    observer: Observer
    uid: str = ""

    async def play(self) -> None:
        await self._create()
        started = now()
        await self._revision(1, "aaa")
        await self._write(1, "aaa", started, stable="", healthy=False)
        await self.observer.until(lambda: self._is_ready("aaa"), _READY, "the pod of aaa is ready")
        await self._write(1, "aaa", started, stable="aaa", healthy=True)
        started = now()
        await self._revision(2, "bbb")
        await self._write(2, "bbb", started, stable="aaa", healthy=False)
        await self.observer.until(lambda: self._is_ready("bbb"), _READY, "the pod of bbb is ready")
        await self._write(2, "bbb", started, stable="aaa", healthy=False, abort=True)

    def pods(self) -> list[list[Object]]:
        """All versions of each pod that the ReplicaSets made."""
        return [
            versions
            for versions in self.observer.pods.values()
            if versions[0]["metadata"]["labels"].get("app") == ROLLOUT
        ]

    def _is_ready(self, digest: str) -> bool:
        return any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for versions in self.pods()
            if versions[0]["metadata"]["labels"]["rollouts-pod-template-hash"] == digest
            for condition in versions[-1]["status"].get("conditions", ())
        )

    @property
    def _path(self) -> str:
        return f"{GROUP}/namespaces/{self.namespace}/rollouts"

    async def _create(self) -> None:
        spec = {
            "replicas": 1,
            "selector": {"matchLabels": {"app": ROLLOUT}},
            "strategy": {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}},
            "template": _template({"app": ROLLOUT}),
        }
        body = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": ROLLOUT, "namespace": self.namespace},
            "spec": spec,
        }
        self.uid = (await self.api.call("POST", self._path, body))["metadata"]["uid"]

    async def _revision(self, revision: int, digest: str) -> None:
        """Marks the Rollout with the revision and makes its ReplicaSet."""
        mark = {"metadata": {"annotations": {"rollout.argoproj.io/revision": str(revision)}}}
        await self.api.call("PATCH", f"{self._path}/{ROLLOUT}", mark, MERGE)
        labels = {"app": ROLLOUT, "rollouts-pod-template-hash": digest}
        owner = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Rollout",
            "name": ROLLOUT,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
        meta = {"name": f"{ROLLOUT}-{digest}", "labels": labels, "ownerReferences": [owner]}
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": _template(labels)}
        path = f"/apis/apps/v1/namespaces/{self.namespace}/replicasets"
        await self.api.call("POST", path, {"metadata": meta, "spec": spec})

    async def _write(
        self,
        revision: int,
        digest: str,
        started: str,
        *,
        stable: str,
        healthy: bool,
        abort: bool = False,
    ) -> None:
        status: Object = {
            "observedGeneration": "1",
            "currentPodHash": digest,
            "stableRS": stable or None,
            "currentStepIndex": 2 if healthy else 0,
            "phase": "Healthy" if healthy else "Progressing",
            "message": None if healthy else "more replicas need to be updated",
            "conditions": [
                _condition("Completed", healthy, "RolloutCompleted", now() if healthy else started),
                *([_condition("Healthy", healthy, "RolloutHealthy", now())] if stable else []),
            ],
        }
        if abort:
            message = f"Rollout aborted update to revision {revision}"
            status |= {"phase": "Degraded", "abort": True, "abortedAt": now()}
            status["message"] = f"RolloutAborted: {message}"
            status["conditions"].append(_condition("Progressing", False, "RolloutAborted", now()))
        await self.api.call("PATCH", f"{self._path}/{ROLLOUT}/status", {"status": status}, MERGE)


def _template(labels: dict[str, str]) -> Object:
    container = {
        "name": "web",
        "image": "busybox:local",
        "command": ["sh", "-c", _COMMAND],
        "readinessProbe": _READINESS,
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 2}
    return {"metadata": {"labels": labels}, "spec": spec}


def _condition(kind: str, status: bool, reason: str, since: str) -> Object:
    """The v1alpha1 schema wants all of these."""
    return {
        "type": kind,
        "status": str(status),
        "reason": reason,
        "message": reason,
        "lastTransitionTime": since,
        "lastUpdateTime": since,
    }
