"""Files to import, to mount by Grafana's sidecar, or to apply for the Grafana operator."""

from collections.abc import Callable, Mapping
from typing import Any

import yaml

SIDECAR_LABEL = "grafana_dashboard"
"""The label that the Grafana chart's sidecar looks for by default."""
_FOLDER = "argoscope"


def _json(uid: str, text: str, folder: str) -> tuple[str, str]:
    """The dashboard itself, in a directory of the folder's name (foldersFromFilesStructure)."""
    return (f"{folder}/{uid}.json" if folder else f"{uid}.json"), text


def _configmap(uid: str, text: str, folder: str) -> tuple[str, str]:
    return f"{uid}.configmap.yaml", _yaml(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": uid,
                "labels": {"app.kubernetes.io/part-of": "argoscope", SIDECAR_LABEL: "1"},
                "annotations": {"grafana_folder": folder or _FOLDER},
            },
            "data": {f"{uid}.json": text},
        }
    )


def _operator(uid: str, text: str, folder: str) -> tuple[str, str]:
    return f"{uid}.grafanadashboard.yaml", _yaml(
        {
            "apiVersion": "grafana.integreatly.org/v1beta1",
            "kind": "GrafanaDashboard",
            "metadata": {"name": uid, "labels": {"app.kubernetes.io/part-of": "argoscope"}},
            "spec": {
                "folder": folder or _FOLDER,
                "instanceSelector": {"matchLabels": {"dashboards": "grafana"}},
                "json": text,
            },
        }
    )


FORMATS: Mapping[str, Callable[[str, str, str], tuple[str, str]]] = {
    "json": _json,
    "configmap": _configmap,
    "grafana-operator": _operator,
}
"""From a dashboard's uid, JSON and folder to a file's path and text."""


class _Dumper(yaml.SafeDumper):
    """Writes JSON as it is, as a block: a diff of the file is a diff of the dashboard."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _yaml(resource: dict[str, Any]) -> str:
    text: str = yaml.dump(resource, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return text
