"""What a Rollout's spec asks for, with the controller's defaults."""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from argoscope.simulator.engine.hashes import fnv32
from argoscope.simulator.engine.kernel import Object

HASH = "rollouts-pod-template-hash"
REVISION = "rollout.argoproj.io/revision"
DESIRED = "rollout.argoproj.io/desired-replicas"
HISTORY = "rollout.argoproj.io/revision-history"
WORKLOAD_GENERATION = "rollout.argoproj.io/workload-generation"
DEADLINE = "scale-down-deadline"

_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_SAFE = "bcdfghjklmnpqrstvwxz2456789"

Exists = Callable[[str, str], bool]
"""Whether there is an object of that plural and name in the rollout's namespace."""


def seconds(duration: int | str) -> float:
    """A pause's or an interval's duration: a number of seconds, or Go's ``1m30s``.

    Raises ValueError.
    """
    text = str(duration)
    if text.isdecimal():
        return float(text)
    parts = re.findall(r"([0-9.]+)(ns|us|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def replicas(rollout: Object) -> int:
    found = rollout["spec"].get("replicas")
    return 1 if found is None else int(found)


def canary(rollout: Object) -> Object | None:
    found: Object | None = (rollout["spec"].get("strategy") or {}).get("canary")
    return found


def blue_green(rollout: Object) -> Object | None:
    found: Object | None = (rollout["spec"].get("strategy") or {}).get("blueGreen")
    return found


def steps(rollout: Object) -> list[Object]:
    return list((canary(rollout) or {}).get("steps") or ())


def current_step(rollout: Object) -> Object | None:
    """The canary step the status is at; None when there is none or all are done."""
    found = steps(rollout)
    index = rollout.get("status", {}).get("currentStepIndex") or 0
    return found[index] if index < len(found) else None


def kind_of(step: Object) -> str:
    return next(iter(step))


def step_text(step: Object) -> str:
    """A step as the controller's Events name it."""
    kind = kind_of(step)
    if kind == "setWeight":
        return f"setWeight: {step['setWeight']}"
    if kind == "pause":
        duration = (step["pause"] or {}).get("duration")
        return "pause" if duration is None else f"pause: {duration}"
    if kind == "setCanaryScale":
        scale = step["setCanaryScale"]
        name = next(name for name in ("weight", "matchTrafficWeight", "replicas") if name in scale)
        value = str(scale[name]).lower() if isinstance(scale[name], bool) else scale[name]
        return f"setCanaryScale{{{name}: {value}}}"
    return kind


def is_indefinite(step: Object | None) -> bool:
    """Whether the progress deadline does not run during the step."""
    return step is not None and kind_of(step) in ("experiment", "analysis", "pause")


def routes_traffic(rollout: Object) -> bool:
    return bool((canary(rollout) or {}).get("trafficRouting"))


def max_surge(rollout: Object) -> int:
    given = (canary(rollout) or {}).get("maxSurge", "25%")
    return _share(given, replicas(rollout), math.ceil)


def max_unavailable(rollout: Object) -> int:
    given = (canary(rollout) or {}).get("maxUnavailable", "25%")
    found = _share(given, replicas(rollout), math.floor)
    return max(found, 1) if max_surge(rollout) == 0 else found


def _share(given: int | str, total: int, rounded: Callable[[float], int]) -> int:
    text = str(given)
    return rounded(total * int(text[:-1]) / 100) if text.endswith("%") else int(text)


def progress_deadline(rollout: Object) -> int:
    return int(rollout["spec"].get("progressDeadlineSeconds") or 600)


def scale_down_delay(rollout: Object) -> float:
    """How long the old ReplicaSet stays after traffic has left it, in seconds."""
    strategy = blue_green(rollout)
    if strategy is None:
        strategy = canary(rollout) or {}
        if not strategy.get("trafficRouting"):
            return 0.0
    delay = strategy.get("scaleDownDelaySeconds")
    return 30.0 if delay is None else float(delay)


def abort_scale_down_delay(rollout: Object) -> tuple[float | None, bool]:
    """(seconds, whether they were set); None: the canary or preview stays up after an abort."""
    strategy = blue_green(rollout) or canary(rollout) or {}
    given = strategy.get("abortScaleDownDelaySeconds")
    if given is None:
        return 30.0, False
    return (float(given) or None), True


def pauses_before_cutover(strategy: Object) -> bool:
    """Whether a blue-green release waits before the active Service is switched."""
    return strategy.get("autoPromotionEnabled") is False or bool(
        strategy.get("autoPromotionSeconds")
    )


def selector_text(selector: Object | None, *more: str) -> str:
    labels = (selector or {}).get("matchLabels") or {}
    return ",".join([*(f"{key}={labels[key]}" for key in sorted(labels)), *more]) or "<none>"


def pod_hash(template: Object) -> str:
    """The hash of a pod template: decimal FNV-1a, spelled without vowels, as Kubernetes does it."""
    return _safe(fnv32(msgspec.json.encode(_without_empty(template), order="sorted")))


def step_hash(rollout: Object) -> str:
    """status.currentStepHash; empty for blue-green."""
    if canary(rollout) is None:
        return ""
    return _safe(fnv32(msgspec.json.encode(steps(rollout) or None)))


def _safe(number: int) -> str:
    return "".join(_SAFE[ord(digit) % len(_SAFE)] for digit in str(number))


def _without_empty(value: Any) -> Any:
    """What the API server fills in with nothing does not make another template."""
    if isinstance(value, dict):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, {}, [])}
    if isinstance(value, list):
        return [_without_empty(item) for item in value]
    return value


