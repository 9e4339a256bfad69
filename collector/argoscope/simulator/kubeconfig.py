"""A kubeconfig for a simulated cluster, so that any client finds it."""

import os
from pathlib import Path

import yaml

NAME = "argoscope-simulator"
"""Of the context, the cluster and the user."""


def kubeconfig(server: str, token: str = "") -> str:
    """The text of the file; ``server`` is an address such as http://127.0.0.1:8001."""
    user = {"token": token} if token else {}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": NAME, "cluster": {"server": server}}],
            "users": [{"name": NAME, "user": user}],
            "contexts": [
                {"name": NAME, "context": {"cluster": NAME, "user": NAME, "namespace": "default"}}
            ],
            "current-context": NAME,
        },
        sort_keys=False,
    )


def write(path: Path, text: str) -> None:
    """For the owner's eyes only, since it can hold a token. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def remove(path: Path) -> None:
    """Takes back what was written: it leads nowhere now. What others wrote stays."""
    if is_ours(path):
        path.unlink(missing_ok=True)


def is_ours(path: Path) -> bool:
    """Whether a file may be overwritten: it is not there, or one of ours."""
    try:
        found = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        return True
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    return isinstance(found, dict) and found.get("current-context") == NAME
