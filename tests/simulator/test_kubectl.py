"""The real kubectl on ``argoscope simulate``."""

import json
from collections.abc import Iterator

import pytest

from support.simulated import Kubectl, Simulator, simulating

WORKFLOW = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: hello, labels: {team: a}}
spec:
  entrypoint: main
  templates: [{name: main, suspend: {}}]
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: main, image: nginx}]}
"""
EVENT = """
apiVersion: v1
kind: Event
metadata: {name: web.1}
involvedObject: {kind: Pod, name: web, namespace: default, uid: UID}
type: Warning
reason: FailedScheduling
message: 0/3 nodes are available
lastTimestamp: "2026-01-01T00:00:00Z"
count: 3
"""


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulating(tmp_path_factory.mktemp("simulator")) as running:
        yield running


@pytest.fixture(scope="module")
def kubectl(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    return Kubectl(simulator.kubeconfig, tmp_path_factory.mktemp("home"))


@pytest.fixture
def hello(kubectl: Kubectl) -> Iterator[str]:
    """A Workflow made from a file."""
    assert "created" in kubectl("create", "-f", "-", stdin=WORKFLOW)
    yield "hello"
    kubectl("delete", "workflow", "hello", "--ignore-not-found")


@pytest.fixture
def web(kubectl: Kubectl) -> Iterator[str]:
    kubectl("create", "-f", "-", stdin=POD)
    yield "web"
    kubectl("delete", "pod", "web", "--ignore-not-found")


def columns(printed: str) -> list[list[str]]:
    return [line.split() for line in printed.splitlines()]


def test_get_prints_the_columns_of_the_crd(kubectl: Kubectl, hello: str) -> None:
    assert columns(kubectl("get", "wf"))[0] == ["NAME", "STATUS", "AGE", "MESSAGE"]
    patch = (
        '{"status": {"phase": "Failed", "message": "oops", "startedAt": "2001-01-01T00:00:00Z"}}'
    )
    kubectl("patch", "wf", hello, "--type", "merge", "-p", patch)
    row = columns(kubectl("get", "wf", "-A"))[1]
    assert (row[:3], row[4:]) == (["default", "hello", "Failed"], ["oops"])
    assert "y" in row[3]
    assert "No resources found" not in kubectl("get", "wf", "-l", "team=a")
    assert columns(kubectl("get", "namespaces"))[1][:2] == ["default", "Active"]


def test_get_as_yaml_and_by_path(kubectl: Kubectl, hello: str) -> None:
    assert "entrypoint: main" in kubectl("get", "workflows.argoproj.io", hello, "-o", "yaml")
    path = "jsonpath={.metadata.generation}"
    kubectl("patch", "wf", hello, "--type", "merge", "-p", '{"spec": {"suspend": true}}')
    assert kubectl("get", "wf", hello, "-o", path) == "2"
    add = '[{"op": "add", "path": "/spec/priority", "value": 5}]'
    kubectl("patch", "wf", hello, "--type", "json", "-p", add)
    assert json.loads(kubectl("get", "wf", hello, "-o", "json"))["spec"]["priority"] == 5


def test_apply_makes_changes_and_leaves(kubectl: Kubectl) -> None:
    assert "created" in kubectl("apply", "-f", "-", stdin=WORKFLOW)
    changed = WORKFLOW.replace("team: a", "team: b")
    assert "configured" in kubectl("apply", "-f", "-", stdin=changed)
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=changed)
    kubectl("apply", "-f", "-", stdin=POD)  # a kind of Kubernetes' own: a strategic merge patch
    assert "configured" in kubectl("apply", "-f", "-", stdin=POD.replace("nginx", "nginx:2"))
    assert kubectl("get", "pod", "web", "-o", "jsonpath={.spec.containers[*].image}") == "nginx:2"
    kubectl("delete", "-f", "-", stdin=WORKFLOW + "---" + POD)
    assert "not found" in kubectl("get", "wf", "hello", fails=True)


def test_describe_shows_events(kubectl: Kubectl, web: str, hello: str) -> None:
    uid = kubectl("get", "pod", web, "-o", "jsonpath={.metadata.uid}")
    kubectl("create", "-f", "-", stdin=EVENT.replace("UID", uid))
    described = kubectl("describe", "pod", web)
    assert "FailedScheduling" in described
    assert "0/3 nodes are available" in described
    assert "Entrypoint:  main" in kubectl("describe", "workflow", hello)
    listed = columns(kubectl("get", "events"))
    assert listed[0] == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert listed[1][1:4] == ["Warning", "FailedScheduling", "pod/web"]
    kubectl("delete", "event", "web.1")


def test_watch_prints_what_happens(kubectl: Kubectl, hello: str) -> None:
    with kubectl.running("get", "workflows", "--watch") as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().split() == ["NAME", "STATUS", "AGE", "MESSAGE"]
        assert watching.stdout.readline().split()[0] == "hello"
        patch = '{"status": {"phase": "Running"}}'
        kubectl("patch", "wf", hello, "--type", "merge", "-p", patch)
        assert watching.stdout.readline().split()[:2] == ["hello", "Running"]


def test_delete_and_wait(kubectl: Kubectl, web: str) -> None:
    kubectl("annotate", "pod", web, "a=b")
    kubectl("label", "pod", web, "app=web")
    assert 'pod "web" deleted' in kubectl("delete", "pods", "-l", "app=web")
    assert "not found" in kubectl("get", "pod", web, fails=True)


def test_namespaces_come_and_go_with_what_is_in_them(kubectl: Kubectl) -> None:
    assert "not found" in kubectl("create", "-n", "team", "-f", "-", stdin=WORKFLOW, fails=True)
    kubectl("create", "namespace", "team")
    kubectl("create", "-n", "team", "-f", "-", stdin=WORKFLOW)
    kubectl("-n", "team", "create", "configmap", "settings", "--from-literal", "a=b")
    assert columns(kubectl("-n", "team", "get", "configmaps"))[1][:2] == ["settings", "1"]
    kubectl("delete", "namespace", "team")
    assert kubectl("get", "workflows", "-A", "-o", "name") == ""


def test_auth_can_i(kubectl: Kubectl, simulator: Simulator) -> None:
    assert kubectl("auth", "can-i", "list", "pods") == "yes\n"
    simulator.control("settings", {"denied": [["list", "secrets"]]}, "PATCH")
    assert kubectl("auth", "can-i", "list", "secrets", fails=True).startswith("no")
    assert "cannot list resource" in kubectl("get", "secrets", fails=True)
    simulator.control("settings", {"denied": []}, "PATCH")


def test_server_side_apply_says_what_to_do(kubectl: Kubectl) -> None:
    said = kubectl("apply", "--server-side", "-f", "-", stdin=WORKFLOW, fails=True)
    assert "without --server-side" in said


def test_short_names_and_kinds_are_known(kubectl: Kubectl) -> None:
    known = kubectl("api-resources", "--no-headers")
    for short, plural in (("wf", "workflows"), ("ro", "rollouts"), ("po", "pods")):
        assert any({short, plural} <= set(line.split()) for line in known.splitlines())
    assert "Server Version" in kubectl("version")
