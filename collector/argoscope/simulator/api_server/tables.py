"""Objects in the forms that clients ask for instead of whole: Tables, or their metadata alone."""

from collections.abc import Callable
from typing import Any

import msgspec

from argoscope.simulator.api_server.answers import Form
from argoscope.simulator.api_server.columns import AGE_ONLY, COLUMNS, Column
from argoscope.simulator.collection import Collection, Stored

Show = Callable[[Stored], bytes]

_API = "meta.k8s.io/v1"
_NAME = {
    "name": "Name",
    "type": "string",
    "format": "name",
    "description": "Name must be unique within a namespace.",
    "priority": 0,
}


def list_in_form(
    form: Form,
    collection: Collection,
    meta: dict[str, object],
    found: list[Stored],
    now: float,
) -> bytes:
    """A list as a Table or as a PartialObjectMetadataList."""
    if form.kind == "Table":
        return msgspec.json.encode(_table(form, collection, meta, found, now, headed=True))
    head = {"kind": "PartialObjectMetadataList", "apiVersion": _API, "metadata": meta}
    return msgspec.json.encode({**head, "items": [_partial(stored) for stored in found]})


def show_in_form(form: Form, collection: Collection, clock: Callable[[], float]) -> Show | None:
    """How one object, or those of a watch, become bytes; None: as they are."""
    if not form.kind:
        return None
    if form.kind != "Table":
        return lambda stored: msgspec.json.encode(_partial(stored))
    headed = True

    def show(stored: Stored) -> bytes:
        nonlocal headed
        meta: dict[str, object] = {"resourceVersion": str(stored.version)}
        table = _table(form, collection, meta, [stored], clock(), headed=headed)
        headed = False  # as real servers do: the columns come once
        return msgspec.json.encode(table)

    return show


def _table(
    form: Form,
    collection: Collection,
    meta: dict[str, object],
    found: list[Stored],
    now: float,
    *,
    headed: bool,
) -> dict[str, Any]:
    columns = COLUMNS.get(collection.kind.plural, AGE_ONLY)
    named = collection.kind.plural != "events"
    return {
        "kind": "Table",
        "apiVersion": _API,
        "metadata": meta,
        "columnDefinitions": _definitions(columns, named=named) if headed else [],
        "rows": [_row(form, stored, columns, now, named=named) for stored in found],
    }


def _definitions(columns: tuple[Column, ...], *, named: bool) -> list[dict[str, Any]]:
    own = [
        {
            "name": column.name,
            "type": column.type,
            "format": "",
            "description": "",
            "priority": column.priority,
        }
        for column in columns
    ]
    return [_NAME, *own] if named else [*own, {**_NAME, "priority": 1}]


def cells(columns: tuple[Column, ...], obj: dict[str, Any], now: float) -> list[Any]:
    """Of one object; None where it is not shaped as its kind is, which prints as nothing."""
    return [_cell(column, obj, now) for column in columns]


def _cell(column: Column, obj: dict[str, Any], now: float) -> Any:
    try:
        return column.cell(obj, now)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _row(
    form: Form, stored: Stored, columns: tuple[Column, ...], now: float, *, named: bool
) -> dict[str, Any]:
    obj = stored.decode()
    own = cells(columns, obj, now)
    row: dict[str, Any] = {"cells": [stored.name, *own] if named else [*own, stored.name]}
    if form.include == "Object":
        row["object"] = obj
    elif form.include != "None":
        row["object"] = _partial(stored, obj)
    return row


def _partial(stored: Stored, obj: dict[str, Any] | None = None) -> dict[str, Any]:
    metadata = (obj or stored.decode())["metadata"]
    return {"kind": "PartialObjectMetadata", "apiVersion": _API, "metadata": metadata}
