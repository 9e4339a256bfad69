"""What the controller tells of its work: Events, and the truth for those who check numbers."""

from argoscope.simulator.engine.argo.nodes import FULFILLED, Nodes
from argoscope.simulator.engine.kernel import Kernel, Object, key_of, unix
from argoscope.simulator.engine.recorder import Recorder

COMPONENT = "workflow-controller"
_REASONS = {"Succeeded": "Succeeded", "Failed": "Failed", "Error": "Error", "Running": "Running"}


class Told:
    """Kubernetes Events and lines of truth about workflows."""

    def __init__(self, kernel: Kernel, recorder: Recorder, *, node_events: bool) -> None:
        self._kernel = kernel
        self._recorder = recorder
        self._node_events = node_events
        self._held: dict[str, dict[str, str]] = {}
        """By the uid of a workflow, by node (empty for all of it), what holds it back."""
        self._storage: dict[str, str] = {}
        """By the uid of a workflow, where its nodes are, if not inline."""

    def created(self, workflow: Object) -> None:
        spec = workflow.get("spec")
        spec = spec if isinstance(spec, dict) else {}
        self._kernel.truth.tell(
            "workflow_created",
            **_identity({**workflow, "spec": spec}),
            ttl=bool(spec.get("ttlStrategy")),
            suspended=bool(spec.get("suspend")),
        )

    def started(self, workflow: Object) -> None:
        self._event(workflow, "WorkflowRunning", "Workflow Running")
        status = workflow["status"]
        spec = status.get("storedWorkflowTemplateSpec") or workflow["spec"]
        self._kernel.truth.tell(
            "workflow_started",
            **_identity(workflow),
            started=unix(status["startedAt"]),
            entrypoint=workflow["spec"].get("entrypoint") or spec.get("entrypoint", ""),
            ttl=bool(spec.get("ttlStrategy")),
        )

    def started_again(self, workflow: Object) -> None:
        """After ``argo retry``."""
        namespace, name = key_of(workflow)
        self._kernel.truth.tell("workflow_started_again", namespace=namespace, workflow=name)

    def held_back(self, workflow: Object, node: str, why: str) -> None:
        """Told when it is news; it ends with a pod, a start or an end."""
        namespace, name = key_of(workflow)
        held = self._held.setdefault(workflow["metadata"]["uid"], {})
        if held.get(node) != why:
            held[node] = why
            self._kernel.truth.tell(
                "held_back", namespace=namespace, workflow=name, node=node, why=why
            )

    def stored(self, workflow: Object, storage: str) -> None:
        uid = workflow["metadata"]["uid"]
        if self._storage.get(uid, "inline") != storage:
            self._storage[uid] = storage
            namespace, name = key_of(workflow)
            self._kernel.truth.tell("stored", namespace=namespace, workflow=name, storage=storage)

    def of_node(self, what: str, workflow: Object, node: Object) -> None:
        namespace, name = key_of(workflow)
        self._kernel.truth.tell(
            what, namespace=namespace, workflow=name, node=node["id"], name=node["name"]
        )

    def made_pod(self, pod: Object) -> None:
        """The controller has made a pod for a node (or an agent)."""
        meta = pod["metadata"]
        self._kernel.truth.tell(
            "pod_asked_for",
            namespace=meta["namespace"],
            pod=meta["name"],
            uid=meta["uid"],
            workflow=meta["labels"]["workflows.argoproj.io/workflow"],
            node=(meta.get("annotations") or {}).get("workflows.argoproj.io/node-id", ""),
        )

    def looked(self, workflow: Object, nodes: Nodes) -> None:
        """Nodes that were made, seen running, or that ended, in this look."""
        namespace, name = key_of(workflow)
        truth = self._kernel.truth
        for node, after in nodes.made:
            flag = node.get("nodeFlag") or {}
            truth.tell(
                "node_made",
                namespace=namespace,
                workflow=name,
                node=node["id"],
                name=node["name"],
                type=node["type"],
                template=_template_of(node),
                phase=node["phase"],
                after=after,
                hooked=bool(flag.get("hooked")),
                retried=bool(flag.get("retried")),
            )
        for node in nodes.ran:
            self.of_node("node_running", workflow, node)
        for node in nodes.failed:
            self.of_node("node_failed", workflow, node)
        told: set[str] = set()
        for node in nodes.ended:
            if node["id"] in told:
                continue
            told.add(node["id"])
            if self._node_events and node["phase"] in _REASONS:
                text = f"{_REASONS[node['phase']]} node {node['name']}"
                if node.get("message"):
                    text += f": {node['message']}"
                reason = f"WorkflowNode{_REASONS[node['phase']]}"
                self._event(workflow, reason, text, warning=node["phase"] != "Succeeded")
            tell_node(self._kernel, workflow, node, nodes.whys.get(node["id"], ""))

    def ended(self, workflow: Object, why: str, whys: dict[str, str]) -> None:
        """``why`` the workflow failed, ``whys`` of its nodes."""
        status = workflow["status"]
        self._held.pop(workflow["metadata"]["uid"], None)
        for node in (status.get("nodes") or {}).values():
            if node["phase"] in ("Failed", "Error") and "finishedAt" not in node:
                # its pod was evicted, and nobody wrote when: it ends with the workflow
                over = {**node, "finishedAt": status["finishedAt"]}
                tell_node(self._kernel, workflow, over, whys.get(node["id"], ""))
        if status["phase"] == "Succeeded":
            self._event(workflow, "WorkflowSucceeded", "Workflow completed")
        else:
            text = status.get("message", "")
            self._event(workflow, f"Workflow{status['phase']}", text, warning=True)
        self._kernel.truth.tell(
            "workflow_ended",
            **_identity(workflow),
            phase=status["phase"],
            why=why,
            message=status.get("message", ""),
            started=unix(status["startedAt"]),
            finished=unix(status["finishedAt"]),
            nodes=len(status.get("nodes") or ()),
            open_nodes=sum(
                n["phase"] not in FULFILLED for n in (status.get("nodes") or {}).values()
            ),
            spent=status.get("resourcesDuration") or {},
        )

    def deleted(self, workflow: Object, *, running: bool) -> None:
        """``running``: it had been started, and was not over."""
        namespace, name = key_of(workflow)
        uid = workflow["metadata"]["uid"]
        self._held.pop(uid, None)
        self._storage.pop(uid, None)
        what = {"namespace": namespace, "workflow": name, "uid": uid}
        if running:
            self._kernel.truth.tell("workflow_deleted_running", **what)
        self._kernel.truth.tell("workflow_deleted", **what)

    def _event(self, workflow: Object, reason: str, message: str, *, warning: bool = False) -> None:
        self._recorder.event(
            "Workflow",
            workflow,
            reason,
            message,
            component=COMPONENT,
            warning=warning,
            api_version="argoproj.io/v1alpha1",
        )


