"""How many replicas each ReplicaSet of a canary gets: surge, unavailability and weights."""

import math

from argoscope.simulator.engine.kernel import Object
from argoscope.simulator.engine.rollouts import spec


def wanted(replica_set: Object | None) -> int:
    return int(replica_set["spec"]["replicas"]) if replica_set else 0


def available(replica_set: Object | None) -> int:
    return int(replica_set.get("status", {}).get("availableReplicas", 0)) if replica_set else 0


def existing(replica_set: Object | None) -> int:
    return int(replica_set.get("status", {}).get("replicas", 0)) if replica_set else 0


def set_weight(rollout: Object) -> int:
    """The weight that the steps so far set, in percent; 100 after the last step."""
    status, steps = rollout["status"], spec.steps(rollout)
    if status.get("abort"):
        return 0
    index = status.get("currentStepIndex") or 0
    if index >= len(steps):
        return 100
    return next((int(s["setWeight"]) for s in reversed(steps[: index + 1]) if "setWeight" in s), 0)


def desired_weight(rollout: Object) -> tuple[int | None, int]:
    """(replicas set by setCanaryScale, or None; else the weight in percent)."""
    status = rollout["status"]
    if status.get("promoteFull") or status.get("currentPodHash") == status.get("stableRS"):
        return None, 100
    scale = _canary_scale(rollout)
    if scale is not None and scale.get("replicas") is not None:
        return int(scale["replicas"]), 0
    if scale is not None and scale.get("weight") is not None:
        return None, int(scale["weight"])
    return None, set_weight(rollout)


def _canary_scale(rollout: Object) -> Object | None:
    status, steps = rollout["status"], spec.steps(rollout)
    index = status.get("currentStepIndex") or 0
    if status.get("abort") or index >= len(steps) or not spec.routes_traffic(rollout):
        return None
    for step in reversed(steps[: index + 1]):
        if "setCanaryScale" in step:
            scale: Object = step["setCanaryScale"]
            return None if scale.get("matchTrafficWeight") else scale
    return None


def basic(
    rollout: Object, new: Object | None, stable: Object | None, others: list[Object]
) -> tuple[int, int]:
    """(new, stable) replicas now, on the way to the weight, when pods are the only router.

    As many more as surge allows, stable first; then as many fewer as availability allows, but
    nothing while older ReplicaSets still have pods.
    """
    replicas = spec.replicas(rollout)
    surge = spec.max_surge(rollout)
    least = replicas - spec.max_unavailable(rollout)
    goal_new, goal_stable = closest(replicas, desired_weight(rollout)[1], surge)
    two = stable is not None and (new is None or new is not stable)
    if not two:
        goal_new, goal_stable = replicas, 0
    have_new, have_stable = wanted(new), wanted(stable) if two else 0
    old = sum(wanted(other) for other in others)
    count_new, count_stable = have_new, have_stable
    room = replicas + surge - (old + have_new + have_stable)
    if two and have_stable < goal_stable and room > 0:
        count_stable = min(goal_stable, have_stable + room)
        room -= count_stable - have_stable
    if new is not None and have_new < goal_new and room > 0:
        count_new = min(goal_new, have_new + room)
    if old > 0:
        return count_new, count_stable
    increasing = new is None or goal_new >= have_new
    spare = _serving(new, not increasing) + _serving(stable, increasing) - least
    if spare <= 0:
        return count_new, count_stable
    most = replicas + surge
    if not increasing:
        count_new = _drained(new, goal_new, spare, count_new)
        return _within(new, stable if two else None, count_new, count_stable, most, least)
    if two:
        count_stable = _drained(stable, goal_stable, spare, count_stable)
        count_stable, count_new = _within(stable, new, count_stable, count_new, most, least)
    return count_new, count_stable


def _serving(replica_set: Object | None, whatever: bool) -> int:
    """Replicas that count as available; ``whatever``: also those that are not (yet)."""
    if replica_set is None:
        return 0
    have, ready = wanted(replica_set), available(replica_set)
    return have if whatever or have < ready else ready


def _drained(replica_set: Object | None, goal: int, spare: int, count: int) -> int:
    have = wanted(replica_set)
    return max(goal, have - spare) if replica_set is not None and have > goal else count


def _within(
    drained: Object | None, kept: Object | None, low: int, high: int, most: int, least: int
) -> tuple[int, int]:
    """(replicas of the drained, of the kept one) so that surge and availability both hold."""
    if kept is None:
        return low, high
    high -= max(0, low + high - most)
    serving = min(available(drained), low) + min(available(kept), high)
    high += min(max(0, available(kept) - high), max(0, least - serving))
    return low - max(0, low + high - most), high


def closest(replicas: int, weight: int, surge: int) -> tuple[int, int]:
    """(canary, stable) replicas that come closest to the weight, with one more if it may surge."""
    if replicas == 0:
        return 0, 0
    up = math.ceil(replicas * weight / 100)
    down = replicas * weight // 100
    zero = weight in (0, 100) or (replicas == 1 and surge == 0)
    options: list[tuple[int, int]] = []
    if up < replicas or zero:
        options.append((up, replicas))
    if not _tied(weight, replicas) and (down != 0 or zero):
        options.append((down, replicas))
    if surge > 0:
        options.append((up, replicas + 1))
        if not _tied(weight, replicas + 1) and (down != 0 or zero):
            options.append((down, replicas + 1))
    if not options:
        return 0, replicas
    count, total = min(options, key=lambda option: abs(option[0] * 100 / option[1] - weight))
    return count, total - count


def _tied(weight: int, replicas: int) -> bool:
    return (replicas * weight) % 100 == 50


def routed(rollout: Object, weights: Object | None) -> tuple[int, int]:
    """(new, stable) replicas when a traffic router follows the weights."""
    replicas = spec.replicas(rollout)
    fixed, weight = desired_weight(rollout)
    new = fixed if fixed is not None else math.ceil(replicas * weight / 100)
    if not (spec.canary(rollout) or {}).get("dynamicStableScale"):
        return new, replicas
    stable = math.ceil(replicas * (100 - weight) / 100)
    if weights:
        stable = max(stable, math.ceil(replicas * weights["stable"]["weight"] / 100))
        if rollout["status"].get("abort"):
            new = max(new, math.ceil(replicas * weights["canary"]["weight"] / 100))
    return new, stable


def at_goal(
    rollout: Object,
    new: Object | None,
    stable: Object | None,
    others: list[Object],
    weights: Object | None,
) -> bool:
    """Whether the step's replicas are there."""
    traffic = spec.routes_traffic(rollout)
    if traffic:
        goal_new, goal_stable = routed(rollout, weights)
    else:
        goal_new, goal_stable = basic(rollout, new, stable, others)
    if new is None or not wanted(new) == available(new) == goal_new:
        return False
    dynamic = traffic and (spec.canary(rollout) or {}).get("dynamicStableScale")
    if not dynamic and (stable is None or not wanted(stable) == existing(stable) == goal_stable):
        return False
    return traffic or not any(available(other) for other in others)
