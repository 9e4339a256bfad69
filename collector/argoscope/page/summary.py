"""The answers of the landing page, from the registry alone: no object is kept for them."""

import asyncio
import heapq
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from itertools import accumulate
from operator import add
from typing import Any, TypeVar

from argoscope.advice.advising import all_rules
from argoscope.metrics import internal
from argoscope.metrics.model import Labels, Metric
from argoscope.metrics.registry import Registry
from argoscope.page.model import (
    Active,
    Advised,
    Cron,
    Failures,
    Pending,
    Release,
    Summary,
    Template,
    Top,
    Watch,
)
from argoscope.resources._reasons import ADVICE
from argoscope.resources.cron_workflow import metrics as cron
from argoscope.resources.pod import _metrics as pod
from argoscope.resources.rollout import metrics as rollout
from argoscope.resources.workflow import metrics as workflow
from argoscope.watch.status import ReflectorStatus

SHOWN = 8
"""Rows of a table; the rest is in the metrics."""

_AT_A_TIME = 1000  # series between two looks at what else there is to do: about a millisecond

Row = TypeVar("Row")


def ready(statuses: Iterable[ReflectorStatus]) -> bool:
    """Whether there is nothing to wait for: all kinds that exist have synced."""
    return all(status.ready for status in statuses)


async def summarize(registry: Registry, statuses: Sequence[ReflectorStatus]) -> Summary:
    """Everything that the page shows, of what is published. Gives way to other tasks."""
    parts: dict[str, Any] = {}
    reader = _Reader(registry)
    for make in (_workflows, _failures, _templates, _crons, _pending, _rollouts, _advice):
        parts |= await make(reader)
    return Summary(
        at=registry.now(),
        ready=ready(statuses),
        watches=[_watch(status) for status in statuses],
        problems=[text async for text in _problems(reader)],
        **parts,
    )


class _Reader:
    """Reads published series; a kind that is switched off has none."""

    def __init__(self, registry: Registry) -> None:
        self._families = {family.metric: family for family in registry.families}
        self._now = registry.now()

    async def series(self, metric: Metric) -> AsyncIterator[Any]:
        """Those that are published, of a list that changes meanwhile do not touch."""
        family = self._families.get(metric)
        found: list[Any] = list(family.series.values()) if family else []
        for number, series in enumerate(found):
            if series.published is not None:
                yield series
            if number % _AT_A_TIME == 0:
                await asyncio.sleep(0)

    async def samples(self, metric: Metric) -> AsyncIterator[tuple[Labels, float]]:
        """Of a counter or gauge; of an age, the seconds until now."""
        async for series in self.series(metric):
            value = series.published
            yield series.labels, max(0.0, self._now - value) if metric.age else value

    async def values(self, metric: Metric) -> dict[Labels, float]:
        return {labels: value async for labels, value in self.samples(metric)}

    async def by(self, metric: Metric, size: int) -> dict[Labels, dict[str, int]]:
        """Positive values by the first ``size`` labels, then by the one after them."""
        found: dict[Labels, dict[str, int]] = {}
        async for labels, value in self.samples(metric):
            if value > 0:
                found.setdefault(labels[:size], {})[labels[size]] = round(value)
        return found


def _top(rows: Iterable[Row], key: Callable[[Row], Any]) -> Top[Row]:
    rows = list(rows)
    return Top(heapq.nlargest(SHOWN, rows, key=key), len(rows))


