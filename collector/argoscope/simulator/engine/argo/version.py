"""What differs between the versions of Argo Workflows that are simulated."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Argo:
    """One version of the controller, as it was seen at work."""

    version: str
    executor: str
    """Image of init and wait."""
    names_container: bool
    """Failure messages begin with the container: ``main: Error (exit code 1)``."""
    remakes_pods: bool
    """A pod that was deleted before it started is made again."""
    traces: bool
    """Trace and span ids are written on workflows and pods."""
    labels_template: bool
    """Runs of a WorkflowTemplate carry its name as a label."""
    terminated_can_succeed: bool
    """A node whose main traps the signal and exits 0 succeeds after a termination."""
    looks_twice: bool = False
    """Two looks in ten seconds are let through, the second as soon as anything changes."""
    stops_at_once: bool = False
    """A stop ends running nodes in the controller's eyes at once; the workflow ends when the pods
    have."""
    compress_bytes: int = 1_000_000
    """Size of the nodes' JSON above which it is compressed."""


V4_1 = Argo(
    version="4.1.2",
    executor="argoproj/argoexec:v4.1.2",
    names_container=True,
    remakes_pods=True,
    traces=True,
    labels_template=True,
    terminated_can_succeed=True,
)
V3_6 = Argo(
    version="3.6.19",
    executor="argoproj/argoexec:v3.6.19",
    names_container=False,
    remakes_pods=False,
    traces=False,
    labels_template=False,
    terminated_can_succeed=False,
    looks_twice=True,
    stops_at_once=True,
    compress_bytes=500_000,
)
V3_5 = Argo(
    version="3.5.15",
    executor="argoproj/argoexec:v3.5.15",
    names_container=False,
    remakes_pods=False,
    traces=False,
    labels_template=False,
    terminated_can_succeed=False,
    looks_twice=True,
    stops_at_once=True,
    compress_bytes=500_000,
)
VERSIONS = {"4.1": V4_1, "3.6": V3_6, "3.5": V3_5}
