"""Label and field selectors, as far as API servers and their clients use them."""

import re
from collections.abc import Callable, Mapping
from typing import Any

Labels = Mapping[str, str]
Test = Callable[[Labels], bool]

_SET = re.compile(r"^(\S+)\s+(in|notin)\s+\(([^)]*)\)$")
_EQUAL = re.compile(r"^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$")
_SPLIT = re.compile(r",(?![^(]*\))")


def label_test(selector: str) -> Test:
    """``a``, ``!a``, ``a=b``, ``a!=b``, ``a in (b,c)``, ``a notin (b)``, joined by commas.

    Raises ValueError for anything else.
    """
    tests = [_requirement(part.strip()) for part in _SPLIT.split(selector) if part.strip()]
    return lambda labels: all(test(labels) for test in tests)


def _requirement(text: str) -> Test:
    if match := _SET.match(text):
        key, operator, listed = match.groups()
        values = {value.strip() for value in listed.split(",")}
        wanted = operator == "in"
        return lambda labels: (labels.get(key) in values) is wanted
    if match := _EQUAL.match(text):
        key, operator, value = match.groups()
        wanted = operator != "!="
        return lambda labels: (labels.get(key) == value) is wanted
    if re.fullmatch(r"!?[\w./-]+", text):
        name = text.removeprefix("!")
        return lambda labels: (name in labels) is not text.startswith("!")
    raise ValueError(f"unable to parse requirement: {text!r}")


def field_test(selector: str) -> Callable[[Any], bool]:
    """``metadata.name=x`` and the like, joined by commas. Raises ValueError for anything else."""
    tests = []
    for part in filter(None, selector.split(",")):
        match = _EQUAL.match(part)
        if match is None:
            raise ValueError(f"unable to parse field selector: {part!r}")
        tests.append(match.groups())

    def matches(obj: Any) -> bool:
        return all((_field(obj, path) == value) is (op != "!=") for path, op, value in tests)

    return matches


def _field(obj: Any, path: str) -> str:
    for name in path.split("."):
        obj = obj.get(name) if isinstance(obj, dict) else None
    return "" if obj is None else str(obj)
