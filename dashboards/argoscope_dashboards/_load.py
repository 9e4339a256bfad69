"""Finds the dashboards: every module of this package that has a ``DASHBOARD``."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import argoscope_dashboards
from argoscope_dashboards._dashboard import Dashboard


@cache
def load() -> tuple[Dashboard, ...]:
    """All dashboards, by uid.

    Raises TypeError for a module whose ``DASHBOARD`` is none.
    """
    names = (module.name for module in iter_modules(argoscope_dashboards.__path__))
    found = [_dashboard(name) for name in names if not name.startswith("_") and name != "cli"]
    return tuple(sorted(found, key=lambda dashboard: dashboard.uid))


def _dashboard(name: str) -> Dashboard:
    dashboard = getattr(import_module(f"argoscope_dashboards.{name}"), "DASHBOARD", None)
    if not isinstance(dashboard, Dashboard):
        raise TypeError(f"argoscope_dashboards/{name}.py has no DASHBOARD")
    return dashboard
