"""The simulated API server beside the real one: the same requests, and the same answers.

Compared are status codes, reasons, messages, what objects have in their metadata, columns, cells,
and events. Left out is what differs by nature (uids, times, versions) and what real servers have
and the simulator has not: managedFields, defaults of pods.
"""

import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest

from argoscope.simulator.api_server import ApiServer
from support import envtest
from support.envtest import EnvTest, install_crds
from support.rest import (
    CONFIG_MAPS,
    JSON_PATCH,
    PODS,
    ROLLOUTS,
    STRATEGIC_PATCH,
    WORKFLOWS,
    Rest,
    config_map,
    pod,
    workflow,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
NAMESPACE = "/api/v1/namespaces"
ACCESS = "/apis/authorization.k8s.io/v1"

Scenario = Callable[["Recorder"], Awaitable[None]]


class Recorder:
    """Sends requests and keeps what is to be compared of the answers."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest
        self.seen: list[Any] = []

    async def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        status, answer = await self.rest(method, path, body, **more)
        self.seen.append((method, path.rpartition("/")[2], status, essence(answer)))
        return answer

    async def patch(self, path: str, patch: Any, kind: str) -> Any:
        return await self("PATCH", path, patch, content_type=kind)


def essence(body: Any) -> Any:
    """What must be the same in both servers' answers."""
    if isinstance(body, str):
        return body
    kind = body.get("kind")
    if kind == "Status":
        details = {k: v for k, v in (body.get("details") or {}).items() if k != "uid"}
        causes = [(c.get("reason"), c.get("field")) for c in details.pop("causes", ())]
        kept = {k: body.get(k) for k in ("status", "reason", "code")}
        return {**kept, "message": message(body), "details": details, "causes": causes}
    if kind == "Table":
        columns = [(c["name"], c["priority"]) for c in body["columnDefinitions"] or ()]
        rows = [
            [str(c) for c, (name, _) in zip(row["cells"], columns, strict=False) if name != "Age"]
            for row in body["rows"]
        ]
        return columns, rows, [row["object"]["kind"] for row in body["rows"]]
    if "items" in body:
        meta = sorted(k for k, v in body["metadata"].items() if v and k != "selfLink")
        return kind, body["apiVersion"], meta, [i["metadata"]["name"] for i in body["items"]]
    if "metadata" in body and "name" in body["metadata"]:
        return kind, metadata(body), body.get("status") if kind != "Pod" else None
    return kind, {**(body.get("status") or {}), "reason": None}


def metadata(body: Any) -> Any:
    left_out = ("managedFields", "selfLink")
    same = ("name", "namespace", "labels", "generation", "finalizers", "annotations")
    return {
        key: value if key in same else True
        for key, value in body["metadata"].items()
        if key not in left_out and value != {"kubernetes.io/metadata.name": "brand-new"}  # 1.21
    }


def message(body: Any) -> str | None:
    """Without what differs by nature or by version."""
    text: str | None = body.get("message")
    vague = (
        *("unable to parse", "strconv", "json", "JSON", "error decoding", "Invalid value"),
        *(
            "cannot be handled as",
            "Unsupported Media Type",
            "unknown format",
            "continue key is not valid",
        ),
    )
    if text is None or any(word in text for word in vague):
        return None
    return re.sub(r"current: \d+|\([0-9a-f]{8}-[-0-9a-f]{27}\)", "", text)


async def names_and_versions(send: Recorder) -> None:
    await send("POST", WORKFLOWS, workflow("w", metadata={"labels": {"a": "b"}}))
    await send("POST", WORKFLOWS, workflow("w"))
    await send("POST", WORKFLOWS, workflow("Upper"))
    await send("POST", WORKFLOWS, {**workflow("w"), "metadata": {}})
    await send("POST", WORKFLOWS, workflow("w2", metadata={"namespace": "other"}))
    await send("POST", WORKFLOWS.replace("default", "nope"), workflow("w"))
    await send("GET", f"{WORKFLOWS}/none")
    await send("GET", f"{PODS}/none")
    await send("DELETE", f"{WORKFLOWS}/none")
    made = await send("GET", f"{WORKFLOWS}/w")
    changed = {**made, "spec": {**made["spec"], "suspend": True}}
    await send("PUT", f"{WORKFLOWS}/w", changed)
    await send("PUT", f"{WORKFLOWS}/w", changed)
    await send("PUT", f"{WORKFLOWS}/other", changed)
    await send("PUT", f"{WORKFLOWS}/none", workflow("none"))
    status = {**await send("GET", f"{WORKFLOWS}/w"), "status": {"phase": "Running"}}
    await send("PUT", f"{WORKFLOWS}/w", status)
    await send("PUT", f"{WORKFLOWS}/w/status", status)
    await send("DELETE", f"{WORKFLOWS}/w", {"preconditions": {"uid": "other"}})
    await send("DELETE", f"{WORKFLOWS}/w")


async def built_in_kinds(send: Recorder) -> None:
    await send("POST", CONFIG_MAPS, config_map("c", data={"a": "1"}))
    await send("POST", CONFIG_MAPS, {"metadata": {"name": "untyped"}, "data": {}})
    await send("POST", CONFIG_MAPS, {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "c"}})
    await send("PUT", f"{CONFIG_MAPS}/none", config_map("none"))
    await send("DELETE", f"{CONFIG_MAPS}/c")
    await send("POST", PODS, pod("p"))
    await send("DELETE", f"{PODS}/p")
    await send("POST", NAMESPACE, {"metadata": {"name": "brand-new"}})
    await send("GET", f"{NAMESPACE}/brand-new")
    await send("DELETE", f"{NAMESPACE}/kube-system")
    await send("POST", PODS.replace("/namespaces/default", ""), pod("p"))
    await send("GET", "/api/v1/nothings")
    await send("GET", "/apis/nothing.io/v1/things")
    await send("GET", "/api/v1/namespaces/default/nodes")