def _template_of(node: Object) -> str:
    return str(node.get("templateName") or (node.get("templateRef") or {}).get("template", ""))


def tell_node(kernel: Kernel, workflow: Object, node: Object, why: str = "") -> None:
    """A node has ended; ``why`` it failed."""
    namespace, name = key_of(workflow)
    kernel.truth.tell(
        "node_ended",
        namespace=namespace,
        workflow=name,
        uid=workflow["metadata"]["uid"],
        node=node["id"],
        name=node["name"],
        type=node["type"],
        template=_template_of(node),
        phase=node["phase"],
        why=why,
        message=node.get("message", ""),
        started=unix(node["startedAt"]),
        finished=unix(node["finishedAt"]),
        spent=node.get("resourcesDuration") or {},
        memoized=bool((node.get("memoizationStatus") or {}).get("hit")),
        retried=bool((node.get("nodeFlag") or {}).get("retried")),
    )


def _identity(workflow: Object) -> Object:
    """Which workflow it is, and what its runs have in common with others."""
    meta, ref = workflow["metadata"], workflow["spec"].get("workflowTemplateRef")
    return {
        "namespace": meta["namespace"],
        "workflow": meta["name"],
        "uid": meta["uid"],
        "generate_name": meta.get("generateName", ""),
        "labels": dict(meta.get("labels") or {}),
        "template": ref.get("name", "") if isinstance(ref, dict) else "",
        "cluster_scope": bool(ref.get("clusterScope")) if isinstance(ref, dict) else False,
        "created": unix(meta["creationTimestamp"]),
    }
