"""The cluster's Nodes: what fits on them, which images they have, how fast they report."""

from dataclasses import dataclass, field

from argoscope.simulator.engine.kernel import Kernel, Object, stamp

ARGOEXEC = "argoproj/argoexec"
"""Part of the name of the executor's image, which every machine that ran Argo before has."""


@dataclass(slots=True)
class Machine:
    """One Node."""

    name: str
    cpu: float = 16.0
    """Cores."""
    memory: float = 64 * 2**30
    """Bytes."""
    pods: int = 110
    labels: dict[str, str] = field(default_factory=dict)
    status_qps: float = 50.0
    """Status writes a second of the kubelet (--kube-api-qps); 5 is the old default."""
    status_burst: int = 100
    images: set[str] = field(default_factory=set)
    used_cpu: float = 0.0
    used_memory: float = 0.0
    used_pods: int = 0
    schedulable: bool = True
    ip: str = ""

    def fits(self, cpu: float, memory: float) -> list[str]:
        """Why a pod does not fit, in the scheduler's words; empty if it does."""
        found = []
        if self.used_cpu + cpu > self.cpu + 1e-9:
            found.append("Insufficient cpu")
        if self.used_memory + memory > self.memory:
            found.append("Insufficient memory")
        if self.used_pods >= self.pods:
            found.append("Too many pods")
        return found


class Machines:
    """The Nodes, and their objects in the API."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.by_name: dict[str, Machine] = {}

    def add(self, machine: Machine) -> Machine:
        """Joins a machine to the cluster, Ready at once."""
        self.by_name[machine.name] = machine
        machine.ip = f"10.0.{len(self.by_name) // 250}.{len(self.by_name) % 250 + 1}"
        self._kernel.put("nodes", self._object(machine))
        labels = dict(machine.labels)
        self._kernel.truth.tell("machine_joined", machine=machine.name, labels=labels)
        return machine

    def remove(self, machine: Machine) -> None:
        """Takes the Node away; what ran there is the kubelet's and the caller's business."""
        found = self._kernel.get("nodes", "", machine.name)
        if found is not None:
            self._kernel.remove("nodes", found)
            self._kernel.truth.tell("machine_left", machine=machine.name)
        self.by_name.pop(machine.name, None)

    def cordon(self, machine: Machine) -> None:
        machine.schedulable = False
        self._kernel.put("nodes", self._object(machine))

    def _object(self, machine: Machine) -> Object:
        now = stamp(self._kernel.now)
        known = self._kernel.get("nodes", "", machine.name)
        meta = known["metadata"] if known else {"name": machine.name}
        meta["labels"] = {
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": machine.name,
            "kubernetes.io/os": "linux",
            **machine.labels,
        }
        quantity = {
            "cpu": f"{machine.cpu:g}",
            "memory": f"{int(machine.memory // 1024)}Ki",
            "pods": str(machine.pods),
        }
        spec: Object = {"podCIDR": f"10.{100 + len(self.by_name) % 100}.0.0/24"}
        if not machine.schedulable:
            taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
            spec |= {"unschedulable": True, "taints": [taint]}
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        return {
            "metadata": meta,
            "spec": spec,
            "status": {
                "allocatable": quantity,
                "capacity": quantity,
                "conditions": [ready],
                "addresses": [{"type": "InternalIP", "address": machine.ip}],
                "nodeInfo": {"kubeletVersion": "v1.34.1", "operatingSystem": "linux"},
            },
        }
