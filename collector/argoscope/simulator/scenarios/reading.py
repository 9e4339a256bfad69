"""Reads scenario files: the shipped ones by name, anybody's by path."""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from argoscope.simulator.scenarios.model import ClusterPlan, Scenario

_FOLDER = Path(__file__).parent
MAX_BYTES = 1_000_000


class ScenarioError(Exception):
    """A scenario can't be read; the message says which, where, and what to do."""


def names() -> list[str]:
    """Of the shipped scenarios, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def shipped() -> list[Scenario]:
    return [read(name) for name in names()]


def read(name: str) -> Scenario:
    """A scenario by the name of a shipped one, or by path, with what it includes merged into it.

    Raises ScenarioError.
    """
    return _merged(_load(name), (name,))


def _load(name: str) -> Scenario:
    path = _FOLDER / f"{name}.yaml" if "/" not in name and "." not in name else Path(name)
    try:
        text = path.read_bytes()
    except OSError as error:
        known = f"shipped are: {', '.join(names())}" if path.parent == _FOLDER else ""
        why = error.strerror or str(error)
        raise ScenarioError(f"scenario {name}: {why}; {known or 'name a readable file'}") from error
    if len(text) > MAX_BYTES:
        raise ScenarioError(f"scenario {name} has {len(text)} bytes; {MAX_BYTES} are the most")
    try:
        found: Any = yaml.safe_load(text)
        return msgspec.convert(found, Scenario)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise ScenarioError(f"scenario {name}: {error}") from error


def _merged(scenario: Scenario, seen: tuple[str, ...]) -> Scenario:
    for name in scenario.include:
        if name in seen:
            raise ScenarioError(f"scenario {seen[-1]} includes {name}, which includes it")
        other = _merged(_load(name), (*seen, name))
        scenario = msgspec.structs.replace(
            scenario,
            cluster=_both(scenario.cluster, other.cluster),
            objects=(*other.objects, *scenario.objects),
            arrivals=(*other.arrivals, *scenario.arrivals),
            actions=(*other.actions, *scenario.actions),
        )
    return scenario


def _both(own: ClusterPlan, other: ClusterPlan) -> ClusterPlan:
    """Nodes and limits of both; what only one can be, the including one says."""
    known = {nodes.name for nodes in own.nodes}
    return msgspec.structs.replace(
        own,
        nodes=(*own.nodes, *(n for n in other.nodes if n.name not in known)),
        namespace_parallelism={**other.namespace_parallelism, **own.namespace_parallelism},
        pod_quota={**other.pod_quota, **own.pod_quota},
        semaphores={**other.semaphores, **own.semaphores},
        offload_bytes=own.offload_bytes or other.offload_bytes,
        stale_crons=max(own.stale_crons, other.stale_crons),
    )
