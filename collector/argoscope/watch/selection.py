"""Which objects a stream asks the API server for, and what it is called."""

from dataclasses import dataclass

from argoscope.watch.delta import Selection, Watched


@dataclass(frozen=True, slots=True)
class LabelAndField:
    """A selection of our own making; see ``delta.Selection``."""

    label: str = ""
    field: str = ""


def collection_path(watched: Watched, namespace: str) -> str:
    """API path of the kind's objects, in one namespace if it is not empty."""
    if not namespace or not watched.namespaced:
        return watched.path
    return f"{watched.path.removesuffix(watched.plural)}namespaces/{namespace}/{watched.plural}"


def selection_params(selection: Selection) -> dict[str, str]:
    both = {"labelSelector": selection.label, "fieldSelector": selection.field}
    return {name: value for name, value in both.items() if value}


def stream_name(namespace: str, selection: Selection) -> str:
    """``namespace``, label and field selector in one readable word; empty for everything."""
    return "; ".join(part for part in (namespace, selection.label, selection.field) if part)
