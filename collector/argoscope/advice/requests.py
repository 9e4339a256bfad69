"""What containers ask for, as numbers."""

from argoscope.advice.manifest import Container, Manifest, mapping

RESOURCES = ("cpu", "memory")

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


def patched(container: Container) -> frozenset[str]:
    """Which resources a podSpecPatch sets somewhere: any mention counts."""
    if "resources" not in container.patch:
        return frozenset()
    return frozenset(name for name in RESOURCES if name in container.patch)


def requests(manifest: Manifest) -> dict[str, tuple[float, float]]:
    """Template -> (cores, bytes) that its main container asks for; 0 for nothing, and for what a
    podSpecPatch sets."""
    found = {}
    for container in manifest.containers():
        # A container set can have others beside it, of whose use nothing is known.
        if container.role == "main" and container.name == "main":
            resources = mapping(container.spec.get("resources"))
            asked = {**mapping(resources.get("limits")), **mapping(resources.get("requests"))}
            known = {name: asked.get(name, 0) for name in {*RESOURCES} - patched(container)}
            found[container.template] = (
                quantity(known.get("cpu", 0)),
                quantity(known.get("memory", 0)),
            )
    return found
