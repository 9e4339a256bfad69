"""Every query of every panel, asked as Grafana asks it: variables and macros replaced, by HTTP."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proof.prometheus import Prometheus, QueryError

SCRAPE = 30.0
"""The data source's scrape interval, of which $__rate_interval is made."""
ALL = "All"
"""All clusters at once."""
_POINTS = 300  # maxDataPoints of a panel of usual width
_MOST = 4  # values of a variable that has no All are tried
_VALUES = re.compile(r"label_values\((.+),\s*(\w+)\)\s*\Z", re.DOTALL)
_RANGE = re.compile(r"now-(\d+)([mhd])\Z")
_UNIT = {"m": 60.0, "h": 3600.0, "d": 86400.0}
Json = dict[str, Any]


@dataclass
class Asked:
    """One query of one panel or annotation."""

    dashboard: str
    panel: str
    query: str
    number: str
    clusters: dict[str, int] = field(default_factory=dict)
    """Series with data, by the cluster that was chosen."""
    errors: list[str] = field(default_factory=list)


@dataclass
class Chosen:
    """One variable of one dashboard, and how many values its query gave."""

    dashboard: str
    name: str
    query: str
    values: dict[str, int] = field(default_factory=dict)


class Screen:
    """One dashboard as it is opened at a moment, with one cluster chosen."""

    def __init__(self, server: Prometheus, dashboard: Json, end: float) -> None:
        self._server = server
        self._dashboard = dashboard
        match = _RANGE.match(dashboard["time"]["from"])
        assert match, dashboard["time"]
        self.range = int(match[1]) * _UNIT[match[2]]
        self.end, self.begin = end, end - self.range
        self._step = max(SCRAPE, _nice(self.range / _POINTS))
        self.title = dashboard["title"]
        self.questions = list(self._questions())
        self.variables = [
            Chosen(self.title, one["name"], _asks(one))
            for one in dashboard["templating"]["list"]
            if one["type"] == "query"
        ]

    def open(self, cluster: str) -> None:
        """Fills the variables, each from those before it, and asks every query."""
        for choice in self._choices(cluster):
            for asked, target in self.questions:
                if asked.clusters.get(cluster):
                    continue  # a pipeline that was chosen before has shown it
                try:
                    found = self._ask(self._filled(target["expr"], choice), target)
                except QueryError as error:
                    asked.errors.append(f"{cluster}: {error}")
                    continue
                asked.clusters[cluster] = found

    def _choices(self, cluster: str) -> Iterator[dict[str, str]]:
        """What is chosen: everything where that is possible, else each of the values in turn."""
        choices = [{"cluster": ".*" if cluster == ALL else _quoted(cluster)}]
        for variable, chosen in zip(self._variables(), self.variables, strict=True):
            if variable["name"] == "cluster":
                found = self._values(variable, {"cluster": ".*"})
                chosen.values[cluster] = len(found) if cluster == ALL else int(cluster in found)
                continue
            made = []
            for choice in choices:
                values = self._values(variable, choice)
                chosen.values[cluster] = chosen.values.get(cluster, 0) + len(values)
                if variable.get("includeAll"):
                    made.append({**choice, variable["name"]: variable["allValue"]})
                else:
                    made += [{**choice, variable["name"]: _quoted(one)} for one in values[:_MOST]]
            choices = made
        yield from choices

    def _variables(self) -> list[Json]:
        return [one for one in self._dashboard["templating"]["list"] if one["type"] == "query"]

    def _values(self, variable: Json, choice: dict[str, str]) -> list[str]:
        match = _VALUES.match(_asks(variable))
        assert match, _asks(variable)
        selector = self._filled(match[1], choice)
        return self._server.label_values(match[2], selector, self.begin, self.end)

    def _questions(self) -> Iterator[tuple[Asked, Json]]:
        for panel in _panels(self._dashboard["panels"]):
            for target in panel.get("targets", ()):
                asked = Asked(self.title, panel["title"], target["expr"], target["refId"])
                yield asked, target
        for one in self._dashboard["annotations"]["list"]:
            if one.get("expr"):
                asked = Asked(self.title, f"annotation {one['name']}", one["expr"], "A")
                yield asked, {"expr": one["expr"]}

    def _filled(self, expr: str, choice: dict[str, str]) -> str:
        rate = max(self._step + SCRAPE, 4 * SCRAPE)
        macros = {"__rate_interval": f"{rate:.0f}s", "__range": f"{self.range:.0f}s"}
        macros["__interval"] = f"{self._step:.0f}s"
        text = expr
        for name, value in {**macros, **choice}.items():
            text = text.replace(f"${{{name}}}", value)
            text = re.sub(rf"\${name}\b", lambda _, value=value: value, text)
        return text

    def _ask(self, query: str, target: Json) -> int:
        if target.get("instant"):
            return len(self._server.instant(query, self.end))
        begin = self.begin - self.begin % self._step
        return len(self._server.range(query, begin, self.end, self._step))


def dashboards(folder: Path) -> list[Json]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def _panels(panels: list[Json]) -> Iterator[Json]:
    for panel in panels:
        yield panel
        yield from _panels(panel.get("panels") or [])


def _asks(variable: Json) -> str:
    query = variable["query"]
    return str(query["query"] if isinstance(query, dict) else query)


def _quoted(value: str) -> str:
    """As Grafana escapes a chosen value of a variable that may have several."""
    return re.sub(r"([\\^$.*+?()\[\]{}|])", r"\\\\\1", value)


def _nice(step: float) -> float:
    """The next of Grafana's rounded intervals."""
    nice = (15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400)
    return float(next((one for one in nice if one >= step), nice[-1]))
