"""Why a node or a run failed: what messages say, what pods add, which leaf made the run fail."""

from typing import Any

import msgspec
import pytest

from argoscope.resources.workflow.causes import cause_of_message, cause_of_node, root_cause
from argoscope.resources.workflow.metrics import CAUSES
from argoscope.resources.workflow.objects import Node
from argoscope.resources.world import PodEnd
from support.recordings import RECORDINGS, events, require_shared
from support.workflow_objects import node, node_id

MESSAGES = [
    # 4.1 names the container
    ("main: Error (exit code 1)", "exit_code"),
    ("main: Error (exit code 143)", "exit_code"),
    ("main: Error (exit code -1)", "exit_code"),
    ("main: OOMKilled (exit code 137)", "oom"),
    ("main: OOMKilled (exit code 9)", "oom"),
    ("wait: OOMKilled (exit code 137)", "oom"),
    (
        "wait: Error (exit code 64): open /var/run/argo/outputs/artifacts/tmp/none.tgz: no such",
        "output",
    ),
    ("init: Error (exit code 64): artifact f failed to load: The specified key", "input"),
    # 3.x does not
    ("Error (exit code 1)", "exit_code"),
    ("failed with exit code 1", "exit_code"),
    ("OOMKilled (exit code 137)", "oom"),
    ("Error (exit code 64): open /var/run/argo/outputs/artifacts/tmp/none.tgz: no such", "output"),
    ("Error (exit code 64): artifact f failed to load: The specified key", "input"),
    # people and policies; two blanks are Argo's
    ("workflow shutdown with strategy:  Stop", "stopped"),
    ("Stopped with strategy 'Stop'", "stopped"),
    ("workflow shutdown with strategy:  Terminate", "terminated"),
    ("Stopped with strategy 'Terminate'", "terminated"),
    ("terminated", "terminated"),
    # deadlines
    ("Step exceeded its deadline", "deadline"),
    ("Pod was active on the node longer than the specified deadline", "deadline"),
    ("Max duration limit exceeded", "deadline"),
    # images
    ('ImagePullBackOff: Back-off pulling image "127.0.0.1:5999/team/missing:v1"', "image"),
    ('Back-off pulling image "ttdocker/whalesay"', "image"),
    ("ErrImagePull: rpc error: code = Unknown desc = failed to pull and unpack image", "image"),
    ("InvalidImageName: Failed to apply default image tag", "image"),
    # the node and what came over it
    ('Usage of EmptyDir volume "s" exceeds the limit "10Mi". ', "evicted"),
    ("The node was low on resource: memory. Container main was using 900Mi.", "evicted"),
    ("Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.", "evicted"),
    ("Preempted in order to admit critical pod", "preempted"),
    ("pod was preempted by a higher-priority pod", "preempted"),
    ("NodeLost: node which was running the pod is unresponsive", "node_lost"),
    ("Pod was terminated in response to imminent node shutdown.", "node_lost"),
    # specs
    ("invalid spec: templates.main.steps[0].a template name 'does-not-exist' undefined", "*spec"),
    ("invalid spec: templates.main: failed to resolve {{inputs.parameters.nope}}", "*spec"),
    ("invalid spec: workflow name must not be more than 63 characters long", "*spec"),
    ('malformed workflow template "default/a": cannot convert int64 to string', "*spec"),
    (
        'error in entry template execution: failed to look-up entrypoint/cmd for image "x:1"',
        "*spec",
    ),
    # what names no cause
    ("", "error"),
    ("pod deleted", "error"),
    ("pod infrastructure failure", "error"),
    ("404 Not Found", "error"),
    ("etcdserver: request is too large", "error"),
    ("Pod Node didn't have enough resource: cpu, requested: 1100, used: 950", "error"),
    ('test1.test "test" is forbidden: exceeded quota', "error"),
    # the scheduler's word, not a preemption
    ("0/2 nodes are available. preemption: 0/2: 2 Preemption is not helpful ...", "error"),
]


@pytest.mark.parametrize(
    ("message", "cause"), MESSAGES, ids=[m[:50] or "none" for m, _ in MESSAGES]
)
def test_message_names_its_cause(message: str, cause: str) -> None:
    assert cause_of_message(message) == cause.replace("*spec", "invalid_spec")


def test_failure_messages_of_the_corpus_are_classified_as_read_by_eye() -> None:
    """By eye: only what names no cause at all is an error."""
    path = require_shared("corpus/messages.tsv")
    unnamed = set()
    for line in path.read_text().splitlines()[1:]:
        where, phase, _, message = line.split("\t")[:4]
        leaf = where in ("node/Pod", "node/HTTP", "workflow")
        if leaf and phase in ("Failed", "Error") and cause_of_message(message) == "error":
            unnamed.add(message.split(":")[0][:30])
    assert unnamed == {
        "404 Not Found",
        "pod infrastructure failure",
        "Pod Node didn't have enough re",
        "Pod failed",
        'test1.test "test" is forbidden',
        "Mock backend could not schedul",
        "Request entity too large",
        "etcdserver",
        # a run's own message: its leaf tells the cause
        "child 'steps-9fkqc-3224593506'",
        "child 'steps-retry-kbttp-34399",
    }


