"""Label and field selectors, as far as API servers and their clients use them."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

import msgspec

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
    tests = _field_tests(selector)

    def matches(obj: Any) -> bool:
        return all((_field(obj, path) == value) is (op != "!=") for path, op, value in tests)

    return matches


def field_paths(selector: str) -> list[str]:
    """The paths that a field selector names. Raises ValueError as ``field_test`` does."""
    return [path for path, _, _ in _field_tests(selector)]


def field_reader(selector: str) -> Callable[[bytes], Any]:
    """Reads no more of an object's JSON than ``field_test`` of that selector looks at."""
    tree: dict[str, Any] = {}
    for path in field_paths(selector):
        branch = tree
        *parents, leaf = path.split(".")
        for name in parents:
            branch = branch.setdefault(name, {})
        branch[leaf] = {}
    decoder = msgspec.json.Decoder(_part(tree))

    def read(data: bytes) -> Any:
        try:
            return decoder.decode(data)
        except msgspec.ValidationError:  # not shaped as its kind is: nothing to find there
            return {}

    return read


def _part(tree: dict[str, Any]) -> Any:
    if not tree:
        return Any
    fields = {name: _part(branch) for name, branch in tree.items()}
    return TypedDict("Part", fields, total=False) | None  # type: ignore[operator]


def _field_tests(selector: str) -> list[tuple[str, str, str]]:
    tests = []
    for part in filter(None, selector.split(",")):
        match = _EQUAL.match(part)
        if match is None:
            raise ValueError(f"unable to parse field selector: {part!r}")
        path, operator, value = match.groups()
        tests.append((path, operator, value))
    return tests


def _field(obj: Any, path: str) -> str:
    for name in path.split("."):
        obj = obj.get(name) if isinstance(obj, dict) else None
    if isinstance(obj, bool):
        return str(obj).lower()
    return "" if obj is None else str(obj)
