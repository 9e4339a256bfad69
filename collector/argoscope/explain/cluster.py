"""The objects from a cluster: of the run, its pods and events, and of runs to compare with."""

import asyncio
import os
import time

import msgspec

from argoscope.explain.asking import NothingToExplainError, Question, none_of, runs_of
from argoscope.explain.objects import LABEL_WORKFLOW, Collector, Objects
from argoscope.explain.runs import head_of
from argoscope.inspect.reading import Complain, Item
from argoscope.kube.client import Client, Params
from argoscope.kube.config import find_credentials
from argoscope.kube.errors import ConfigError, ForbiddenError, KubeError, NotFoundError, describe
from argoscope.resources.workflow.naming import (
    LABEL_CLUSTER_TEMPLATE,
    LABEL_CRON,
    LABEL_TEMPLATE,
)
from argoscope.resources.world import Key
from argoscope.simulated_clock import from_environment

PATIENCE = 60.0
"""Seconds that all requests together may take."""
MOST_LISTED = 2_000
"""Workflows that are looked through for runs of the same pipeline."""
MOST_EVENTS = 20_000
NETWORK_ERRORS = (OSError, TimeoutError)
_NAMING = (LABEL_CRON, LABEL_TEMPLATE, LABEL_CLUSTER_TEMPLATE)
"""Labels that Argo sets, and that can be the pipeline's name."""
_ARGO = "/apis/argoproj.io/v1alpha1"
_EVENTS = (
    "involvedObject.kind=Pod,reason!=Scheduled,reason!=Created,reason!=Started,reason!=Killing"
)


def fetch(question: Question, kubeconfig: str, context: str, complain: Complain) -> Objects:
    """What is needed to answer. Raises NothingToExplainError, which says what to do."""
    try:
        return asyncio.run(_fetch(question, kubeconfig, context, complain))
    except ConfigError as error:
        raise NothingToExplainError(f"{error}; or give objects from a file: --file FILE") from error
    except (KubeError, *NETWORK_ERRORS) as error:
        raise NothingToExplainError(
            f"the API server gave no answer: {describe(error)}. `argoscope doctor` looks closer."
        ) from error


async def _fetch(question: Question, kubeconfig: str, context: str, complain: Complain) -> Objects:
    credentials = find_credentials(kubeconfig or None, context or None)
    async with asyncio.timeout(PATIENCE), Client(credentials) as client:
        return await gather(client, question, complain)


def now() -> float:
    """Unix seconds; a simulated cluster can have a time of its own."""
    try:
        clock = from_environment(os.environ)
    except ConfigError as error:
        raise NothingToExplainError(str(error)) from error
    return clock() if clock is not None else time.time()


async def gather(client: Client, question: Question, complain: Complain) -> Objects:
    """As ``fetch``, from a server that is known; lets KubeError and network errors through."""
    return await _Fetching(client, question, complain).objects()