@pytest.mark.parametrize("recording", RECORDINGS)
def test_only_pods_that_were_lost_have_messages_without_a_cause(recording: str) -> None:
    unnamed = set()
    for _, event in events(recording, "workflows"):
        for each in (event["object"].get("status", {}).get("nodes") or {}).values():
            failed = each.get("phase") in ("Failed", "Error")
            message = each.get("message", "")
            if failed and each["type"] == "Pod" and cause_of_message(message) == "error":
                unnamed.add(message)
    lost = "Pod failed before main container starts due to PodInitializing: "
    assert unnamed <= {"pod deleted", lost}


def test_every_cause_is_one_of_the_closed_list() -> None:
    assert {cause_of_message(message) for message, _ in MESSAGES} <= set(CAUSES)


@pytest.mark.parametrize(
    ("message", "pod", "shutdown", "cause"),
    [
        ("Step exceeded its deadline", "evicted", "", "evicted"),
        ("pod deleted", "preempted", "", "preempted"),
        ("main: Error (exit code 137)", "oom", "", "oom"),
        ("pod failed", "deadline", "", "deadline"),
        ("main: OOMKilled (exit code 137)", "evicted", "", "oom"),
        ("wait: Error (exit code 64)", "preempted", "", "output"),
        ("main: Error (exit code 143)", "", "stopped", "stopped"),
        ("main: Error (exit code 143)", "", "replaced", "replaced"),
        ("wait: Error (exit code 143)", "", "terminated", "terminated"),
        ("workflow shutdown with strategy:  Terminate", "", "replaced", "replaced"),
        ("pod deleted", "", "terminated", "terminated"),
        ("main: Error (exit code 3)", "", "stopped", "exit_code"),
        ("main: OOMKilled (exit code 137)", "", "stopped", "oom"),
    ],
)
def test_pod_and_shutdown_decide_where_the_message_is_weak(
    message: str, pod: str, shutdown: str, cause: str
) -> None:
    end = PodEnd(finished=1.0, cause=pod) if pod else None
    assert cause_of_node(Node(message=message), end, shutdown) == cause


def tree(*nodes: dict[str, Any]) -> dict[str, Node]:
    return msgspec.convert({each["id"]: each for each in nodes}, dict[str, Node])


def ids(*names: str) -> list[str]:
    return [node_id(name) for name in names]


def cause_node(*nodes: dict[str, Any]) -> str | None:
    found = root_cause(tree(*nodes), "wf")
    return found.name if found else None


def failed(name: str, end: float = 5, kind: str = "Pod", **more: Any) -> dict[str, Any]:
    return node(name, kind, "Failed", 0, end, **more)


def test_single_pod_is_its_own_cause() -> None:
    assert cause_node(failed("wf")) == "wf"


def test_steps_name_the_child_that_failed_them() -> None:
    message = f"child '{node_id('b')}' failed"
    assert (
        cause_node(
            failed("wf", 30, "Steps", children=ids("[0]"), message=message),
            failed("[0]", 30, "StepGroup", children=ids("a", "b"), message=message),
            failed("a", 3),  # it may fail: continueOn
            failed("b", 9),
        )
        == "b"
    )


def test_nested_steps_in_a_dag_are_followed_down() -> None:
    assert (
        cause_node(
            failed("wf", 40, "DAG", children=ids("ok", "inner")),
            node("ok"),
            failed("inner", 30, "Steps", message=f"child '{node_id('deep')}' failed"),
            failed("deep", 20, "Retry", children=ids("deep(0)", "deep(1)"), message="No more"),
            failed("deep(0)", 5, message="first"),
            node("deep(1)", "Pod", "Failed", 6, 20, message="last"),
        )
        == "deep(1)"
    )


def test_of_a_dag_the_part_that_failed_first_counts_also_behind_a_success() -> None:
    assert (
        cause_node(
            failed("wf", 40, "DAG", children=ids("first")),
            node("first", children=ids("late", "early")),
            failed("late", 30, boundaryID="wf"),
            failed("early", 20, boundaryID="wf"),
        )
        == "early"
    )


def test_failing_exit_handler_is_the_cause_when_the_main_part_succeeded() -> None:
    assert cause_node(node("wf"), failed("wf.onExit")) == "wf.onExit"


def test_failing_exit_handler_is_not_the_cause_when_the_main_part_failed_too() -> None:
    assert cause_node(failed("wf"), failed("wf.onExit", 2)) == "wf"


@pytest.mark.parametrize(
    "nodes",
    [
        [failed("wf", 9, "DAG", children=["wf"])],
        [
            failed("wf", 9, "DAG", children=ids("a")),
            failed("a", 9, "DAG", children=ids("b")),
            failed("b", 9, "DAG", children=ids("a")),
        ],
        [failed("wf", 9, "Steps", message="child 'wf' failed")],
        [failed("wf", 9, "Retry", children=ids("gone"))],
    ],
    ids=["itself", "two", "named itself", "missing child"],
)
def test_loops_and_missing_children_end(nodes: list[dict[str, Any]]) -> None:
    assert cause_node(*nodes) is not None


def test_no_nodes_no_cause() -> None:
    assert cause_node() is None
    assert cause_node(node("wf")) is None
