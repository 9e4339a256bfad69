"""The workflow controller: what is reconciled when, and what is shared between workflows."""

from functools import partial

from argoscope.simulator.engine.argo.cleaning import Cleaning
from argoscope.simulator.engine.argo.expand import UnresolvedError
from argoscope.simulator.engine.argo.leaves import ForbiddenError, SpecError
from argoscope.simulator.engine.argo.locks import Locks
from argoscope.simulator.engine.argo.nodes import Nodes
from argoscope.simulator.engine.argo.operation import PACE, Operation, finish
from argoscope.simulator.engine.argo.storage import inflate, write
from argoscope.simulator.engine.argo.templates import resolve, template_of
from argoscope.simulator.engine.argo.told import Told
from argoscope.simulator.engine.argo.validation import invalid, malformed
from argoscope.simulator.engine.argo.version import V4_1, Argo
from argoscope.simulator.engine.hashes import fnv32
from argoscope.simulator.engine.kernel import Change, Due, Kernel, Key, Object, key_of, stamp
from argoscope.simulator.engine.kubelet import Kubelet
from argoscope.simulator.engine.pods import delete_pod
from argoscope.simulator.engine.recorder import Recorder

BUSY = "Workflow processing has been postponed because too many workflows are already running"


class WorkflowController:
    """Argo's workflow controller.

    ``parallelism`` is how many workflows run at once in the cluster, ``namespace_parallelism`` in
    a namespace; ``pod_quota`` how many pods a namespace may have; ``offload_bytes`` from which size
    on compressed nodes go to a database instead (None: there is none).
    """

    def __init__(
        self,
        kernel: Kernel,
        recorder: Recorder,
        kubelet: Kubelet,
        *,
        argo: Argo = V4_1,
        parallelism: int | None = None,
        namespace_parallelism: dict[str, int] | None = None,
        pod_quota: dict[str, int] | None = None,
        semaphores: dict[str, int] | None = None,
        offload_bytes: int | None = None,
        node_events: bool = True,
    ) -> None:
        self.kernel = kernel
        self.argo = argo
        self.locks = Locks(semaphores, kernel.truth.tell)
        self.memo: dict[tuple[str, str, str], Object] = {}
        self.parallelism = parallelism
        self.namespace_parallelism = namespace_parallelism or {}
        self.pod_quota = pod_quota or {}
        self.offload_bytes = offload_bytes
        self.running = True
        """False while the controller is down."""
        self._back_at = kernel.now
        self.kubelet = kubelet
        self.told = Told(kernel, recorder, node_events=node_events)
        self._cleaning = Cleaning(kernel)
        self._due: dict[Key, Due] = {}
        self._looked: dict[Key, tuple[float, float]] = {}
        """When each workflow was looked at the last two times, where that matters."""
        self._active: set[Key] = set()
        """Workflows that have been started and are not over."""
        self._queued: list[Key] = []
        """PostponedError, in the order in which they came."""
        self._pods: dict[Key, dict[str, Object]] = {}
        """Of each workflow, by node id."""
        self._whys: dict[str, dict[str, str]] = {}
        """By the uid of each workflow at work, why its nodes failed."""
        self._live_pods: dict[str, set[str]] = {}
        """Names of pods that count against a namespace's quota."""
        kernel.subscribe("workflows", self._workflow_changed)
        kernel.subscribe("pods", self._pod_changed)

    # What calls for a look

    def _workflow_changed(self, change: Change, workflow: Object) -> None:
        key = key_of(workflow)
        if change == "DELETED":
            self.told.deleted(workflow, running=key in self._active)
            self._deleted(key, workflow)
            return
        if change == "ADDED":
            self.told.created(workflow)
        if not isinstance(workflow.get("spec"), dict):
            return  # a real API server does not take it
        labels = workflow["metadata"].get("labels") or {}
        if labels.get("workflows.argoproj.io/completed") == "true":
            return
        started = key in self._active or key in self._due
        if started:
            self.enqueue(key, PACE)
        else:
            self.enqueue(key, self.kernel.between(0.01, 0.06))

    def _pod_changed(self, change: Change, pod: Object) -> None:
        meta = pod["metadata"]
        labels = meta.get("labels") or {}
        workflow = labels.get("workflows.argoproj.io/workflow")
        if workflow is None:
            return
        key = (meta["namespace"], workflow)
        node = (meta.get("annotations") or {}).get("workflows.argoproj.io/node-id", "")
        over = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        live = self._live_pods.setdefault(meta["namespace"], set())
        if change == "DELETED" or over:
            live.discard(meta["name"])
        else:
            live.add(meta["name"])
        if key not in self._active:
            return
        mine = self._pods.setdefault(key, {})
        if change == "DELETED":
            if mine.get(node, {}).get("metadata", {}).get("uid") == meta["uid"]:
                del mine[node]
        elif node:
            mine[node] = pod
        self.enqueue(key, PACE)

    def enqueue(self, key: Key, seconds: float) -> None:
        """A look in that time; one that is due before stays."""
        at = self.kernel.now + seconds
        if seconds == PACE and self.argo.looks_twice:
            before = self._looked.get(key, (0.0, 0.0))[0]
            at = max(self.kernel.now + self.kernel.between(0.02, 0.08), before + PACE)
        waiting = self._due.get(key)
        if waiting is not None and waiting.waiting:
            if waiting.at <= at:
                return
            waiting.cancel()
        self._due[key] = self.kernel.at(at, lambda: self._reconcile(key))

    def restart(self, seconds: float) -> None:
        """The controller is down for a while; then it looks at everything."""
        self._back_at = max(self._back_at, self.kernel.now + seconds)
        self.running = False

        def back() -> None:
            if self.kernel.now < self._back_at:
                return  # it went down again meanwhile, for longer
            self.running = True
            for key, stored in self.kernel.cluster.collections["workflows"].objects.items():
                if stored.labels.get("workflows.argoproj.io/completed") != "true":
                    self.enqueue(key, self.kernel.between(0.0, 1.0))

        self.kernel.at(self._back_at, back)

    # A look

    def _reconcile(self, key: Key) -> None:
        self._due.pop(key, None)
        workflow = self.kernel.get("workflows", *key)
        if workflow is None or not self.running or not isinstance(workflow.get("spec"), dict):
            return
        try:
            self._reconcile_one(key, workflow)
        except (SpecError, UnresolvedError) as problem:
            self._end_as_error(key, workflow, str(problem), "invalid_spec")
        except Exception as problem:  # noqa: BLE001 - a spec can be wrong in any way
            text = f"runtime error: {type(problem).__name__}: {problem}"
            self._end_as_error(key, workflow, text, "error")

    def _reconcile_one(self, key: Key, workflow: Object) -> None:
        status = workflow.setdefault("status", {})
        if status.get("phase") in ("", None, "Pending") and "startedAt" not in status:
            if not self._start(key, workflow):
                return
        elif not status.get("phase"):  # argo retry took it away
            self._begin(workflow)
            self.told.started_again(workflow)
        elif status["phase"] != "Running":
            return
        self._active.add(key)
        if self.argo.looks_twice:
            self._looked[key] = (self._looked.get(key, (0.0, 0.0))[1], self.kernel.now)
        with self.kernel.work("workflow_queue", key):
            self._look(key, workflow)

    def _look(self, key: Key, workflow: Object) -> None:
        status = workflow["status"]
        inflate(status)
        whys = self._whys.setdefault(workflow["metadata"]["uid"], {})
        nodes = Nodes(key[1], status.get("nodes") or {}, whys)
        operation = Operation(self, workflow, nodes, self._pods.setdefault(key, {}))
        first = not nodes.by_id
        operation.run()
        released = operation.released + self.release_nodes(workflow, nodes)
        synchronization = self.locks.status("/".join(key), status.get("synchronization"))
        over = status["phase"] != "Running"
        if over:
            released += self.locks.release_all("/".join(key))
            synchronization = None
        if status.get("synchronization") != synchronization:
            status["synchronization"] = synchronization
            if synchronization is None:
                del status["synchronization"]
            operation.changed = True
        if operation.changed or nodes.changed or first:
            self.told.looked(workflow, nodes)
            self._write(workflow)
        self._cleaning.after_look(workflow, nodes, self._pods[key])
        if over:
            self._over(key, workflow, operation.why)
        elif operation.requeue_after is not None:
            self.enqueue(key, operation.requeue_after)
        for other in released:
            self.enqueue(_workflow_of(other), self.kernel.between(0.02, 0.1))

    def _start(self, key: Key, workflow: Object) -> bool:
        """Takes a new workflow, if limits and locks allow. Writes why if they don't."""
        status, meta = workflow["status"], workflow["metadata"]
        if not self._may_run(key):
            if key not in self._queued:
                self._queued.append(key)
            self.told.held_back(workflow, "", "parallelism")
            self._wait(workflow, BUSY)
            return False
        problem = malformed(workflow["spec"])
        if problem:
            self._refuse(workflow, f"invalid spec: {problem}")
            return False
        spec = resolve(self.kernel, workflow)
        if spec is None:
            name = (workflow["spec"].get("workflowTemplateRef") or {}).get("name")
            self._refuse(workflow, f'workflowtemplates.argoproj.io "{name}" not found')
            return False
        problem = malformed(spec) or invalid(workflow, spec)
        if problem:
            self._refuse(workflow, f"invalid spec: {problem}")
            return False
        wanted = self.locks.wanted(key[0], spec.get("synchronization"))
        blocked = self.locks.acquire(wanted, "/".join(key))
        if blocked is not None:
            status["synchronization"] = self.locks.status("/".join(key), None)
            self.told.held_back(workflow, "", "lock")
            self._wait(workflow, blocked.message())
            return False
        if key in self._queued:
            self._queued.remove(key)
        if status.get("phase"):
            status.setdefault("conditions", []).append({"status": "False", "type": "PodRunning"})
        annotations = meta.setdefault("annotations", {})
        annotations["workflows.argoproj.io/pod-name-format"] = "v2"
        if self.argo.traces:
            annotations["workflows.argoproj.io/trace-id"] = self.kernel.hex(32)
        ref = workflow["spec"].get("workflowTemplateRef")
        if ref and self.argo.labels_template:
            label = "cluster-workflow-template" if ref.get("clusterScope") else "workflow-template"
            meta.setdefault("labels", {})[f"workflows.argoproj.io/{label}"] = ref["name"]
        self._begin(workflow)
        status["artifactGCStatus"] = {"notSpecified": True}
        status["startedAt"] = stamp(self.kernel.now)
        self.told.started(workflow)
        return True

    def _begin(self, workflow: Object) -> None:
        workflow["status"].pop("message", None)
        workflow["status"]["phase"] = "Running"
        workflow["metadata"].setdefault("labels", {}).update(
            {
                "workflows.argoproj.io/completed": "false",
                "workflows.argoproj.io/phase": "Running",
            }
        )

    def _may_run(self, key: Key) -> bool:
        here = sum(1 for other in self._active if other[0] == key[0])
        limit = self.namespace_parallelism.get(key[0])
        ahead = [k for k in self._queued if k[0] == key[0] and k != key]
        first = (
            key not in self._queued
            or not ahead
            or self._queued.index(key) == min(self._queued.index(k) for k in (*ahead, key))
        )
        if limit is not None and (here >= limit or not first):
            return False
        return self.parallelism is None or len(self._active) < self.parallelism

    def _wait(self, workflow: Object, message: str) -> None:
        status = workflow["status"]
        if status.get("message") == message and status.get("phase") == "Pending":
            old = workflow["status"].get("synchronization")
            new = self.locks.status("/".join(key_of(workflow)), None)
            if old == new:
                self.enqueue(key_of(workflow), PACE)
                return
        status |= {"phase": "Pending", "message": message}
        workflow["metadata"].setdefault("labels", {}).update(
            {
                "workflows.argoproj.io/completed": "false",
                "workflows.argoproj.io/phase": "Pending",
            }
        )
        self._write(workflow)

    def _refuse(self, workflow: Object, message: str) -> None:
        """A spec that can't run fails at once, without nodes."""
        key = key_of(workflow)
        workflow["status"]["startedAt"] = stamp(self.kernel.now)
        finish(workflow, "Failed", message, self.kernel.now)
        self.told.started(workflow)
        self._write(workflow)
        self._over(key, workflow, "invalid_spec")

    def _end_as_error(self, key: Key, workflow: Object, message: str, why: str) -> None:
        """What the controller does when it can't go on with a workflow: others are not harmed."""
        status, now = workflow["status"], self.kernel.now
        if "startedAt" not in status:
            status["startedAt"] = stamp(now)
            self.told.started(workflow)
        whys = self._whys.setdefault(workflow["metadata"]["uid"], {})
        nodes = Nodes(key[1], status.get("nodes") or {}, whys)
        for node in nodes.by_id.values():
            if not nodes.fulfilled(node):
                nodes.mark(node, "Error", now, message, why=why)
        finish(workflow, "Error", message, now)
        status.pop("synchronization", None)
        self.told.looked(workflow, nodes)
        self._write(workflow)
        released = self.locks.release_all("/".join(key))
        self._over(key, workflow, why)
        for other in released:
            self.enqueue(_workflow_of(other), self.kernel.between(0.02, 0.1))

    def template_of(self, workflow: Object, ref: Object) -> tuple[Object, str]:
        return template_of(self.kernel, workflow, ref)

    # Shop

    def create_pod(self, pod: Object) -> None:
        meta = pod["metadata"]
        live = self._live_pods.setdefault(meta["namespace"], set())
        limit = self.pod_quota.get(meta["namespace"])
        if limit is not None and len(live) >= limit:
            raise ForbiddenError(
                f'pods "{meta["name"]}" is forbidden: exceeded quota: q, requested: pods=1, '
                f"used: pods={len(live)}, limited: pods={limit}"
            )
        live.add(meta["name"])
        self.kernel.put("pods", pod)
        self.told.made_pod(pod)

    # Ends

    def release_nodes(self, workflow: Object, nodes: Nodes) -> list[str]:
        """Lets go the locks of nodes that have ended; returns who is next, elsewhere."""
        own = "/".join(key_of(workflow))
        freed = [self.locks.release(f"{own}/{node['id']}") for node in nodes.ended]
        return [key for keys in freed for key in keys if not key.startswith(own + "/")]

    def _over(self, key: Key, workflow: Object, why: str = "") -> None:
        self._active.discard(key)
        self._looked.pop(key, None)
        self.told.ended(workflow, why, self._whys.pop(workflow["metadata"]["uid"], {}))
        self._cleaning.over(workflow, self._pods.pop(key, {}))
        agent = f"{key[1]}-{fnv32(key[1].encode())}-agent"
        found = self.kernel.get("pods", key[0], agent)
        if found is not None:
            delete_pod(self.kernel, found)
        self.kernel.forget("workflows", workflow)
        for other in self._queued:
            self.enqueue(other, self.kernel.between(0.02, 0.1))

    def _deleted(self, key: Key, workflow: Object) -> None:
        due = self._due.pop(key, None)
        if due is not None:
            due.cancel()
        self._looked.pop(key, None)
        self._whys.pop(workflow["metadata"]["uid"], None)
        self._active.discard(key)
        if key in self._queued:
            self._queued.remove(key)
        for other in self.locks.release_all("/".join(key)):
            self.enqueue(_workflow_of(other), self.kernel.between(0.02, 0.1))
        self._pods.pop(key, None)
        for plural, pod in self.kernel.cluster.dependents(workflow["metadata"]["uid"]):
            if plural == "pods":
                late = self.kernel.between(0.05, 0.8)
                self.kernel.after(late, partial(self._collect, pod))

    def _collect(self, key: Key) -> None:
        """The garbage collector: a pod goes with the workflow that owned it."""
        pod = self.kernel.get("pods", *key)
        if pod is not None:
            delete_pod(self.kernel, pod)

    def _write(self, workflow: Object) -> None:
        storage = write(self.kernel, workflow, self.argo, self.offload_bytes)
        self.told.stored(workflow, storage)


def _workflow_of(lock_key: str) -> Key:
    namespace, name, *_ = lock_key.split("/")
    return namespace, name
