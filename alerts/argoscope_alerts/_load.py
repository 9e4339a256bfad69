"""Finds the groups: every module here whose name has no underscore in front and has a GROUP."""

import pkgutil
from importlib import import_module

from argoscope_alerts import __path__ as _path
from argoscope_alerts._rule import Group

_NO_GROUPS = frozenset({"cli", "config", "reference", "render"})


def load() -> tuple[Group, ...]:
    """All groups by name. Raises TypeError for a module whose GROUP is none."""
    found = []
    for module in pkgutil.iter_modules(_path):
        if module.name.startswith("_") or module.name in _NO_GROUPS:
            continue
        group = import_module(f"argoscope_alerts.{module.name}").GROUP
        if not isinstance(group, Group):
            raise TypeError(f"{module.name}: GROUP is {type(group).__name__}")
        found.append(group)
    return tuple(sorted(found, key=lambda group: group.name))
