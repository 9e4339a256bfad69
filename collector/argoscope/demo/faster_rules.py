"""Alert rules for a cluster whose time is faster than that of the Prometheus that asks them.

Prometheus stamps samples with its own clock. So every duration in a rule is divided by the speed,
rates are made rates of the cluster's seconds again, and ``time()`` becomes the cluster's time,
which is scraped as a metric. Thresholds stay as they are.
"""

import re
from collections.abc import Iterator
from typing import Any

Rules = dict[str, Any]

CLOCK = "scalar(max(argoscope_simulator_time_seconds))"
"""The cluster's time, as a query."""

SHORTEST_RANGE = 5.0
"""Seconds: a range needs a few samples, and there is one a second."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536e3}
_DURATION = r"(?:\d+(?:ms|[smhdwy]))+"
_TOKEN = re.compile(
    r"""(?P<kept>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|\#[^\n]*)"""
    rf"|\[(?P<range>\s*{_DURATION}\s*)(?P<step>:\s*(?:{_DURATION})?\s*)?\]"
    rf"|(?P<offset>\boffset\s+-?\s*)(?P<by>{_DURATION})"
    r"|(?P<time>\btime\s*\(\s*\))"
    r"|(?P<rate>\b(?:rate|irate|deriv)\s*(?=\())",
    re.VERBOSE,
)


def faster(rules: Rules, speed: float) -> Rules:
    """A parsed rule file for a cluster ``speed`` times as fast; the argument is not changed."""
    return {**rules, "groups": [_group(group, speed) for group in rules.get("groups") or ()]}


def _group(group: Rules, speed: float) -> Rules:
    made = {**group, "interval": "1s", "rules": [_rule(rule, speed) for rule in group["rules"]]}
    if "query_offset" in group:
        made["query_offset"] = shorter(group["query_offset"], speed)
    return made


def _rule(rule: Rules, speed: float) -> Rules:
    made = {**rule, "expr": expression(rule["expr"], speed)}
    for field in ("for", "keep_firing_for"):
        if field in rule:
            made[field] = shorter(rule[field], speed)
    return made


def seconds(duration: str) -> float:
    """Of a Prometheus duration such as 1h30m."""
    if duration.strip() == "0":
        return 0.0
    parts = re.findall(r"(\d+)(ms|[smhdwy])", duration)
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def shorter(duration: str, speed: float, *, least: float = 0.0) -> str:
    """The duration divided by the speed, in milliseconds, but no less than ``least`` seconds."""
    return f"{round(1000 * max(seconds(duration) / speed, least))}ms"


def expression(query: str, speed: float) -> str:
    """A query for the faster cluster. Strings and comments are not touched."""
    return "".join(_written(query, speed))


def _written(query: str, speed: float) -> Iterator[str]:
    position = 0
    for token in _TOKEN.finditer(query):
        if token.start() < position:
            continue  # within a rate that was written already
        yield query[position : token.start()]
        position = token.end()
        if token["rate"]:
            end = _closing(query, token.end())
            inner = expression(query[token.end() + 1 : end], speed)
            yield f"({token['rate']}({inner}) / {speed:g})"
            position = end + 1
        else:
            yield _replaced(token, speed)
    yield query[position:]


def _replaced(token: re.Match[str], speed: float) -> str:
    if token["range"]:
        step = token["step"] or ""
        if step.strip(": "):
            step = ":" + shorter(step, speed, least=1.0)
        return f"[{shorter(token['range'], speed, least=SHORTEST_RANGE)}{step}]"
    if token["by"]:
        return token["offset"] + shorter(token["by"], speed)
    return CLOCK if token["time"] else token[0]


def _closing(query: str, opening: int) -> int:
    """The position of the parenthesis that closes the one there. Raises ValueError for none."""
    depth = 0
    for token in re.finditer(_TOKEN.pattern + r"|(?P<paren>[()])", query, re.VERBOSE):
        if token.start() < opening or not token["paren"]:
            continue
        depth += 1 if token[0] == "(" else -1
        if depth == 0:
            return token.start()
    raise ValueError(f"a parenthesis is not closed: {query}")
