"""All rules over one run."""

from collections.abc import Collection
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from argoscope.advice import rules
from argoscope.advice.evidence import Evidence
from argoscope.advice.model import Finding, Rule


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, by its id. A file without one, or with another's id, is a mistake."""
    found = []
    for module in iter_modules(rules.__path__):
        rule = import_module(f"{rules.__name__}.{module.name}").RULE
        assert isinstance(rule, Rule)
        assert rule.id == module.name.replace("_", "-"), module.name
        found.append(rule)
    return tuple(sorted(found, key=lambda rule: rule.id))


def advise(evidence: Evidence, silenced: Collection[str] = ()) -> list[Finding]:
    """The rules that fire, those that save most time first."""
    found = [
        Finding(rule, told)
        for rule in all_rules()
        if rule.id not in silenced and (told := rule.find(evidence)) is not None
    ]
    return sorted(found, key=lambda finding: -finding.found.saves_seconds)
