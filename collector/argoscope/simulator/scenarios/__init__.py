"""The scenarios that are shipped, as YAML beside this file, and how one is read."""

from argoscope.simulator.scenarios.reading import ScenarioError, names, read, shipped

__all__ = ["ScenarioError", "names", "read", "shipped"]
