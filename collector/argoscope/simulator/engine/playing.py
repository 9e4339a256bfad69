"""Plays a scenario in a world: arrivals, actions, and what they need."""

import copy
from collections.abc import Callable

from argoscope.simulator.engine.argo import actions as argo
from argoscope.simulator.engine.argo.expand import seconds
from argoscope.simulator.engine.kernel import Kernel, Object
from argoscope.simulator.engine.machines import Machine
from argoscope.simulator.engine.pods import delete_pod, quantity
from argoscope.simulator.engine.rollouts import actions as rollouts
from argoscope.simulator.engine.truth import Truth
from argoscope.simulator.engine.world import Plan, World
from argoscope.simulator.scenarios.model import Action, Arrivals, Duration, Nodes, Scenario


def begin(
    scenario: Scenario,
    *,
    seed: int,
    start: float,
    truth: Truth | None = None,
    history: int = 20_000,
) -> World:
    """A world in which the scenario has begun at ``start`` (Unix seconds), and goes on for ever."""
    plan = scenario.cluster
    world = World(
        Plan(
            argo=plan.argo,
            nodes=tuple(m for nodes in plan.nodes or (Nodes(name="node"),) for m in _made(nodes)),
            parallelism=plan.parallelism,
            namespace_parallelism=dict(plan.namespace_parallelism),
            pod_quota=dict(plan.pod_quota),
            semaphores=dict(plan.semaphores),
            offload_bytes=plan.offload_bytes,
            stale_crons=plan.stale_crons,
        ),
        seed=seed,
        start=start,
        truth=truth,
        history=history,
    )
    play = _Play(world)
    for manifest in scenario.objects:
        apply(world.kernel, manifest)
    for arrivals in scenario.arrivals:
        play.arrivals(arrivals)
    for action in scenario.actions:
        play.action(action)
    return world


def plural_of(kernel: Kernel, manifest: Object) -> str:
    """The plural of a manifest's kind. Raises ValueError for a kind that is not served."""
    for plural, collection in kernel.cluster.collections.items():
        kind = collection.kind
        if (kind.kind, kind.api_version) == (manifest.get("kind"), manifest.get("apiVersion")):
            return plural
    raise ValueError(f"{manifest.get('apiVersion')} {manifest.get('kind')} is not served")


def apply(kernel: Kernel, manifest: Object) -> None:
    """Creates an object, or replaces its spec, as ``kubectl apply`` would."""
    plural = plural_of(kernel, manifest)
    made = copy.deepcopy(manifest)
    known = kernel.get(plural, made["metadata"].get("namespace", ""), made["metadata"]["name"])
    if known is None:
        kernel.put(plural, made)
        return
    for field, value in made.items():
        if field not in ("metadata", "status"):
            known[field] = value
    for field in ("labels", "annotations"):
        if field in made["metadata"]:
            known["metadata"].setdefault(field, {}).update(made["metadata"][field])
    kernel.put(plural, known)


def length(kernel: Kernel, duration: Duration) -> float:
    """Seconds of a duration; of a range drawn anew."""
    if isinstance(duration, tuple):
        low, high = (seconds(end) for end in duration)
        return kernel.between(low, high)
    return seconds(duration)


def _made(nodes: Nodes) -> list[Machine]:
    names = (
        [nodes.name] if nodes.count == 1 else [f"{nodes.name}-{i + 1}" for i in range(nodes.count)]
    )
    return [
        Machine(
            name,
            cpu=nodes.cpu,
            memory=quantity(nodes.memory),
            pods=nodes.pods,
            labels=dict(nodes.labels),
            status_qps=nodes.status_qps,
            status_burst=int(2 * nodes.status_qps),
            images=set(nodes.images),
        )
        for name in names
    ]


