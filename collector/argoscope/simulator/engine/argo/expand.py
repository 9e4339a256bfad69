"""Parameters, items, conditions: the expressions of a spec that decide what runs."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from argoscope.simulator.engine.kernel import Object

Values = dict[str, str]


class UnresolvedError(Exception):
    """A variable has no value: the spec is wrong, or it is not known yet."""


def substitute(value: Any, values: Values) -> Any:
    """``value`` with each ``{{variable}}`` that is known replaced, in strings at any depth."""
    if isinstance(value, str):
        if "{{" not in value:
            return value
        return re.sub(r"\{\{=?\s*([^}]+?)\s*\}\}", lambda m: values.get(m[1], m[0]), value)
    if isinstance(value, dict):
        return {key: substitute(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [substitute(item, values) for item in value]
    return value


def unresolved(value: Any) -> list[str]:
    """The variables that are left in ``value``."""
    return re.findall(r"\{\{=?\s*([^}]+?)\s*\}\}", json.dumps(value))


def items(step: Object) -> list[tuple[str, Values]] | None:
    """(display name, values) of each item of a step; None for a step without items."""
    if "withItems" in step:
        found = step["withItems"]
    elif "withParam" in step:
        if "{{" in step["withParam"]:
            raise UnresolvedError(step["withParam"])
        found = json.loads(step["withParam"])
    elif "withSequence" in step:
        found = list(_sequence(step["withSequence"]))
    else:
        return None
    return [(f"{step['name']}({i}:{_told(item)})", _values(item)) for i, item in enumerate(found)]


def _sequence(spec: Object) -> Iterator[str]:
    start = int(spec.get("start", 0))
    if "count" in spec:
        numbers = range(start, start + int(spec["count"]))
    else:
        end = int(spec["end"])
        numbers = range(start, end + 1) if end >= start else range(start, end - 1, -1)
    template = spec.get("format", "%d")
    return (template % number for number in numbers)


def _told(item: Any) -> str:
    if isinstance(item, dict):
        return ",".join(f"{key}:{item[key]}" for key in sorted(item))
    return str(item)


def _values(item: Any) -> Values:
    values = {"item": item if isinstance(item, str) else json.dumps(item)}
    if isinstance(item, dict):
        values |= {f"item.{key}": str(value) for key, value in item.items()}
    return values


def arguments(given: Object | None, template: Object) -> Values:
    """``inputs.parameters.*`` of a template that is called with ``given`` arguments."""
    passed = {p["name"]: p.get("value") for p in (given or {}).get("parameters", ())}
    values: Values = {}
    for parameter in (template.get("inputs") or {}).get("parameters", ()):
        value = passed.get(parameter["name"])
        if value is None:
            value = parameter.get("value", parameter.get("default"))
        if value is not None:
            values[f"inputs.parameters.{parameter['name']}"] = str(value)
    return values


_TOKEN = re.compile(r"\s*(&&|\|\||==|!=|>=|<=|>|<|!|\(|\)|\"[^\"]*\"|'[^']*'|[^\s()&|=!<>]+)")


def holds(expression: str, values: Callable[[str], str] = lambda name: name) -> bool:
    """Whether a ``when``, ``depends``, hook or retry expression is true.

    ``values`` gives a bare word its value; a word alone is true if it is ``true``.
    """
    tokens = _TOKEN.findall(expression)
    place = 0

    def peek() -> str:
        return tokens[place] if place < len(tokens) else ""

    def take() -> str:
        nonlocal place
        place += 1
        return str(tokens[place - 1])

    def either() -> bool:
        found = both()
        while peek() == "||":
            take()
            found = both() or found
        return found

    def both() -> bool:
        found = one()
        while peek() == "&&":
            take()
            found = one() and found
        return found

    def one() -> bool:
        if peek() == "!":
            take()
            return not one()
        if peek() == "(":
            take()
            found = either()
            take()
            return found
        left = word()
        if peek() in ("==", "!=", ">", "<", ">=", "<="):
            return _compare(left, take(), word())
        return left == "true"

    def word() -> str:
        found = take() if peek() else ""
        if found[:1] in "\"'" and found:
            return found[1:-1]
        if peek() == "(" and found in ("asInt", "string", "int", "toString"):
            take()
            inner = word()
            take()
            return inner
        return values(found)

    return either()


def _compare(left: str, operator: str, right: str) -> bool:
    first: Any = left
    second: Any = right
    try:
        first, second = float(left), float(right)
    except ValueError:
        pass
    match operator:
        case "==":
            return bool(first == second)
        case "!=":
            return bool(first != second)
        case ">":
            return bool(first > second)
        case "<":
            return bool(first < second)
        case ">=":
            return bool(first >= second)
        case _:
            return bool(first <= second)


def seconds(duration: str | float) -> float:
    """A Go duration or plain seconds, such as ``9s``, ``1m30s`` or ``2``."""
    text = str(duration)
    if re.fullmatch(r"[0-9.]+", text):
        return float(text)
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    return sum(float(n) * units[u] for n, u in re.findall(r"([0-9.]+)(ms|s|m|h|d)", text))