class _Fetching:
    def __init__(self, client: Client, question: Question, complain: Complain) -> None:
        self._client = client
        self._question = question
        self._complain = complain
        self._collector = Collector(complain)
        self._heads: dict[Key, tuple[str, float]] = {}
        """Of runs of the pipeline: (its name, when it ended or 0)."""
        self._pipelines: set[str] = set()
        """Those of the runs that were looked through."""

    async def objects(self) -> Objects:
        asked, found = self._question, self._collector.objects
        namespace, pipeline, selector = asked.namespace, asked.pipeline, ""
        if asked.name:
            namespace = namespace or "default"
            pipeline, selector = await self._workflow(namespace, asked.name)
        await self._siblings(namespace, pipeline, selector)
        if not found.workflows:
            nothing = none_of(runs_of(asked), pipeline, self._pipelines, "in this cluster")
            raise NothingToExplainError(nothing)
        for key in self._superfluous(namespace):
            del found.workflows[key]
            named, ended = self._heads[key]
            found.passed_over[key[0], named] += bool(ended)
        by_namespace: dict[str, list[str]] = {}
        for space, name in found.workflows:
            by_namespace.setdefault(space, []).append(name)
        for space, names in by_namespace.items():
            await self._pods(space, names)
            path = f"/api/v1/namespaces/{space}/events"
            await self._list("Event", path, {"fieldSelector": _EVENTS}, MOST_EVENTS)
        await self._crons()
        return found

    async def _workflow(self, namespace: str, name: str) -> tuple[str, str]:
        """Takes the run that is asked for: its pipeline, and a selector of runs like it."""
        path = f"{_ARGO}/namespaces/{namespace}/workflows/{name}"
        try:
            raw = await self._client.get(path)
        except NotFoundError as error:
            raise NothingToExplainError(
                f"There is no Workflow {namespace}/{name} in this cluster (it may have been"
                " deleted: TTL). From Argo's archive: argo archive get UID -o json |"
                " argoscope explain --file -"
            ) from error
        head = head_of(raw, self._question.labels)
        if head is None:
            raise NothingToExplainError(f"{namespace}/{name} can't be read: {raw[:80]!r}")
        self._heads[namespace, name] = head
        self._collector.add(Item("ADDED", "Workflow", raw, f"{namespace}/{name}"))
        labels = msgspec.json.decode(raw, type=_Labelled).metadata.labels or {}
        same = (key for key in _NAMING if labels.get(key) == head[0])
        return head[0], next((f"{key}={head[0]}" for key in same), "")

    async def _siblings(self, namespace: str, pipeline: str, selector: str) -> None:
        """Runs of the pipeline. Often no label names them: then all are looked through."""
        path = f"{_ARGO}/namespaces/{namespace}/workflows" if namespace else f"{_ARGO}/workflows"
        params = {"labelSelector": selector} if selector else {}
        await self._list("Workflow", path, params, MOST_LISTED, pipeline)

    async def _pods(self, namespace: str, names: list[str]) -> None:
        path = f"/api/v1/namespaces/{namespace}/pods"
        for start in range(0, len(names), 50):  # a selector of 50 names fits into an address
            selector = f"{LABEL_WORKFLOW} in ({','.join(names[start : start + 50])})"
            await self._list("Pod", path, {"labelSelector": selector}, 0)

    async def _crons(self) -> None:
        """The CronWorkflows of these runs: whether they may run beside each other."""
        found = set()
        for (space, _), raw in self._collector.objects.workflows.items():
            labels = msgspec.json.decode(raw, type=_Labelled).metadata.labels or {}
            if name := labels.get(LABEL_CRON):
                found.add((space, name))
        for space, name in sorted(found):
            path = f"{_ARGO}/namespaces/{space}/cronworkflows/{name}"
            try:
                raw = await self._client.get(path)
            except NotFoundError:
                continue  # it may have been deleted
            except ForbiddenError as error:
                self._complain(path, "CronWorkflow", f"left out: {describe(error)}")
                return
            self._collector.add(Item("ADDED", "CronWorkflow", raw, path))

    async def _list(
        self, kind: str, path: str, params: Params, most: int, pipeline: str = ""
    ) -> None:
        """Takes a list, up to ``most`` objects (0 for all); of Workflows those of the pipeline.
        What is forbidden is told and left out, unless it is what was asked for."""
        count = 0
        try:
            async for page in self._client.pages(path, params):
                for raw in map(bytes, page.items):
                    if kind == "Workflow" and not self._is_of(raw, pipeline):
                        continue
                    self._collector.add(Item("ADDED", kind, raw, path))
                count += len(page.items)
                if most and count >= most:
                    self._complain(path, kind, f"only {count:,} of them were looked through")
                    return
        except (ForbiddenError, NotFoundError) as error:
            if kind == "Workflow" and not self._question.name:
                raise
            self._complain(path, kind, f"left out: {describe(error)}")

    def _is_of(self, raw: bytes, pipeline: str) -> bool:
        head = head_of(raw, self._question.labels)
        if head is not None:
            self._pipelines.add(head[0])
        if head is None or head[0] != pipeline:
            return False
        meta = msgspec.json.decode(raw, type=_Labelled).metadata
        self._heads[meta.namespace, meta.name] = head
        return True

    def _superfluous(self, namespace: str) -> list[Key]:
        """All but the runs that ended last, and the one that is asked for."""
        latest = sorted(self._heads, key=lambda key: self._heads[key][1] or float("inf"))
        kept = {*latest[-self._question.last - 1 :], (namespace, self._question.name)}
        return [key for key in self._collector.objects.workflows if key not in kept]


class _Meta(msgspec.Struct, gc=False):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] | None = None


class _Labelled(msgspec.Struct, gc=False):
    metadata: _Meta
