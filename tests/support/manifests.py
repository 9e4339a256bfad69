"""What deploy/ makes: kubectl and Helm as users run them, and the objects that come of it."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from kubernetes_validate import utils as _schemas

from support.kubernetes_tools import tool
from support.recordings import ROOT

Object = dict[str, Any]

DEPLOY = ROOT / "deploy"
COMPONENTS = DEPLOY / "kustomize" / "components"
OVERLAYS = sorted(path.name for path in (DEPLOY / "kustomize" / "overlays").iterdir())
CHART = DEPLOY / "helm" / "argoscope"


@cache
def overlay(name: str, components: Sequence[str] = (), namespace: str = "") -> list[Object]:
    """The objects of `kubectl apply -k` on an overlay with further components on it, and in a
    namespace of the user's."""
    folder = DEPLOY / "kustomize" / "overlays" / name
    if not components and not namespace:
        return _build(folder)
    # kustomize takes no absolute paths, and a folder outside of the tree finds nothing in it.
    scratch = (
        ROOT / "out" / "kustomize" / "-".join([name, *components, namespace, str(os.getpid())])
    )
    scratch.mkdir(parents=True, exist_ok=True)
    up = os.path.relpath(DEPLOY / "kustomize", scratch)
    wanted = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{up}/overlays/{name}"],
        "components": [f"{up}/components/{component}" for component in components],
    } | ({"namespace": namespace} if namespace else {})
    (scratch / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
    try:
        return _build(scratch)
    finally:
        shutil.rmtree(scratch)


def _build(folder: Path) -> list[Object]:
    done = subprocess.run(
        [tool("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)


def helm(*args: str, program: str = "helm") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool(program), *args], capture_output=True, text=True, timeout=60, check=False
    )


@cache
def chart(values: str = "", *more: str) -> list[Object]:
    """The objects of `helm install argoscope` with these values and further options."""
    flags = ["--set", values] if values else []
    command = ("template", "argoscope", str(CHART), "--namespace", "argoscope")
    done = helm(*command, "--kube-version", "1.34", *flags, *more)
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)


def documents(text: str) -> list[Object]:
    return [found for found in yaml.safe_load_all(text) if found]


def of_kind(objects: Sequence[Object], kind: str, name: str = "argoscope") -> Object:
    (found,) = (one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name)
    return found


# A megabyte of definitions, which would be read for each object.
_schemas.schema_contents = cache(_schemas.schema_contents)


def validate(found: Object, version: str) -> None:
    """Against the schemas of that Kubernetes, without fields that it does not know. Raises
    kubernetes_validate.ValidationError."""
    kubernetes_validate.validate(found, version, strict=True)
