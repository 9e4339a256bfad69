"""Rules as Prometheus evaluates them, over the past: recorded series and alerts are written back.

A range query gives at each step what a rule's evaluation gives then. Rules are taken in the order
in which they need each other; ``for`` and ``keep_firing_for`` are counted as Prometheus does.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from argoscope.simulator.engine.argo.expand import seconds
from proof.prometheus import Labels, Prometheus
from proof.remote_write import Series, Writer, timestamp

Rule = Mapping[str, Any]

STEP = 60.0
WEEKS = 29 * 86_400.0
_WEEKS_STEP = 300.0
_OVERALL = 3600.0
_MOST_POINTS = 10_000
_NAME = re.compile(r"[a-z_]+:[a-z0-9_]+:[a-z0-9_]+")


@dataclass(frozen=True)
class Span:
    begin: float
    end: float
    step: float


@dataclass
class Outcome:
    """What a rule gave; by cluster, of those series that have one."""

    name: str
    alert: bool
    group: str
    series: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How many series were recorded, or alerts were ever active."""
    firing: dict[str, set[Labels]] = field(default_factory=lambda: defaultdict(set))
    """Labels of the alerts that fired."""


def in_order(groups: Iterable[Mapping[str, Any]]) -> list[tuple[str, Rule]]:
    """Rules with their group, those first that others need. Raises ValueError for a circle."""
    left = [(group["name"], rule) for group in groups for rule in group["rules"]]
    done: list[tuple[str, Rule]] = []
    while left:
        names = {rule.get("record") for _, rule in left}
        free = [
            (group, rule)
            for group, rule in left
            if not (set(_NAME.findall(rule["expr"])) & names) - {rule.get("record")}
        ]
        if not free:
            raise ValueError(f"rules need each other: {sorted(map(str, names))}")
        done += free
        left = [pair for pair in left if pair not in free]
    return done


def evaluate(
    server: Prometheus, writer: Writer, rules: Iterable[tuple[str, Rule]], begin: float, end: float
) -> Iterator[Outcome]:
    """Every rule at every step between ``begin`` and ``end``; history weeks before, too."""
    for group, rule in rules:
        name = rule.get("record") or rule["alert"]
        outcome = Outcome(name, "alert" in rule, group)
        for span in _spans(name, begin, end):
            found = _ask(server, rule["expr"], span)
            if "alert" in rule:
                _alert(outcome, rule, found, span, writer)
            else:
                _record(outcome, rule, found, span, writer)
        yield outcome


def _spans(name: str, begin: float, end: float) -> list[Span]:
    """Where a rule has to be evaluated so that all that ask for it find it."""
    if name.endswith(":sum4w"):
        return [Span(begin - begin % _OVERALL, end, _OVERALL)]
    near = Span(begin, end, STEP)
    if "run_duration_seconds" in name and name.endswith(":increase1h"):
        return [Span(end - WEEKS, begin - STEP, _WEEKS_STEP), near]
    return [near]


def _ask(server: Prometheus, expr: str, span: Span) -> list[dict[str, Any]]:
    answer = []
    begin = span.begin
    while begin <= span.end:
        end = min(span.end, begin + _MOST_POINTS * span.step)
        answer += server.range(expr, begin, end, span.step)
        begin = end + span.step
    return answer


def _record(
    outcome: Outcome, rule: Rule, found: list[dict[str, Any]], span: Span, writer: Writer
) -> None:
    written = []
    for one in found:
        labels = {**one["metric"], **rule.get("labels", {}), "__name__": rule["record"]}
        written.append(_series(labels, [(t, float(v)) for t, v in one["values"]], span))
        outcome.series[labels.get("cluster", "")] += 1
    writer.send(written)


def _series(labels: Mapping[str, str], values: list[tuple[float, float]], span: Span) -> Series:
    """With a stale marker where an evaluation gave nothing after one that gave something."""
    series = Series(labels)
    for number, (at, value) in enumerate(values):
        series.add(timestamp(at), value)
        after = at + span.step
        more = number + 1 < len(values)
        if after <= span.end and (not more or values[number + 1][0] > after + 0.5):
            series.end(timestamp(after))
    return series


def _alert(
    outcome: Outcome, rule: Rule, found: list[dict[str, Any]], span: Span, writer: Writer
) -> None:
    wait, keep = seconds(rule.get("for", "0s")), seconds(rule.get("keep_firing_for", "0s"))
    written = []
    for one in found:
        own = {name: value for name, value in one["metric"].items() if name != "__name__"}
        labels = {**own, **rule.get("labels", {}), "alertname": rule["alert"]}
        pending, firing = states([t for t, _ in one["values"]], span, wait, keep)
        cluster = labels.get("cluster", "")
        outcome.series[cluster] += 1
        if firing:
            outcome.firing[cluster].add(tuple(sorted(own.items())))
        for state, times in (("pending", pending), ("firing", firing)):
            named = {**labels, "__name__": "ALERTS", "alertstate": state}
            written.append(_series(named, [(t, 1.0) for t in times], span))
    writer.send(written)


def states(
    active: list[float], span: Span, wait: float, keep: float
) -> tuple[list[float], list[float]]:
    """Evaluations at which the alert is pending, and firing."""
    pending, firing = [], []
    holds = {round(at) for at in active}
    since: float | None = None
    last = 0.0
    fires = False
    at = span.begin
    while at <= span.end + 0.5:
        if round(at) in holds:
            since = at if since is None else since
            last = at
            fires = fires or at - since >= wait
        elif not (fires and at - (last + span.step) < keep):
            since, fires = None, False
        if since is not None:
            (firing if fires else pending).append(at)
        at += span.step
    return pending, firing
