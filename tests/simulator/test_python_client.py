"""The kubernetes package on the simulated API server: lists, watches, its informer."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes import client, config, watch
from kubernetes.informer import SharedInformer

from support.rest import pod, workflow
from support.simulated import Simulator, simulating

GROUP = ("argoproj.io", "v1alpha1")


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulating(tmp_path_factory.mktemp("simulator"), "--token", "secret") as running:
        yield running


@pytest.fixture
def api(simulator: Simulator) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(simulator.kubeconfig)) as found:
        yield found


def names(found: Any) -> set[str]:
    return {item.metadata.name for item in found.items}


def test_objects_are_made_listed_patched_and_deleted(api: client.ApiClient) -> None:
    core = client.CoreV1Api(api)
    for number in range(5):
        core.create_namespaced_pod("default", pod(f"p{number}"))
    page = core.list_namespaced_pod("default", limit=2)
    rest = core.list_namespaced_pod("default", limit=10, _continue=page.metadata._continue)
    assert names(page) | names(rest) == {f"p{number}" for number in range(5)}
    core.patch_namespaced_pod("p0", "default", {"metadata": {"labels": {"a": "b"}}})
    assert names(core.list_pod_for_all_namespaces(label_selector="a=b")) == {"p0"}
    assert names(core.list_namespaced_pod("default", field_selector="metadata.name=p1")) == {"p1"}
    with pytest.raises(client.ApiException) as refused:
        core.create_namespaced_pod("default", pod("p0"))
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")
    core.delete_collection_namespaced_pod("default")
    assert names(core.list_namespaced_pod("default")) == set()


def test_custom_objects_are_watched(api: client.ApiClient) -> None:
    custom = client.CustomObjectsApi(api)
    where = (*GROUP, "default", "workflows")
    made = custom.create_namespaced_custom_object(*where, workflow("w"))
    begin = made["metadata"]["resourceVersion"]
    custom.patch_namespaced_custom_object(*where, "w", {"status": {"phase": "Running"}})
    custom.delete_namespaced_custom_object(*where, "w")
    seen = []
    watching = watch.Watch()
    for event in watching.stream(
        custom.list_namespaced_custom_object, *where, resource_version=begin, timeout_seconds=30
    ):
        seen.append((event["type"], event["object"].get("status")))
        if len(seen) == 2:
            watching.stop()
    assert seen == [("MODIFIED", {"phase": "Running"}), ("DELETED", {"phase": "Running"})]


def test_the_informer_follows(api: client.ApiClient, simulator: Simulator) -> None:
    core = client.CoreV1Api(api)
    core.create_namespaced_pod("default", pod("before"))
    heard: dict[str, threading.Event] = {}
    informer = SharedInformer(core.list_namespaced_pod, namespace="default")

    def hear(kind: str) -> Callable[[Any], None]:
        def handler(obj: Any) -> None:
            heard.setdefault(f"{kind} {obj.metadata.name}", threading.Event()).set()

        return handler

    wanted = ("ADDED before", "ADDED after", "MODIFIED after", "DELETED before")
    heard.update({name: threading.Event() for name in wanted})
    for kind in ("ADDED", "MODIFIED", "DELETED"):
        informer.add_event_handler(kind, hear(kind))
    informer.start()
    try:
        assert heard["ADDED before"].wait(30)
        core.create_namespaced_pod("default", pod("after"))
        assert heard["ADDED after"].wait(30)
        core.patch_namespaced_pod("after", "default", {"metadata": {"labels": {"a": "b"}}})
        assert heard["MODIFIED after"].wait(30)
        core.delete_namespaced_pod("before", "default")
        assert heard["DELETED before"].wait(30)
        assert informer.cache.list_keys() == ["default/after"]
    finally:
        informer.stop()
    core.delete_namespaced_pod("after", "default")


def test_without_its_token_nobody_gets_in(simulator: Simulator) -> None:
    stranger = client.Configuration(host=simulator.address)
    with client.ApiClient(stranger) as api, pytest.raises(client.ApiException) as refused:
        client.CoreV1Api(api).list_node()
    assert refused.value.status == 401