async def patching(send: Recorder) -> None:
    await send("POST", CONFIG_MAPS, config_map("c", data={"a": "1"}))
    await send("POST", WORKFLOWS, workflow("w"))
    for path in (f"{CONFIG_MAPS}/c", f"{WORKFLOWS}/w"):
        await send.patch(path, {"metadata": {"labels": {"x": "y"}}}, "application/merge-patch+json")
        await send.patch(path, {"metadata": {"labels": {"x": "z"}}}, STRATEGIC_PATCH)
        await send.patch(path, [{"op": "remove", "path": "/metadata/labels"}], JSON_PATCH)
        await send.patch(path, [{"op": "remove", "path": "/metadata/none"}], JSON_PATCH)
        await send.patch(path, [{"op": "test", "path": "/kind", "value": "No"}], JSON_PATCH)
        await send.patch(path, {"metadata": {"resourceVersion": "1"}}, STRATEGIC_PATCH)
        stale = {"metadata": {"resourceVersion": "1", "labels": {"q": "r"}}}
        await send.patch(path, stale, "application/merge-patch+json")
        if path.endswith("/w"):  # 1.20, which serves config maps, answers 500
            await send.patch(path, b"{", "application/merge-patch+json")
        await send.patch(path, {}, "application/json")
    await send.patch(f"{WORKFLOWS}/none", {}, "application/merge-patch+json")


async def status_subresources(send: Recorder) -> None:
    rollout = {**workflow("r"), "kind": "Rollout", "status": {"phase": "Healthy"}}
    rollout["spec"] = {"replicas": 1}
    await send("POST", ROLLOUTS, rollout)
    both = {"status": {"phase": "Paused"}, "spec": {"replicas": 2}}
    await send.patch(f"{ROLLOUTS}/r/status", both, "application/merge-patch+json")
    await send.patch(f"{ROLLOUTS}/r", both, "application/merge-patch+json")
    await send("GET", f"{ROLLOUTS}/r/status")
    await send("DELETE", f"{ROLLOUTS}/r")


