"""Finds the kinds: every module or package here whose name has no underscore in front."""

import pkgutil
from functools import cache
from importlib import import_module

from argoscope.resources import __path__ as _path
from argoscope.resources._base import AnyResource, Resource


@cache
def load() -> tuple[AnyResource, ...]:
    """All watched kinds, in the order in which they are listed first.

    Raises TypeError for a module whose ``RESOURCE`` is not a Resource.
    """
    found = []
    for module in pkgutil.iter_modules(_path):
        if module.name.startswith("_") or module.name == "world":
            continue
        resource = import_module(f"argoscope.resources.{module.name}").RESOURCE
        if not isinstance(resource, Resource):
            raise TypeError(f"resources/{module.name}: RESOURCE is {type(resource).__name__}")
        found.append(resource)
    return tuple(sorted(found, key=lambda resource: (resource.order, resource.name)))
