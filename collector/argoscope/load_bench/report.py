"""What a run has measured: percentiles, rates, and both as a table and as JSON."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from argoscope.load_bench.conclusion import SUCCESS
from argoscope.load_bench.plan import Plan
from argoscope.load_bench.users import Outcome

PERCENTILES = (50, 90, 99)

MEASURES = {
    "request": "request acknowledged",
    "convergence": "received to conclusive phase seen",
    "convergence_by_object": "the same by the object's own times (whole seconds)",
}


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of an ascending, non-empty sequence."""
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def spread(values: Iterable[float]) -> dict[str, float | int]:
    """Count, percentiles and maximum in seconds; only the count of nothing."""
    ordered = sorted(values)
    if not ordered:
        return {"count": 0}
    found = {f"p{p}": round(percentile(ordered, p), 4) for p in PERCENTILES}
    return {"count": len(ordered), **found, "max": round(ordered[-1], 4)}


def summary(plan: Plan, outcomes: Sequence[Outcome], wall: float, throttled: int) -> dict[str, Any]:
    """The JSON document of a run; ``wall`` is how many seconds it took. All times in seconds."""
    told = [one for one in outcomes if one.result != "interrupted"]
    concluded = [one for one in told if one.result == "concluded"]
    timeouts = sum(one.timed_out for one in told)
    return {
        "plan": {
            "kind": plan.kind,
            "run": plan.run,
            "namespace": plan.namespace,
            "count": plan.count,
            "concurrency": plan.concurrency,
            "releases": plan.releases,
            "steps": plan.steps,
            "seconds": plan.seconds,
            "timeout": plan.timeout,
        },
        "complete": len(told) == plan.operations,
        "wall_seconds": round(wall, 3),
        "operations": len(told),
        "concluded": len(concluded),
        "throughput_per_second": round(len(concluded) / wall, 3) if wall > 0 else 0.0,
        "timeouts": timeouts,
        "timeout_error_rate": round(timeouts / len(told), 4) if told else 0.0,
        "refused": dict(Counter(one.reason for one in told if one.result == "refused")),
        "deleted": sum(one.result == "deleted" for one in told),
        "throttled": throttled,
        "phases": dict(sorted(Counter(one.phase for one in concluded).items())),
        "latency_seconds": {
            operation: _latencies([one for one in concluded if one.operation == operation])
            for operation in ("create", "release")
            if operation == "create" or plan.releases
        },
    }


def _latencies(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "request": spread(one.request for one in outcomes),
        "convergence": spread(o.converged for o in outcomes if o.converged is not None),
        "convergence_by_object": spread(one.own for one in outcomes if one.own is not None),
    }


def all_well(found: dict[str, Any]) -> bool:
    """Whether everything that was asked for ended in time, and well."""
    return (
        found["complete"]
        and found["concluded"] == found["operations"]
        and not found["timeouts"]
        and set(found["phases"]) <= SUCCESS
    )


def print_table(found: dict[str, Any], console: Console) -> None:
    plan = found["plan"]
    table = Table(title=f"{plan['count']} {plan['kind']}, {plan['concurrency']} at a time")
    table.add_column("seconds")
    for column in ("count", *(f"p{p}" for p in PERCENTILES), "max"):
        table.add_column(column, justify="right")
    for operation, measures in found["latency_seconds"].items():
        for measure, values in measures.items():
            cells = [_cell(values.get(name)) for name in (*(f"p{p}" for p in PERCENTILES), "max")]
            table.add_row(f"{operation}: {MEASURES[measure]}", str(values["count"]), *cells)
    console.print(table)
    for line in _lines(found):
        console.print(line, highlight=False, markup=False)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _lines(found: dict[str, Any]) -> list[str]:
    phases = ", ".join(f"{count} {phase}" for phase, count in found["phases"].items())
    rate, of = 100 * found["timeout_error_rate"], found["operations"]
    lines = [
        f"{found['concluded']} of {of} concluded in {found['wall_seconds']:.1f} s, "
        f"{found['throughput_per_second']:.2f} a second" + (f": {phases}" if phases else "")
    ]
    lines.append(f"timeout error rate {rate:.2f} % ({found['timeouts']} of {of})")
    for reason, count in found["refused"].items():
        lines.append(f"{count} refused: {reason}")
    if found["deleted"]:
        lines.append(f"{found['deleted']} were deleted by somebody else before their end")
    if found["throttled"]:
        lines.append(f"{found['throttled']} times the API server asked to come later (429, 503)")
    if not found["complete"]:
        lines.append("the run was ended before its time: figures are of what it got to")
    return lines