async def finalizers(send: Recorder) -> None:
    await send("POST", WORKFLOWS, workflow("w", metadata={"finalizers": ["a.io/b"]}))
    await send("DELETE", f"{WORKFLOWS}/w")
    await send("DELETE", f"{WORKFLOWS}/w")
    remove = [{"op": "remove", "path": "/metadata/finalizers"}]
    await send.patch(f"{WORKFLOWS}/w", remove, JSON_PATCH)
    await send("GET", f"{WORKFLOWS}/w")


async def lists(send: Recorder) -> None:
    for name in ("d", "b", "a", "c", "e"):
        labels = {"kind": "vowel" if name in "ae" else "other"}
        await send("POST", WORKFLOWS, workflow(name, metadata={"labels": labels}))
    whole = "/apis/argoproj.io/v1alpha1/workflows"
    page = await send("GET", whole, limit="2")
    for _ in range(2):
        token = page["metadata"]["continue"]
        page = await send("GET", whole, **{"limit": "2", "continue": token})
    await send("GET", WORKFLOWS, labelSelector="kind=vowel")
    await send("GET", WORKFLOWS, labelSelector="kind in (vowel, x),!none", limit="1")
    await send("GET", WORKFLOWS, labelSelector="a b")
    await send("GET", WORKFLOWS, fieldSelector="metadata.name=c")
    await send("GET", WORKFLOWS, fieldSelector="status.phase=Running")
    await send("GET", PODS, fieldSelector="status.phase=Running,spec.nodeName!=x")
    await send("GET", PODS, fieldSelector="spec.hostNetwork=true")
    await send("GET", WORKFLOWS, **{"continue": "nonsense"})
    await send("GET", WORKFLOWS, resourceVersion="abc")
    await send("GET", WORKFLOWS, resourceVersionMatch="Exact")
    await send("GET", WORKFLOWS, resourceVersionMatch="Exact", resourceVersion="0")
    await send("GET", WORKFLOWS, resourceVersionMatch="Odd", resourceVersion="1")
    await send("GET", WORKFLOWS, resourceVersion="0", limit="1")
    await send("GET", WORKFLOWS, sendInitialEvents="true")
    await send("GET", WORKFLOWS, watch="true", sendInitialEvents="true")
    await send("GET", WORKFLOWS, watch="true", resourceVersionMatch="NotOlderThan")
    version = page["metadata"]["resourceVersion"]
    await send("DELETE", f"{WORKFLOWS}/a")
    await send("GET", WORKFLOWS, resourceVersion=version, resourceVersionMatch="Exact")
    await send("GET", WORKFLOWS, resourceVersion=version, resourceVersionMatch="NotOlderThan")
    await send("GET", WORKFLOWS, resourceVersion="99999999", resourceVersionMatch="Exact")
    await send("DELETE", WORKFLOWS, labelSelector="kind=other")
    await send("GET", WORKFLOWS)


async def tables(send: Recorder) -> None:
    status = {"phase": "Running", "message": "so far"}
    await send("POST", WORKFLOWS, workflow("w", status=status))
    await send("POST", ROLLOUTS, {**workflow("r"), "kind": "Rollout", "spec": {"replicas": 3}})
    await send("POST", PODS, pod("p"))
    await send("POST", CONFIG_MAPS, config_map("table", data={"a": "1"}))
    for path in (WORKFLOWS, ROLLOUTS, PODS, CONFIG_MAPS):
        await send("GET", path, accept=TABLE, fieldSelector="metadata.name!=kube-root-ca.crt")
    await send("GET", f"{WORKFLOWS}/w", accept=TABLE)
    await send("GET", WORKFLOWS, accept=PARTIAL)
    await send("GET", NAMESPACE, accept=TABLE, fieldSelector="metadata.name=default")


