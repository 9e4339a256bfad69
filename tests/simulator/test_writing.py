"""What clients write: as a real server takes it, and controllers in the process are told."""

from typing import Any

import pytest

from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.statuses import RefusedError
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

Told = list[tuple[str, str, Any]]


async def test_a_created_object_gets_what_the_server_assigns(
    server: ApiServer, rest: Rest, told: Told
) -> None:
    mine = workflow(metadata={"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z"})
    status, made = await rest("POST", WORKFLOWS, mine)
    meta = made["metadata"]
    assert status == 201
    assert meta["name"].startswith("hello-")
    assert len(meta["name"]) == len("hello-") + 5
    assert meta["uid"] != "mine"
    assert meta["creationTimestamp"] > "2020"
    assert (meta["namespace"], meta["generation"]) == ("default", 1)
    assert told == [("ADDED", "workflows", made)]
    assert await rest("GET", f"{WORKFLOWS}/{meta['name']}") == (200, made)


async def test_an_update_needs_the_present_version(rest: Rest, told: Told) -> None:
    _, made = await rest("POST", WORKFLOWS, workflow("w"))
    changed = {**made, "spec": {**made["spec"], "suspend": True}}
    status, updated = await rest("PUT", f"{WORKFLOWS}/w", changed)
    assert (status, updated["metadata"]["generation"]) == (200, 2)
    status, refused = await rest("PUT", f"{WORKFLOWS}/w", changed)
    assert (status, refused["reason"]) == (409, "Conflict")
    assert [change for change, _, _ in told] == ["ADDED", "MODIFIED"]


async def test_an_update_that_changes_nothing_is_no_event(rest: Rest, told: Told) -> None:
    _, made = await rest("POST", WORKFLOWS, workflow("w"))
    assert await rest("PUT", f"{WORKFLOWS}/w", made) == (200, made)
    assert await rest.patch(f"{WORKFLOWS}/w", {"spec": {"entrypoint": "main"}}) == (200, made)
    assert len(told) == 1


async def test_only_a_status_subresource_writes_the_status_of_kinds_that_have_one(
    rest: Rest,
) -> None:
    rollout = {**workflow("r"), "kind": "Rollout", "status": {"phase": "Healthy"}}
    _, made = await rest("POST", ROLLOUTS, rollout)
    assert "status" not in made
    await rest.patch(f"{ROLLOUTS}/r", {"status": {"phase": "Paused"}})
    both = {"status": {"phase": "Degraded"}, "spec": {"replicas": 7}}
    status, updated = await rest.patch(f"{ROLLOUTS}/r/status", both)
    assert (status, updated["status"]) == (200, {"phase": "Degraded"})
    assert "replicas" not in updated["spec"]
    assert updated["metadata"]["generation"] == 1
    _, updated = await rest.patch(f"{ROLLOUTS}/r", both)
    assert updated["metadata"]["generation"] == 2
    status, made = await rest("POST", WORKFLOWS, workflow("w", status={"phase": "Running"}))
    assert made["status"] == {"phase": "Running"}
    assert (await rest.patch(f"{WORKFLOWS}/w/status", {}))[0] == 404


async def test_every_way_to_patch(rest: Rest) -> None:
    await rest("POST", PODS, pod("p"))
    path = f"{PODS}/p"
    await rest.patch(path, {"metadata": {"labels": {"a": "1", "b": "2"}}})
    _, patched = await rest.patch(path, {"metadata": {"labels": {"a": None}}})
    assert patched["metadata"]["labels"] == {"b": "2"}
    add = [{"op": "add", "path": "/metadata/labels/x~1y", "value": "3"}]
    _, patched = await rest.patch(path, add, JSON_PATCH)
    assert patched["metadata"]["labels"] == {"b": "2", "x/y": "3"}
    strategic = {"spec": {"containers": [{"name": "side", "image": "x"}]}}
    _, patched = await rest.patch(path, strategic, STRATEGIC_PATCH)
    assert [c["name"] for c in patched["spec"]["containers"]] == ["main", "side"]
    status, refused = await rest.patch(path, add, "application/apply-patch+yaml")
    assert (status, refused["reason"]) == (415, "UnsupportedMediaType")
    assert "server-side apply" in refused["message"]
    missing = [{"op": "remove", "path": "/metadata/labels/none"}]
    assert (await rest.patch(path, missing, JSON_PATCH))[0] == 422