def _totals(values: Iterable[dict[str, int]]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for named in values:
        for name, number in named.items():
            totals[name] = totals.get(name, 0) + number
    return totals


async def _workflows(reader: _Reader) -> dict[str, Any]:
    states = await reader.by(workflow.ACTIVE, 2)
    blocked = await reader.by(workflow.NODES_BLOCKED, 2)
    approvals = await reader.values(workflow.SUSPENDED_OLDEST)
    counts = {key: sum(states.get(key, {}).values()) for key in {**states, **blocked}}
    rows = [
        Active(
            namespace=key[0],
            pipeline=key[1],
            states={name: known[name] for name in workflow.STATES if name in known},
            blocked=blocked.get(key, {}),
            oldest_approval=approvals.get(key, 0.0),
        )
        for key in heapq.nlargest(SHOWN, counts, key=lambda key: (counts[key], key))
        for known in (states.get(key, {}),)
    ]
    empty = dict.fromkeys(workflow.STATES, 0)
    return {
        "workflows": empty | _totals(states.values()),
        "active": Top(rows, len(counts)),
    }


async def _failures(reader: _Reader) -> dict[str, Any]:
    completed = await reader.values(workflow.COMPLETED_7D)
    failed = await reader.values(workflow.FAILED_7D)
    causes = await reader.by(workflow.FAILURES, 2)
    failing = {key: round(number) for key, number in failed.items() if number}
    rows = [
        Failures(
            namespace=key[0],
            pipeline=key[1],
            failed=failing[key],
            completed=round(completed.get(key, failing[key])),
            cause=_main_cause(causes.get(key, {})),
        )
        for key in heapq.nlargest(SHOWN, failing, key=lambda key: (failing[key], key))
    ]
    return {
        "failed_7d": sum(failing.values()),
        "completed_7d": round(sum(completed.values())),
        "failures": Top(rows, len(failing)),
    }


async def _advice(reader: _Reader) -> dict[str, Any]:
    found = await reader.by(workflow.FINDINGS, 2)
    titles = {rule.id: rule.title for rule in all_rules()}
    rows = [
        Advised(
            namespace=key[0],
            pipeline=key[1],
            rules=sorted(rules),
            titles=[titles.get(rule, rule) for rule in sorted(rules)],
        )
        for key, rules in found.items()
    ]
    return {"advice": _top(rows, key=lambda row: (len(row.rules), row.namespace, row.pipeline))}


def _main_cause(causes: dict[str, int]) -> str:
    """The most frequent one of those that people and policies did not make."""
    seen = {cause: n for cause, n in causes.items() if cause not in workflow.POLICY_CAUSES}
    return max(seen, key=lambda cause: seen[cause], default="")


async def _templates(reader: _Reader) -> dict[str, Any]:
    metric = workflow.TEMPLATE_DURATION
    node_type = metric.label_names.index(workflow.NODE_TYPE.name)
    counts: dict[Labels, tuple[int, ...]] = {}
    totals: dict[Labels, float] = {}
    async for series in reader.series(metric):
        single, total, _ = series.published
        # How long people take to approve something says nothing about a template.
        if series.labels[node_type] != "Suspend" and any(single):
            key = series.labels[:3]
            known = counts.get(key)
            counts[key] = tuple(map(add, known, single)) if known else single
            totals[key] = totals.get(key, 0.0) + total
    means = {key: totals[key] / sum(single) for key, single in counts.items()}
    slowest = heapq.nlargest(SHOWN, means, key=lambda key: (means[key], key))
    rows = [
        Template(
            namespace=key[0],
            pipeline=key[1],
            template=key[2],
            count=sum(counts[key]),
            mean=means[key],
            p95=quantile(0.95, metric.buckets, counts[key]),
        )
        for key in slowest
    ]
    return {"templates": Top(rows, len(means))}


def quantile(q: float, bounds: Sequence[float], counts: Sequence[int]) -> float:
    """The ``q`` quantile of a histogram's single buckets, linear within a bucket; what lies
    beyond the last bound counts as that bound."""
    rank = q * sum(counts)
    lower = before = 0.0
    for upper, seen in zip(bounds, accumulate(counts), strict=False):
        if seen >= rank and seen > before:
            return lower + (upper - lower) * (rank - before) / (seen - before)
        lower, before = upper, seen
    return float(bounds[-1])


async def _crons(reader: _Reader) -> dict[str, Any]:
    times = {
        name: await reader.values(metric)
        for name, metric in (
            ("last", cron.LAST_SCHEDULE),
            ("last_success", cron.LAST_SUCCESS),
            ("last_failure", cron.LAST_FAILURE),
            ("next", cron.NEXT_SCHEDULE),
        )
    }
    missed = await reader.by(cron.MISSED_RUNS, 2)
    invalid = await reader.by(cron.INVALID, 2)
    active = await reader.values(cron.ACTIVE)
    suspended = await reader.values(cron.SUSPENDED)
    failing = await reader.values(cron.CONSECUTIVE_FAILURES)
    rows = [
        Cron(
            namespace=key[0],
            name=key[1],
            schedule=key[2],
            **{name: known.get(key[:2], 0.0) for name, known in times.items()},
            missed=missed.get(key[:2], {}),
            failures_in_a_row=round(failing.get(key[:2], 0.0)),
            active=round(active.get(key[:2], 0.0)),
            suspended=suspended.get(key[:2], 0.0) > 0,
            invalid=sorted(invalid.get(key[:2], {})),
        )
        for key in await reader.values(cron.INFO)
    ]
    return {
        "crons": len(rows),
        "missed": sum(sum(row.missed.values()) for row in rows),
        "cron": _top(rows, key=_attention),
    }


def _attention(row: Cron) -> tuple[object, ...]:
    """What needs somebody first, then what is due next."""
    missed = sum(row.missed.values())
    return (bool(row.invalid), row.failures_in_a_row, missed, bool(row.next), -row.next, row.name)


async def _pending(reader: _Reader) -> dict[str, Any]:
    places: dict[str, dict[str, int]] = defaultdict(dict)
    async for (namespace, pipeline, reason), value in reader.samples(pod.PENDING):
        if value > 0:
            places[reason][f"{namespace}/{pipeline}".rstrip("/")] = round(value)
    rows = [
        Pending(
            reason=reason,
            pods=sum(where.values()),
            advice=ADVICE.get(reason, ""),
            where=heapq.nlargest(3, where, key=lambda place: (where[place], place)),
        )
        for reason, where in places.items()
    ]
    phases = await reader.by(pod.PODS, 1)
    return {
        "pods": dict.fromkeys(pod.PHASES, 0) | _totals(phases.values()),
        "pending_pods": sum(row.pods for row in rows),
        "pending": _top(rows, key=lambda row: (row.pods, row.reason)),
    }


async def _rollouts(reader: _Reader) -> dict[str, Any]:
    ages = await reader.values(rollout.PHASE_AGE)
    step = await reader.values(rollout.STEP)
    steps = await reader.values(rollout.STEPS)
    weights = await reader.values(rollout.WEIGHT)
    rows = [
        Release(
            namespace=key[0],
            name=key[1],
            phase=next(iter(phases)),
            seconds=ages.get(key, 0.0),
            step=round(step.get(key, 0.0)),
            steps=round(steps.get(key, 0.0)),
            weight=weights.get((*key, "canary"), -1.0),
        )
        for key, phases in (await reader.by(rollout.PHASE, 2)).items()
        if "Healthy" not in phases
    ]
    return {
        "releases": len(rows),
        "rollouts": _top(rows, key=lambda row: (row.phase == "Degraded", row.seconds, row.name)),
    }


def _watch(status: ReflectorStatus) -> Watch:
    return Watch(
        resource=status.resource,
        stream=status.stream,
        state=status.state.value,
        reason=status.reason,
        ready=status.ready,
        optional=status.optional,
        objects=status.objects,
    )


async def _problems(reader: _Reader) -> AsyncIterator[str]:
    """What the daemon could not do, one sentence each."""
    async for (kind, reason), number in reader.samples(internal.DECODE_ERRORS):
        yield f"{number:.0f} {kind} objects or fields were skipped: {reason}; the log names them"
    async for (reason,), number in reader.samples(internal.RUNS_UNOBSERVED):
        if number:
            yield f"The end of {number:.0f} runs was not seen: {reason}"
    async for (exporter, reason), number in reader.samples(internal.EXPORT_FAILURES):
        if number:
            yield f"{number:.0f} exports over {exporter} failed: {reason}"
    async for (metric,), number in reader.samples(internal.SERIES_FOLDED):
        yield (
            f"{metric} is over its series budget: {number:.0f} measurements are under _other;"
            " raise it in series.budgets or watch fewer namespaces"
        )
