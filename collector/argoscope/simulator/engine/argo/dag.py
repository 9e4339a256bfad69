"""A DAG template: tasks whose dependencies decide when, and whether, they run."""

from typing import TYPE_CHECKING

from argoscope.simulator.engine.argo import expand
from argoscope.simulator.engine.argo.expand import UnresolvedError, Values
from argoscope.simulator.engine.argo.leaves import PostponedError
from argoscope.simulator.engine.argo.nodes import FAILED
from argoscope.simulator.engine.kernel import Object

if TYPE_CHECKING:
    from argoscope.simulator.engine.argo.execute import Executor

_RESULTS = ("Succeeded", "Failed", "Errored", "Skipped", "Omitted", "Daemoned")


class Dag:
    """One reconciliation of one DAG node."""

    def __init__(
        self, executor: "Executor", node: Object, template: Object, scope: str, values: Values
    ) -> None:
        self._executor = executor
        self._nodes = executor.nodes
        self._node = node
        self._scope = scope
        self._values = dict(values)
        dag = template["dag"]
        self._tasks: dict[str, Object] = {t["name"]: t for t in dag["tasks"]}
        self._fail_fast = dag.get("failFast", True) and not any(
            "depends" in t for t in dag["tasks"]
        )
        target = dag.get("target", "")
        self._targets = target.split() or self._last_tasks()
        self._seen: set[str] = set()

    def run(self) -> Object:
        """Runs what can run. Returns the DAG's node, ended if all is over."""
        for name in self._targets:
            self._visit(name)
        self._assess()
        return self._node

    def _last_tasks(self) -> list[str]:
        needed = {name for task in self._tasks.values() for name in self._needs(task)}
        return [name for name in self._tasks if name not in needed]

    def _needs(self, task: Object) -> list[str]:
        if "depends" in task:
            words = expand.substitute(task["depends"], {}).replace("&&", " ").replace("||", " ")
            words = words.replace("(", " ").replace(")", " ").replace("!", " ")
            return list(dict.fromkeys(word.split(".")[0] for word in words.split()))
        return list(task.get("dependencies") or ())

    def _get(self, task: str) -> Object | None:
        return self._nodes.get(f"{self._node['name']}.{task}")

    def _over(self, task: str) -> bool:
        found = self._get(task)
        return found is not None and self._nodes.fulfilled(found)

    def _visit(self, name: str) -> None:
        if name in self._seen:
            return
        self._seen.add(name)
        task = self._tasks[name]
        needs = self._needs(task)
        for need in needs:
            self._visit(need)
        if self._over(name):
            self._remember(name)
            return
        if not all(self._over(need) for need in needs):
            return
        before = [n["id"] for need in needs if (n := self._get(need)) is not None]
        with self._nodes.waiting_for(before or None):
            if self._get(name) is None and not self._may_run(task, needs):
                return
            self._execute(task, needs)

    def _may_run(self, task: Object, needs: list[str]) -> bool:
        """Whether the dependencies' results let it run; it is omitted if they never will."""
        if self._fail_fast and any(n["phase"] in FAILED for n in self._children()):
            failed = any((self._get(n) or {}).get("phase") in (*FAILED, "Omitted") for n in needs)
            if not failed:
                return False
        if not needs:
            return True
        depends = task.get("depends") or " && ".join(needs)
        if expand.holds(depends, lambda word: str(self._result(word)).lower()):
            return True
        found = self._nodes.add(
            f"{self._node['name']}.{task['name']}",
            task["name"],
            "Skipped",
            self._executor.now,
            phase="Omitted",
            template=task.get("template", ""),
            scope=self._scope,
            boundary=self._node["id"],
            message="omitted: depends condition not met",
            flag={},
        )
        self._connect(found, needs)
        return False

    def _result(self, word: str) -> bool:
        name, _, result = word.partition(".")
        phase = (self._get(name) or {}).get("phase", "")
        if result == "":
            goes_on = self._tasks[name].get("continueOn") or {}
            passed = (phase == "Failed" and goes_on.get("failed")) or (
                phase == "Error" and goes_on.get("error")
            )
            daemoned = bool((self._get(name) or {}).get("daemoned"))
            return phase in ("Succeeded", "Skipped") or daemoned or bool(passed)
        if result == "Errored":
            return bool(phase == "Error")
        if result == "Daemoned":
            return bool((self._get(name) or {}).get("daemoned"))
        if result in ("AnySucceeded", "AllFailed"):
            children = [self._nodes.by_id[i] for i in (self._get(name) or {}).get("children", ())]
            phases = [c["phase"] for c in children if c["displayName"].startswith(f"{name}(")]
            if result == "AnySucceeded":
                return "Succeeded" in phases
            return bool(phases) and all(p in FAILED for p in phases)
        return bool(phase == result)

    def _execute(self, task: Object, needs: list[str]) -> None:
        executor, parent = self._executor, self._node
        task = expand.substitute(task, self._values)
        try:
            items = expand.items(task)
        except UnresolvedError:
            return
        if items is not None:
            self._group(task, items, needs)
            return
        name = f"{parent['name']}.{task['name']}"
        found = self._nodes.get(name)
        if found is None and task.get("when") and not expand.holds(task["when"]):
            message = f"when '{task['when']}' evaluated false"
            found = executor.skip(name, task["name"], task, self._scope, parent["id"], message)
        else:
            try:
                found = executor.execute(
                    name, task["name"], task, self._scope, parent["id"], self._values
                )
            except PostponedError:
                return
        self._connect(found, needs)
        executor.hooks(task, found, self._scope, parent["id"], self._values)
        if self._nodes.fulfilled(found):
            self._remember(task["name"])

    def _group(self, task: Object, items: list[tuple[str, Values]], needs: list[str]) -> None:
        """A task with items: a TaskGroup node over one node an item."""
        executor, parent, nodes = self._executor, self._node, self._nodes
        name = f"{parent['name']}.{task['name']}"
        group = nodes.get(name)
        if group is None:
            group = nodes.add(
                name,
                task["name"],
                "TaskGroup",
                executor.now,
                phase="Running",
                template=task.get("template", ""),
                scope=self._scope,
                boundary=parent["id"],
                flag={},
            )
            self._connect(group, needs)
        children, complete = [], True
        for display, own in items:
            child_name = f"{parent['name']}.{display}"
            single = expand.substitute(task, own)
            child = nodes.get(child_name)
            if child is None and single.get("when") and not expand.holds(single["when"]):
                message = f"when '{single['when']}' evaluated false"
                child = executor.skip(
                    child_name, display, single, self._scope, parent["id"], message
                )
            elif child is None or not nodes.fulfilled(child):
                try:
                    child = executor.execute(
                        child_name,
                        display,
                        single,
                        self._scope,
                        parent["id"],
                        {**self._values, **own},
                    )
                except PostponedError:
                    complete = False
                    break
            nodes.connect(group, child)
            children.append(child)
        if complete and all(nodes.fulfilled(c) for c in children):
            failed = any(c["phase"] in FAILED for c in children)
            phase = "Failed" if failed else "Succeeded"
            nodes.mark(group, phase, executor.now, why=self._why(children))
            self._remember(task["name"])

    def _connect(self, child: Object, needs: list[str]) -> None:
        if not needs:
            self._nodes.connect(self._node, child)
        for need in needs:
            found = self._get(need)
            for outbound in self._nodes.outbound(found) if found else ():
                self._nodes.connect(self._nodes.by_id[outbound], child)

    def _remember(self, task: str) -> None:
        found = self._get(task)
        if found is not None:
            self._executor.remember(self._values, "tasks", task, found)

    def _children(self) -> list[Object]:
        return [n for name in self._tasks if (n := self._get(name)) is not None]

    def _assess(self) -> None:
        """Ends the DAG when nothing runs and nothing can run any more."""
        nodes, executor = self._nodes, self._executor
        children = self._children()
        if not all(nodes.fulfilled(n) for n in children):
            return
        failed = any(n["phase"] in FAILED for n in children)
        over = all(self._over(name) for name in self._targets)
        if not over and not (self._fail_fast and failed):
            return
        if not executor.hooks_over(self._node):
            return
        executor.stop_daemons(self._node["id"])
        outbound = [
            i for name in self._targets if (n := self._get(name)) for i in nodes.outbound(n)
        ]
        if outbound:
            self._node["outboundNodes"] = outbound
        bad = not over or any(self._bad(name) for name in self._targets)
        phase = "Failed" if bad else "Succeeded"
        nodes.mark(self._node, phase, executor.now, why=self._why(children))

    def _why(self, children: list[Object]) -> str:
        """Why the one failed that failed first."""
        failed = [c for c in children if c["phase"] in FAILED]
        first = min(failed, key=lambda c: c.get("finishedAt", "9999"), default=None)
        return self._nodes.whys.get(first["id"], "") if first else ""

    def _bad(self, name: str) -> bool:
        """Whether a target failed, or was left out because something before it failed."""
        phase = (self._get(name) or {}).get("phase", "")
        if phase in FAILED:
            goes_on = self._tasks[name].get("continueOn") or {}
            return not (goes_on.get("failed") if phase == "Failed" else goes_on.get("error"))
        if phase == "Omitted":
            needs = self._needs(self._tasks[name])
            return any(self._bad(need) for need in needs)
        return False
