"""Label selectors of Kubernetes, for objects that no API server has selected."""

import re
from collections.abc import Mapping

_SET = re.compile(r"\s*(\S+)\s+(in|notin)\s+\(([^)]*)\)\s*\Z")
_EQUAL = re.compile(r"\s*([^\s=!]+)\s*(==|!=|=)\s*(\S*)\s*\Z")
# Commas inside of the parentheses of a set separate no requirements.
_COMMA = re.compile(r",(?![^(]*\))")


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether labels fulfil a selector, which the settings have checked; an empty one always."""
    return all(_fulfils(part, labels) for part in _COMMA.split(selector) if part.strip())


def _fulfils(requirement: str, labels: Mapping[str, str]) -> bool:
    if found := _SET.match(requirement):
        key, operator, values = found.groups()
        inside = key in labels and labels[key] in {value.strip() for value in values.split(",")}
        return inside is (operator == "in")
    if found := _EQUAL.match(requirement):
        key, operator, value = found.groups()
        return (labels.get(key) == value) is (operator != "!=")
    key = requirement.strip()
    return key[1:].strip() not in labels if key.startswith("!") else key in labels
