"""Grafana's panels as grafanalib types: with ``_target`` all that imports grafanalib.

grafanalib 0.7.1 writes dashboards of schema 12: Grafana migrates them at every load, drops what it
moved since then, and coarsens graphs. The types here keep grafanalib's model and write schema 42:
field options in ``fieldConfig``, thresholds with a null base, a data source for each query.
"""

import json
from collections.abc import Sequence

import attr
from grafanalib import core
from grafanalib._gen import DashboardEncoder

from argoscope_dashboards._fields import Column, Link, Threshold, fields, hidden, override
from argoscope_dashboards._target import DATASOURCE, LETTERS, Json, Target, target

SCHEMA = 42
_NULLS = ("lastNotNull",)


@attr.s(auto_attribs=True, kw_only=True)
class _Corrected(core.Panel):  # type: ignore[misc]
    """What all panels have. ``size`` is width and height in the grid of 24 columns."""

    title: str
    description: str
    targets: Sequence[Target] = ()
    interval: str = ""
    """Shortest interval between two points, such as 2m; empty for the data source's."""
    size: tuple[int, int] = (12, 9)
    unit: str = "short"
    no_value: str = "–"
    decimals: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    steps: Sequence[Threshold] = ()
    value_names: Sequence[tuple[str, str, str]] = ()
    """Value, text and colour in its place."""
    colours: Sequence[tuple[str, str]] = ()
    """Series name and its colour."""
    links_to: Sequence[Link] = ()

    kind = ""

    def _options(self) -> Json:
        return {}

    def _custom(self) -> Json:
        return {}

    def _overrides(self) -> list[Json]:
        return [
            override(name, color={"fixedColor": colour, "mode": "fixed"})
            for name, colour in self.colours
        ]

    def colour_mode(self) -> str:
        return "thresholds" if self.steps else "palette-classic"

    def _defaults(self) -> Json:
        return fields(
            unit=self.unit,
            no_value=self.no_value,
            decimals=self.decimals,
            minimum=self.minimum,
            maximum=self.maximum,
            steps=self.steps,
            value_names=self.value_names,
            colour_mode=self.colour_mode(),
            links=self.links_to,
            custom=self._custom(),
        )

    def panel_json(self, overrides: Json) -> Json:
        data = {
            "datasource": DATASOURCE,
            "description": self.description,
            "fieldConfig": {"defaults": self._defaults(), "overrides": self._overrides()},
            "gridPos": self.gridPos,
            "id": self.id,
            "options": self._options(),
            "targets": self.targets,
            "title": self.title,
            "transparent": False,
            "type": self.kind,
        }
        if self.interval:
            data["interval"] = self.interval
        if self.transformations:
            data["transformations"] = self.transformations
        return data

    def to_json_data(self) -> Json:
        return self.panel_json({})


def _reduce(calcs: Sequence[str] = _NULLS, *, values: bool = False) -> Json:
    return {"calcs": list(calcs), "fields": "", "values": values}


