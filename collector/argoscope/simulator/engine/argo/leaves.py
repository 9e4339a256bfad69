"""A workflow's leaves: pods, container sets, requests, suspensions; locks and limits on them."""

from typing import Protocol

import msgspec

from argoscope.simulator.engine.argo import expand
from argoscope.simulator.engine.argo.expand import Values
from argoscope.simulator.engine.argo.locks import Locks
from argoscope.simulator.engine.argo.nodes import FULFILLED, Nodes, pod_name
from argoscope.simulator.engine.argo.pod_spec import make_agent, make_pod
from argoscope.simulator.engine.argo.told import Told
from argoscope.simulator.engine.argo.validation import lacks_command
from argoscope.simulator.engine.argo.version import Argo
from argoscope.simulator.engine.behaviour import ANNOTATION, behaviour_of, draw
from argoscope.simulator.engine.hashes import fnv32
from argoscope.simulator.engine.kernel import Kernel, Object, stamp, unix
from argoscope.simulator.engine.kubelet import Kubelet
from argoscope.simulator.engine.pods import needs


class PostponedError(Exception):
    """A node can't be made now: a limit of parallelism is reached."""


class SpecError(Exception):
    """The spec asks for what there is not: the workflow ends as Error with this message."""


class ForbiddenError(Exception):
    """The API server refuses a pod."""


class Shop(Protocol):
    """What leaves need of the controller."""

    kernel: Kernel
    argo: Argo
    locks: Locks
    memo: dict[tuple[str, str, str], Object]
    told: Told
    kubelet: Kubelet

    def template_of(self, workflow: Object, ref: Object) -> tuple[Object, str]: ...
    def create_pod(self, pod: Object) -> None: ...
    def release_nodes(self, workflow: Object, nodes: Nodes) -> list[str]: ...


