"""What every dashboard keeps, read from its JSON as Grafana would: one line for each breach."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from contract.promql import Contract

Json = dict[str, Any]

UNITS = frozenset(
    {"short", "percentunit", "percent", "s", "bytes", "cps", "reqps", "dateTimeFromNow", "none"}
)
"""The unit ids of Grafana's valueFormats that we use; another one is looked up there first."""
COLUMNS = 24
MOST_TAGS = 5
_NEUTRAL = re.compile(r"(?i)\b(ok|good|healthy|fine)\b")
_VARIABLE = re.compile(r"\$\{?([a-z_]\w*)")
_BUILT_IN = re.compile(r"__\w+")
# A day as the issue asks for it, whatever the time range is.
_FIXED_WINDOWS = {"Top 5 reasons of the last 24 hours": "1d"}


def panels(dashboard: Json) -> Iterator[Json]:
    """All panels, those in collapsed rows too, without the rows themselves."""
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            yield panel
        yield from panel.get("panels", ())


def expressions(dashboard: Json) -> Iterator[tuple[str, str]]:
    """Each query with where it stands."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield f"panel {panel['title']!r} {target['refId']}", target["expr"]
    for mark in dashboard["annotations"]["list"]:
        yield f"annotation {mark['name']!r}", mark["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            query = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
            assert query, variable["query"]
            yield f"variable {variable['name']}", f"count by ({query[2]}) ({query[1]})"


def problems(dashboard: Json, contract: Contract, others: Mapping[str, Json]) -> list[str]:
    """Everything that is wrong with a dashboard; ``others`` are all, by uid, for the links."""
    found = [
        *_whole(dashboard),
        *_layout(dashboard),
        *_variables(dashboard),
        *_links(dashboard, others),
        *(problem for panel in panels(dashboard) for problem in _panel(panel)),
    ]
    named = [f"{dashboard['uid']}: {one}" for one in found]
    for where, query in expressions(dashboard):
        named += contract.problems(query, f"{dashboard['uid']}: {where}")
    return named


def _whole(dashboard: Json) -> Iterator[str]:
    if not re.fullmatch(r"argoscope-[a-z-]{2,29}", dashboard["uid"]):
        yield "the uid is not readable and stable"
    if len(dashboard["tags"]) > MOST_TAGS:
        yield "too many tags"
    if dashboard["schemaVersion"] < 41:
        yield "an old schema"
    if not any(link["type"] == "dashboards" and link["keepTime"] and link["includeVars"]
               for link in dashboard["links"]):  # fmt: skip
        yield "no drop-down of the other dashboards that keeps time and variables"
    for what, values in (
        ("panel id", [panel["id"] for panel in _everything(dashboard)]),
        ("title", [panel["title"] for panel in _rows(dashboard)]),
    ):
        for value, times in Counter(values).items():
            if times > 1:
                yield f"{what} {value!r} twice"


def _rows(dashboard: Json) -> list[Json]:
    return [panel for panel in dashboard["panels"] if panel["type"] == "row"]


def _everything(dashboard: Json) -> Iterator[Json]:
    yield from _rows(dashboard)
    yield from panels(dashboard)


def _layout(dashboard: Json) -> Iterator[str]:
    inside = [row["panels"] for row in _rows(dashboard) if row["collapsed"]]
    for together in (dashboard["panels"], *inside):  # a collapsed row makes place when it opens
        yield from _overlaps(together)


def _overlaps(together: list[Json]) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    for panel in together:
        at = panel["gridPos"]
        if at["x"] + at["w"] > COLUMNS:
            yield f"panel {panel['title']!r} reaches beyond the right edge"
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                if (x, y) in taken and taken[x, y] != panel["title"]:
                    yield f"panel {panel['title']!r} overlaps {taken[x, y]!r}"
                    return
                taken[x, y] = panel["title"]


def _variables(dashboard: Json) -> Iterator[str]:
    variables = dashboard["templating"]["list"]
    names = [variable["name"] for variable in variables]
    if names[:2] != ["datasource", "cluster"]:
        yield "the first choices are not data source and cluster"
    for index, variable in enumerate(variables[1:], 1):
        if variable["refresh"] != 2:
            yield f"variable {variable['name']} is not refreshed with the time range"
        used = set(_VARIABLE.findall(variable["query"]["query"]))
        for name in used - set(names[:index]):
            yield f"variable {variable['name']} depends on {name}, which does not come before it"
        if index > 1 and "cluster" not in used:
            yield f"variable {variable['name']} is not chained to the cluster"
    queries = [query for _, query in expressions(dashboard)]
    used = {name for query in queries for name in _VARIABLE.findall(query)}
    for name in set(names) - used - {"datasource"}:
        yield f"variable {name} is not used"
    for name in used - set(names):
        if not _BUILT_IN.fullmatch(name):
            yield f"variable {name} is not defined"


def _links(dashboard: Json, others: Mapping[str, Json]) -> Iterator[str]:
    own = {variable["name"] for variable in dashboard["templating"]["list"]}
    for panel in panels(dashboard):
        known = _fields_of(panel)
        for url in _urls(panel["fieldConfig"]):
            where = f"panel {panel['title']!r}: link {url}"
            for name in re.findall(r"\$\{(\w+):queryparam\}", url):
                if name not in own:
                    yield f"{where}: no variable {name} here"
            for field in re.findall(r"__data\.fields\.(\w+)", url):
                if field not in known:
                    yield f"{where}: no field {field} in the table"
            if url.startswith("/d/"):
                yield from _target(url, where, others)


def _target(url: str, where: str, others: Mapping[str, Json]) -> Iterator[str]:
    uid, _, query = url.removeprefix("/d/").partition("?")
    if uid not in others:
        yield f"{where}: no dashboard {uid}"
        return
    there = {variable["name"] for variable in others[uid]["templating"]["list"]}
    passed = re.findall(r"var-(\w+)=", query) + re.findall(r"\$\{(\w+):queryparam\}", query)
    for name in passed:
        if name not in there:
            yield f"{where}: {uid} has no variable {name}"
    if "${__url_time_range}" not in query:
        yield f"{where}: the time range is lost"


def _fields_of(panel: Json) -> Collection[str]:
    """What links can read: Grafana makes them after the transformations."""
    by = [re.findall(r"by \(([\w, ]+)\)", target["expr"]) for target in panel["targets"]]
    labels = {label for found in by for group in found for label in group.split(", ")}
    left_out = {
        name
        for one in panel.get("transformations", ())
        for name in one["options"].get("excludeByName", ())
    }
    return labels - left_out


def _urls(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        if isinstance(tree.get("url"), str):
            yield tree["url"]
        tree = list(tree.values())
    if isinstance(tree, list):
        for branch in tree:
            yield from _urls(branch)


def _panel(panel: Json) -> Iterator[str]:
    for problem in (*_said(panel), *_asked(panel), *_field(panel)):
        yield f"panel {panel['title']!r}: {problem}"


def _said(panel: Json) -> Iterator[str]:
    if not panel["title"]:
        yield "no title"
    if len(panel["description"]) < 20 or panel["description"][-1] not in ".?":
        yield "no description in sentences"


def _asked(panel: Json) -> Iterator[str]:
    if not panel["targets"]:
        yield "no query"
    refs = Counter(target["refId"] for target in panel["targets"])
    if "" in refs or max(refs.values(), default=0) > 1:
        yield "refIds are blank or not unique"
    for target in panel["targets"]:
        for source in (panel["datasource"], target["datasource"]):
            if source != {"type": "prometheus", "uid": "${datasource}"}:
                yield "the data source is not the variable"
        if target["range"] == target["instant"]:
            yield "a query is either of a range or instant"
        allowed = {"$__rate_interval", "$__range", _FIXED_WINDOWS.get(panel["title"])}
        for window in re.findall(r"\}\[([^\]]+)\]", target["expr"]):
            if window not in allowed:
                yield f"the window [{window}] is fixed"
        if "$__range" in target["expr"] and target["range"]:
            yield "$__range in a query over time"
        if panel["type"] in {"timeseries", "bargauge"} and target["legendFormat"] == "__auto":
            yield "no legend"


def _field(panel: Json) -> Iterator[str]:
    defaults = panel["fieldConfig"]["defaults"]
    overrides = panel["fieldConfig"]["overrides"]
    properties = {
        (one["matcher"]["options"], entry["id"]): entry["value"]
        for one in overrides
        for entry in one["properties"]
    }
    units = [defaults["unit"], *(v for (_, key), v in properties.items() if key == "unit")]
    for unit in units:
        if unit not in UNITS:
            yield f"unit {unit!r} is not among Grafana's"
    if not defaults.get("noValue") or _NEUTRAL.search(defaults["noValue"]):
        yield "noValue is missing or judges"
    thresholds = [defaults["thresholds"], *(
        value for (_, key), value in properties.items() if key == "thresholds"
    )]  # fmt: skip
    for one in thresholds:
        values = [step["value"] for step in one["steps"]]
        if values[:1] != [None]:
            yield "the first threshold is not null"
        if values[1:] != sorted(set(values[1:])):
            yield "thresholds do not ascend"
