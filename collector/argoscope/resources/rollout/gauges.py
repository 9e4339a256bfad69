"""What a Rollout contributes to the gauges while it exists."""

from collections.abc import Iterator

from argoscope.metrics.model import Labels
from argoscope.resources._base import Contribution
from argoscope.resources.rollout.metrics import (
    INFO,
    PHASE,
    PHASE_AGE,
    PHASES,
    REPLICAS,
    STEP,
    STEPS,
    WEIGHT,
)
from argoscope.resources.rollout.objects import Rollout, TrafficRouting
from argoscope.resources.rollout.status import is_aborted, is_stable

_DEFAULT_REPLICAS = 1


def contributions(rollout: Rollout, labels: Labels, shown: str, since: float) -> list[Contribution]:
    """All gauges of a rollout whose shown phase began at ``since`` (Unix seconds)."""
    gauges: list[Contribution] = [
        (INFO, (*labels, *_info(rollout)), 1.0),
        (PHASE_AGE, labels, since),
    ]
    gauges += [(PHASE, (*labels, name), float(name == shown)) for name in PHASES]
    gauges += [(REPLICAS, (*labels, state), n) for state, n in _replicas(rollout)]
    steps = len(rollout.steps)
    if steps:
        gauges.append((STEPS, labels, float(steps)))
        if rollout.status.current_step_index is not None:
            gauges.append((STEP, labels, float(rollout.status.current_step_index)))
    if rollout.canary:
        canary, stable = weights(rollout)
        gauges.append((WEIGHT, (*labels, "canary"), canary))
        gauges.append((WEIGHT, (*labels, "stable"), stable))
    return gauges


def _info(rollout: Rollout) -> tuple[str, str, str]:
    ref = rollout.spec.workload_ref
    canary = rollout.canary
    strategy = "canary" if canary else "blueGreen" if rollout.blue_green else ""
    routing = canary.traffic_routing if canary else None
    return strategy, f"{ref.kind}/{ref.name}" if ref else "", "+".join(_routers(routing))


def _routers(routing: TrafficRouting | None) -> Iterator[str]:
    if routing is None:
        return
    for field in routing.__struct_fields__:
        if field != "plugins" and getattr(routing, field) is not None:
            yield "appMesh" if field == "app_mesh" else field
    yield from sorted(routing.plugins or ())


def _replicas(rollout: Rollout) -> Iterator[tuple[str, float]]:
    # The controller leaves out what is 0, so a rollout without replicas has none of these fields.
    spec, status = rollout.spec, rollout.status
    yield "desired", float(_DEFAULT_REPLICAS if spec.replicas is None else spec.replicas)
    yield "current", float(status.replicas)
    yield "updated", float(status.updated_replicas)
    yield "ready", float(status.ready_replicas)
    yield "available", float(status.available_replicas)


def weights(rollout: Rollout) -> tuple[float, float]:
    """Percent of the canary and of the stable revision.

    With a traffic router what it was given (status.canary.weights), or the last setWeight reached
    where that is not said. Without one the share of the pods: setWeight is then only a wish, which
    a single pod can't fulfil. A finished release has no canary.
    """
    status, canary = rollout.status, rollout.canary
    given = status.canary.weights if status.canary else None
    routed = canary is not None and canary.traffic_routing is not None
    if given and routed:
        return (
            float(given.canary.weight if given.canary else 0),
            float(given.stable.weight if given.stable else 0),
        )
    if is_stable(rollout) or not status.stable_rs:
        share = 0.0
    elif routed:
        share = 0.0 if is_aborted(rollout) else _set_weight(rollout)
    else:
        share = 100.0 * status.updated_replicas / status.replicas if status.replicas else 0.0
    share = min(share, 100.0)
    return share, 100.0 - share


def _set_weight(rollout: Rollout) -> float:
    """The last setWeight up to the current step; 100 after the last step, 0 before the first."""
    steps, index = rollout.steps, rollout.status.current_step_index
    if index is None or index >= len(steps):
        return 100.0
    for step in reversed(steps[: index + 1]):
        if step.set_weight is not None:
            return float(step.set_weight)
    return 0.0