async def test_a_namespace_must_exist_and_takes_everything_with_it(
    server: ApiServer, rest: Rest, told: Told
) -> None:
    elsewhere = CONFIG_MAPS.replace("default", "team-a")
    status, refused = await rest("POST", elsewhere, config_map("c"))
    assert (status, refused["message"]) == (404, 'namespaces "team-a" not found')
    await rest("POST", "/api/v1/namespaces", {"metadata": {"name": "team-a"}})
    assert (await rest("POST", elsewhere, config_map("c")))[0] == 201
    finalized = config_map("late", metadata={"finalizers": ["example.com/wait"]})
    await rest("POST", elsewhere, finalized)
    _, left = await rest("DELETE", "/api/v1/namespaces/team-a")
    assert left["status"]["phase"] == "Terminating"
    status, refused = await rest("POST", elsewhere, config_map("more"))
    assert (status, refused["reason"]) == (403, "Forbidden")
    assert list(server.cluster.collections["configmaps"].objects) == [("team-a", "late")]
    await rest.patch(f"{elsewhere}/late", {"metadata": {"finalizers": None}})
    assert (await rest("GET", "/api/v1/namespaces/team-a"))[0] == 404
    gone = [plural for change, plural, _ in told if change == "DELETED"]
    assert sorted(gone) == ["configmaps", "configmaps", "namespaces"]
    assert (await rest("DELETE", "/api/v1/namespaces/default"))[0] == 403


async def test_finalizers_hold_an_object_until_they_are_gone(rest: Rest, told: Told) -> None:
    await rest("POST", WORKFLOWS, workflow("w", metadata={"finalizers": ["a/b"]}))
    status, left = await rest("DELETE", f"{WORKFLOWS}/w")
    assert (status, left["metadata"]["deletionGracePeriodSeconds"]) == (200, 0)
    assert left["metadata"]["deletionTimestamp"]
    await rest("DELETE", f"{WORKFLOWS}/w")  # once more changes nothing
    assert [change for change, _, _ in told] == ["ADDED", "MODIFIED"]
    assert (await rest.patch(f"{WORKFLOWS}/w", {"metadata": {"finalizers": []}}))[0] == 200
    assert (await rest("GET", f"{WORKFLOWS}/w"))[0] == 404
    assert told[-1][0] == "DELETED"


def _owned(name: str, owner: Any, **more: Any) -> Any:
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "blockOwnerDeletion": True,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    return pod(name, metadata={"ownerReferences": [reference]}, **more)


@pytest.mark.parametrize("policy", ["Background", "Foreground", "Orphan"])
async def test_what_a_workflow_owns_goes_with_it(rest: Rest, policy: str) -> None:
    _, owner = await rest("POST", WORKFLOWS, workflow("w"))
    await rest("POST", PODS, _owned("p", owner))
    await rest("DELETE", f"{WORKFLOWS}/w", propagationPolicy=policy)
    assert (await rest("GET", f"{WORKFLOWS}/w"))[0] == 404
    status, left = await rest("GET", f"{PODS}/p")
    if policy == "Orphan":
        assert (status, "ownerReferences" in left["metadata"]) == (200, False)
    else:
        assert status == 404


async def test_a_kubelet_ends_pods_where_there_is_one(server: ApiServer, rest: Rest) -> None:
    server.cluster.graceful.add("pods")
    _, owner = await rest("POST", WORKFLOWS, workflow("w"))
    await rest("POST", PODS, _owned("p", owner, spec={"nodeName": "n1"}))
    _, left = await rest("DELETE", f"{WORKFLOWS}/w", propagationPolicy="Foreground")
    assert left["metadata"]["finalizers"] == ["foregroundDeletion"]
    _, left = await rest("GET", f"{PODS}/p")
    assert left["metadata"]["deletionGracePeriodSeconds"] == 30
    server.cluster.remove("pods", left)
    assert (await rest("GET", f"{WORKFLOWS}/w"))[0] == 404
    await rest("POST", PODS, pod("q", spec={"nodeName": "n1"}))
    await rest("DELETE", f"{PODS}/q", gracePeriodSeconds="0")
    assert (await rest("GET", f"{PODS}/q"))[0] == 404


