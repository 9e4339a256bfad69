"""What containers ask for, as numbers."""

from argoscope.advice.manifest import Manifest, mapping

_UNITS = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0,
    "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50,
}  # fmt: skip


def quantity(text: object) -> float:
    """A Kubernetes quantity (``500m``, ``1.5Gi``); 0 for what is none."""
    value = str(text).strip()
    number = value.rstrip("numkMGTPi")
    try:
        return float(number) * _UNITS[value[len(number) :]]
    except (ValueError, KeyError):
        return 0.0


def requests(manifest: Manifest) -> dict[str, tuple[float, float]]:
    """Template -> (cores, bytes) that its main container asks for; 0 for nothing."""
    found = {}
    for container in manifest.containers():
        if container.role == "main":
            resources = mapping(container.spec.get("resources"))
            asked = {**mapping(resources.get("limits")), **mapping(resources.get("requests"))}
            cpu, memory = quantity(asked.get("cpu", 0)), quantity(asked.get("memory", 0))
            found[container.template] = (cpu, memory)
    return found
