"""What a scenario's types don't say; each raises ValueError with what is wrong.

Said when the file is read, with its place in it: in a cluster that goes on for hours a mistake
would show late, or never.
"""

import re
from typing import Any

from argoscope.simulator.engine.argo.expand import seconds
from argoscope.simulator.engine.argo.version import VERSIONS
from argoscope.simulator.engine.pods import quantity
from argoscope.simulator.kinds import KINDS

_DURATION = re.compile(r"[0-9]+(\.[0-9]+)?|([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+")
_SERVED = {(kind.kind, kind.api_version) for kind in KINDS}
_WORKFLOW = ("Workflow", "argoproj.io/v1alpha1")
_ANYWHERE = ("apply", "patch", "restart_argo", "shut_down_node", "add_node", "forget_images")
"""Actions whose target is no ``namespace/name``, or none."""


def check_duration(name: str, duration: Any, *, repeats: bool = False) -> None:
    """A duration or a range of two; ``repeats``: something happens again after it."""
    for one in duration if isinstance(duration, tuple) else (duration,):
        if not _DURATION.fullmatch(str(one)):
            raise ValueError(f"{name}: {one!r} is no duration, such as 90, 90s or 1h30m")
        if repeats and not seconds(one) > 0.0:
            raise ValueError(f"{name}: {one!r} is no time at all: it would never end")


def check_quantity(name: str, text: str) -> None:
    try:
        quantity(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def check_argo(version: str) -> None:
    if version not in VERSIONS:
        raise ValueError(f"argo: {version!r} is not simulated; these are: {', '.join(VERSIONS)}")


def check_manifest(name: str, manifest: Any) -> None:
    """Of an object that is there under its name."""
    check_served(name, manifest)
    if not _metadata(name, manifest).get("name"):
        raise ValueError(f"{name}: metadata.name is missing")


def check_served(name: str, manifest: Any) -> None:
    if (found := (manifest.get("kind"), manifest.get("apiVersion"))) not in _SERVED:
        raise ValueError(f"{name}: {found[1]} {found[0]} is not served")


def check_workflow(name: str, manifest: Any) -> None:
    if (found := (manifest.get("kind"), manifest.get("apiVersion"))) != _WORKFLOW:
        raise ValueError(f"{name}: {found[1]} {found[0]} is no {_WORKFLOW[1]} Workflow")
    meta = _metadata(name, manifest)
    if not (meta.get("generateName") or meta.get("name")):
        raise ValueError(f"{name}: metadata.generateName is missing")


def check_target(do: str, target: str) -> None:
    namespace, slash, _ = target.partition("/")
    if do not in _ANYWHERE and not (namespace and slash and target.count("/") == 1):
        raise ValueError(f"target: {do} needs NAMESPACE/NAME, which {target!r} is not")
    if do in ("patch", "shut_down_node", "add_node") and not target:
        raise ValueError(f"target: {do} needs the name of what it is done to")


def _metadata(name: str, manifest: Any) -> dict[str, Any]:
    meta = manifest.get("metadata")
    if not isinstance(meta, dict):
        raise ValueError(f"{name}: metadata is missing")
    return meta
