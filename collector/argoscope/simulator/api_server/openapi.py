"""The least of OpenAPI with which kubectl validates nothing and works: no schemas.

kubectl 1.20 reads v2 in protobuf before it creates or applies; newer ones look in v3 for whether
the server validates fields itself, which it then is asked to do (and does not).
"""

from typing import Any

from aiohttp import web

from argoscope.simulator.api_server.answers import answer
from argoscope.simulator.api_server.discovery import group_versions
from argoscope.simulator.cluster import Cluster

_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""Asked for with an @ for the second last dot, which Go's parser of media types refuses."""
_TITLE = "argoscope simulate"


def document(path: str, request: web.Request, cluster: Cluster) -> web.Response | None:
    """None for other paths."""
    if path == "/openapi/v2":
        if "proto-openapi" in request.headers.get("Accept", ""):
            return answer(_v2_protobuf(), content_type=_PROTOBUF)
        info = {"title": _TITLE, "version": "v1"}
        return answer({"swagger": "2.0", "info": info, "paths": {}, "definitions": {}})
    if path == "/openapi/v3":
        roots = [_root(group, version) for group, version in group_versions(cluster)]
        return answer({"paths": {r: {"serverRelativeURL": f"/openapi/v3/{r}"} for r in roots}})
    for (group, version), kinds in group_versions(cluster).items():
        if path == f"/openapi/v3/{_root(group, version)}":
            paths = {
                f"/{_root(group, version)}/{kind.plural}/{{name}}": _patch(
                    group, version, kind.kind
                )
                for kind in kinds
            }
            info = {"title": _TITLE, "version": "v1"}
            return answer({"openapi": "3.0.0", "info": info, "paths": paths, "components": {}})
    return None


def _root(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _patch(group: str, version: str, kind: str) -> dict[str, Any]:
    return {
        "patch": {
            "parameters": [
                {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
            ],
            "responses": {"200": {"description": "OK"}},
            "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
        }
    }


def _v2_protobuf() -> bytes:
    """``openapi.v2.Document``: swagger = 1, info = 2 (title = 1, version = 2), paths = 8."""
    info = _field(1, _TITLE.encode()) + _field(2, b"v1")
    return _field(1, b"2.0") + _field(2, info) + _field(8, b"")


def _field(number: int, data: bytes) -> bytes:
    """Length-delimited; for less than 128 bytes."""
    return bytes([number << 3 | 2, len(data)]) + data