async def test_a_collection_is_deleted_by_selector(rest: Rest, told: Told) -> None:
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        await rest("POST", WORKFLOWS, workflow(name, metadata={"labels": {"l": label}}))
    status, gone = await rest("DELETE", WORKFLOWS, labelSelector="l=x")
    assert (status, [item["metadata"]["name"] for item in gone["items"]]) == (200, ["a", "b"])
    _, left = await rest("GET", WORKFLOWS)
    assert [item["metadata"]["name"] for item in left["items"]] == ["c"]
    assert [change for change, _, _ in told] == ["ADDED"] * 3 + ["DELETED"] * 2


async def test_admission_changes_and_refuses(server: ApiServer, rest: Rest, told: Told) -> None:
    def hook(operation: str, plural: str, obj: Any) -> None:
        if obj["metadata"]["name"] == "bad":
            raise RefusedError(403, "Forbidden", "admission webhook denied the request: no")
        obj["spec"]["admitted"] = operation

    server.cluster.admit(hook)
    _, made = await rest("POST", WORKFLOWS, workflow("good"))
    assert made["spec"]["admitted"] == "CREATE"
    status, refused = await rest("POST", WORKFLOWS, workflow("bad"))
    assert (status, refused["message"]) == (403, "admission webhook denied the request: no")
    assert len(told) == 1


async def test_a_dry_run_changes_nothing(rest: Rest, told: Told) -> None:
    status, made = await rest("POST", WORKFLOWS, workflow("w"), dryRun="All")
    assert (status, bool(made["metadata"]["uid"])) == (201, True)
    assert (await rest("GET", f"{WORKFLOWS}/w"))[0] == 404
    await rest("POST", WORKFLOWS, workflow("w"))
    _, patched = await rest("PUT", f"{WORKFLOWS}/w", workflow("w", spec={}), dryRun="All")
    assert patched["spec"] == {}
    await rest("DELETE", f"{WORKFLOWS}/w", dryRun="All")
    _, kept = await rest("GET", f"{WORKFLOWS}/w")
    assert (kept["spec"], len(told)) == (workflow("w")["spec"], 1)


async def test_a_controller_may_write_while_it_is_told(server: ApiServer, rest: Rest) -> None:
    def controller(change: str, plural: str, obj: Any) -> None:
        if change == "ADDED" and plural == "workflows":
            server.cluster.put(plural, {**obj, "status": {"phase": "Running"}})

    server.cluster.on_write(controller)
    _, made = await rest("POST", WORKFLOWS, workflow("w"))
    _, now = await rest("GET", f"{WORKFLOWS}/w")
    assert ("status" in made, now["status"]) == (False, {"phase": "Running"})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"null", 400),
        (b'{"metadata": 5}', 400),
        (b'{"kind": "Pod", "metadata": {"name": "w"}}', 400),
        (b'{"metadata": {"name": "Upper"}}', 422),
        (b'{"metadata": {"name": 5}}', 400),
        (b'{"metadata": {}}', 422),
        (b'{"metadata": {"name": "w", "namespace": "other"}}', 400),
        (b'{"metadata": {"name": "w", "labels": {"a": 1}}}', 400),
        (b'{"spec": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001, 400),
        (b"{}" + b" " * (4 << 20), 413),
    ],
)
async def test_what_is_no_object_is_refused(rest: Rest, body: bytes, code: int) -> None:
    status, refused = await rest("POST", WORKFLOWS, body)
    assert (status, refused["kind"], refused["code"]) == (code, "Status", code)


@pytest.mark.parametrize("operation", [5, {"op": "add", "path": 5}, {"op": ["add"], "path": "/a"}])
async def test_what_is_no_operation_of_a_json_patch_is_refused(rest: Rest, operation: Any) -> None:
    await rest("POST", WORKFLOWS, workflow("w"))
    status, refused = await rest.patch(f"{WORKFLOWS}/w", [operation], JSON_PATCH)
    assert (status, refused["reason"]) == (422, "Invalid")


async def test_yaml_is_read_and_other_formats_are_refused(rest: Rest) -> None:
    yaml = b"kind: Workflow\nmetadata: {name: w}\n"
    assert (await rest("POST", WORKFLOWS, yaml, content_type="application/yaml"))[0] == 201
    for wrong in (b"{a: 1", b"a: 2020-99-99", b"[" * 600):
        assert (await rest("POST", WORKFLOWS, wrong, content_type="application/yaml"))[0] == 400
    assert (await rest("POST", WORKFLOWS, b"x", content_type="text/csv"))[0] == 415