class _Play:
    """Arrivals and actions, each of which arms the next of its kind."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kernel = world.kernel
        self._begun = world.kernel.now

    def _repeat(
        self,
        first: Duration,
        every: Duration | None,
        until: Duration | None,
        do: Callable[[], None],
    ) -> None:
        kernel = self._kernel
        end = None if until is None else self._begun + length(kernel, until)

        def now() -> None:
            if end is not None and kernel.now > end:
                return
            try:
                do()
            finally:  # one that goes wrong does not end those that come after
                if every is not None:
                    kernel.after(length(kernel, every), now)

        kernel.at(self._begun + length(kernel, first), now)

    def arrivals(self, arrivals: Arrivals) -> None:
        def come() -> None:
            for _ in range(arrivals.burst):
                argo.submit(self._kernel, arrivals.workflow)

        self._repeat(arrivals.first, arrivals.every, arrivals.until, come)

    def action(self, action: Action) -> None:
        do = getattr(self, f"_{action.do}")

        def act() -> None:
            if self._kernel.random.random() < action.chance:
                do(action)

        self._repeat(action.at, action.every, action.until, act)

    # Workflows

    def _one(self, action: Action, fits: Callable[[Object], bool]) -> tuple[str, str] | None:
        """A workflow of that generateName or name that the action fits."""
        namespace, _, name = action.target.partition("/")
        found = []
        for key in self._kernel.cluster.collections["workflows"].objects:
            if key[0] != namespace or not key[1].startswith(name):
                continue
            workflow = self._kernel.get("workflows", *key)
            if workflow is not None and fits(workflow):
                found.append(key)
            elif workflow is not None and (workflow.get("status") or {}).get("finishedAt"):
                self._kernel.forget("workflows", workflow)
        return self._kernel.random.choice(found) if found else None

    def _argo(
        self, action: Action, do: Callable[..., object], fits: Callable[[Object], bool]
    ) -> None:
        key = self._one(action, fits)
        if key is not None:
            do(self._kernel, *key, action.by)

    def _approve(self, action: Action) -> None:
        self._argo(action, argo.resume, _waits)

    def _resume(self, action: Action) -> None:
        self._argo(action, argo.resume, lambda w: bool(w["spec"].get("suspend")))

    def _suspend(self, action: Action) -> None:
        self._argo(action, argo.suspend, _runs)

    def _stop(self, action: Action) -> None:
        self._argo(action, argo.stop, _runs)

    def _terminate(self, action: Action) -> None:
        self._argo(action, argo.terminate, _runs)

    def _retry(self, action: Action) -> None:
        self._argo(action, argo.retry, _failed)

    def _resubmit(self, action: Action) -> None:
        self._argo(action, argo.resubmit, _failed)

    def _delete(self, action: Action) -> None:
        self._argo(action, argo.delete, lambda _: True)

    def _delete_pod(self, action: Action) -> None:
        """One live pod of a workflow of that generateName."""
        namespace, _, name = action.target.partition("/")
        found = [
            pod
            for key in self._kernel.cluster.collections["pods"].objects
            if key[0] == namespace and key[1].startswith(name)
            if (pod := self._kernel.get("pods", *key)) is not None
            if (pod.get("status") or {}).get("phase") in ("Pending", "Running")
        ]
        if found:
            delete_pod(self._kernel, self._kernel.random.choice(found))

    # Objects

    def _apply(self, action: Action) -> None:
        apply(self._kernel, action.set)

    def _patch(self, action: Action) -> None:
        """A merge patch of ``spec`` of an object: ``set`` has kind, apiVersion and spec."""
        namespace, _, name = action.target.rpartition("/")
        plural = plural_of(self._kernel, action.set)
        found = self._kernel.get(plural, namespace, name)
        if found is not None:
            found["spec"].update(action.set.get("spec") or {})
            self._kernel.put(plural, found)

    # Rollouts

    def _release(self, action: Action) -> None:
        """A new image (``set.image``, ``{n}`` counts up), with pod annotations where given."""
        namespace, _, name = action.target.partition("/")
        count = self._kernel.cluster.version
        image = str(action.set["image"]).replace("{n}", str(count))
        self._set_pod_annotations(namespace, name, action.set.get("annotations"))
        rollouts.set_image(self._kernel, namespace, name, image)

    def _set_pod_annotations(self, namespace: str, name: str, annotations: Object | None) -> None:
        rollout = self._kernel.get("rollouts", namespace, name)
        if rollout is not None and annotations is not None:
            rollout["spec"]["template"].setdefault("metadata", {})["annotations"] = annotations

    def _promote(self, action: Action) -> None:
        full = bool(action.set.get("full"))
        rollouts.promote(self._kernel, *action.target.split("/"), full=full)

    def _abort(self, action: Action) -> None:
        rollouts.abort(self._kernel, *action.target.split("/"))

    def _retry_release(self, action: Action) -> None:
        rollouts.retry(self._kernel, *action.target.split("/"))

    def _pause(self, action: Action) -> None:
        rollouts.pause(self._kernel, *action.target.split("/"))

    def _undo(self, action: Action) -> None:
        namespace, _, name = action.target.partition("/")
        rollouts.undo(self._kernel, namespace, name)

    # The cluster

    def _restart_argo(self, action: Action) -> None:
        self._world.restart_argo(seconds(action.set.get("seconds", 60)))

    def _shut_down_node(self, action: Action) -> None:
        machine = self._world.machines.by_name.get(action.target)
        if machine is not None:
            self._world.kubelet.shut_down(machine)
            again = action.set.get("back_after")
            if again is not None:
                fresh = copy.copy(machine)
                fresh.images, fresh.schedulable = set(), True
                fresh.used_cpu = fresh.used_memory = 0.0
                fresh.used_pods = 0
                self._kernel.after(seconds(again), lambda: self._join(fresh))

    def _join(self, machine: Machine) -> None:
        self._world.machines.add(machine)

    def _add_node(self, action: Action) -> None:
        for machine in _made(Nodes(name=action.target, **action.set)):
            self._world.machines.add(machine)

    def _forget_images(self, action: Action) -> None:
        for machine in self._world.machines.by_name.values():
            if machine.name.startswith(action.target):
                machine.images.clear()


def _phase(workflow: Object) -> str:
    return str((workflow.get("status") or {}).get("phase") or "")


def _runs(workflow: Object) -> bool:
    return _phase(workflow) in ("", "Pending", "Running") and not workflow["spec"].get("shutdown")


def _failed(workflow: Object) -> bool:
    return _phase(workflow) in ("Failed", "Error")


def _waits(workflow: Object) -> bool:
    nodes = (workflow.get("status") or {}).get("nodes") or {}
    return any(n["type"] == "Suspend" and n["phase"] == "Running" for n in nodes.values())