def problem(rollout: Object, exists: Exists) -> str:
    """What is wrong with the spec, in the controller's words; empty if nothing is."""
    found = next(_problems(rollout, exists), "")
    return f'The Rollout "{rollout["metadata"]["name"]}" is invalid: {found}' if found else ""


def _problems(rollout: Object, exists: Exists) -> Iterator[str]:
    spec = rollout["spec"]
    if not spec.get("workloadRef"):
        if not spec.get("selector"):
            yield "spec.selector: Required value: Rollout has missing field '.spec.selector'"
        if not spec.get("template"):
            yield "spec.template: Required value: Rollout has missing field '.spec.template'"
    elif not exists("deployments", spec["workloadRef"]["name"]):
        name = spec["workloadRef"]["name"]
        yield (
            f'spec.workloadRef.name: Invalid value: "{name}": deployments.apps "{name}" not found'
        )
    if (canary(rollout) is None) == (blue_green(rollout) is None):
        yield (
            "spec.strategy.strategy: Required value: Rollout has missing field "
            "'.spec.strategy.canary or .spec.strategy.blueGreen'"
        )
        return
    yield from _service_problems(rollout, exists)
    for index, step in enumerate(steps(rollout)):
        yield from _step_problems(rollout, index, step)
    yield from _template_problems(rollout, exists)


def _service_problems(rollout: Object, exists: Exists) -> Iterator[str]:
    strategy = blue_green(rollout)
    if strategy is None:
        place, strategy = "canary", canary(rollout) or {}
        fields = ("stableService", "canaryService")
    else:
        place, fields = "blueGreen", ("activeService", "previewService")
        if not strategy.get("activeService"):
            yield "spec.strategy.blueGreen.activeService: Required value"
        elif strategy["activeService"] == strategy.get("previewService"):
            yield (
                f'spec.strategy.blueGreen.activeService: Invalid value: "'
                f'{strategy["activeService"]}": This rollout uses the same service for the active '
                "and preview services, but two different services are required."
            )
    for field in fields:
        name = strategy.get(field)
        if name and not exists("services", name):
            yield (
                f'spec.strategy.{place}.{field}: Invalid value: "{name}": '
                f'service "{name}" not found'
            )


def _step_problems(rollout: Object, index: int, step: Object) -> Iterator[str]:
    place = f"spec.strategy.steps[{index}]"
    if len(step) != 1:
        yield (
            f"{place}: Invalid value: {len(step)} fields: Step must have one of the following set: "
            "experiment, setWeight, setCanaryScale or pause"
        )
        return
    kind, value = next(iter(step.items()))
    if kind == "setWeight" and not 0 <= int(value) <= 100:
        yield (
            f"{place}.setWeight: Invalid value: {value}: SetWeight needs to be between 0 and 100"
        )
    elif kind == "pause" and (value or {}).get("duration") is not None:
        try:
            seconds(value["duration"])
        except ValueError:
            yield (
                f'{place}.pause.duration: Invalid value: "{value["duration"]}": '
                "Duration needs to be greater than 0"
            )
    elif kind == "setCanaryScale" and not routes_traffic(rollout):
        yield f"{place}.setCanaryScale: Invalid value: SetCanaryScale requires TrafficRouting"
    elif kind not in ("setWeight", "pause", "setCanaryScale", "analysis"):
        yield f"{place}.{kind}: Invalid value: the simulated controller has no {kind} steps"


def analyses(rollout: Object) -> Iterator[tuple[str, Object]]:
    """(place in the spec, RolloutAnalysis) of all that the rollout may run."""
    for index, step in enumerate(steps(rollout)):
        if step.get("analysis"):
            yield f"spec.strategy.canary.steps[{index}].analysis.templates", step["analysis"]
    background = (canary(rollout) or {}).get("analysis")
    if background:
        yield "spec.strategy.canary.analysis.templates", background
    for field in ("prePromotionAnalysis", "postPromotionAnalysis"):
        found = (blue_green(rollout) or {}).get(field)
        if found:
            yield f"spec.strategy.blueGreen.{field}.templates", found


def _template_problems(rollout: Object, exists: Exists) -> Iterator[str]:
    for place, analysis in analyses(rollout):
        for template in analysis.get("templates") or ():
            cluster = template.get("clusterScope")
            plural = "clusteranalysistemplates" if cluster else "analysistemplates"
            kind = "ClusterAnalysisTemplate" if cluster else "AnalysisTemplate"
            name = template["templateName"]
            if not exists(plural, name):
                yield f"{place}: Invalid value: \"{name}\": {kind} '{name}' not found"