@attr.s(auto_attribs=True, kw_only=True)
class TimeSeries(_Corrected, core.TimeSeries):  # type: ignore[misc]
    """Lines, or bars for counts per interval; ``stack`` for parts of a whole."""

    bars: bool = False
    stack: bool = False
    limit: bool = False
    """Draw the thresholds as dashed lines."""
    calcs: Sequence[str] = ("lastNotNull", "max")
    sort: str = "Last *"
    legend_right: bool = False
    kind = "timeseries"

    def colour_mode(self) -> str:
        return "palette-classic"

    def _custom(self) -> Json:
        fill = 80 if self.bars else 30 if self.stack else 8
        return {
            "axisSoftMin": 0,
            "drawStyle": "bars" if self.bars else "line",
            "fillOpacity": fill,
            "lineWidth": 0 if self.bars else 1,
            "pointSize": 4,
            "showPoints": "never" if self.bars or self.stack else "auto",
            "spanNulls": False,
            "stacking": {"group": "A", "mode": "normal" if self.stack else "none"},
            "thresholdsStyle": {"mode": "dashed" if self.limit else "off"},
        }

    def _options(self) -> Json:
        return {
            "legend": {
                "calcs": list(self.calcs),
                "displayMode": "table",
                "placement": "right" if self.legend_right else "bottom",
                "showLegend": True,
                "sortBy": self.sort,
                "sortDesc": True,
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        }


@attr.s(auto_attribs=True, kw_only=True)
class Stat(_Corrected, core.Stat):  # type: ignore[misc]
    """One number; coloured only where thresholds say what is bad."""

    size: tuple[int, int] = (4, 4)
    sparkline: bool = False
    text: str = "auto"
    kind = "stat"

    def colour_mode(self) -> str:
        return "thresholds"

    def _options(self) -> Json:
        return {
            "colorMode": "value" if self.steps or self.value_names else "none",
            "graphMode": "area" if self.sparkline else "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "percentChangeColorMode": "standard",
            "reduceOptions": _reduce(),
            "showPercentChange": False,
            "textMode": self.text,
            "wideLayout": True,
        }


@attr.s(auto_attribs=True, kw_only=True)
class BarGauge(_Corrected, core.BarGauge):  # type: ignore[misc]
    """A ranking: one bar for each series."""

    kind = "bargauge"

    def _defaults(self) -> Json:
        # One colour: the length says it, and a palette's red and green would judge.
        return {**super()._defaults(), "color": {"fixedColor": "blue", "mode": "fixed"}}

    def _options(self) -> Json:
        return {
            "displayMode": "basic",
            "legend": {
                "calcs": [],
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": False,
            },
            "maxVizHeight": 300,
            "minVizHeight": 16,
            "minVizWidth": 8,
            "namePlacement": "auto",
            "orientation": "horizontal",
            "reduceOptions": _reduce(),
            "showUnfilled": True,
            "sizing": "auto",
            "text": {"titleSize": 14, "valueSize": 16},
            "valueMode": "text",
        }


@attr.s(auto_attribs=True, kw_only=True)
class Heatmap(_Corrected, core.Heatmap):  # type: ignore[misc]
    """A distribution over time, from a histogram's buckets; dots on it are exemplars."""

    kind = "heatmap"

    def _custom(self) -> Json:
        return {
            "hideFrom": {"legend": False, "tooltip": False, "viz": False},
            "scaleDistribution": {"type": "linear"},
        }

    def _options(self) -> Json:
        return {
            "calculate": False,
            "cellGap": 1,
            "color": {
                "exponent": 0.5,
                "fill": "dark-orange",
                "mode": "scheme",
                "reverse": False,
                "scale": "exponential",
                "scheme": "Oranges",
                "steps": 64,
            },
            "exemplars": {"color": "rgba(31, 120, 193, 0.9)"},
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": True},
            "yAxis": {"axisPlacement": "left", "reverse": False, "unit": self.unit},
        }

    def _defaults(self) -> Json:
        # The cells count; what is measured stands on the axis.
        return fields(unit="short", no_value=self.no_value, decimals=0, custom=self._custom())


@attr.s(auto_attribs=True, kw_only=True)
class StateTimeline(_Corrected, core.StateTimeline):  # type: ignore[misc]
    """States over time, one row for each series."""

    kind = "state-timeline"

    def colour_mode(self) -> str:
        return "thresholds"

    def _custom(self) -> Json:
        return {"fillOpacity": 75, "lineWidth": 0}

    def _options(self) -> Json:
        return {
            "alignValue": "left",
            "legend": {
                "calcs": [],
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": True,
            },
            "mergeValues": True,
            "perPage": 20,
            "rowHeight": 0.85,
            "showValue": "never",
            "tooltip": {"mode": "single", "sort": "none"},
        }


@attr.s(auto_attribs=True, kw_only=True)
class StatusHistory(_Corrected, core.Panel):  # type: ignore[misc]
    """A cell for each interval, one row for each series; grafanalib has no such panel."""

    kind = "status-history"

    def colour_mode(self) -> str:
        return "thresholds"

    def _custom(self) -> Json:
        return {"fillOpacity": 75, "lineWidth": 1}

    def _options(self) -> Json:
        return {
            "colWidth": 0.9,
            "legend": {
                "calcs": [],
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": False,
            },
            "rowHeight": 0.85,
            "showValue": "never",
            "tooltip": {"mode": "single", "sort": "none"},
        }


@attr.s(auto_attribs=True, kw_only=True)
class Table(_Corrected, core.Table):  # type: ignore[misc]
    """One row for each object: labels that name it, then a column for each query."""

    size: tuple[int, int] = (24, 10)
    names: Sequence[Column] = ()
    cells: Sequence[Column] = ()
    hidden: Sequence[str] = ()
    """Fields that rows are told apart by, or that links need, but that nobody has to read."""
    sorted_by: str = ""
    descending: bool = True
    kind = "table"

    def __attrs_post_init__(self) -> None:
        self.targets = [
            target(column.query, instant=True, table=True, letter=letter)
            for letter, column in zip(LETTERS, self.cells, strict=False)
        ]
        value = ["Value"] if len(self.cells) == 1 else [f"Value #{t.refId}" for t in self.targets]
        unread = [name for name, column in zip(value, self.cells, strict=True) if not column.title]
        shown = [column.field for column in self.names] + value
        titles = [column.title for column in (*self.names, *self.cells)]
        organize = {
            "excludeByName": dict.fromkeys(("Time", *unread), True),
            "includeByName": {},
            "indexByName": {name: index for index, name in enumerate(shown)},
            "renameByName": dict(zip(shown, titles, strict=True)),
        }
        self.transformations = [
            {"id": "merge", "options": {}},
            {"id": "organize", "options": organize},
        ]

    def colour_mode(self) -> str:
        return "thresholds"

    def _custom(self) -> Json:
        return {
            "align": "auto",
            "cellOptions": {"type": "auto", "wrapText": False},
            "filterable": True,
            "inspect": False,
            "minWidth": 70,
        }

    def _overrides(self) -> list[Json]:
        shown = [column.override() for column in (*self.names, *self.cells) if column.title]
        # Not left out by the transformation: links could not read them any more.
        return [*shown, *(hidden(name) for name in self.hidden)]

    def _options(self) -> Json:
        sort = [{"desc": self.descending, "displayName": self.sorted_by}] if self.sorted_by else []
        return {
            "cellHeight": "sm",
            "footer": {
                "countRows": False,
                "enablePagination": True,
                "fields": [],
                "reducer": ["sum"],
                "show": False,
            },
            "frameIndex": 0,
            "showHeader": True,
            "showTypeIcons": False,
            "sortBy": sort,
        }


@attr.s(auto_attribs=True, kw_only=True)
class Row(core.RowPanel):  # type: ignore[misc]
    """A heading; a collapsed one holds its panels."""

    title: str
    collapsed: bool = False
    id: int = 0

    def to_json_data(self) -> Json:
        return {
            "collapsed": self.collapsed,
            "gridPos": self.gridPos,
            "id": self.id,
            "panels": self.panels,
            "title": self.title,
            "type": "row",
        }


Panel = _Corrected


def document(data: Json) -> Json:
    """The dashboard as plain data, with grafanalib's encoder for the types in it."""
    plain: Json = json.loads(json.dumps(data, cls=DashboardEncoder))
    return plain
