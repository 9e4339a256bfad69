"""Create, update, patch and delete over HTTP."""

from collections.abc import Callable
from typing import Any

import msgspec
import yaml
from aiohttp import web

from argoscope.simulator import patches, statuses
from argoscope.simulator.api_server import list_options, protobuf
from argoscope.simulator.api_server.reading import Lists
from argoscope.simulator.api_server.route import Target
from argoscope.simulator.collection import Object, Stored
from argoscope.simulator.deletion import Options, Propagation
from argoscope.simulator.kinds import Kind
from argoscope.simulator.lifecycle import Lifecycle, check_name

_PROPAGATIONS: tuple[Propagation, ...] = ("Background", "Foreground", "Orphan")
_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"
_STRATEGIC_PATCH = "application/strategic-merge-patch+json"
_APPLY = ("application/apply-patch+yaml", "application/apply-patch+cbor")


class Writes:
    """What requests other than GET do to a cluster; each gives status code and body."""

    def __init__(self, lifecycle: Lifecycle, lists: Lists) -> None:
        self._lifecycle = lifecycle
        self._lists = lists

    async def create(self, request: web.Request, to: Target) -> tuple[int, Stored]:
        obj = decode_body(request, await request.read())
        if to.name or (to.kind.namespaced and not to.namespace):
            raise statuses.method_not_allowed()
        dry = "dryRun" in request.query
        return 201, self._lifecycle.create(to.kind, to.namespace, obj, dry_run=dry)

    async def update(self, request: web.Request, to: Target) -> tuple[int, Stored]:
        obj = decode_body(request, await request.read())
        dry, status = "dryRun" in request.query, _is_status(to)
        if not to.name:
            raise statuses.method_not_allowed()
        check_name(obj.get("metadata") if isinstance(obj, dict) else None, to.name)
        return 200, self._change(to, lambda _: obj, status=status, dry_run=dry)

    async def patch(self, request: web.Request, to: Target) -> tuple[int, Stored]:
        apply = _patch_of(to.kind, request.content_type)
        patch = decode_json(await request.read())
        dry, status = "dryRun" in request.query, _is_status(to)
        if not to.name:
            raise statuses.method_not_allowed()
        return 200, self._change(to, lambda old: apply(old, patch), status=status, dry_run=dry)

    async def delete(self, request: web.Request, to: Target) -> tuple[int, Stored | Object]:
        options = await _delete_options(request)
        if to.subresource:
            raise statuses.method_not_allowed()
        stored = self._lifecycle.get(to.kind, to.namespace, to.name)
        left, gone = self._lifecycle.deletion.delete(to.kind, stored, options)
        if not gone:
            return 200, left
        if to.plural != "pods":
            return 200, statuses.success(to.kind, stored.name, stored.uid)
        last = left.decode()  # of pods clients get the last state
        now = {"deletionTimestamp": self._lifecycle.cluster.now(), "deletionGracePeriodSeconds": 0}
        return 200, {**last, "metadata": {**last["metadata"], **now}}

    async def delete_collection(
        self, request: web.Request, to: Target
    ) -> tuple[dict[str, object], list[Stored]]:
        """``ListMeta`` and what has been deleted."""
        options = await _delete_options(request)
        if to.kind.plural == "namespaces":
            raise statuses.method_not_allowed()
        selection = list_options.select(to.kind, to.namespace, request.query)
        meta, found = self._lists.page(to.found, selection, list_options.read(request.query))
        for stored in found:
            present = self._lifecycle.cluster.get(to.plural, stored.name, stored.namespace)
            if present is not None:  # else gone with its owner meanwhile
                self._lifecycle.deletion.delete(to.kind, present, options)
        return meta, found

    def _change(
        self, to: Target, change: Callable[[Object], Object], *, status: bool, dry_run: bool
    ) -> Stored:
        return self._lifecycle.update(
            *(to.kind, to.namespace, to.name, change), status=status, dry_run=dry_run
        )


def decode_json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise statuses.bad_request(f"error decoding the body: {error}") from None


def decode_body(request: web.Request, data: bytes) -> Any:
    """An object as JSON, YAML or protobuf. Raises RefusedError, 415, for anything else."""
    if request.content_type in ("application/json", "application/octet-stream", ""):
        return decode_json(data)
    if request.content_type == "application/yaml":
        try:
            return yaml.safe_load(data)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise statuses.bad_request(f"error decoding the body: {error}") from None
    if request.content_type == protobuf.CONTENT_TYPE:
        return protobuf.decode(data)
    raise statuses.unsupported(
        "the body of the request was in an unknown format - accepted media types include:"
        f" application/json, application/yaml, {protobuf.CONTENT_TYPE}"
    )


def _is_status(to: Target) -> bool:
    """Whether only the status is written. Raises RefusedError where there is no such resource."""
    if to.subresource not in ("", "status") or (to.subresource and not to.kind.status):
        raise statuses.not_found(to.kind, to.name)
    return to.subresource == "status"


def _patch_of(kind: Kind, content_type: str) -> Callable[[Any, Any], Any]:
    if content_type == _JSON_PATCH:
        return patches.apply_json_patch
    if content_type == _MERGE_PATCH:
        return patches.merge
    if content_type == _STRATEGIC_PATCH and not kind.custom:
        return patches.strategic_merge
    if content_type in _APPLY:
        raise statuses.unsupported(
            "the simulator knows no server-side apply: use `kubectl apply` without --server-side"
        )
    known = [_JSON_PATCH, _MERGE_PATCH, *([] if kind.custom else [_STRATEGIC_PATCH])]
    raise statuses.unsupported(
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(known)
    )


async def _delete_options(request: web.Request) -> Options:
    """From the body, and from the query where there is no body."""
    data = await request.read()
    body = decode_body(request, data) if data else {}
    if not isinstance(body, dict):
        raise statuses.bad_request("DeleteOptions expected")
    query = request.query
    asked = query.get("propagationPolicy") or body.get("propagationPolicy") or "Background"
    if body.get("orphanDependents") or query.get("orphanDependents") == "true":
        asked = "Orphan"
    propagation = next((known for known in _PROPAGATIONS if known == asked), None)
    if propagation is None:
        raise statuses.bad_request(f"invalid propagationPolicy: {asked}")
    grace = query.get("gracePeriodSeconds") or body.get("gracePeriodSeconds")
    try:
        seconds = None if grace is None else int(grace)
    except (TypeError, ValueError):
        raise statuses.bad_request(f"invalid gracePeriodSeconds: {grace}") from None
    return Options(
        propagation=propagation,
        grace_seconds=seconds,
        preconditions=body.get("preconditions") or {},
        dry_run="dryRun" in query or bool(body.get("dryRun")),
    )
