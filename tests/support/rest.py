"""Plain requests to an API server, the real one or the simulated, as curl would send them."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

Object = dict[str, Any]

WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/default/workflows"
ROLLOUTS = "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts"
PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"


class Rest:
    """Gives (HTTP status, body)."""

    def __init__(self, session: aiohttp.ClientSession, **headers: str) -> None:
        self.session = session
        self._headers = headers

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        **query: str,
    ) -> tuple[int, Any]:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        data = None if body is None else io.BytesIO(text)
        headers = {"Content-Type": content_type, "Accept": accept, **self._headers}
        async with self.session.request(
            method, path, data=data, params=query, headers=headers
        ) as response:
            text = await response.text()
            return response.status, json.loads(text) if text.startswith("{") else text

    async def patch(self, path: str, patch: Any, kind: str = MERGE_PATCH) -> tuple[int, Any]:
        return await self("PATCH", path, patch, content_type=kind)

    @asynccontextmanager
    async def watch(self, path: str, **query: str) -> AsyncIterator["Events"]:
        asked = {"watch": "true", "timeoutSeconds": "30", **query}
        accept = asked.pop("accept", "application/json")
        headers = {"Accept": accept, **self._headers}
        async with self.session.get(path, params=asked, headers=headers) as response:
            yield Events(response)


class Events:
    """Of a watch, one after the other."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self._response = response

    async def next(self) -> Any:
        return json.loads(await self._response.content.readline())

    async def names(self, count: int) -> list[tuple[str, str]]:
        """(type, name) of the next so many."""
        events = [await self.next() for _ in range(count)]
        return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]


def workflow(name: str = "", **more: Any) -> Object:
    """A Workflow as people write it."""
    meta = {"name": name} if name else {"generateName": "hello-"}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {**meta, **more.pop("metadata", {})},
        "spec": {"entrypoint": "main", "templates": [{"name": "main", "suspend": {}}]},
        **more,
    }


def pod(name: str, **more: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **more.pop("metadata", {})},
        "spec": {"containers": [{"name": "main", "image": "busybox"}], **more.pop("spec", {})},
        **more,
    }


def config_map(name: str, **more: Any) -> Object:
    head = {"apiVersion": "v1", "kind": "ConfigMap"}
    return {**head, "metadata": {"name": name, **more.pop("metadata", {})}, "data": {}, **more}
