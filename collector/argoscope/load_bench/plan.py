"""What a run of the benchmark does: the numbers that were asked for."""

from dataclasses import dataclass
from typing import Literal

RUN_LABEL = "argoscope.dev/bench-run"
"""On everything that a run makes, and on the pods of it; the value is the run's id."""

GROUP, VERSION = "argoproj.io", "v1alpha1"

Kind = Literal["workflows", "rollouts"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """``concurrency`` users make ``count`` objects; times are in seconds."""

    kind: Kind
    run: str
    """Id of the run: part of every name, and the value of ``RUN_LABEL``."""
    namespace: str
    count: int
    concurrency: int
    timeout: float
    """From an acknowledged request to the conclusive phase."""
    steps: int
    """Steps of a Workflow, one after the other, or of a Rollout's canary."""
    seconds: float
    """How long each step takes."""
    images: tuple[str, ...]
    """Of the containers; releases of a Rollout take them in turn."""
    service_account: str = ""
    releases: int = 0
    """Updates of each Rollout after its creation."""
    replicas: int = 1

    @property
    def path(self) -> str:
        return collection(self.kind, self.namespace)

    @property
    def selector(self) -> str:
        return f"{RUN_LABEL}={self.run}"

    @property
    def operations(self) -> int:
        """Conclusive phases that are waited for."""
        return self.count * (1 + self.releases)

    def name(self, number: int) -> str:
        return f"argoscope-bench-{self.run}-{number}"


def collection(kind: Kind, namespace: str) -> str:
    """API path of the kind's objects in a namespace."""
    return f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{kind}"
