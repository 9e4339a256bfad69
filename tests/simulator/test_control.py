"""Faults over HTTP, tokens, access rules, and reviews of them."""

from typing import Any

import pytest

from argoscope.simulator.api_server import ApiServer
from support.rest import PODS, WORKFLOWS, Rest, workflow

FAULTS = "/_simulator/faults"
SETTINGS = "/_simulator/settings"
TOKENS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS = "/apis/authorization.k8s.io/v1"


async def test_a_fault_waits_for_its_request(rest: Rest) -> None:
    fault = {"verb": "create", "plural": "workflows", "status": 503, "retry_after": 7}
    status, waiting = await rest("POST", FAULTS, fault)
    assert (status, waiting["faults"][0]["verb"]) == (201, "create")
    assert (await rest("GET", WORKFLOWS))[0] == 200
    assert (await rest("POST", WORKFLOWS, workflow("w")))[0] == 503
    assert (await rest("POST", WORKFLOWS, workflow("w")))[0] == 201
    await rest("POST", FAULTS, {**fault, "times": 100})
    await rest("DELETE", FAULTS)
    assert (await rest("GET", FAULTS))[1] == {"faults": []}


@pytest.mark.parametrize(
    "body",
    [
        *(b"{", b"[]", b"5", b'{"verbs": "list"}', b'{"verb": "lists"}', b'{"times": 0}'),
        *(b'{"status": "x"}', b'{"status": 5}', b'{"status": 99999}'),
    ],
)
async def test_what_is_no_fault_is_refused(rest: Rest, body: bytes) -> None:
    assert (await rest("POST", FAULTS, body))[0] == 400
    assert (await rest("GET", FAULTS))[1] == {"faults": []}


@pytest.mark.parametrize("body", [{"bookmarkSeconds": 0}, {"gitVersion": "x"}, {"denied": [["a"]]}])
async def test_what_is_no_setting_is_refused(rest: Rest, body: Any) -> None:
    before = await rest("GET", SETTINGS)
    assert (await rest("PATCH", SETTINGS, body))[0] == 400
    assert await rest("GET", SETTINGS) == before


async def test_history_is_forgotten_on_request(server: ApiServer, rest: Rest) -> None:
    server.cluster.put("workflows", workflow("w", metadata={"namespace": "default"}))
    version = str(server.cluster.version - 1)
    await rest("POST", "/_simulator/compact")
    async with rest.watch(WORKFLOWS, resourceVersion=version) as events:
        assert (await events.next())["object"]["reason"] == "Expired"
    await rest("PATCH", SETTINGS, {"goneAsStatus": True})
    async with rest.watch(WORKFLOWS, resourceVersion=version) as events:
        assert events.status == 410


async def test_tokens_are_asked_for_and_reviewed(rest: Rest) -> None:
    await rest("PATCH", SETTINGS, {"tokens": ["a", "b"], "users": {"a": "alice"}})
    assert (await rest("GET", PODS))[0] == 401
    for path in ("/version", "/apis", "/openapi/v3", SETTINGS, FAULTS):
        assert (await rest("GET", path))[0] == 401
    assert (await rest("PATCH", SETTINGS, {"tokens": None}))[0] == 401
    alice = {"Authorization": "Bearer a"}
    rest_of_alice = Rest(rest.session, **alice)
    assert (await rest_of_alice("GET", PODS))[0] == 200
    review: Any = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    _, found = await rest_of_alice("POST", TOKENS, {**review, "spec": {"token": "a"}})
    assert found["status"]["user"]["username"] == "alice"
    _, found = await rest_of_alice("POST", TOKENS, {**review, "spec": {"token": "x"}})
    assert "authenticated" not in found["status"]
    assert "invalid bearer token" in found["status"]["error"]
    _, settings = await rest_of_alice("GET", SETTINGS)
    assert settings["tokens"] == 2  # never the tokens themselves


async def test_what_is_denied_is_refused_and_reviewed(rest: Rest) -> None:
    rules = {"denied": [["list", "pods"]], "deniedTo": [["bob", "get", "/metrics"]]}
    await rest("PATCH", SETTINGS, rules)
    status, refused = await rest("GET", PODS)
    assert (status, refused["reason"]) == (403, "Forbidden")
    assert (
        'cannot list resource "pods" in API group "" in the namespace "default"'
        in (refused["message"])
    )

    async def allowed(kind: str, spec: Any) -> bool:
        body = {"kind": kind, "spec": spec}
        status, found = await rest("POST", f"{ACCESS}/{kind.lower()}s", body)
        assert status == 201
        answer: bool = found["status"]["allowed"]
        return answer

    pods = {"resourceAttributes": {"verb": "list", "resource": "pods"}}
    assert not await allowed("SelfSubjectAccessReview", pods)
    metrics = {"nonResourceAttributes": {"verb": "get", "path": "/metrics"}}
    assert await allowed("SubjectAccessReview", {**metrics, "user": "alice"})
    assert not await allowed("SubjectAccessReview", {**metrics, "user": "bob"})


async def test_protobuf_of_kubectl_is_read_and_noise_refused(rest: Rest) -> None:
    """What kubectl 1.32 sends for `create configmap c --from-literal a=b`."""
    meta = b"\x0a\x01c"
    entry = b"\x0a\x01a\x12\x01b"
    raw = bytes([0x0A, len(meta)]) + meta + bytes([0x12, len(entry)]) + entry
    head = b"\x0a\x02v1\x12\x09ConfigMap"
    body = b"k8s\0" + bytes([0x0A, len(head)]) + head + bytes([0x12, len(raw)]) + raw
    kind = "application/vnd.kubernetes.protobuf"
    path = PODS.replace("pods", "configmaps")
    status, made = await rest("POST", path, body, content_type=kind)
    assert (status, made["data"], made["metadata"]["name"]) == (201, {"a": "b"}, "c")
    for cut in range(4, len(body)):
        status, _ = await rest("POST", path, body[:cut], content_type=kind)
        assert status in (400, 409, 415, 422), cut
