"""A dashboard: what it answers, its variables, its rows; and the JSON that Grafana imports."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from argoscope_alerts.config import DEFAULT, Config
from argoscope_dashboards._grafana import SCHEMA, Panel, Row, document
from argoscope_dashboards._query import Scope, Series, values
from argoscope_dashboards._target import DATASOURCE

Json = dict[str, Any]
COLUMNS = 24
TAG = "argoscope"


@dataclass(frozen=True, kw_only=True)
class Section:
    """Panels under a heading, laid out from left to right. Internals begin collapsed."""

    title: str
    panels: Sequence[Panel]
    collapsed: bool = False


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A choice at the top, filled with the values that ``label`` has on ``metric``.

    The choices depend on all variables before it. ``one`` allows no "All".
    """

    label: str
    metric: Series
    title: str
    one: bool = False


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """Marks over all graphs, where ``query`` is above 0."""

    title: str
    query: str
    text: str
    colour: str
    shown: bool = True


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the person who builds the dashboards may choose beside the configuration."""

    datasource: str = ""
    """uid of the data source to begin with; empty for Grafana's default Prometheus."""


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """One dashboard. ``sections`` and ``annotations`` get the scope that its queries need."""

    uid: str
    title: str
    description: str
    tags: tuple[str, ...]
    variables: tuple[Variable, ...]
    sections: Callable[[Scope], Sequence[Section]]
    annotations: Callable[[Scope], Sequence[Annotation]] | None = None
    begin: str = "now-6h"
    refresh: str = "1m"
    cluster_from: Series

    @property
    def file(self) -> str:
        return f"{self.uid}.json"

    def render(self, config: Config = DEFAULT, options: Options | None = None) -> str:
        """The dashboard as JSON text; the same text for the same input."""
        data = document(self._json(config, options or Options()))
        return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def _json(self, config: Config, options: Options) -> Json:
        scope = Scope(config=config, filters=tuple(one.label for one in self.variables))
        marks = self.annotations(scope) if self.annotations else ()
        return {
            "annotations": {"list": [_annotation(one) for one in marks]},
            "description": self.description,
            "editable": True,
            "fiscalYearStartMonth": 0,
            "graphTooltip": 1,
            "links": [_DROPDOWN],
            "panels": list(_laid_out(self.sections(scope))),
            "refresh": self.refresh,
            "schemaVersion": SCHEMA,
            "tags": [TAG, *self.tags],
            "templating": {"list": list(self._variables(config, options))},
            "time": {"from": self.begin, "to": "now"},
            "timepicker": {"hidden": False},
            "timezone": "browser",
            "title": self.title,
            "uid": self.uid,
            "weekStart": "",
        }

    def _variables(self, config: Config, options: Options) -> Iterator[Json]:
        yield _datasource(options.datasource)
        cluster = config.cluster_label
        yield _variable(
            "cluster", "Cluster", f"label_values({self.cluster_from.prometheus}, {cluster})"
        )
        before: list[str] = []
        for one in self.variables:
            query = values(one.metric, one.label, cluster, *before)
            yield _variable(one.label, one.title, query, one=one.one)
            if one.label in one.metric.label_names:
                before.append(one.label)


_DROPDOWN: Json = {
    "asDropdown": True,
    "icon": "external link",
    "includeVars": True,
    "keepTime": True,
    "tags": [TAG],
    "targetBlank": False,
    "title": "Argo dashboards",
    "tooltip": "",
    "type": "dashboards",
    "url": "",
}


def _annotation(one: Annotation) -> Json:
    return {
        "builtIn": 0,
        "datasource": DATASOURCE,
        "enable": one.shown,
        "expr": one.query,
        "hide": False,
        "iconColor": one.colour,
        "name": one.title,
        "step": "60s",
        "titleFormat": one.title,
        "textFormat": one.text,
    }


def _datasource(uid: str) -> Json:
    """The choice of the Prometheus; everything else on the dashboard depends on it."""
    current = {"selected": True, "text": uid, "value": uid} if uid else {}
    return {
        "allowCustomValue": True,
        "auto": False,
        "auto_count": 30,
        "auto_min": "10s",
        "current": current,
        "hide": 0,
        "includeAll": False,
        "label": "Data source",
        "multi": False,
        "name": "datasource",
        "options": [],
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
        "type": "datasource",
    }


def _variable(name: str, title: str, query: str, *, one: bool = False) -> Json:
    """A variable with Prometheus' values; "All" also matches series without the label."""
    variable = {
        "allowCustomValue": True,
        "auto": False,
        "auto_count": 30,
        "auto_min": "10s",
        "current": {} if one else {"selected": True, "text": "All", "value": "$__all"},
        "datasource": DATASOURCE,
        "definition": query,
        "hide": 0,
        "includeAll": not one,
        "label": title,
        "multi": not one,
        "name": name,
        "options": [],
        "query": {
            "qryType": 1,
            "query": query,
            "refId": "PrometheusVariableQueryEditor-VariableQuery",
        },
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
        "type": "query",
    }
    return variable if one else {**variable, "allValue": ".*"}


def _laid_out(sections: Sequence[Section]) -> Iterator[Panel | Row]:
    """Ids and positions: panels fill lines of 24 columns; a line is as high as its highest."""
    number, top = 1, 0
    for section in sections:
        row = Row(title=section.title, collapsed=section.collapsed, id=number)
        row.gridPos = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
        number, top = number + 1, top + 1
        begin, left, line = top, 0, 0
        for panel in section.panels:
            width, height = panel.size
            if left + width > COLUMNS:
                top, left, line = top + line, 0, 0
            panel.id, panel.gridPos = number, {"h": height, "w": width, "x": left, "y": top}
            number, left, line = number + 1, left + width, max(line, height)
        top = begin if section.collapsed else top + line
        row.panels = list(section.panels) if section.collapsed else []
        yield row
        if not section.collapsed:
            yield from section.panels