async def watching(send: Recorder) -> None:
    _, empty = await send.rest("GET", WORKFLOWS)
    begin = empty["metadata"]["resourceVersion"]
    await send("POST", WORKFLOWS, workflow("w", metadata={"labels": {"on": "yes"}}))
    off = {"metadata": {"labels": {"on": "no"}}}
    await send.patch(f"{WORKFLOWS}/w", off, "application/merge-patch+json")
    await send("POST", WORKFLOWS, workflow("v"))
    await send("DELETE", f"{WORKFLOWS}/w")
    async with send.rest.watch(WORKFLOWS, resourceVersion=begin) as events:
        send.seen.append(await events.names(4))
    selected = {"resourceVersion": begin, "labelSelector": "on=yes"}
    async with send.rest.watch(WORKFLOWS, **selected) as events:
        send.seen.append(await events.names(2))
    async with send.rest.watch(WORKFLOWS) as events:
        send.seen.append(await events.names(1))
    streaming = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    async with send.rest.watch(WORKFLOWS, allowWatchBookmarks="true", **streaming) as events:
        send.seen.append(await events.names(1))
        last = await events.next()
        send.seen.append((last["type"], last["object"]["metadata"]["annotations"]))
    async with send.rest.watch(WORKFLOWS, accept=TABLE) as events:
        first = await events.next()
        send.seen.append((first["type"], essence(first["object"])))
        await send("POST", WORKFLOWS, workflow("u"))
        second = await events.next()
        send.seen.append((second["type"], bool(second["object"]["columnDefinitions"])))


async def reviews(send: Recorder) -> None:
    attributes = {"verb": "list", "resource": "pods", "namespace": "default"}
    await send("POST", f"{ACCESS}/selfsubjectaccessreviews", _review("SelfSubject", attributes))
    await send("POST", f"{ACCESS}/selfsubjectaccessreviews", _review("SelfSubject", None))
    token = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    status, found = await send.rest("POST", path, {**token, "spec": {"token": "admin-token"}})
    send.seen.append((status, found["status"]["authenticated"], sorted(found["status"]["user"])))
    status, found = await send.rest("POST", path, {**token, "spec": {"token": "wrong"}})
    send.seen.append((status, found["status"].get("authenticated"), found["status"]["user"]))


def _review(of: str, attributes: Any) -> Any:
    head = {"apiVersion": "authorization.k8s.io/v1", "kind": f"{of}AccessReview"}
    return {**head, "spec": {"resourceAttributes": attributes} if attributes else {}}


SCENARIOS = (
    names_and_versions,
    built_in_kinds,
    patching,
    status_subresources,
    finalizers,
    lists,
    tables,
    watching,
    reviews,
)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvTest]:
    yield from envtest.running(tmp_path_factory.mktemp("beside"))


@pytest.fixture
async def real_rest(real: EnvTest) -> AsyncIterator[Rest]:
    async with real.client() as client:
        await install_crds(client, "workflows", "rollouts")
    tls = ssl.create_default_context(cafile=str(real.state / "pki" / "ca.crt"))
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(real.address, connector=connector) as session:
        rest = Rest(session, Authorization="Bearer admin-token")
        yield rest
        for path in (WORKFLOWS, ROLLOUTS, PODS, CONFIG_MAPS):
            await rest("DELETE", path, gracePeriodSeconds="0")


@pytest.fixture
async def simulated_rest() -> AsyncIterator[Rest]:
    async with ApiServer() as server:
        server.tokens = {"admin-token"}
        server.access.users["admin-token"] = "admin"
        async with aiohttp.ClientSession(server.address) as session:
            yield Rest(session, Authorization="Bearer admin-token")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[s.__name__ for s in SCENARIOS])
async def test_both_servers_answer_alike(
    scenario: Scenario, real_rest: Rest, simulated_rest: Rest
) -> None:
    expected, found = Recorder(real_rest), Recorder(simulated_rest)
    await scenario(expected)
    await scenario(found)
    for theirs, ours in zip(expected.seen, found.seen, strict=True):
        assert ours == theirs
