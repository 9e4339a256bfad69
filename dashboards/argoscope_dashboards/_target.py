"""Queries of panels, as grafanalib's type with what Grafana wants of them today."""

from typing import Any

import attr
from grafanalib import core

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Of a panel's queries, in their order."""
Json = dict[str, Any]


@attr.s(auto_attribs=True, kw_only=True)
class Target(core.Target):  # type: ignore[misc]
    """One query. ``instant`` asks for the end of the time range only; tables want that."""

    expr: str
    legendFormat: str = ""  # noqa: N815 - grafanalib's name
    format: str = "time_series"
    refId: str = "A"  # noqa: N815
    instant: bool = False
    exemplar: bool = False

    def to_json_data(self) -> Json:
        return {
            "datasource": DATASOURCE,
            "editorMode": "code",
            "exemplar": self.exemplar,
            "expr": self.expr,
            "format": self.format,
            "instant": self.instant,
            "legendFormat": self.legendFormat or "__auto",
            "range": not self.instant,
            "refId": self.refId,
        }


def target(
    expr: str,
    legend: str = "",
    *,
    instant: bool = False,
    exemplar: bool = False,
    table: bool = False,
    heatmap: bool = False,
    letter: str = "A",
) -> Target:
    """A query with its legend (``{{label}}``)."""
    return Target(
        expr=expr,
        legendFormat=legend,
        instant=instant,
        exemplar=exemplar,
        format="table" if table else "heatmap" if heatmap else "time_series",
        refId=letter,
    )


def queries(*pairs: tuple[str, str], instant: bool = False) -> list[Target]:
    """Several queries with their legends, with reference letters in that order."""
    return [
        target(expr, legend, instant=instant, letter=letter)
        for letter, (expr, legend) in zip(LETTERS, pairs, strict=False)
    ]
