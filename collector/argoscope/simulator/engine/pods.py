"""What several controllers do with pods: reading their needs, deleting them as clients do."""

import re

from argoscope.simulator.engine.kernel import Kernel, Object, stamp

_UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}


def quantity(text: str | float) -> float:
    """A Kubernetes quantity in its base unit. Raises ValueError."""
    matched = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text))
    if matched is None or matched[2] not in {**_UNITS, **_BINARY}:
        raise ValueError(f"{text!r} is no quantity")
    return float(matched[1]) * {**_UNITS, **_BINARY}[matched[2]]


def needs(pod: Object) -> tuple[float, float]:
    """(cores, bytes) that the pod requests: the sum of its containers, or the largest init."""
    spec = pod["spec"]
    cpu = memory = 0.0
    for container in spec.get("containers", ()):
        requests = (container.get("resources") or {}).get("requests") or {}
        cpu += quantity(requests.get("cpu", 0))
        memory += quantity(requests.get("memory", 0))
    for container in spec.get("initContainers", ()):
        requests = (container.get("resources") or {}).get("requests") or {}
        cpu = max(cpu, quantity(requests.get("cpu", 0)))
        memory = max(memory, quantity(requests.get("memory", 0)))
    return cpu, memory


def delete_pod(kernel: Kernel, pod: Object, grace: int | None = None) -> None:
    """Deletes a pod as the API does: at once when no kubelet has it, else marked for it."""
    meta = pod["metadata"]
    if meta.get("deletionTimestamp"):
        return
    if not pod["spec"].get("nodeName") or grace == 0:
        kernel.remove("pods", pod)
        return
    seconds = int(pod["spec"].get("terminationGracePeriodSeconds", 30)) if grace is None else grace
    meta["deletionTimestamp"] = stamp(kernel.now + seconds)
    meta["deletionGracePeriodSeconds"] = seconds
    kernel.put("pods", pod)
