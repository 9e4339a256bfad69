"""Field options as Grafana writes them: units, thresholds, mappings, links, table columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

OK, WARNING, BAD = "green", "orange", "red"
NEUTRAL = "text"
"""Grafana's colour of plain text: neither good nor bad."""

Threshold = tuple[str, float | None]
"""A colour and the value from which it holds; None for the first, which holds from below."""


def limit(value: float, colour: str = BAD, base: str = NEUTRAL) -> tuple[Threshold, ...]:
    """One limit: ``base`` below it, ``colour`` from it on."""
    return ((base, None), (colour, value))


@dataclass(frozen=True, kw_only=True)
class Link:
    """Where a click on a value leads."""

    title: str
    url: str
    blank: bool = False

    def json(self) -> Json:
        return {"targetBlank": self.blank, "title": self.title, "url": self.url}


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table: a label of the rows (``field``), or a query.

    A query without a title is asked for its labels only.
    """

    title: str
    field: str = ""
    query: str = ""
    unit: str = ""
    decimals: int | None = None
    width: int | None = None
    steps: Sequence[Threshold] = ()
    links: Sequence[Link] = ()
    value_names: Sequence[tuple[str, str, str]] = ()
    bar: bool = False

    def override(self) -> Json:
        cell: Json | None = None
        if self.bar:
            cell = {"mode": "basic", "type": "gauge", "valueDisplayMode": "text"}
        elif self.steps or self.value_names:
            cell = {"type": "color-text", "wrapText": False}
        return override(
            self.title,
            unit=self.unit or None,
            # The panel's own text is for a table without rows.
            noValue="–",
            decimals=self.decimals,
            thresholds=thresholds(self.steps) if self.steps else None,
            color={"mode": "thresholds"} if self.steps and not self.bar else None,
            mappings=mappings(self.value_names) or None,
            links=[link.json() for link in self.links] or None,
            custom_width=self.width,
            custom_cellOptions=cell,
            min=0 if self.bar else None,
        )


def fields(
    *,
    unit: str,
    no_value: str,
    decimals: int | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    steps: Sequence[Threshold] = (),
    value_names: Sequence[tuple[str, str, str]] = (),
    colour_mode: str = "palette-classic",
    links: Sequence[Link] = (),
    custom: Mapping[str, Any],
) -> Json:
    """``fieldConfig.defaults``."""
    found: Json = {
        "color": {"mode": colour_mode},
        "custom": dict(custom),
        "links": [link.json() for link in links],
        "mappings": mappings(value_names),
        "noValue": no_value,
        "thresholds": thresholds(steps),
        "unit": unit,
    }
    optional = {"decimals": decimals, "min": minimum, "max": maximum}
    found.update({key: value for key, value in optional.items() if value is not None})
    return found


def thresholds(steps: Sequence[Threshold]) -> Json:
    """Absolute thresholds; without any, plain text colour. grafanalib's begins at "null"."""
    return {
        "mode": "absolute",
        "steps": [
            {"color": colour, "value": value} for colour, value in (steps or ((NEUTRAL, None),))
        ],
    }


def mappings(names: Sequence[tuple[str, str, str]]) -> list[Json]:
    """Texts and colours in the place of values."""
    if not names:
        return []
    options = {
        value: {"color": colour, "index": index, "text": text}
        for index, (value, text, colour) in enumerate(names)
    }
    return [{"options": options, "type": "value"}]


def override(name: str, **properties: Any) -> Json:
    """Options of the field of that name; ``custom_x`` is ``custom.x``, None leaves one out."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [
            {"id": key.replace("custom_", "custom."), "value": value}
            for key, value in properties.items()
            if value is not None
        ],
    }


def hidden(name: str) -> Json:
    """A field that a table does not show and that its links can read; hideFrom since Grafana 12."""
    nowhere = {"legend": False, "tooltip": False, "viz": True}
    return override(name, custom_hidden=True, custom_hideFrom=nowhere)
