"""The patches that clients send: JSON patch, merge patch, strategic merge patch.

Each gives a new object and leaves the old one as it was. They raise ``RefusedError``.
"""

from typing import Any

from argoscope.simulator.statuses import RefusedError, bad_request

Object = dict[str, Any]

_MERGE_KEYS = {
    **dict.fromkeys(("containers", "initContainers", "ephemeralContainers"), "name"),
    **dict.fromkeys(("volumes", "env", "imagePullSecrets"), "name"),
    **dict.fromkeys(("conditions", "addresses"), "type"),
    **dict.fromkeys(("ownerReferences",), "uid"),
    **dict.fromkeys(("volumeMounts",), "mountPath"),
    **dict.fromkeys(("hostAliases", "podIPs"), "ip"),
    "volumeDevices": "devicePath",
    "taints": "key",
}
"""Lists that Kubernetes' own kinds merge item by item, and what tells their items apart. ``ports``
differ: by containerPort in a container, by port in a Service."""


def merge(old: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def strategic_merge(old: Any, patch: Any) -> Any:
    """See ``_strategic``. 400 for what is no such patch."""
    try:
        return _strategic(old, patch)
    except (TypeError, AttributeError) as error:
        raise bad_request(f"invalid strategic merge patch: {error}") from None


def _strategic(old: Any, patch: Any) -> Any:
    """A merge patch that merges well-known lists by key, with the directives that kubectl sends:
    ``$patch: delete|replace`` and ``$deleteFromPrimitiveList``. ``$setElementOrder`` and
    ``$retainKeys`` only say how to order, or what a merge keeps anyway."""
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {name: value for name, value in patch.items() if name != "$patch"}
    merged = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if name.startswith("$"):
            _direct(merged, name, value)
        elif value is None or (isinstance(value, dict) and value.get("$patch") == "delete"):
            merged.pop(name, None)
        elif isinstance(value, list) and (key := _merge_key(name, value)):
            merged[name] = _merge_lists(merged.get(name) or [], value, key)
        elif name == "finalizers" and isinstance(value, list):
            merged[name] = list(dict.fromkeys([*(merged.get(name) or []), *value]))
        else:
            merged[name] = _strategic(merged.get(name), value)
    return merged


def _direct(merged: Object, name: str, value: Any) -> None:
    directive, _, field = name.partition("/")
    if directive == "$deleteFromPrimitiveList" and field in merged:
        merged[field] = [item for item in merged[field] if item not in value]
    elif directive == "$retainKeys":
        for gone in set(merged) - set(value):
            del merged[gone]


def _merge_key(name: str, items: list[Any]) -> str:
    if not all(isinstance(item, dict) for item in items):
        return ""
    if name == "ports":
        return "containerPort" if any("containerPort" in item for item in items) else "port"
    return _MERGE_KEYS.get(name, "")


def _merge_lists(old: list[Any], patch: list[Any], key: str) -> list[Any]:
    if any(item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if "$patch" not in item]
    merged = {item.get(key): item for item in old if isinstance(item, dict)}
    for item in patch:
        if item.get("$patch") == "delete":
            merged.pop(item.get(key), None)
        else:
            merged[item.get(key)] = _strategic(merged.get(item.get(key)), item)
    return list(merged.values())


def apply_json_patch(old: Any, operations: Any) -> Any:
    """RFC 6902. 422 for a path that does not exist or a test that fails, as API servers do."""
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: a JSON patch is a list of operations")
    document = old
    for operation in operations:
        try:
            document = _operate(document, operation)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            message = "the server rejected our request due to an error in our request"
            raise RefusedError(422, "Invalid", message) from None
    return document


def _operate(document: Any, operation: Any) -> Any:
    name, path = operation["op"], _pointer(operation["path"])
    if name == "test":
        if _at(document, path) != operation["value"]:
            raise ValueError("testing value failed")
        return document
    if name == "remove":
        return _without(document, path)
    if name == "replace":
        _at(document, path)
        return _with(_without(document, path) if path else document, path, operation["value"])
    if name == "add":
        return _with(document, path, operation["value"])
    if name in ("move", "copy"):
        origin = _pointer(operation["from"])
        value = _at(document, origin)
        return _with(_without(document, origin) if name == "move" else document, path, value)
    raise ValueError(f"unexpected kind: {name}")


def _pointer(text: str) -> list[str]:
    if not text:
        return []
    if not text.startswith("/"):
        raise ValueError("a path begins with /")
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _at(document: Any, path: list[str]) -> Any:
    for part in path:
        document = document[_index(document, part)]
    return document


def _with(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    part, *rest = path
    if isinstance(document, list):
        items = list(document)
        if rest:
            items[int(part)] = _with(items[int(part)], rest, value)
        else:
            at = len(items) if part == "-" else int(part)
            if not 0 <= at <= len(items):
                raise IndexError("index out of bounds")
            items.insert(at, value)
        return items
    return {**document, part: _with(document[part], rest, value) if rest else value}


def _without(document: Any, path: list[str]) -> Any:
    part, *rest = path
    at = _index(document, part)
    changed = _without(document[at], rest) if rest else document[at]
    if isinstance(document, list):
        return [*document[:at], *([changed] if rest else []), *document[at + 1 :]]
    return {k: (changed if k == at else v) for k, v in document.items() if rest or k != at}


def _index(document: Any, part: str) -> Any:
    if isinstance(document, list):
        if not 0 <= int(part) < len(document):
            raise IndexError("index out of bounds")
        return int(part)
    if not isinstance(document, dict):
        raise TypeError("nothing there")
    return part
