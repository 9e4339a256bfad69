"""A simulated cluster, whole: nodes, scheduler, kubelets, Argo's controllers and Rollouts'."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from argoscope.simulator.engine.argo.controller import WorkflowController
from argoscope.simulator.engine.argo.cron import CronController
from argoscope.simulator.engine.argo.version import VERSIONS
from argoscope.simulator.engine.kernel import Kernel
from argoscope.simulator.engine.kubelet import Kubelet
from argoscope.simulator.engine.machines import Machine, Machines
from argoscope.simulator.engine.recorder import Recorder
from argoscope.simulator.engine.rollouts.controller import RolloutController
from argoscope.simulator.engine.scheduler import Scheduler
from argoscope.simulator.engine.truth import Truth


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a cluster is made up, apart from what is submitted to it."""

    argo: str = "4.1"
    """Version of Argo Workflows that is played: 4.1, 3.6 or 3.5."""
    nodes: tuple[Machine, ...] = field(default_factory=lambda: (Machine("node-1"),))
    parallelism: int | None = None
    namespace_parallelism: dict[str, int] = field(default_factory=dict)
    pod_quota: dict[str, int] = field(default_factory=dict)
    semaphores: dict[str, int] = field(default_factory=dict)
    offload_bytes: int | None = None
    stale_crons: float = 0.0
    node_events: bool = True


class World:
    """One simulated cluster. ``start`` is its virtual Unix time at the beginning.

    Raises ValueError for a version of Argo that is not simulated.
    """

    def __init__(
        self,
        plan: Plan | None = None,
        *,
        seed: int,
        start: float,
        truth: Truth | None = None,
        history: int = 20_000,
    ) -> None:
        plan = plan or Plan()
        if plan.argo not in VERSIONS:
            raise ValueError(f"Argo {plan.argo} is not simulated; these are: {', '.join(VERSIONS)}")
        self.kernel = Kernel(seed=seed, start=start, truth=truth, history=history)
        self.cluster = self.kernel.cluster
        self.cluster.graceful.add("pods")
        self.cluster.on_write(self.kernel.written_by_client)
        self.recorder = Recorder(self.kernel)
        self.machines = Machines(self.kernel)
        self.scheduler = Scheduler(self.kernel, self.recorder, self.machines)
        self.kubelet = Kubelet(self.kernel, self.recorder, self.machines)
        self.workflows = WorkflowController(
            self.kernel,
            self.recorder,
            self.kubelet,
            argo=VERSIONS[plan.argo],
            parallelism=plan.parallelism,
            namespace_parallelism=plan.namespace_parallelism,
            pod_quota=plan.pod_quota,
            semaphores=plan.semaphores,
            offload_bytes=plan.offload_bytes,
            node_events=plan.node_events,
        )
        self.crons = CronController(self.kernel, stale=plan.stale_crons)
        self.rollouts = RolloutController(self.kernel, self.recorder)
        for machine in plan.nodes:
            self.machines.add(machine)

    @property
    def truth(self) -> Truth:
        return self.kernel.truth

    def restart_argo(self, seconds: float) -> None:
        """Argo's controllers are down for a while."""
        self.workflows.restart(seconds)
        self.crons.restart(seconds)

    def run_until(self, when: float) -> None:
        self.kernel.run_until(when)

    def at(self, when: float, call: Callable[[], Any]) -> None:
        self.kernel.at(when, call)
