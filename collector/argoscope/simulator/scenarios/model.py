"""What a scenario file says. ``docs/simulator.md`` explains it with an example."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from argoscope.simulator.scenarios.checking import (
    check_argo,
    check_duration,
    check_manifest,
    check_quantity,
    check_served,
    check_target,
    check_workflow,
)

Object = dict[str, Any]
Duration = float | str | tuple[float | str, float | str]
"""Seconds, ``10m``, or a range of both, drawn anew each time."""


class Nodes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Machines of one kind."""

    name: Annotated[str, Meta(min_length=1)]
    """``<name>-1`` and so on, where there are more than one."""
    count: Annotated[int, Meta(ge=1)] = 1
    cpu: Annotated[float, Meta(gt=0)] = 16.0
    memory: str = "64Gi"
    pods: Annotated[int, Meta(ge=0)] = 110
    labels: dict[str, str] = {}
    status_qps: Annotated[float, Meta(gt=0)] = 50.0
    """Status writes a second of the kubelet: 5 on an old cluster, which then reports late."""
    images: tuple[str, ...] = ()
    """That they have from the beginning."""

    def __post_init__(self) -> None:
        check_quantity("memory", self.memory)


class ClusterPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the cluster is made up; see ``engine.world.Plan``."""

    argo: str = "4.1"
    nodes: tuple[Nodes, ...] = ()
    parallelism: int | None = None
    namespace_parallelism: dict[str, int] = {}
    pod_quota: dict[str, int] = {}
    semaphores: dict[str, int] = {}
    offload_bytes: int | None = None
    stale_crons: float = 0.0

    def __post_init__(self) -> None:
        check_argo(self.argo)


class Arrivals(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Workflows that come again and again."""

    workflow: Object
    """The manifest; with a generateName."""
    every: Duration | None = None
    """Between two of them; none: it comes once."""
    first: Duration = 0.0
    until: Duration | None = None
    burst: int = 1
    """How many come at a time."""

    def __post_init__(self) -> None:
        check_workflow("workflow", self.workflow)
        _check_times(self.first, "first", self.every, self.until)


class Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something that somebody does, or that happens to the cluster."""

    do: Literal[
        "approve",
        "stop",
        "terminate",
        "suspend",
        "resume",
        "retry",
        "resubmit",
        "delete",
        "delete_pod",
        "apply",
        "patch",
        "release",
        "promote",
        "abort",
        "retry_release",
        "pause",
        "undo",
        "restart_argo",
        "shut_down_node",
        "add_node",
        "forget_images",
    ]
    at: Duration
    every: Duration | None = None
    until: Duration | None = None
    target: str = ""
    """``namespace/name`` of what it is done to. Workflows by their generateName (``ci/build-``):
    one that the action fits, chosen by the seed. A node by its name."""
    by: str = ""
    """The person: the actor label."""
    set: Object = {}
    """What the action needs: the manifest to apply, the patch, ``image``, ``annotations``,
    ``seconds``, ``full``, ``nodes``."""
    chance: Annotated[float, Meta(ge=0, le=1)] = 1.0

    def __post_init__(self) -> None:
        check_target(self.do, self.target)
        _check_times(self.at, "at", self.every, self.until)
        if self.do == "apply":
            check_manifest("set", self.set)
        elif self.do == "patch":
            check_served("set", self.set)
        elif self.do == "add_node":
            _check_nodes({"name": self.target, **self.set})
        elif self.do == "release" and not self.set.get("image"):
            raise ValueError("set: a release needs an image")
        for name in ("seconds", "back_after"):
            if name in self.set:
                check_duration(f"set.{name}", self.set[name])


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One scenario."""

    name: str
    about: str
    """One sentence: what happens, and what it shows."""
    lasts: Duration = "1h"
    """How long a test plays it."""
    include: tuple[str, ...] = ()
    """Other scenarios that happen as well."""
    cluster: ClusterPlan = ClusterPlan()
    objects: tuple[Object, ...] = ()
    """Manifests that are there from the beginning."""
    arrivals: tuple[Arrivals, ...] = ()
    actions: tuple[Action, ...] = ()
    look_at: tuple[str, ...] = ()
    """What of it shows in argoscope's metrics, panels or alerts, a line each; its own only, not of
    those that it includes."""

    def __post_init__(self) -> None:
        check_duration("lasts", self.lasts)
        for number, manifest in enumerate(self.objects):
            check_manifest(f"objects[{number}]", manifest)


def _check_nodes(given: Object) -> None:
    try:
        msgspec.convert(given, Nodes)
    except msgspec.ValidationError as error:
        raise ValueError(f"set: {error}") from None


def _check_times(
    first: Duration, name: str, every: Duration | None, until: Duration | None
) -> None:
    check_duration(name, first)
    if every is not None:
        check_duration("every", every, repeats=True)
    if until is not None:
        check_duration("until", until)
