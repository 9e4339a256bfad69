"""Executes templates: Steps and DAGs, retries, and the leaves in ``leaves``.

One walk from the entrypoint down, as Argo's controller does at every reconciliation: what exists
and is over is passed, what exists and is not is asked, what does not exist yet is made, as far as
parallelism, locks and conditions let it.
"""

from argoscope.simulator.engine.argo import expand
from argoscope.simulator.engine.argo.dag import Dag
from argoscope.simulator.engine.argo.expand import Values
from argoscope.simulator.engine.argo.leaves import Leaves, PostponedError
from argoscope.simulator.engine.argo.nodes import FAILED, FULFILLED
from argoscope.simulator.engine.kernel import Object, stamp, unix

LEAF_FIELDS = (
    "container",
    "script",
    "resource",
    "data",
    "containerSet",
    "http",
    "plugin",
    "suspend",
)


class Executor(Leaves):
    """Executes the templates of one workflow, once a reconciliation."""

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
        """Runs what a step, task, or the workflow itself calls. Returns its node.

        Raises PostponedError when parallelism or a limit keeps the node from being made.
        """
        template, scope = self.template(call, scope)
        values = {**self.globals, **values}
        inputs = expand.arguments(expand.substitute(call.get("arguments"), values), template)
        values = {**{k: v for k, v in values.items() if not k.startswith("inputs.")}, **inputs}
        node = self.nodes.get(name)
        if node is not None and self.nodes.fulfilled(node) and node["type"] != "Retry":
            return node
        if node is None:
            hit = self.memoized(template, values, name, display, scope, boundary, flag)
            if hit is not None:
                return hit
        if template.get("retryStrategy") and not (flag or {}).get("retried"):
            return self._retry(name, display, call, template, scope, boundary, values)
        if "steps" in template:
            return self._steps(name, display, template, scope, boundary, values, flag)
        if "dag" in template:
            node = node or self._group(name, display, "DAG", template, scope, boundary, flag, call)
            return Dag(self, node, template, scope, values).run()
        return self.leaf(name, display, template, scope, boundary, values, flag, call)

    def _group(
        self,
        name: str,
        display: str,
        kind: str,
        template: Object,
        scope: str,
        boundary: str,
        flag: Object | None,
        call: Object | None = None,
    ) -> Object:
        return self.nodes.add(
            name,
            display,
            kind,
            self.now,
            phase="Running",
            template=template["name"],
            ref=(call or {}).get("templateRef"),
            scope=scope,
            boundary=boundary,
            flag=flag,
        )

    # Steps

    def _steps(
        self,
        name: str,
        display: str,
        template: Object,
        scope: str,
        boundary: str,
        values: Values,
        flag: Object | None,
    ) -> Object:
        nodes = self.nodes
        node = nodes.get(name)
        if node is None:
            node = self._group(name, display, "Steps", template, scope, boundary, flag)
        values = dict(values)
        before: list[str] = []
        steps_before: list[str] | None = None
        for index, listed in enumerate(template["steps"]):
            group = listed if isinstance(listed, list) else listed.get("steps", [])
            at = nodes.get(f"{name}[{index}]")
            with nodes.waiting_for(steps_before):
                if at is None:
                    at = nodes.add(
                        f"{name}[{index}]",
                        f"[{index}]",
                        "StepGroup",
                        self.now,
                        phase="Running",
                        scope=scope,
                        boundary=node["id"],
                        flag={},
                    )
                    for earlier in [nodes.by_id[i] for i in before] or [node]:
                        nodes.connect(earlier, at)
                self._step_group(at, group, scope, node, values)
            if not nodes.fulfilled(at):
                return node
            if at["phase"] in FAILED:
                self.stop_daemons(node["id"])
                why = nodes.whys.get(at["id"], "")
                return nodes.mark(node, "Failed", self.now, at.get("message", ""), why=why)
            steps_before = at.get("children") or steps_before
            children = [nodes.by_id[i] for i in at.get("children", ())]
            before = [i for child in children for i in nodes.outbound(child)] or [at["id"]]
        node["outboundNodes"] = before
        self.stop_daemons(node["id"])
        return nodes.mark(node, "Succeeded", self.now)

    def _step_group(
        self, group: Object, steps: list[Object], scope: str, parent: Object, values: Values
    ) -> None:
        nodes = self.nodes
        made: list[tuple[Object, Object]] = []
        complete = True
        for written in steps:
            step = expand.substitute(written, values)
            for display, own in self.expanded(step):
                name = f"{group['name']}.{display}"
                try:
                    child = self._step(name, display, step, own, scope, parent, values)
                except PostponedError:
                    complete = False
                    break
                nodes.connect(group, child)
                made.append((step, child))
                self.hooks(step, child, scope, parent["id"], values)
        if not complete or not all(nodes.fulfilled(child) for _, child in made):
            return
        if not self.hooks_over(group):
            return
        for step, child in made:
            goes_on = step.get("continueOn") or {}
            passed = goes_on.get("failed") if child["phase"] == "Failed" else goes_on.get("error")
            if child["phase"] in FAILED and not passed:
                why = nodes.whys.get(child["id"], "")
                nodes.mark(group, "Failed", self.now, f"child '{child['id']}' failed", why=why)
                return
        nodes.mark(group, "Succeeded", self.now)
        for step, child in made:
            self.remember(values, "steps", step["name"], child)

    def _step(
        self,
        name: str,
        display: str,
        step: Object,
        own: Values,
        scope: str,
        parent: Object,
        values: Values,
    ) -> Object:
        found = self.nodes.get(name)
        if found is not None and self.nodes.fulfilled(found):
            return found
        step = expand.substitute(step, own)
        if found is None and step.get("when") and not expand.holds(step["when"]):
            return self.skip(
                name, display, step, scope, parent["id"], f"when '{step['when']}' evaluated false"
            )
        return self.execute(name, display, step, scope, parent["id"], {**values, **own})

    def skip(
        self, name: str, display: str, step: Object, scope: str, boundary: str, message: str
    ) -> Object:
        return self.nodes.add(
            name,
            display,
            "Skipped",
            self.now,
            phase="Skipped",
            template=step.get("template", ""),
            ref=step.get("templateRef"),
            scope=scope,
            boundary=boundary,
            message=message,
            flag={},
        )

    def expanded(self, step: Object) -> list[tuple[str, Values]]:
        """(display name, values of the item) for each time that a step or task runs."""
        found = expand.items(step)
        return [(step["name"], {})] if found is None else found

    # Retries

    def _retry(
        self,
        name: str,
        display: str,
        call: Object,
        template: Object,
        scope: str,
        boundary: str,
        values: Values,
    ) -> Object:
        nodes = self.nodes
        node = nodes.get(name)
        if node is not None and node["phase"] in FULFILLED:
            return node
        if node is None:
            self.check_parallelism(template, boundary)
            node = self._group(name, display, "Retry", template, scope, boundary, None, call)
        children = [nodes.by_id[i] for i in node.get("children", ())]
        last = children[-1] if children else None
        if last is not None:
            values = {**values, "retries": str(len(children) - 1)}
            if not nodes.fulfilled(last):
                self._attempt(node, len(children) - 1, call, scope, boundary, values)
            if not nodes.fulfilled(last):
                return node
            if last["phase"] not in FAILED:
                if "outputs" in last:
                    node["outputs"] = last["outputs"]
                return nodes.mark(node, "Succeeded", self.now, "")
            if not self._goes_on(node, last, len(children), template["retryStrategy"]):
                return node
        values = {**values, "retries": str(len(children))}
        self._attempt(node, len(children), call, scope, boundary, values)
        return node

    def _attempt(
        self, node: Object, index: int, call: Object, scope: str, boundary: str, values: Values
    ) -> None:
        name, display = f"{node['name']}({index})", f"{node['displayName']}({index})"
        try:
            flag = {"retried": True}
            child = self.execute(name, display, call, scope, boundary, values, flag=flag)
        except PostponedError:
            return
        self.nodes.connect(node, child)

    def _goes_on(self, node: Object, last: Object, tried: int, strategy: Object) -> bool:
        """Whether there is another attempt now; ends the node or says the backoff if not."""
        nodes, now = self.nodes, self.now
        policy = strategy.get("retryPolicy") or (
            "Always" if "expression" in strategy else "OnFailure"
        )
        fits = policy == "Always" or (policy == "OnError") is (last["phase"] == "Error")
        why = nodes.whys.get(last["id"], "")
        if self.shutdown or not fits:
            nodes.mark(node, last["phase"], now, last.get("message", ""), why=why)
            return False
        expression = strategy.get("expression")
        if expression and not expand.holds(expression, lambda word: self._last_retry(last, word)):
            text = "retryStrategy.expression evaluated to false"
            nodes.mark(node, "Failed", now, text, why=why)
            return False
        limit = strategy.get("limit")
        if limit is not None and tried > int(limit):
            nodes.mark(node, last["phase"], now, "No more retries left", why=why)
            return False
        backoff = strategy.get("backoff")
        if backoff:
            pause = expand.seconds(backoff.get("duration", 0))
            pause *= float(backoff.get("factor", 1)) ** (tried - 1)
            if backoff.get("cap"):
                pause = min(pause, expand.seconds(backoff["cap"]))
            if now < unix(last.get("finishedAt", stamp(now))) + pause:
                if not node.get("message"):
                    self.shop.told.of_node("backoff", self.workflow, node)
                nodes.mark(node, "Running", now, f"Backoff for {_told(pause)}")
                self.requeue(pause)
                return False
            nodes.mark(node, "Running", now, "")
        return True

    def _last_retry(self, last: Object, word: str) -> str:
        known: dict[str, str] = {
            "lastRetry.exitCode": (last.get("outputs") or {}).get("exitCode", "-1"),
            "lastRetry.status": last["phase"],
            "lastRetry.message": last.get("message", ""),
        }
        return known.get(word, word)


def _told(seconds: float) -> str:
    """A pause as Argo writes it: ``4 seconds``, ``1 minutes 30 seconds``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} minutes {rest} seconds" if minutes else f"{rest} seconds"