class Leaves:
    """One reconciliation's view of one workflow."""

    def __init__(self, shop: Shop, workflow: Object, nodes: Nodes, pods: dict[str, Object]) -> None:
        self.shop = shop
        self.kernel = shop.kernel
        self.now = shop.kernel.now
        self.workflow = workflow
        self.nodes = nodes
        self.pods = pods
        """Pods of the workflow by the id of their node."""
        self.requeue_after: float | None = None
        self.exiting = False
        """Whether the exit handler is being executed: a stop does not keep it from running."""
        self.released: list[str] = []
        """Keys of other workflows or nodes that are next for a lock that was let go."""
        meta = workflow["metadata"]
        self.namespace, self.name = meta["namespace"], meta["name"]
        status = workflow.get("status") or {}
        self.spec: Object = status.get("storedWorkflowTemplateSpec") or workflow["spec"]
        self.shutdown: str = workflow["spec"].get("shutdown", "")
        self.shutdown_why = "stopped" if self.shutdown == "Stop" else "terminated"
        self.globals: Values = {
            "workflow.name": self.name,
            "workflow.namespace": self.namespace,
            "workflow.uid": meta.get("uid", ""),
            "workflow.status": status.get("phase", ""),
            "workflow.failures": "[]",
        }
        given = workflow["spec"].get("arguments") or {}
        for source in (self.spec.get("arguments") or {}, given):
            for parameter in source.get("parameters", ()):
                if parameter.get("value") is not None:
                    key = f"workflow.parameters.{parameter['name']}"
                    self.globals[key] = str(parameter["value"])
        self.templates = {t["name"]: t for t in self.spec.get("templates") or ()}

    def requeue(self, seconds: float) -> None:
        if self.requeue_after is None or seconds < self.requeue_after:
            self.requeue_after = seconds

    def template(self, call: Object, scope: str) -> tuple[Object, str]:
        """(template, its scope) of what a step or task calls."""
        if call.get("templateRef"):
            return self.shop.template_of(self.workflow, call["templateRef"])
        if call.get("inline"):
            return {"name": call["name"], **call["inline"]}, scope
        kind, _, name = scope.partition("/")
        if kind in ("namespaced", "cluster") and call["template"] not in self.templates:
            ref = {"name": name, "template": call["template"], "clusterScope": kind == "cluster"}
            return self.shop.template_of(self.workflow, ref)
        if call.get("template") not in self.templates:
            raise SpecError(f"template name '{call.get('template')}' undefined")
        return self.templates[call["template"]], scope

    def remember(self, values: Values, kind: str, name: str, node: Object) -> None:
        """What later steps can ask of a node."""
        values[f"{kind}.{name}.status"] = node["phase"]
        values[f"{kind}.{name}.id"] = node["id"]
        outputs = node.get("outputs") or {}
        for key in ("result", "exitCode"):
            if key in outputs:
                values[f"{kind}.{name}.outputs.{key}"] = outputs[key]
        for parameter in outputs.get("parameters", ()):
            values[f"{kind}.{name}.outputs.parameters.{parameter['name']}"] = parameter["value"]

    # Limits

    def check_parallelism(self, template: Object, boundary: str) -> None:
        """Raises PostponedError where the workflow, or the template around it, runs enough."""
        if (self.shutdown and not self.exiting) or self.workflow["spec"].get("suspend"):
            raise PostponedError
        limit = self.spec.get("parallelism")
        active = [
            n
            for n in self.nodes.by_id.values()
            if n["type"] == "Pod" and n["phase"] not in FULFILLED and not n.get("daemoned")
        ]
        if limit is not None and len(active) >= int(limit):
            raise PostponedError
        around = self.nodes.by_id.get(boundary)
        own = self.templates.get((around or {}).get("templateName", ""), {}).get("parallelism")
        if own is not None:
            here = [n for n in active if n.get("boundaryID") == boundary]
            if len(here) >= int(own):
                raise PostponedError

    def memoized(
        self,
        template: Object,
        values: Values,
        name: str,
        display: str,
        scope: str,
        boundary: str,
        flag: Object | None,
    ) -> Object | None:
        memo = template.get("memoize")
        if not memo:
            return None
        memo = expand.substitute(memo, values)
        cache = memo["cache"]["configMap"]["name"]
        kept = self.shop.memo.get((self.namespace, cache, memo["key"]))
        if kept is None:
            return None
        node = self.nodes.add(
            name,
            display,
            "Pod",
            self.now,
            phase="Succeeded",
            template=template["name"],
            scope=scope,
            boundary=boundary,
            flag=flag,
        )
        node["memoizationStatus"] = {"hit": True, "key": memo["key"], "cacheName": cache}
        node["outputs"] = kept
        return node

    # Leaves

    def leaf(
        self,
        name: str,
        display: str,
        template: Object,
        scope: str,
        boundary: str,
        values: Values,
        flag: Object | None,
        call: Object,
    ) -> Object:
        node = self.nodes.get(name)
        kind = "Pod"
        for field, other in (("suspend", "Suspend"), ("http", "HTTP"), ("plugin", "Plugin")):
            if field in template:
                kind = other
        if node is None:
            self.check_parallelism(template, boundary)
            node = self.nodes.add(
                name,
                display,
                kind,
                self.now,
                phase="Running" if kind == "Suspend" else "Pending",
                template=template["name"],
                ref=call.get("templateRef"),
                scope=scope,
                boundary=boundary,
                flag=flag,
            )
            given = expand.substitute((template.get("inputs") or {}).get("parameters"), values)
            if given:
                node["inputs"] = {"parameters": [_given(p, values) for p in given]}
        if kind == "Suspend":
            return self._suspend(node, template)
        if kind in ("HTTP", "Plugin"):
            return self._request(node, template)
        return self._pod(node, template, values)

    def _suspend(self, node: Object, template: Object) -> Object:
        duration = (template["suspend"] or {}).get("duration")
        if node["phase"] in FULFILLED:
            return node
        if self.shutdown:
            text = f"Stopped with strategy '{self.shutdown}'"
            return self.nodes.mark(node, "Failed", self.now, text, why=self.shutdown_why)
        if duration is not None:
            left = unix(node["startedAt"]) + expand.seconds(duration) - self.now
            if left <= 0:
                return self.nodes.mark(node, "Succeeded", self.now)
            self.requeue(left)
        return node

    def _request(self, node: Object, template: Object) -> Object:
        """HTTP and plugin nodes: the agent answers, and the next look sees it."""
        agent = f"{self.name}-{fnv32(self.name.encode())}-agent"
        if self.kernel.get("pods", self.namespace, agent) is None:
            self.shop.create_pod(make_agent(self.shop.argo, self.workflow, agent))
        if node["phase"] in FULFILLED:
            return node
        annotations = (template.get("metadata") or {}).get("annotations") or {}
        pod = {"metadata": {"annotations": annotations}, "spec": {"containers": []}}
        try:
            behaviour = behaviour_of(pod)
        except msgspec.ValidationError as problem:
            text = f"{ANNOTATION}: {problem}"
            return self.nodes.mark(node, "Error", self.now, text, why="error")
        took = 2.0 + draw(self.kernel.random, behaviour.seconds or 0.0)
        if self.now < unix(node["startedAt"]) + took or behaviour.seconds is None:
            return node
        if behaviour.exit:
            text = f"received non-2xx response code: {behaviour.exit}"
            return self.nodes.mark(node, "Failed", self.now, text, why="error")
        node["outputs"] = {"result": behaviour.result or ""}
        return self.nodes.mark(node, "Succeeded", self.now)

    def _pod(self, node: Object, template: Object, values: Values) -> Object:
        """Makes the pod, if the node has none and nothing keeps it from having one."""
        if node["phase"] != "Pending" or node["id"] in self.pods:
            return node
        if self.shutdown and not self.exiting:
            text = self.stopped_text()
            return self.nodes.mark(node, "Failed", self.now, text, why=self.shutdown_why)
        if self.workflow["spec"].get("suspend"):
            return node
        key = f"{self.namespace}/{self.name}/{node['id']}"
        locks = self.shop.locks.wanted(self.namespace, template.get("synchronization"))
        blocked = self.shop.locks.acquire(locks, key)
        if blocked is not None:
            self.nodes.wait_for_lock(node, blocked.name)
            self.shop.told.held_back(self.workflow, node["id"], "lock")
            return self.nodes.mark(node, "Pending", self.now, blocked.message())
        self.nodes.wait_for_lock(node, "")
        name = pod_name(self.name, node["name"], template["name"])
        template = expand.substitute(template, {**values, "pod.name": name})
        error = lacks_command(template)
        if error:
            return self.nodes.mark(node, "Error", self.now, error, why="invalid_spec")
        spec = {k: v for k, v in self.spec.items() if k != "templates"}
        spec = expand.substitute(spec, values)
        pod = make_pod(self.kernel, self.shop.argo, self.workflow, node, template, spec)
        self._set_deadline(pod, template)
        try:
            needs(pod)
            self.shop.create_pod(pod)
        except ValueError as problem:  # the API server does not take it
            text = f'Pod "{pod["metadata"]["name"]}" is invalid: {problem}'
            return self.nodes.mark(node, "Error", self.now, text, why="error")
        except ForbiddenError as refusal:
            self.shop.told.held_back(self.workflow, node["id"], "quota")
            return self.nodes.mark(node, "Pending", self.now, str(refusal))
        self.pods[node["id"]] = pod
        if node.get("message", "").startswith("Waiting for "):
            self.nodes.mark(node, "Pending", self.now, "")
        if "containerSet" in template:
            self._containers(node, template)
        return node

    def _set_deadline(self, pod: Object, template: Object) -> None:
        seconds = template.get("activeDeadlineSeconds")
        if template.get("timeout"):
            seconds = expand.seconds(template["timeout"])
        whole = self.spec.get("activeDeadlineSeconds")
        if whole is not None:
            started = unix(self.workflow["status"].get("startedAt", stamp(self.now)))
            left = max(1.0, started + float(whole) - self.now)
            seconds = left if seconds is None else min(float(seconds), left)
        if seconds is not None:
            pod["spec"]["activeDeadlineSeconds"] = int(float(seconds))

    def _containers(self, node: Object, template: Object) -> None:
        """One node a container of a set; their times are when the controller looks."""
        made: dict[str, Object] = {}
        for container in template["containerSet"]["containers"]:
            child = self.nodes.add(
                f"{node['name']}.{container['name']}",
                container["name"],
                "Container",
                self.now,
                phase="Pending",
                template=template["name"],
                scope=node["templateScope"],
                boundary=node["id"],
            )
            made[container["name"]] = child
            for need in container.get("dependencies", ()):
                self.nodes.connect(made[need], child)
            if not container.get("dependencies"):
                self.nodes.connect(node, child)

    def stopped_text(self) -> str:
        return f"workflow shutdown with strategy:  {self.shutdown}"

    # Daemons and hooks

    def stop_daemons(self, boundary: str) -> None:
        """A daemon ends with the template that it was started in."""
        for node in self.nodes.by_id.values():
            if node.get("boundaryID") == boundary and node.get("daemoned"):
                del node["daemoned"]
                self.nodes.mark(node, "Succeeded", self.now)
                self.nodes.ended.append(node)
                pod = self.pods.get(node["id"])
                if pod is not None:
                    self.shop.kubelet.stop_pod(self.namespace, pod["metadata"]["name"])

    def hooks(self, step: Object, node: Object, scope: str, boundary: str, values: Values) -> None:
        """Runs a step's lifecycle hooks: ``exit`` when it is over, others on their expression."""
        found = dict(step.get("hooks") or {})
        if step.get("onExit"):
            found["exit"] = {"template": step["onExit"]}
        for event, hook in found.items():
            name = f"{node['name']}.{'onExit' if event == 'exit' else f'hooks.{event}'}"
            if self.nodes.get(name) is None:
                if event == "exit":
                    due = self.nodes.fulfilled(node)
                else:
                    due = self._hook_due(hook, step["name"], node)
                if not due:
                    continue
            display = name.rpartition("/")[2].rpartition("]." if "]." in name else "\0")[2]
            try:
                with self.nodes.waiting_for([node["id"]]):
                    made = self.execute(
                        name, display, hook, scope, boundary, values, flag={"hooked": True}
                    )
            except PostponedError:
                continue
            self.nodes.connect(node, made)

    def _hook_due(self, hook: Object, step: str, node: Object) -> bool:
        def value(word: str) -> str:
            known = (f'steps["{step}"].status', f'tasks["{step}"].status')
            return node["phase"] if word in (*known, f"steps.{step}.status") else word

        expression = hook.get("expression", "").replace("['", '["').replace("']", '"]')
        for kind in ("steps", "tasks"):
            expression = expression.replace(f'{kind}["{step}"].status', f"{kind}.{step}.status")
            expression = expression.replace(f"tasks.{step}.status", f"steps.{step}.status")
        return expand.holds(expression, value)

    def hooks_over(self, around: Object) -> bool:
        """Whether all hooks below a node have ended."""
        return all(
            self.nodes.fulfilled(n)
            for n in self.nodes.by_id.values()
            if (n.get("nodeFlag") or {}).get("hooked")
            and n["name"].startswith(around["name"] + ".")
        )

    def execute(
        self,
        name: str,
        display: str,
        call: Object,
        scope: str,
        boundary: str,
        values: Values,
        *,
        flag: Object | None = None,
    ) -> Object:
        raise NotImplementedError


def _given(parameter: Object, values: Values) -> Object:
    value = values.get(f"inputs.parameters.{parameter['name']}", parameter.get("value", ""))
    return {"name": parameter["name"], "value": value}
