"""What the metrics of an AnalysisRun measure in the simulation, and what that makes of the run.

The annotation ``simulator.argoscope.dev/analysis`` says it, as JSON with the fields of
``Measured``: on an AnalysisTemplate, on a Rollout for all its analyses, or on a pod template for
those of one release. On an AnalysisRun it is an object of them by metric name.
"""

from collections.abc import Iterable
from random import Random

import msgspec

from argoscope.simulator.engine.behaviour import Seconds
from argoscope.simulator.engine.kernel import Object
from argoscope.simulator.engine.rollouts import spec

ANNOTATION = "simulator.argoscope.dev/analysis"
ERROR_LIMIT = 4
"""consecutiveErrorLimit of a metric that has none."""
ERROR_RETRY = 10.0
"""Seconds between measurements of a metric that could not be measured."""
_WORSE = ("Successful", "Running", "Pending", "Inconclusive", "Error", "Failed")


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of one metric."""

    results: tuple[str, ...] = ("Successful",)
    """What the measurements are, in order: Successful, Failed, Inconclusive or Error; the last
    one goes on for ever."""
    chance: float = 1.0
    """That a run gets these results; otherwise it gets Successful ones only."""
    error: str = 'Get "http://prometheus:9090/api/v1/query": context deadline exceeded'
    """Message of a measurement that is an Error."""
    seconds: Seconds = 0.0
    """How long a measurement takes."""


_decode = msgspec.json.Decoder(dict[str, Measured]).decode


def measured_by(run: Object, random: Random) -> dict[str, Measured]:
    """By metric name. Raises msgspec.ValidationError for a bad annotation."""
    found = (run["metadata"].get("annotations") or {}).get(ANNOTATION)
    behaviours = _decode(found) if found else {}
    return {
        name: each if random.random() < each.chance else Measured(seconds=each.seconds)
        for name, each in behaviours.items()
    }


def result_of(metric: Object, results: list[Object]) -> Object | None:
    return next((found for found in results if found["name"] == metric["name"]), None)


def wanted_count(metric: Object) -> int | None:
    """How many measurements are wanted; None: until the run is stopped."""
    if metric.get("count"):
        return int(metric["count"])
    return None if metric.get("interval") else 1


def interval_of(metric: Object, last: str) -> float:
    """Seconds from one measurement to the next; after an error the interval does not count."""
    if last == "Error" or not metric.get("interval"):
        return ERROR_RETRY
    return spec.seconds(metric["interval"])


def add(result: Object, phase: str) -> None:
    """Counts one finished measurement."""
    if phase == "Error":
        result["error"] = result.get("error", 0) + 1
        result["consecutiveError"] = result.get("consecutiveError", 0) + 1
        result.pop("consecutiveSuccess", None)
        return
    field = {"Successful": "successful", "Failed": "failed", "Inconclusive": "inconclusive"}[phase]
    result[field] = result.get(field, 0) + 1
    result["count"] = result.get("count", 0) + 1
    result.pop("consecutiveError", None)
    if phase == "Successful":
        result["consecutiveSuccess"] = result.get("consecutiveSuccess", 0) + 1
    else:
        result.pop("consecutiveSuccess", None)


def excess(metric: Object, result: Object) -> tuple[str, str]:
    """(phase, why) of a metric that is beyond one of its limits; empty if it is not."""
    limits = (
        ("Failed", "failed", "failureLimit", 0, "failed"),
        ("Inconclusive", "inconclusive", "inconclusiveLimit", 0, "inconclusive"),
        ("Error", "consecutiveErrors", "consecutiveErrorLimit", ERROR_LIMIT, "consecutiveError"),
    )
    for phase, said, option, default, field in limits:
        given = metric.get(option)
        limit = default if given is None else int(given)
        count = result.get(field, 0)
        if count > limit >= 0:
            return phase, f"{said} ({count}) > {option} ({limit})"
    return "", ""


def assess(metric: Object, result: Object, terminating: bool) -> str:
    """The phase of a metric."""
    measurements = result.get("measurements") or []
    if not measurements:
        return "Successful" if terminating else "Pending"
    if measurements[-1]["phase"] == "Running":
        return "Running"
    phase, _ = excess(metric, result)
    if phase:
        return phase
    count = wanted_count(metric)
    if count is not None and result.get("count", 0) >= count:
        return "Successful"
    return "Successful" if terminating else "Running"


def worst(phases: Iterable[str]) -> str:
    return max(phases, key=_WORSE.index, default="Successful")
